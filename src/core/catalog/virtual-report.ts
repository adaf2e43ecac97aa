/** What `portolan status` tells of virtual servers: known from the lists that clients asked for, nothing is fetched for it. */

import type { Snapshot } from '../gateway/snapshot.ts'
import type { ListKind } from './list-kind.ts'
import { virtualServersOf } from './virtual-server.ts'
import type { VirtualServer } from './virtual-server.ts'

export interface VirtualServerStatus {
  readonly name: string
  /** Names of the servers it uses. */
  readonly servers: readonly string[]
  /** Items shown; null for a list that nobody has asked for since the configuration was loaded. */
  readonly counts: Readonly<Record<ListKind, number | null>>
  /** What its settings say in vain, and names that had to be changed; for people. */
  readonly notices: readonly string[]
}

export interface ListNote {
  readonly count: number
  readonly notices: readonly string[]
}

/** Servers can have thousands of names that collide. */
const MAX_NOTICES = 50

const notes = new WeakMap<VirtualServer, Map<ListKind, ListNote>>()

/** Remembers the newest list of a kind, whoever asked for it. */
export function noteList(virtual: VirtualServer, kind: ListKind, { count, notices }: ListNote): void {
  const ofVirtual = notes.get(virtual) ?? new Map<ListKind, ListNote>()
  notes.set(virtual, ofVirtual.set(kind, { count, notices: notices.slice(0, MAX_NOTICES) }))
}

/** Adds to what was remembered of that list. */
export function addNotices(virtual: VirtualServer, kind: ListKind, notices: readonly string[]): void {
  const known = notes.get(virtual)?.get(kind)
  if (known !== undefined && notices.length > 0) noteList(virtual, kind, { count: known.count - notices.length, notices: [...notices, ...known.notices] })
}

/** In the order of the configuration. */
export function virtualStatus(snapshot: Snapshot): readonly VirtualServerStatus[] {
  return [...virtualServersOf(snapshot).values()].map((virtual) => {
    const known = notes.get(virtual)
    const count = (kind: ListKind): number | null => known?.get(kind)?.count ?? null
    const enabled = new Set(snapshot.servers.filter((server) => server.enabled).map(({ name }) => name))
    const absent = virtual.servers.filter((name) => !enabled.has(name)).map((name) => `${name} is not enabled`)
    return {
      name: virtual.name,
      servers: virtual.servers,
      counts: { tools: count('tools'), prompts: count('prompts'), resources: count('resources'), templates: count('templates'), skills: count('skills') },
      notices: [...absent, ...[...(known?.values() ?? [])].flatMap(({ notices }) => notices)],
    }
  })
}
