/**
 * What one kind of client sees of one list at one endpoint: filtered by policy, in the order of the configuration and
 * then the upstream's own, renamed on `/mcp`, ready to be sent (bridge-rulings §4, Lists).
 */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import { scanJson } from '../../protocol/json-scan.ts'
import type { JsonPlan, WireText } from '../../protocol/json.ts'
import { splice } from '../../protocol/splice.ts'
import type { Change } from '../../protocol/splice.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { Party } from '../bridge/party.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { PolicyAction } from '../policy/policy.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { CatalogItem } from './catalog-list.ts'
import { LISTS } from './list-kind.ts'
import type { ListKind } from './list-kind.ts'
import { exposeNames } from './naming.ts'
import type { NameReport } from './naming.ts'
import { partInTime, partOf } from './part.ts'
import type { Part } from './part.ts'
import { markUri } from './uri-mark.ts'

export interface ViewEntry {
  readonly upstream: Upstream
  readonly item: CatalogItem
}

export interface View {
  /** The items as the client gets them. */
  readonly texts: readonly WireText[]
  /** By the name the client uses. */
  readonly byName: ReadonlyMap<string, ViewEntry>
  readonly ttlMs: number
  readonly cacheScope: 'public' | 'private'
  readonly reports: readonly NameReport[]
  /** Servers of `/mcp` that did not answer: what is said here will change. */
  readonly missing: readonly Upstream[]
}

const ACTIONS: Readonly<Record<ListKind, PolicyAction>> = {
  tools: 'tools/call',
  prompts: 'prompts/get',
  resources: 'resources/read',
  templates: 'resources/read',
}

const ITEM_PLAN: JsonPlan = { outputSchema: {}, _meta: { ui: {} } }

export interface Views {
  /** `endpoint` '' is `/mcp`. A server that does not answer is left out of `/mcp`, and is an error at its own endpoint. */
  view(party: Party, endpoint: string, kind: ListKind): View | Promise<View>
}

/** Views are rebuilt only when a list they are made of was fetched anew. */
export function createViews(context: GatewayContext): Views {
  const built = new Map<string, { readonly versions: string; readonly view: View }>()

  const cached = (party: Party, endpoint: string, kind: ListKind, parts: readonly Part[], missing: readonly Upstream[] = []): View | Promise<View> => {
    const policyClass = context.deps.policy.classOf(party.principal)
    const sources = parts.map(({ source }) => [source.upstream.id, source.classKey])
    const key = JSON.stringify([endpoint, kind, party.era, policyClass, sources, missing.map(({ id }) => id)])
    const versions = parts.map(({ list }) => list.version).join()
    const known = built.get(key)
    if (known?.versions === versions) return known.view
    return allowedEntries(context, party, kind, parts).then((entries) => {
      const view = render(context, { party, endpoint, kind, parts, missing }, entries)
      built.set(key, { versions, view })
      if (built.size > MAX_VIEWS) built.delete(built.keys().next().value ?? '')
      return view
    })
  }
  const merged = (party: Party, kind: ListKind, parts: readonly (Part | undefined)[]): View | Promise<View> => {
    const found = parts.filter((part) => part !== undefined)
    const missing = context.upstreams.all().filter((upstream) => !found.some(({ source }) => source.upstream === upstream))
    return cached(party, '', kind, found, missing)
  }

  return {
    view(party, endpoint, kind) {
      if (endpoint !== '') {
        const upstream = context.upstreams.byName(endpoint)
        if (upstream === undefined) throw new PortolanError('unknown_server')
        const part = partOf(context, party, upstream, kind)
        return part instanceof Promise
          ? part.then((ready) => cached(party, endpoint, kind, [ready]))
          : cached(party, endpoint, kind, [part])
      }
      const parts = context.upstreams.all().map((upstream) => partInTime(context, party, upstream, kind))
      const ready = parts.filter((part): part is Part | undefined => !(part instanceof Promise))
      if (ready.length === parts.length) return merged(party, kind, ready)
      return Promise.all(parts).then((settled) => merged(party, kind, settled))
    },
  }
}

const MAX_VIEWS = 1_000

async function allowedEntries(context: GatewayContext, party: Party, kind: ListKind, parts: readonly Part[]): Promise<ViewEntry[]> {
  const entries: ViewEntry[] = []
  for (const { source, list } of parts) {
    for (const item of list.items) {
      const decision = await context.deps.policy.decide({
        principal: party.principal,
        upstreamId: source.upstream.id,
        action: ACTIONS[kind],
        subject: item.key,
      })
      if (decision.kind !== 'deny') entries.push({ upstream: source.upstream, item })
    }
  }
  return entries
}

interface Ingredients {
  readonly party: Party
  readonly endpoint: string
  readonly kind: ListKind
  readonly parts: readonly Part[]
  readonly missing: readonly Upstream[]
}

function render(context: GatewayContext, { party, endpoint, kind, parts, missing }: Ingredients, entries: readonly ViewEntry[]): View {
  const marked = endpoint === ''
  const named = entries.map(({ upstream, item }) => ({ server: upstream.name, name: item.key }))
  const separator = context.deps.snapshots.current().separator
  const naming = marked && LISTS[kind].key === 'name' ? exposeNames(named, separator) : undefined
  const names = entries.map(({ upstream, item }, index) =>
    !marked ? item.key : (naming?.exposed[index] ?? markUri(context.upstreams.slugOf(upstream), item.key)),
  )
  const texts = entries.map(({ upstream, item }, index) =>
    itemText(item.text, kind, { name: names[index] ?? item.key, key: item.key, slug: marked ? context.upstreams.slugOf(upstream) : undefined, party }),
  )
  const all = parts.flatMap(({ list }) => list.items).length
  const isPublic = entries.length === all && parts.every(({ list }) => list.cacheScope === 'public')
  return {
    texts,
    byName: new Map(entries.map((entry, index) => [names[index] ?? '', entry])),
    ttlMs: parts.length === 0 || missing.length > 0 ? 0 : Math.min(...parts.map(({ list }) => list.ttlMs)),
    cacheScope: isPublic ? 'public' : 'private',
    reports: naming?.reports ?? [],
    missing,
  }
}

interface ItemLook {
  readonly name: string
  readonly key: string
  readonly slug: string | undefined
  readonly party: Party
}

function itemText(text: WireText, kind: ListKind, look: ItemLook): WireText {
  const dropsOutput = look.party.era === 'legacy' && kind === 'tools'
  if (look.name === look.key && look.slug === undefined && !(dropsOutput && text.includes('"outputSchema"'))) return text
  const scan = scanJson(text, ITEM_PLAN)
  if (!scan.ok) return text
  const changes: Change[] = []
  const name = member(scan.value, LISTS[kind].key)
  if (name !== undefined && look.name !== look.key) changes.push({ node: name, text: asciiJson(look.name) })
  const appUri = member(member(member(scan.value, '_meta'), 'ui'), 'resourceUri')
  const uri = readString(text, appUri)
  if (look.slug !== undefined && appUri !== undefined && uri !== undefined) {
    changes.push({ node: appUri, text: asciiJson(markUri(look.slug, uri)) })
  }
  const output = member(scan.value, 'outputSchema')
  // Bridge-rulings §5: legacy revisions know only objects as structured output.
  if (dropsOutput && output !== undefined && readString(text, member(output, 'type')) !== 'object') {
    changes.push({ node: scan.value, remove: ['outputSchema'] })
  }
  return splice(text, changes)
}
