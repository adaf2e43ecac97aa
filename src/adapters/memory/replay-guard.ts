/** What was used once in this process. */
import type { ReplayGuard } from '../../core/auth/replay-guard.ts'
import type { Clock } from '../../core/clock.ts'
import { createExpiringMap } from './expiring-map.ts'

export function createReplayGuard(clock: Clock): ReplayGuard {
  const used = createExpiringMap<true>(clock)
  return {
    async firstUse(key, lifetimeMs) {
      if (used.get(key) !== undefined) return false
      used.set(key, true, lifetimeMs)
      return true
    },
  }
}
