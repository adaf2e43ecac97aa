/** Virtual servers as questions (decision 0008): what of which server is shown, and what is said of it instead. Pure. */

import type { ItemOverride, Snapshot, VirtualServerSnapshot, VirtualUse } from '../gateway/snapshot.ts'
import { LISTS } from './list-kind.ts'
import type { ListKind } from './list-kind.ts'
import { excludes, picks } from './selection.ts'

export interface VirtualServer {
  readonly name: string
  readonly config: VirtualServerSnapshot
  /** Of several servers, whether they are up or not: URIs are marked, and a server that is down is left out. */
  readonly isMerged: boolean
  /** Names of the servers it uses, in the order of its lists. */
  readonly servers: readonly string[]
  /** Whether anything of this kind can be seen of the server. */
  shows(server: string, kind: ListKind): boolean
  picks(server: string, kind: ListKind, key: string): boolean
  /** Whether this URI of the server is out of reach whatever it lists. */
  excludesUri(server: string, uri: string): boolean
  /** Whether what was subscribed to once, when it could be read, is still nothing that is left out. */
  hearsUri(server: string, uri: string): boolean
  /** Nothing of the server's resources and templates is left out, so that no URI can be. */
  isOpen(server: string): boolean
  /** What is said under the item's name, and what under the server's and its name, which wins. */
  overrideOf(server: string, kind: ListKind, key: string): ItemOverride | undefined
}

const ALL_KINDS = Object.keys(LISTS) as readonly ListKind[]

const compiled = new WeakMap<Snapshot, ReadonlyMap<string, VirtualServer>>()

/** By name, in the order of the configuration. A name that a server has is that server's. */
export function virtualServersOf(snapshot: Snapshot): ReadonlyMap<string, VirtualServer> {
  const known = compiled.get(snapshot)
  if (known !== undefined) return known
  const taken = new Set(snapshot.servers.filter(({ enabled }) => enabled).map(({ name }) => name))
  const free = snapshot.virtualServers.filter(({ name }) => name !== '' && !taken.has(name))
  const servers = new Map(free.map((config) => [config.name, createVirtualServer(config)]))
  compiled.set(snapshot, servers)
  return servers
}

export function createVirtualServer(config: VirtualServerSnapshot): VirtualServer {
  const uses = new Map<string, VirtualUse>()
  for (const use of config.use) if (!uses.has(use.server)) uses.set(use.server, use)
  const hidesResources = Object.values(config.overrides.resources).some(({ hide }) => hide === true)
  const overrideOf: VirtualServer['overrideOf'] = (server, kind, key) => {
    if (kind === 'skills') return undefined
    const overrides = config.overrides[kind === 'templates' ? 'resources' : kind]
    return merged(own(overrides, key), own(overrides, `${server}/${key}`))
  }
  const excludesUri: VirtualServer['excludesUri'] = (server, uri) =>
    excludes(uses.get(server)?.resources, uri) || overrideOf(server, 'resources', uri)?.hide === true
  const isOpen: VirtualServer['isOpen'] = (server) => {
    const use = uses.get(server)
    return use !== undefined && use.resources === undefined && use.templates === undefined && !hidesResources
  }
  return {
    name: config.name,
    config,
    isMerged: uses.size > 1,
    servers: [...uses.keys()],
    shows(server, kind) {
      if (kind === 'skills') return isOpen(server)
      const use = uses.get(server)
      return use !== undefined && use[kind]?.length !== 0
    },
    picks(server, kind, key) {
      // What is left out of a server's resources could be a file of any of its skills.
      if (kind === 'skills') return isOpen(server)
      const use = uses.get(server)
      return use !== undefined && picks(use[kind], key) && overrideOf(server, kind, key)?.hide !== true
    },
    excludesUri,
    hearsUri(server, uri) {
      const use = uses.get(server)
      return use !== undefined && !excludesUri(server, uri) && (picks(use.resources, uri) || use.templates?.length !== 0)
    },
    isOpen,
    overrideOf,
  }
}

/** The kinds of which anything can be seen, of any server. */
export function shownKinds(virtual: VirtualServer, server: string, kinds: readonly ListKind[] = ALL_KINDS): readonly ListKind[] {
  return kinds.filter((kind) => virtual.shows(server, kind))
}

function own(overrides: Readonly<Record<string, ItemOverride>>, key: string): ItemOverride | undefined {
  return Object.hasOwn(overrides, key) ? overrides[key] : undefined
}

function merged(general: ItemOverride | undefined, special: ItemOverride | undefined): ItemOverride | undefined {
  if (general === undefined || special === undefined) return special ?? general
  const given = Object.fromEntries(Object.entries(special).filter(([, value]) => value !== undefined))
  return {
    ...general,
    ...given,
    ...bothOf('annotations', general, special),
    ...bothOf('arguments', general, special),
  }
}

function bothOf(member: 'annotations' | 'arguments', general: ItemOverride, special: ItemOverride): ItemOverride {
  const [before, after] = [general[member], special[member]]
  return before === undefined || after === undefined ? {} : { [member]: { ...before, ...after } }
}
