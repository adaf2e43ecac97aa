/**
 * What clients of each replica listen to, known at every replica: a call that is served by one replica's child may change what is
 * listened to at another one, and that child tells only who has asked it. Each replica tells all that it listens to, as a whole.
 */

import { isJsonObject } from '../../protocol/json-value.ts'
import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Era } from '../../protocol/revision.ts'
import { followPeers } from './follow-peers.ts'
import type { FollowPeersDeps } from './follow-peers.ts'

/** What of one server, in one era. */
export interface Interest {
  readonly upstreamId: string
  readonly era: Era
  readonly lists: boolean
  readonly uris: readonly string[]
}

export interface Interests {
  /** What is listened to here has changed. */
  changed(): void
  close(): void
}

export interface InterestsDeps extends FollowPeersDeps {
  readonly own: () => readonly Interest[]
  /** What the others together listen to, after each change. */
  readonly onOthers: (interests: readonly Interest[]) => void
}

const TOPIC = 'interests'
/** Resources that one replica tells of; those beyond are heard of their own replica's children only. */
const MAX_URIS = 10_000
const GATHER_MS = 20
/** All is told anew each time: the more it is, the longer changes are gathered. */
const GATHER_MS_PER_URI = 0.02

export function startInterests(deps: InterestsDeps): Interests {
  const { peers, own, onOthers } = deps
  let version = 1
  /** Of each replica, what it told last. */
  const told = new Map<string, { readonly version: number; readonly interests: readonly Interest[] }>()

  const take = async (replicaId: string): Promise<void> => {
    const seen = told.get(replicaId)?.version
    const answer = await peers.send(replicaId, TOPIC, asciiJson({ seen }))
    for await (const text of answer.messages) {
      const read = readTold(text)
      if (read === undefined) return answer.cancel()
      if (read.version === seen) continue
      told.set(replicaId, read)
      merge()
    }
  }
  const merge = (): void => onOthers([...told.values()].flatMap(({ interests }) => interests))
  const following = followPeers(deps, {
    topic: TOPIC,
    take,
    onLive(ids) {
      const gone = [...told.keys()].filter((id) => !ids.has(id))
      for (const id of gone) told.delete(id)
      if (gone.length > 0) merge()
    },
    newest: () => version,
  })
  const stopServing = peers.serve(TOPIC, async function* (text) {
    yield asciiJson(seenOf(text) === version ? { version } : { version, interests: bounded(own()) })
  })

  return {
    changed() {
      version += 1
      const count = own().reduce((sum, { uris }) => sum + uris.length, 0)
      following.tell(GATHER_MS + Math.min(count, MAX_URIS) * GATHER_MS_PER_URI)
    },
    close() {
      following.close()
      stopServing()
    },
  }
}

function bounded(interests: readonly Interest[]): readonly Interest[] {
  let left = MAX_URIS
  return interests.map((interest) => {
    const uris = interest.uris.slice(0, left)
    left -= uris.length
    return { ...interest, uris }
  })
}

function seenOf(text: WireText): unknown {
  const value: unknown = JSON.parse(text)
  return isJsonObject(value) ? value['seen'] : undefined
}

function readTold(text: WireText): { readonly version: number; readonly interests: readonly Interest[] } | undefined {
  const value: unknown = JSON.parse(text)
  if (!isJsonObject(value) || typeof value['version'] !== 'number') return undefined
  const interests = Array.isArray(value['interests']) ? value['interests'] : []
  return { version: value['version'], interests: interests.flatMap((one: unknown) => readInterest(one) ?? []) }
}

function readInterest(value: unknown): Interest | undefined {
  if (!isJsonObject(value)) return undefined
  const { upstreamId, era, lists, uris } = value
  if (typeof upstreamId !== 'string' || (era !== 'legacy' && era !== 'modern') || !Array.isArray(uris)) return undefined
  return { upstreamId, era, lists: lists === true, uris: uris.filter((uri) => typeof uri === 'string') }
}
