/** What was used once in this process. */
import type { ReplayGuard } from '../../core/auth/replay-guard.ts'
import type { Clock } from '../../core/clock.ts'

/** How many of the oldest keys each use looks at, so that dead ones leave without a timer. */
const SWEEP_COUNT = 4

export function createReplayGuard(clock: Clock): ReplayGuard {
  /** Key -> when it may be used again, in ticks; in the order of first use. */
  const freeAt = new Map<string, number>()

  function sweep(nowTicksMs: number): void {
    let looked = 0
    for (const [key, atMs] of freeAt) {
      if (looked++ === SWEEP_COUNT || atMs > nowTicksMs) return
      freeAt.delete(key)
    }
  }

  return {
    async firstUse(key, lifetimeMs) {
      const nowTicksMs = clock.ticksMs()
      const used = freeAt.get(key)
      if (used !== undefined && used > nowTicksMs) return false
      freeAt.delete(key)
      freeAt.set(key, nowTicksMs + lifetimeMs)
      sweep(nowTicksMs)
      return true
    },
  }
}
