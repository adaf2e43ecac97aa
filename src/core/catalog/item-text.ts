/** One item of a list as a client of an endpoint gets it: splices into the server's own text, all else byte for byte. */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import { scanJson } from '../../protocol/json-scan.ts'
import type { JsonNode, JsonPlan, WireText } from '../../protocol/json.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import { splice } from '../../protocol/splice.ts'
import type { Change } from '../../protocol/splice.ts'
import type { Era } from '../../protocol/revision.ts'
import type { ItemOverride } from '../gateway/snapshot.ts'
import { APP_META_PLAN } from '../../protocol/app.ts'
import type { AppBounds } from '../../protocol/app.ts'
import { addAppUris, addBounds } from './app-meta.ts'
import { LISTS } from './list-kind.ts'
import type { ListKind } from './list-kind.ts'
import { markUri } from './uri-mark.ts'

export interface ItemLook {
  readonly kind: ListKind
  /** The server's own name, URI or template. */
  readonly key: string
  /** What it is called here. */
  readonly name: string
  /** The server's mark; undefined where URIs stay. */
  readonly slug: string | undefined
  readonly era: Era
  readonly override?: ItemOverride | undefined
  /** Any of this server's tools may become a task, and a legacy client has to be told for each. */
  readonly taskSupport?: 'optional' | undefined
  /** No app may call it, whatever its server says. */
  readonly isForModels?: boolean
  /** What its pages may reach at most (resources and templates). */
  readonly bounds?: readonly AppBounds[]
}

const ITEM_PLAN: JsonPlan = { outputSchema: {}, execution: {}, _meta: APP_META_PLAN }
const SKILL_PLAN: JsonPlan = { resources: { '*': {} } }
const OVERRIDE_PLAN: JsonPlan = {
  ...ITEM_PLAN,
  annotations: {},
  inputSchema: { properties: {}, required: { '*': {} } },
  arguments: { '*': {} },
}

/** Undefined where something should be changed that cannot be read: then the item is better not shown at all. */
export function itemText(text: WireText, look: ItemLook): WireText | undefined {
  const { kind, key, name, slug, override, taskSupport } = look
  const dropsOutput = look.era === 'legacy' && kind === 'tools'
  const bounds = look.bounds !== undefined && look.bounds.length > 0 && text.includes('"_meta"') ? look.bounds : undefined
  const isSame = override === undefined && taskSupport === undefined && name === key && slug === undefined && look.isForModels !== true && bounds === undefined
  if (isSame && !(dropsOutput && text.includes('"outputSchema"'))) return text
  const scan = scanJson(text, kind === 'skills' ? SKILL_PLAN : override === undefined ? ITEM_PLAN : OVERRIDE_PLAN)
  // A file without a mark could be another server's; what is not for apps, or not to be reached by them, must be said.
  if (!scan.ok) return override === undefined && kind !== 'skills' && look.isForModels !== true && bounds === undefined ? text : undefined
  const root = scan.value
  const changes: Change[] = []
  const set: Record<string, WireText> = {}
  const remove: string[] = []
  if (name !== key) set[LISTS[kind].key] = asciiJson(name)
  const meta = member(root, '_meta')
  if (slug !== undefined) addAppUris(changes, text, meta, (uri) => markUri(slug, uri))
  if (look.isForModels === true) addVisibility(changes, set, meta)
  if (bounds !== undefined) addBounds(changes, text, meta, bounds)
  if (kind === 'skills' && slug !== undefined) addFiles(changes, text, root, slug)
  const output = member(root, 'outputSchema')
  // Bridge-rulings §5: legacy revisions know only objects as structured output.
  if (dropsOutput && output !== undefined && readString(text, member(output, 'type')) !== 'object') remove.push('outputSchema')
  const execution = member(root, 'execution')
  if (taskSupport !== undefined && execution?.members === undefined) set['execution'] = asciiJson({ taskSupport })
  else if (taskSupport !== undefined && execution !== undefined && member(execution, 'taskSupport') === undefined) changes.push({ node: execution, set: { taskSupport: asciiJson(taskSupport) } })
  if (override !== undefined) {
    for (const word of ['title', 'description'] as const) if (override[word] !== undefined) set[word] = asciiJson(override[word])
    if (override.name !== undefined && LISTS[kind].key !== 'name') set['name'] = asciiJson(override.name)
    addAnnotations(changes, set, root, override)
    addFixed(changes, text, root, look)
  }
  if (Object.keys(set).length > 0 || remove.length > 0) changes.push({ node: root, set, remove })
  return splice(text, changes)
}

const MODELS_ONLY = '["model"]'

/** Hosts MUST reject calls of apps to what is not for apps (SEP-1865, Visibility). */
function addVisibility(changes: Change[], set: Record<string, WireText>, meta: JsonNode | undefined): void {
  const ui = member(meta, 'ui')
  if (ui?.members !== undefined) changes.push({ node: ui, set: { visibility: MODELS_ONLY } })
  else if (meta?.members !== undefined) changes.push({ node: meta, set: { ui: `{"visibility":${MODELS_ONLY}}` } })
  else set['_meta'] = `{"ui":{"visibility":${MODELS_ONLY}}}`
}

/** A manifest names its files by URI, beside digests of bytes that stay (SEP-2640, Resources). */
function addFiles(changes: Change[], text: WireText, root: JsonNode, slug: string): void {
  for (const file of member(root, 'resources')?.items ?? []) {
    const node = member(file, 'uri')
    const uri = readString(text, node)
    if (node !== undefined && uri !== undefined) changes.push({ node, text: asciiJson(markUri(slug, uri)) })
  }
}

function addAnnotations(changes: Change[], set: Record<string, WireText>, root: JsonNode, { annotations }: ItemOverride): void {
  if (annotations === undefined || !isJsonObject(annotations)) return
  const node = member(root, 'annotations')
  if (node?.members === undefined) set['annotations'] = asciiJson(annotations)
  else changes.push({ node, set: Object.fromEntries(Object.entries(annotations).map(([key, value]) => [key, asciiJson(value)])) })
}

/** What is fixed is not the client's to give: no property, not required, no argument of a prompt. */
function addFixed(changes: Change[], text: WireText, root: JsonNode, { kind, override }: ItemLook): void {
  const fixed = new Set(Object.keys(override?.arguments ?? {}))
  if (fixed.size === 0) return
  if (kind === 'prompts') {
    const list = member(root, 'arguments')
    const kept = list?.items?.filter((item) => !fixed.has(readString(text, member(item, 'name')) ?? ''))
    if (list !== undefined && kept !== undefined) addKept(changes, text, list, kept)
    return
  }
  const schema = member(root, 'inputSchema')
  const properties = member(schema, 'properties')
  if (properties?.members !== undefined) changes.push({ node: properties, remove: [...fixed] })
  const required = member(schema, 'required')
  const kept = required?.items?.filter((item) => !fixed.has(readString(text, item) ?? ''))
  if (schema === undefined || required === undefined || kept === undefined) return
  // Of draft 4 an empty list is no schema.
  if (kept.length === 0) changes.push({ node: schema, remove: ['required'] })
  else addKept(changes, text, required, kept)
}

function addKept(changes: Change[], text: WireText, list: JsonNode, kept: readonly JsonNode[]): void {
  if (kept.length === list.items?.length) return
  changes.push({ node: list, text: `[${kept.map(({ start, end }) => text.slice(start, end)).join(',')}]` })
}
