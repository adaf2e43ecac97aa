/** What this process found servers to be. */
import type { Clock } from '../../core/clock.ts'
import type { EraStore } from '../../core/upstream/era-store.ts'
import type { UpstreamProfile } from '../../core/upstream/upstream.ts'
import { createExpiringMap } from './expiring-map.ts'

export function createEraStore(clock: Clock): EraStore {
  const profiles = createExpiringMap<UpstreamProfile>(clock)
  return {
    async find(upstreamKey) {
      return profiles.get(upstreamKey)
    },
    async save(upstreamKey, profile, lifetimeMs) {
      profiles.set(upstreamKey, profile, lifetimeMs)
    },
  }
}
