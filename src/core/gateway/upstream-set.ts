/** The upstream servers of the current snapshot, by name and by id. A reload keeps those whose configuration is the same. */

import { slugsOf, unmarkUri } from '../catalog/uri-mark.ts'
import type { Snapshot, SnapshotSource, ServerSnapshot } from './snapshot.ts'
import type { Upstream } from '../upstream/upstream.ts'

export interface UpstreamSet {
  /** In the order of the configuration. */
  all(): readonly Upstream[]
  byName(name: string): Upstream | undefined
  byId(id: string): Upstream | undefined
  /** What marks this server's URIs on `/mcp` (decision 0003). */
  slugOf(upstream: Upstream): string
  /** The server and its own URI behind a URI of `/mcp`; undefined for one that no server marked. */
  byMarkedUri(marked: string): { readonly upstream: Upstream; readonly uri: string } | undefined
  /** Takes a new snapshot; returns the upstreams that are gone, already closing. */
  apply(snapshot: Snapshot): readonly Upstream[]
  close(): Promise<void>
}

export function createUpstreamSet(source: SnapshotSource, create: (server: ServerSnapshot) => Upstream): UpstreamSet {
  let current: readonly Upstream[] = []
  let slugs: ReadonlyMap<string, string> = new Map()
  const same = (a: ServerSnapshot, b: ServerSnapshot): boolean => JSON.stringify(a) === JSON.stringify(b)
  const apply = (snapshot: Snapshot): readonly Upstream[] => {
    const before = current
    current = snapshot.servers
      .filter((server) => server.enabled)
      .map((server) => before.find((upstream) => same(upstream.config, server)) ?? create(server))
    slugs = slugsOf(current.map(({ name }) => name))
    const gone = before.filter((upstream) => !current.includes(upstream))
    for (const upstream of gone) void upstream.close()
    return gone
  }
  apply(source.current())
  return {
    all: () => current,
    byName: (name) => current.find((upstream) => upstream.name === name),
    byId: (id) => current.find((upstream) => upstream.id === id),
    slugOf: ({ name }) => slugs.get(name) ?? name,
    byMarkedUri(marked) {
      const mark = unmarkUri(marked)
      const upstream = mark === undefined ? undefined : current.find(({ name }) => slugs.get(name) === mark.slug)
      return mark === undefined || upstream === undefined ? undefined : { upstream, uri: mark.uri }
    },
    apply,
    close: async () => void (await Promise.all(current.map((upstream) => upstream.close()))),
  }
}
