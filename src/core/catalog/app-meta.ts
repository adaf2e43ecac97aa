/** What is changed in `_meta` of apps (SEP-1865, decision 0010): pages get the server's mark, and what they may reach only ever less. */

import { appUriNodes, tightened } from '../../protocol/app.ts'
import type { AppBounds } from '../../protocol/app.ts'
import { asciiJson, member, nameOf, readString } from '../../protocol/json.ts'
import type { JsonNode, WireText } from '../../protocol/json.ts'
import type { Change } from '../../protocol/splice.ts'

export function addAppUris(changes: Change[], text: WireText, meta: JsonNode | undefined, mark: (uri: string) => string): void {
  for (const node of appUriNodes(meta)) {
    const uri = readString(text, node)
    if (uri !== undefined) changes.push({ node, text: asciiJson(mark(uri)) })
  }
}

type Domains = Exclude<keyof AppBounds, 'permissions'>

/** As specified, and as hosts of OpenAI's read it. */
const DOMAINS: Readonly<Record<string, Domains>> = {
  connectDomains: 'connectDomains',
  resourceDomains: 'resourceDomains',
  frameDomains: 'frameDomains',
  baseUriDomains: 'baseUriDomains',
  connect_domains: 'connectDomains',
  resource_domains: 'resourceDomains',
  frame_domains: 'frameDomains',
}

/** `meta` is opened with `APP_META_PLAN`. What a bound concerns and cannot be read is taken out. */
export function addBounds(changes: Change[], text: WireText, meta: JsonNode | undefined, bounds: readonly AppBounds[]): void {
  const ui = member(meta, 'ui')
  for (const [holder, key] of [[ui, 'csp'], [meta, 'openai/widgetCSP']] as const) {
    const csp = member(holder, key)
    if (holder === undefined || csp === undefined) continue
    if (csp.members !== undefined) addDomains(changes, text, csp, bounds)
    else if (bounds.some((one) => Object.keys(one).some((name) => name !== 'permissions'))) changes.push({ node: holder, remove: [key] })
  }
  const permissions = member(ui, 'permissions')
  const allowed = bounds.flatMap((one) => (one.permissions === undefined ? [] : [one.permissions]))
  if (ui === undefined || permissions === undefined || allowed.length === 0) return
  const asked = Array.from(permissions.members?.list ?? [], (one) => nameOf(text, one))
  const remove = asked.filter((name) => !allowed.every((names) => names.includes(name)))
  if (permissions.members === undefined) changes.push({ node: ui, remove: ['permissions'] })
  else if (remove.length > 0) changes.push({ node: permissions, remove })
}

function addDomains(changes: Change[], text: WireText, csp: JsonNode, bounds: readonly AppBounds[]): void {
  for (const [key, { value }] of csp.members ?? []) {
    const name = Object.hasOwn(DOMAINS, key) ? DOMAINS[key] : undefined
    const lists = bounds.flatMap((one) => (name === undefined ? [] : (one[name] === undefined ? [] : [one[name]])))
    if (lists.length === 0) continue
    const declared = (value.items ?? []).flatMap((item) => readString(text, item) ?? [])
    const kept = lists.reduce<readonly string[]>(tightened, declared)
    const isSame = value.items?.length === kept.length && kept.every((domain, index) => domain === declared[index])
    if (!isSame) changes.push({ node: value, text: asciiJson(kept) })
  }
}
