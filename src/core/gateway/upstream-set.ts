/**
 * The upstream servers of the current snapshot, by name and by id. A reload keeps those whose configuration is the same,
 * changes in place what can be, and replaces the others; it closes none, because their calls go on.
 */

import { slugsOf, unmarkUri } from '../catalog/uri-mark.ts'
import type { Snapshot, SnapshotSource, ServerSnapshot } from './snapshot.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** What a new snapshot did to the set. */
export interface UpstreamChange {
  /** No longer in the set: its calls go on until whoever asked for the change closes it. */
  readonly gone: readonly { readonly upstream: Upstream; readonly successor: Upstream | undefined }[]
  readonly added: readonly Upstream[]
  /** Kept, under another name than before. */
  readonly renamed: readonly { readonly upstream: Upstream; readonly formerName: string }[]
  /** Kept, asked with other headers than before: its lists may be others. */
  readonly readdressed: readonly Upstream[]
  /** Kept, but not in the same order. */
  readonly isReordered: boolean
}

export interface UpstreamSet {
  /** In the order of the configuration. */
  all(): readonly Upstream[]
  byName(name: string): Upstream | undefined
  byId(id: string): Upstream | undefined
  /** What marks this server's URIs on `/mcp` (decision 0003). */
  slugOf(upstream: Upstream): string
  /** The server and its own URI behind a URI of `/mcp`; undefined for one that no server marked. */
  byMarkedUri(marked: string): { readonly upstream: Upstream; readonly uri: string } | undefined
  apply(snapshot: Snapshot): UpstreamChange
  close(): Promise<void>
}

interface Members {
  readonly all: readonly Upstream[]
  readonly byId: ReadonlyMap<string, Upstream>
  readonly byName: ReadonlyMap<string, Upstream>
  readonly bySlug: ReadonlyMap<string, Upstream>
  readonly slugById: ReadonlyMap<string, string>
}

export function createUpstreamSet(source: SnapshotSource, create: (server: ServerSnapshot) => Upstream): UpstreamSet {
  let current = membersOf([])
  const apply = (snapshot: Snapshot): UpstreamChange => {
    const before = current
    const namesBefore = new Map(before.all.map((upstream) => [upstream, upstream.name]))
    const readdressed: Upstream[] = []
    const all = snapshot.servers
      .filter((server) => server.enabled)
      .map((server) => {
        const known = before.byId.get(server.id)
        if (known === undefined) return create(server)
        const target = JSON.stringify(known.config.target)
        if (!known.adopt(server)) return create(server)
        if (JSON.stringify(server.target) !== target) readdressed.push(known)
        return known
      })
    current = membersOf(all)
    const kept = all.filter((upstream) => namesBefore.has(upstream))
    const keptBefore = before.all.filter((upstream) => kept.includes(upstream))
    return {
      gone: before.all.filter((upstream) => !kept.includes(upstream)).map((upstream) => ({ upstream, successor: current.byId.get(upstream.id) })),
      added: all.filter((upstream) => !before.byId.has(upstream.id)),
      renamed: kept.flatMap((upstream) => {
        const formerName = namesBefore.get(upstream) ?? ''
        return formerName === upstream.name ? [] : [{ upstream, formerName }]
      }),
      readdressed,
      isReordered: kept.some((upstream, index) => keptBefore[index] !== upstream),
    }
  }
  apply(source.current())
  return {
    all: () => current.all,
    byName: (name) => current.byName.get(name),
    byId: (id) => current.byId.get(id),
    // By id: one that was replaced is still marked as its successor is.
    slugOf: ({ id, name }) => current.slugById.get(id) ?? name,
    byMarkedUri(marked) {
      const mark = unmarkUri(marked)
      const upstream = mark === undefined ? undefined : current.bySlug.get(mark.slug)
      return mark === undefined || upstream === undefined ? undefined : { upstream, uri: mark.uri }
    },
    apply,
    close: async () => void (await Promise.all(current.all.map((upstream) => upstream.close()))),
  }
}

function membersOf(all: readonly Upstream[]): Members {
  const slugs = slugsOf(all.map(({ name }) => name))
  const slug = ({ name }: Upstream): string => slugs.get(name) ?? name
  return {
    all,
    byId: new Map(all.map((upstream) => [upstream.id, upstream])),
    byName: new Map(all.map((upstream) => [upstream.name, upstream])),
    bySlug: new Map(all.map((upstream) => [slug(upstream), upstream])),
    slugById: new Map(all.map((upstream) => [upstream.id, slug(upstream)])),
  }
}
