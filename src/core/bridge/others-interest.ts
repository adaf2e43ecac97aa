/** What clients of other replicas listen to, by server: the children here are asked for it, and what they say goes to those replicas. */

import { asciiJson } from '../../protocol/json.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import type { Era } from '../../protocol/revision.ts'
import type { Interest } from '../replica/interests.ts'
import type { Upstream } from '../upstream/upstream.ts'

export interface OthersInterest {
  readonly lists: boolean
  readonly uris: ReadonlySet<string>
}

export const NOTHING: OthersInterest = { lists: false, uris: new Set() }

/** A server over HTTP tells each replica that listens by itself, and so does the one child of all replicas. */
function hasOwnChildren({ config, placement }: Upstream): boolean {
  return config.target.transport === 'stdio' && placement === undefined
}

export function ownInterests(era: Era, watched: Iterable<readonly [Upstream, { readonly wantsLists: boolean; readonly uris: ReadonlyMap<string, unknown> }]>): readonly Interest[] {
  return Array.from(watched).flatMap(([upstream, { wantsLists, uris }]) =>
    hasOwnChildren(upstream) && (wantsLists || uris.size > 0) ? [{ upstreamId: upstream.id, era, lists: wantsLists, uris: [...uris.keys()] }] : [],
  )
}

export type InterestByServer = Readonly<Record<Era, ReadonlyMap<Upstream, OthersInterest>>>

export function interestByServer(find: (upstreamId: string) => Upstream | undefined, interests: readonly Interest[]): InterestByServer {
  const wanted: Record<Era, Map<Upstream, { lists: boolean; readonly uris: Set<string> }>> = { legacy: new Map(), modern: new Map() }
  for (const { upstreamId, era, lists, uris } of interests) {
    const upstream = find(upstreamId)
    if (upstream === undefined || !hasOwnChildren(upstream)) continue
    const all = wanted[era].get(upstream) ?? { lists: false, uris: new Set() }
    wanted[era].set(upstream, all)
    all.lists ||= lists
    for (const uri of uris) all.uris.add(uri)
  }
  return wanted
}

export function isSameInterest(one: OthersInterest, other: OthersInterest): boolean {
  return one.lists === other.lists && one.uris.size === other.uris.size && [...one.uris].every((uri) => other.uris.has(uri))
}

/** What to tell who listens to this of a child that nobody heard for a while: all of it may have changed. */
export function missedNews({ lists, uris }: OthersInterest): readonly Message[] {
  return [...(lists ? LIST_NEWS : []), ...[...uris].flatMap((uri) => updateOf(uri) ?? [])]
}

export function updateOf(uri: string): Message | undefined {
  return notification('resources/updated', `{"uri":${asciiJson(uri)}}`)
}

function notification(name: string, params: string): Message | undefined {
  const scan = parseMessage(`{"jsonrpc":"2.0","method":"notifications/${name}","params":${params}}`)
  return scan.ok ? scan.value : undefined
}

const LIST_NEWS = ['tools', 'prompts', 'resources'].flatMap((noun) => notification(`${noun}/list_changed`, '{}') ?? [])
