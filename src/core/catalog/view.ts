/**
 * What one kind of client sees of one list at one endpoint: filtered by policy, in the order of the configuration and
 * then the upstream's own, renamed on `/mcp` and by virtual servers, ready to be sent (bridge-rulings §4, Lists).
 */

import type { WireText } from '../../protocol/json.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { Party } from '../bridge/party.ts'
import { ownTerms } from '../bridge/task-owner.ts'
import { hasTasks } from '../bridge/task-support.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { PolicyAction } from '../policy/policy.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { CatalogItem } from './catalog-list.ts'
import { boundsOf } from '../gateway/snapshot.ts'
import { appRule } from './app-view.ts'
import { upstreamsOf, virtualAt } from './endpoint-scope.ts'
import { itemText } from './item-text.ts'
import { LISTS } from './list-kind.ts'
import type { ListKind } from './list-kind.ts'
import { exposeNames } from './naming.ts'
import type { NameReport } from './naming.ts'
import { partInTime, partOf } from './part.ts'
import type { Part } from './part.ts'
import { markUri } from './uri-mark.ts'
import { addNotices } from './virtual-report.ts'
import type { VirtualServer } from './virtual-server.ts'
import { shownItems } from './virtual-view.ts'
import type { ShownItem } from './virtual-view.ts'

export interface ViewEntry {
  readonly upstream: Upstream
  readonly item: CatalogItem
  /** Arguments that a virtual server fixes, as wire text. */
  readonly fixed?: Readonly<Record<string, WireText>> | undefined
}

export interface View {
  /** The items as the client gets them. */
  readonly texts: readonly WireText[]
  /** By the name the client uses. */
  readonly byName: ReadonlyMap<string, ViewEntry>
  /** Tools that an app may call by the names that their server gave them. */
  readonly byOwnName: ReadonlyMap<string, ViewEntry>
  readonly ttlMs: number
  readonly cacheScope: 'public' | 'private'
  readonly reports: readonly NameReport[]
  /** Servers of an endpoint of several that did not answer: what is said here will change. */
  readonly missing: readonly Upstream[]
}

const ACTIONS: Readonly<Record<ListKind, PolicyAction>> = {
  tools: 'tools/call',
  prompts: 'prompts/get',
  resources: 'resources/read',
  templates: 'resources/read',
  skills: 'resources/read',
}

export interface Views {
  /** `endpoint` '' is `/mcp`. A server that does not answer is left out where there are several, and is an error alone. */
  view(party: Party, endpoint: string, kind: ListKind): View | Promise<View>
}

/** Views are rebuilt only when a list they are made of was fetched anew. */
export function createViews(context: GatewayContext): Views {
  const built = new Map<string, { readonly versions: string; readonly view: View }>()
  let builtFor = context.deps.snapshots.current()

  const cached = (asked: Asked, parts: readonly Part[], missing: readonly Upstream[] = []): View | Promise<View> => {
    const { party, endpoint, kind } = asked
    const snapshot = context.deps.snapshots.current()
    // Names, separator and order are the snapshot's.
    if (builtFor !== snapshot) built.clear()
    builtFor = snapshot
    const policyClass = context.deps.policy.classOf(party.principal)
    const sources = parts.map(({ source }) => [source.upstream.id, source.classKey])
    const key = JSON.stringify([endpoint, kind, party.era, policyClass, sources, missing.map(({ id }) => id)])
    const versions = parts.map(({ list }) => list.version).join()
    const known = built.get(key)
    if (known?.versions === versions) return known.view
    return build(context, { ...asked, parts, missing }).then((view) => {
      // What was begun under another configuration may show what this one hides.
      if (builtFor === snapshot && context.deps.snapshots.current() === snapshot) built.set(key, { versions, view })
      if (built.size > MAX_VIEWS) built.delete(built.keys().next().value ?? '')
      return view
    })
  }
  const alone = (asked: Asked, upstream: Upstream): View | Promise<View> => {
    const part = partOf(context, asked.party, upstream, asked.kind)
    return part instanceof Promise ? part.then((ready) => cached(asked, [ready])) : cached(asked, [part])
  }
  const together = (asked: Asked, upstreams: readonly Upstream[]): View | Promise<View> => {
    const merged = (settled: readonly (Part | undefined)[]): View | Promise<View> => {
      const found = settled.filter((part) => part !== undefined)
      if (found.length === upstreams.length) return cached(asked, found)
      return cached(asked, found, upstreams.filter((upstream) => !found.some(({ source }) => source.upstream === upstream)))
    }
    const parts = upstreams.map((upstream) => partInTime(context, asked.party, upstream, asked.kind))
    const ready = parts.filter((part): part is Part | undefined => !(part instanceof Promise))
    return ready.length === parts.length ? merged(ready) : Promise.all(parts).then(merged)
  }
  const curated = (party: Party, virtual: VirtualServer, kind: ListKind): View | Promise<View> => {
    const asked = { party, endpoint: virtual.name, kind, virtual }
    const upstreams = upstreamsOf(context, virtual)
    const [only] = upstreams
    if (!virtual.isMerged && only === undefined) throw new PortolanError('upstream_unavailable', { message: `Upstream server not enabled: ${virtual.servers.join()}` })
    const shown = upstreams.filter(({ name }) => virtual.shows(name, kind))
    return virtual.isMerged || shown[0] === undefined ? together(asked, shown) : alone(asked, shown[0])
  }

  return {
    view(party, endpoint, kind) {
      if (endpoint === '') return together({ party, endpoint, kind, virtual: undefined }, context.upstreams.all())
      const upstream = context.upstreams.byName(endpoint)
      if (upstream !== undefined) return alone({ party, endpoint, kind, virtual: undefined }, upstream)
      const virtual = virtualAt(context, endpoint)
      if (virtual === undefined) throw new PortolanError('unknown_server')
      return curated(party, virtual, kind)
    },
  }
}

const MAX_VIEWS = 1_000

interface Asked {
  readonly party: Party
  readonly endpoint: string
  readonly kind: ListKind
  readonly virtual: VirtualServer | undefined
}

interface Ingredients extends Asked {
  readonly parts: readonly Part[]
  readonly missing: readonly Upstream[]
}

interface Items {
  readonly items: readonly ShownItem[]
  readonly reports: readonly NameReport[]
  /** Nothing was left out for this principal. */
  readonly isWhole: boolean
}

async function build(context: GatewayContext, ingredients: Ingredients): Promise<View> {
  const { kind, virtual, parts, missing, party } = ingredients
  const { items: found, reports, isWhole } = await (virtual === undefined ? plainItems(context, ingredients) : curatedItems(context, ingredients, virtual))
  const { apps } = context.deps.snapshots.current()
  const rule = appRule(kind === 'tools' ? found : [], apps?.calls ?? 'server')
  const items = found.filter((item) => rule.looks(item) !== 'hidden')
  const shown = items.flatMap((item): (ShownItem & { readonly text: WireText })[] => {
    const { name, slug, override, upstream } = item
    const bounds = kind === 'resources' || kind === 'templates' ? boundsOf(apps, upstream.name) : []
    const text = itemText(item.item.text, { kind, key: item.item.key, name, slug, override, era: party.era, taskSupport: kind === 'tools' ? taskSupportAt(context, party, upstream, item.item.key) : undefined, isForModels: rule.looks(item) === 'forModels', bounds })
    return text === undefined ? [] : [{ ...item, text }]
  })
  if (virtual !== undefined && shown.length < items.length) addNotices(virtual, kind, unreadable(items, shown))
  return {
    texts: shown.map(({ text }) => text),
    byOwnName: new Map([...rule.byOwnName].map(([name, { upstream, item, fixed }]) => [name, { upstream, item, fixed }])),
    byName: new Map(shown.map(({ name, upstream, item, fixed }) => [name, { upstream, item, fixed }])),
    ttlMs: missing.length > 0 ? 0 : leastOf(parts),
    cacheScope: isWhole && parts.every(({ list }) => list.cacheScope === 'public') ? 'public' : 'private',
    reports,
    missing,
  }
}

/** How long the shortest-lived of the lists lives; 0 where nobody said. */
function leastOf(parts: readonly Part[]): number {
  const leastMs = parts.reduce((least, { list }) => Math.min(least, list.ttlMs), Number.MAX_SAFE_INTEGER)
  return leastMs === Number.MAX_SAFE_INTEGER ? 0 : leastMs
}

/** Bridge-rulings §4, Tasks: synthesized, since servers of the extension decide call by call. */
function taskSupportAt({ owned }: GatewayContext, { era }: Party, upstream: Upstream, tool: string): 'optional' | undefined {
  if (era === 'legacy' && owned !== undefined && ownTerms(upstream.config, tool) !== undefined) return 'optional'
  const profile = upstream.knownProfile()
  return era === 'legacy' && profile?.legacy === undefined && hasTasks(profile?.modern) ? 'optional' : undefined
}

function unreadable(items: readonly ShownItem[], shown: readonly ShownItem[]): readonly string[] {
  const readable = new Set(shown.map(({ name }) => name))
  return items.filter(({ name }) => !readable.has(name)).map(({ name, upstream }) => `${name} is left out: what ${upstream.name} says of it has a key twice where it should be changed`)
}

/** Names before policy: at a virtual server a name must mean the same to all. */
async function curatedItems(context: GatewayContext, ingredients: Ingredients, virtual: VirtualServer): Promise<Items> {
  const { separator } = context.deps.snapshots.current()
  const offered = shownItems(virtual, ingredients.kind, ingredients.parts, { separator, slugOf: (upstream) => context.upstreams.slugOf(upstream) })
  const items = await allowedOf(context, ingredients, offered)
  return { items, reports: [], isWhole: items.length === offered.length }
}

async function plainItems(context: GatewayContext, ingredients: Ingredients): Promise<Items> {
  const { endpoint, kind, parts } = ingredients
  const offered = parts.flatMap(({ source: { upstream }, list }) => list.items.map((item) => ({ upstream, item })))
  const allowed = await allowedOf(context, ingredients, offered)
  const isMarked = endpoint === ''
  const wanted = allowed.map(({ upstream, item }) => ({ server: upstream.name, name: item.key }))
  const naming = isMarked && LISTS[kind].key === 'name' ? exposeNames(wanted, context.deps.snapshots.current().separator) : undefined
  const items = allowed.map(({ upstream, item }, index) => {
    const slug = isMarked ? context.upstreams.slugOf(upstream) : undefined
    const name = slug === undefined ? item.key : (naming?.exposed[index] ?? markUri(slug, item.key))
    return { upstream, item, name, slug, override: undefined, fixed: undefined }
  })
  return { items, reports: naming?.reports ?? [], isWhole: allowed.length === offered.length }
}

async function allowedOf<T extends ViewEntry>(context: GatewayContext, { party, kind }: Asked, entries: readonly T[]): Promise<T[]> {
  const allowed: T[] = []
  for (const entry of entries) {
    const decision = await context.deps.policy.decide({
      principal: party.principal,
      upstreamId: entry.upstream.id,
      action: ACTIONS[kind],
      subject: entry.item.key,
    })
    if (decision.kind !== 'deny') allowed.push(entry)
  }
  return allowed
}
