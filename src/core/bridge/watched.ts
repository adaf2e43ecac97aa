/** What is watched at one upstream in one era: by whom here, for which other replicas, and how it stands. */

import type { Message } from '../../protocol/message.ts'
import type { Era } from '../../protocol/revision.ts'
import type { Upstream, UpstreamProfile } from '../upstream/upstream.ts'
import { NOTHING } from './others-interest.ts'
import type { OthersInterest } from './others-interest.ts'
import type { UpstreamWatch } from './watches.ts'

export interface Watched {
  /** Undefined once it was removed. */
  upstream: Upstream | undefined
  readonly uris: Map<string, Set<(message: Message) => void>>
  link: Promise<UpstreamWatch> | undefined
  /** When the last link was opened. */
  openedTicks: number
  wantsLists: boolean
  /** What is listened to at other replicas. */
  others: OthersInterest
  /** It is wanted, and nobody is listening: what happens meanwhile is not known. */
  isBroken: boolean
  /** In a row. */
  failures: number
  stopRetry: (() => void) | undefined
}

export function newWatched(upstream: Upstream): Watched {
  return { upstream, uris: new Map(), link: undefined, openedTicks: 0, wantsLists: false, others: NOTHING, isBroken: false, failures: 0, stopRetry: undefined }
}

export function watchedUris(state: Watched | undefined): ReadonlySet<string> {
  return state === undefined ? NOTHING.uris : new Set([...state.uris.keys(), ...state.others.uris])
}

/** A successor may speak the other era only. */
export function spokenBy(profile: UpstreamProfile, era: Era): Era {
  return profile[era] !== undefined ? era : era === 'legacy' ? 'modern' : 'legacy'
}

export function isListsOnly({ wantsLists, uris, others }: Watched): boolean {
  return wantsLists && uris.size === 0 && !others.lists && others.uris.size === 0
}

export function isWanted({ wantsLists, uris, others }: Watched): boolean {
  return wantsLists || uris.size > 0 || others.lists || others.uris.size > 0
}
