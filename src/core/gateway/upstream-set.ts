/** The upstream servers of the current snapshot, by name and by id. A reload keeps those whose configuration is the same. */

import type { Snapshot, SnapshotSource, ServerSnapshot } from './snapshot.ts'
import type { Upstream } from '../upstream/upstream.ts'

export interface UpstreamSet {
  /** In the order of the configuration. */
  all(): readonly Upstream[]
  byName(name: string): Upstream | undefined
  byId(id: string): Upstream | undefined
  /** Takes a new snapshot; returns the upstreams that are gone, already closing. */
  apply(snapshot: Snapshot): readonly Upstream[]
  close(): Promise<void>
}

export function createUpstreamSet(source: SnapshotSource, create: (server: ServerSnapshot) => Upstream): UpstreamSet {
  let current: readonly Upstream[] = []
  const same = (a: ServerSnapshot, b: ServerSnapshot): boolean => JSON.stringify(a) === JSON.stringify(b)
  const apply = (snapshot: Snapshot): readonly Upstream[] => {
    const before = current
    current = snapshot.servers
      .filter((server) => server.enabled)
      .map((server) => before.find((upstream) => same(upstream.config, server)) ?? create(server))
    const gone = before.filter((upstream) => !current.includes(upstream))
    for (const upstream of gone) void upstream.close()
    return gone
  }
  apply(source.current())
  return {
    all: () => current,
    byName: (name) => current.find((upstream) => upstream.name === name),
    byId: (id) => current.find((upstream) => upstream.id === id),
    apply,
    close: async () => void (await Promise.all(current.map((upstream) => upstream.close()))),
  }
}
