/**
 * The lists of upstream servers, kept once per (upstream, era, capability and extension class, owner of the session that they came
 * from, where it is not everybody's) and shared by all who would see the same.
 */

import { declaring } from '../bridge/extension-class.ts'
import type { Source } from '../bridge/party.ts'
import type { Asker } from '../upstream/request.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { fetchList } from './catalog-list.ts'
import type { CatalogList } from './catalog-list.ts'
import type { ListKind } from './list-kind.ts'

export interface Catalog {
  /** The list, at once where it is fresh; rejects with PortolanError where the upstream does not answer. */
  list(source: Source, kind: ListKind): CatalogList | Promise<CatalogList>
  /** Whatever is known, fresh or not. */
  known(source: Source, kind: ListKind): CatalogList | undefined
  /** The list of this server that was fetched last, for whomever. For the status: what one client is shown may differ. */
  newest(upstream: Upstream, kind: ListKind): CatalogList | undefined
  /** The upstream said that these lists changed. */
  invalidate(upstream: Upstream, kinds: readonly ListKind[]): void
  forget(upstream: Upstream): void
}

/** Legacy servers give no time to live: a change they do not announce is seen after this long. */
const UNTIMED_FRESH_MS = 5_000

/** Lists kept of one upstream; the oldest give way. */
const MAX_KEPT = 1_000

interface Kept {
  list: CatalogList | undefined
  fetching: Promise<CatalogList> | undefined
  stale: boolean
}

export function createCatalog(asker: Asker): Catalog {
  const kept = new Map<Upstream, Map<string, Kept>>()
  let version = 0

  const entryOf = (source: Source, kind: ListKind): Kept => {
    const ofUpstream = kept.get(source.upstream) ?? new Map<string, Kept>()
    kept.set(source.upstream, ofUpstream)
    const key = `${source.classKey}|${kind}`
    const known = ofUpstream.get(key)
    if (known !== undefined) return known
    const entry: Kept = { list: undefined, fetching: undefined, stale: false }
    ofUpstream.set(key, entry)
    if (ofUpstream.size > MAX_KEPT) ofUpstream.delete(ofUpstream.keys().next().value ?? '')
    return entry
  }
  const isFresh = ({ list, stale }: Kept): boolean => {
    if (list === undefined || stale) return false
    const freshMs = list.ttlMs === 0 ? UNTIMED_FRESH_MS : list.ttlMs
    return asker.clock.ticksMs() < list.fetchedTicks + freshMs
  }
  const fetch = async (source: Source, kind: ListKind, entry: Kept): Promise<CatalogList> => {
    // Cleared before asking: a change announced while the answer is on its way makes that answer stale.
    entry.stale = false
    const channel = await source.channel()
    version += 1
    const list = await fetchList(channel, kind, { clock: asker.clock, self: asker.self, capabilities: declaring(source.extensions) }, { version, ticks: asker.clock.ticksMs() })
    entry.list = list
    return list
  }

  return {
    list(source, kind) {
      const entry = entryOf(source, kind)
      if (entry.list !== undefined && isFresh(entry)) return entry.list
      if (entry.fetching === undefined) {
        const fetching = fetch(source, kind, entry)
        const done = (): void => {
          if (entry.fetching === fetching) entry.fetching = undefined
        }
        entry.fetching = fetching
        fetching.then(done, done)
      }
      return entry.fetching
    },
    known: (source, kind) => kept.get(source.upstream)?.get(`${source.classKey}|${kind}`)?.list,
    newest(upstream, kind) {
      let found: CatalogList | undefined
      for (const [key, { list }] of kept.get(upstream) ?? []) {
        if (key.endsWith(`|${kind}`) && list !== undefined && list.version > (found?.version ?? 0)) found = list
      }
      return found
    },
    invalidate(upstream, kinds) {
      for (const [key, entry] of kept.get(upstream) ?? []) {
        if (!kinds.some((kind) => key.endsWith(`|${kind}`))) continue
        entry.stale = true
        entry.fetching = undefined
      }
    },
    forget: (upstream) => void kept.delete(upstream),
  }
}
