/**
 * Port: what servers were found to be, so that a restart or another replica need not probe them before the first call. Every
 * method rejects with `state_unavailable` where the store cannot be reached.
 */

import type { UpstreamProfile } from './upstream.ts'

export interface EraStore {
  /** `upstreamKey` is a digest of how the server is reached: of another target nothing is known. Undefined after its lifetime. */
  find(upstreamKey: string): Promise<UpstreamProfile | undefined>
  /** Inserts or replaces. */
  save(upstreamKey: string, profile: UpstreamProfile, lifetimeMs: number): Promise<void>
}
