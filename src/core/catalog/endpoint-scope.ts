/** What an endpoint shows: all servers as one (`/mcp`), one server, or what a virtual server picks of some. */

import type { GatewayContext } from '../gateway/context.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { ListKind } from './list-kind.ts'
import { shownKinds, virtualServersOf } from './virtual-server.ts'
import type { VirtualServer } from './virtual-server.ts'

/** The virtual server at an endpoint; undefined at `/mcp`, at a server's own, and where nothing is. */
export function virtualAt({ deps }: GatewayContext, endpoint: string): VirtualServer | undefined {
  return endpoint === '' ? undefined : virtualServersOf(deps.snapshots.current()).get(endpoint)
}

/** Several servers as one: names may be joined, URIs are marked, and one that is down is left out. */
export function isMerged(context: GatewayContext, endpoint: string): boolean {
  return endpoint === '' || virtualAt(context, endpoint)?.isMerged === true
}

/** The server whose endpoint it is, or the only one there is; undefined where there is a choice, and at a virtual server. */
export function aloneAt({ upstreams }: GatewayContext, endpoint: string): Upstream | undefined {
  if (endpoint !== '') return upstreams.byName(endpoint)
  const all = upstreams.all()
  return all.length === 1 ? all[0] : undefined
}

/** The servers behind it that are there, in the order of its lists. */
export function upstreamsAt(context: GatewayContext, endpoint: string): readonly Upstream[] {
  if (endpoint === '') return context.upstreams.all()
  const upstream = context.upstreams.byName(endpoint)
  return upstream === undefined ? upstreamsOf(context, virtualAt(context, endpoint)) : [upstream]
}

export function upstreamsOf(context: GatewayContext, virtual: VirtualServer | undefined): readonly Upstream[] {
  return virtual?.servers.flatMap((name) => context.upstreams.byName(name) ?? []) ?? []
}

/** Those of a server's lists that a client of the endpoint can have seen. */
export function kindsSeen(context: GatewayContext, endpoint: string, upstream: Upstream, kinds: readonly ListKind[]): readonly ListKind[] {
  if (endpoint === '' || endpoint === upstream.name) return kinds
  const virtual = virtualAt(context, endpoint)
  return virtual === undefined ? [] : shownKinds(virtual, upstream.name, kinds)
}

/** Whether a client that once asked for news of this URI may still have them. */
export function isUriHeard(context: GatewayContext, endpoint: string, upstream: Upstream, uri: string): boolean {
  return virtualAt(context, endpoint)?.hearsUri(upstream.name, uri) ?? true
}

/** The server's mark on URIs here; undefined where they stay as they are. */
export function slugAt(context: GatewayContext, endpoint: string, upstream: Upstream): string | undefined {
  return isMerged(context, endpoint) ? context.upstreams.slugOf(upstream) : undefined
}

/** What handles made here are bound to besides their owner: a virtual server must not be entered through another endpoint's. */
export function handleScope(context: GatewayContext, endpoint: string): string {
  return virtualAt(context, endpoint)?.name ?? ''
}

/** Calls `run` when a reload has made the endpoint's virtual server another, or none. Returns a function that stops it. */
export function onVirtualChange(context: GatewayContext, endpoint: string, run: () => void): () => void {
  const written = (): string => JSON.stringify(virtualAt(context, endpoint)?.config ?? null)
  let before = written()
  if (before === 'null') return () => {}
  return context.deps.snapshots.subscribe(() => {
    const now = written()
    if (now === before) return
    before = now
    run()
  })
}
