/**
 * Which URIs can be reached at a virtual server (decision 0008). What is neither listed and picked nor fits a picked
 * template, nor is the page of a picked tool, is out of reach, unless nothing of its server was left out. Policy is asked elsewhere, as for any other.
 */

import type { Party } from '../bridge/party.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { partOf } from './part.ts'
import type { Part } from './part.ts'
import { fitsTemplate } from './uri-template.ts'
import type { VirtualServer } from './virtual-server.ts'

/** A server and its own URI. */
export interface Reached {
  readonly upstream: Upstream
  readonly uri: string
}

/** Undefined for what is out of reach. Rejects with `upstream_unavailable` where that cannot be known. */
export async function reachResource(context: GatewayContext, party: Party, virtual: VirtualServer, asked: string): Promise<Reached | undefined> {
  const named = ownerOf(context, virtual, asked)
  if (named === undefined) return undefined
  const { upstream, uri } = named
  if (virtual.excludesUri(upstream.name, uri)) return undefined
  if (virtual.isOpen(upstream.name)) return named
  if (virtual.shows(upstream.name, 'tools') && isApp(virtual, await partOf(context, party, upstream, 'tools'), uri)) return named
  const listed = await partOf(context, party, upstream, 'resources')
  if (listed.list.byKey.has(uri)) return virtual.picks(upstream.name, 'resources', uri) ? named : undefined
  if (!virtual.shows(upstream.name, 'templates')) return undefined
  const templates = await partOf(context, party, upstream, 'templates')
  const fits = templates.list.items.some(({ key }) => virtual.picks(upstream.name, 'templates', key) && fitsTemplate(key, uri))
  return fits && !isOtherName(virtual, listed, uri) ? named : undefined
}

/** The page of a tool that is shown belongs to it, listed or not (SEP-1865, Resource Discovery). */
function isApp(virtual: VirtualServer, { source: { upstream }, list }: Part, uri: string): boolean {
  return list.items.some(({ key, app }) => app?.uri === uri && virtual.picks(upstream.name, 'tools', key))
}

/** What a template lets through must not be what is left out, written otherwise: escaped, or with a query that nobody reads. */
function isOtherName(virtual: VirtualServer, { source: { upstream }, list }: Part, uri: string): boolean {
  const names = spellings(uri)
  if (names.some((name) => virtual.excludesUri(upstream.name, name))) return true
  const left = list.items.filter(({ key }) => !virtual.picks(upstream.name, 'resources', key))
  return left.some(({ key }) => spellings(key).some((name) => names.includes(name)))
}

function spellings(uri: string): readonly string[] {
  const decoded = decodedUri(uri)
  return [uri, decoded, uri.replace(/[?#].*$/s, ''), decoded.replace(/[?#].*$/s, '')]
}

function decodedUri(uri: string): string {
  try {
    return decodeURIComponent(uri)
  } catch {
    return uri
  }
}

/** The template that is called so here; undefined for one that is not shown. */
export async function reachTemplate(context: GatewayContext, party: Party, virtual: VirtualServer, asked: string): Promise<Reached | undefined> {
  const named = ownerOf(context, virtual, asked)
  if (named === undefined || !virtual.shows(named.upstream.name, 'templates')) return undefined
  const { list } = await partOf(context, party, named.upstream, 'templates')
  return list.byKey.has(named.uri) && virtual.picks(named.upstream.name, 'templates', named.uri) ? named : undefined
}

function ownerOf({ upstreams }: GatewayContext, { isMerged, servers }: VirtualServer, asked: string): Reached | undefined {
  if (isMerged) {
    const found = upstreams.byMarkedUri(asked)
    return found !== undefined && servers.includes(found.upstream.name) ? found : undefined
  }
  const upstream = upstreams.byName(servers[0] ?? '')
  if (upstream === undefined) throw new PortolanError('upstream_unavailable')
  return { upstream, uri: asked }
}
