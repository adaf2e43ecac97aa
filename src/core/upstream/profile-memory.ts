/**
 * What a server was found to be before, perhaps by another replica: good until it says itself what it is. A start need not wait
 * for a server that is slow to answer; one that has changed meanwhile is found out by its own answer, a moment later.
 */

import type { EraStore } from './era-store.ts'
import type { UpstreamProfile } from './upstream.ts'

export interface ProfileMemory {
  /** Never rejects; undefined where nothing is remembered, or the store is away. */
  recall(): Promise<UpstreamProfile | undefined>
  keep(profile: UpstreamProfile): void
}

/** A server that nobody asked for so long is asked first. */
const LIFETIME_MS = 7 * 24 * 60 * 60_000

/** `upstreamKey`: a digest of how the server is reached. */
export function createProfileMemory(store: EraStore, upstreamKey: string): ProfileMemory {
  let kept = ''
  return {
    recall: () => store.find(upstreamKey).catch(() => undefined),
    keep(profile) {
      const text = JSON.stringify(profile)
      if (text === kept) return
      kept = text
      store.save(upstreamKey, profile, LIFETIME_MS).catch(() => (kept = ''))
    },
  }
}
