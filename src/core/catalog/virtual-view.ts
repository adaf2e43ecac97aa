/** The items of one list that a virtual server shows, under the names that it shows them, and what of its settings met nothing. */

import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { ItemOverride } from '../gateway/snapshot.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { CatalogItem } from './catalog-list.ts'
import { LISTS } from './list-kind.ts'
import type { ListKind } from './list-kind.ts'
import { exposeWishes } from './naming.ts'
import type { Part } from './part.ts'
import { isExclusion, matchesGlob } from './selection.ts'
import { isUnderstood } from './uri-template.ts'
import { markUri } from './uri-mark.ts'
import { noteList } from './virtual-report.ts'
import type { VirtualServer } from './virtual-server.ts'

export interface ShownItem {
  readonly upstream: Upstream
  readonly item: CatalogItem
  /** What clients call it. */
  readonly name: string
  readonly slug: string | undefined
  readonly override: ItemOverride | undefined
  /** Arguments that are decided, as wire text. */
  readonly fixed: Readonly<Record<string, WireText>> | undefined
}

export interface Naming {
  readonly separator: string
  slugOf(upstream: Upstream): string
}

/** Whoever asks: what policy keeps from some must not change the names for others. */
export function shownItems(virtual: VirtualServer, kind: ListKind, parts: readonly Part[], naming: Naming): readonly ShownItem[] {
  const picked = parts.flatMap(({ source: { upstream }, list }) =>
    list.items
      .filter(({ key }) => virtual.picks(upstream.name, kind, key))
      .map((item) => ({ upstream, item, override: virtual.overrideOf(upstream.name, kind, item.key) })),
  )
  const byName = LISTS[kind].key === 'name'
  const wishes = picked.map(({ upstream, item, override }) => ({ server: upstream.name, key: item.key, name: override?.name ?? item.key }))
  const named = byName ? exposeWishes(wishes, naming.separator) : undefined
  const shown = picked.map(({ upstream, item, override }, index): ShownItem => {
    const slug = virtual.isMerged ? naming.slugOf(upstream) : undefined
    const uri = slug === undefined ? item.key : markUri(slug, item.key)
    return { upstream, item, override, slug, name: named?.exposed[index] ?? uri, fixed: fixedOf(override) }
  })
  const collisions = (named?.reports ?? []).map(({ server, name, exposedAs }) => `${name} of ${server} is called ${exposedAs}: another has the name ${name}`)
  noteList(virtual, kind, { count: shown.length, notices: [...collisions, ...metNothing(virtual, kind, parts), ...unreadable(kind, picked)] })
  return shown
}

function fixedOf(override: ItemOverride | undefined): ShownItem['fixed'] {
  const entries = Object.entries(override?.arguments ?? {})
  return entries.length === 0 ? undefined : Object.fromEntries(entries.map(([name, value]) => [name, asciiJson(value)]))
}

/** Of servers that answered: what another one has cannot be known yet. */
function metNothing(virtual: VirtualServer, kind: ListKind, parts: readonly Part[]): readonly string[] {
  const notices: string[] = []
  const lists = new Map(parts.map(({ source, list }) => [source.upstream.name, list]))
  for (const use of virtual.config.use) {
    const keys = lists.get(use.server)?.items.map(({ key }) => key)
    for (const pattern of keys === undefined || kind === 'skills' ? [] : (use[kind] ?? [])) {
      const glob = isExclusion(pattern) ? pattern.slice(1) : pattern
      if (keys?.some((key) => matchesGlob(glob, key)) === false) notices.push(`${kind}: ${JSON.stringify(pattern)} matches nothing of ${use.server}`)
    }
  }
  // Resources and templates share their overrides: what one list lacks the other may have.
  if ((kind !== 'tools' && kind !== 'prompts') || virtual.servers.some((name) => virtual.shows(name, kind) && !lists.has(name))) return notices
  for (const key of Object.keys(virtual.config.overrides[kind])) {
    const isMet = [...lists].some(([server, { byKey }]) => byKey.has(key) || (key.startsWith(`${server}/`) && byKey.has(key.slice(server.length + 1))))
    if (!isMet) notices.push(`${kind}: no server has ${JSON.stringify(key)}`)
  }
  return notices
}

function unreadable(kind: ListKind, picked: readonly { readonly item: CatalogItem }[]): readonly string[] {
  if (kind !== 'templates') return []
  const strange = picked.filter(({ item }) => !isUnderstood(item.key))
  return strange.map(({ item }) => `templates: what ${item.key.slice(0, 128)} stands for can be read only where a resource is listed for it`)
}
