/**
 * One server's share of a list. On `/mcp` a slow server is waited for a little, once; then what it last said stands, or it
 * is left out, until it has answered: one server never holds up the others (guarantee 6).
 */

import { PortolanError } from '../../protocol/error.ts'
import type { ErrorCode } from '../../protocol/error.ts'
import { sourceOf } from '../bridge/party.ts'
import { settingsOf } from '../bridge/server-extension.ts'
import type { Party, Source } from '../bridge/party.ts'
import type { GatewayContext } from '../gateway/context.ts'
import { inTime } from '../upstream/patience.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { CatalogList } from './catalog-list.ts'
import { LISTS } from './list-kind.ts'
import type { ListKind } from './list-kind.ts'

export interface Part {
  readonly source: Source
  readonly list: CatalogList
}

/** At once where the list is fresh; rejects with PortolanError where the server does not answer and never did. */
export function partOf(context: GatewayContext, party: Party, upstream: Upstream, kind: ListKind): Part | Promise<Part> {
  const source = sourceOf(context, party, upstream)
  if (source instanceof Promise) return source.then((ready) => partOfSource(context, ready, kind))
  return partOfSource(context, source, kind)
}

function partOfSource(context: GatewayContext, source: Source, kind: ListKind): Part | Promise<Part> {
  const { extension } = LISTS[kind]
  // Clients ask only after they saw it declared (SEP-2640), and so does Portolan.
  if (extension !== undefined && settingsOf(source.upstream.knownProfile()?.[source.era], extension) === undefined) return { source, list: NO_LIST }
  const before = context.catalog.known(source, kind)
  // One that answers no calls is not asked for its lists either.
  if (before !== undefined && source.upstream.breaker.refusedForMs() > 0) return { source, list: before }
  const list = context.catalog.list(source, kind)
  if (!(list instanceof Promise)) return { source, list }
  return list.then(
    (ready) => ({ source, list: ready }),
    (error: unknown) => {
      const last = context.catalog.known(source, kind)
      if (last === undefined || !(error instanceof PortolanError) || !DOWN.has(error.code)) throw error
      return { source, list: last }
    },
  )
}

/** Of a server that has no such list. */
const NO_LIST: CatalogList = { items: [], byKey: new Map(), version: 0, ttlMs: Number.MAX_SAFE_INTEGER, cacheScope: 'public', fetchedTicks: 0, faults: [] }

/** What a server that is down said last stands: its tools do not vanish from clients for a restart. Calls tell the truth. */
const DOWN: ReadonlySet<ErrorCode> = new Set(['upstream_unavailable', 'upstream_timeout', 'overloaded'])

/** At once or soon; undefined where the server is left out. Never rejects. */
export function partInTime(context: GatewayContext, party: Party, upstream: Upstream, kind: ListKind): Part | undefined | Promise<Part | undefined> {
  const asking = partOf(context, party, upstream, kind)
  if (!(asking instanceof Promise)) return asking
  let refused = false
  asking.catch(() => (refused = true))
  return inTime(upstream, context.deps.clock, asking).then((part) => {
    if (part !== undefined || refused) return part
    const before = lastSaid(context, party, upstream, kind)
    if (before === undefined) asking.then(() => tell(context, party, upstream, kind), () => undefined)
    return before
  })
}

function lastSaid(context: GatewayContext, party: Party, upstream: Upstream, kind: ListKind): Part | undefined {
  const source = sourceOf(context, party, upstream)
  if (source instanceof Promise) return void source.catch(() => undefined)
  const list = context.catalog.known(source, kind)
  return list === undefined ? undefined : { source, list }
}

/** A server that was left out of this client's list has answered: the list has changed. */
function tell(context: GatewayContext, { session }: Party, upstream: Upstream, kind: ListKind): void {
  if (session?.own.has(upstream.id) !== true) context.watches.changed(upstream)
  else if (!session.ended) context.deliver(session, `{"jsonrpc":"2.0","method":"${LISTS[kind].changed}"}`)
}
