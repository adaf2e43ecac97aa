/**
 * MCP Apps (SEP-1865) as far as a gateway has to understand them: which page a tool names, who may call it, and what a page
 * may reach. Pure; everything else of an app is its host's business.
 */
import { member, readString } from './json.ts'
import type { JsonNode, JsonPlan, WireText } from './json.ts'
import { scanJson } from './json-scan.ts'

/** What of `_meta` is looked at, in tools, results, resources and their contents. */
export const APP_META_PLAN: JsonPlan = { ui: { visibility: { '*': {} }, csp: { '*': { '*': {} } }, permissions: {} }, 'openai/widgetCSP': { '*': { '*': {} } } }

export interface AppTraits {
  /** The page that hosts show beside the tool's results; undefined for none. */
  readonly uri: string | undefined
  readonly isForModels: boolean
  readonly isForApps: boolean
}

/** Where in `_meta` a page is named: as specified, as it was before, and as hosts of OpenAI's read it. */
export function appUriNodes(meta: JsonNode | undefined): readonly JsonNode[] {
  const nodes = [member(member(meta, 'ui'), 'resourceUri'), member(meta, 'ui/resourceUri'), member(meta, 'openai/outputTemplate')]
  return nodes.filter((node) => node !== undefined)
}

/** Of a tool as its server lists it; undefined for one that says nothing of apps. One that cannot be read is for nobody's app. */
export function readAppTraits(tool: WireText): AppTraits | undefined {
  if (!tool.includes('"ui') && !tool.includes('"openai/outputTemplate"')) return undefined
  const scan = scanJson(tool, { _meta: APP_META_PLAN }, Infinity)
  if (!scan.ok) return { uri: undefined, isForModels: true, isForApps: false }
  const meta = member(scan.value, '_meta')
  const ui = member(meta, 'ui')
  const uri = appUriNodes(meta).map((node) => readString(tool, node)).find((text) => text !== undefined)
  if (ui === undefined && uri === undefined) return undefined
  const visibility = member(ui, 'visibility')
  // SEP-1865, Visibility: both where it is not said.
  const said = visibility === undefined ? ['model', 'app'] : (visibility.items ?? []).map((item) => readString(tool, item))
  return { uri, isForModels: said.includes('model'), isForApps: said.includes('app') }
}

/** What pages may ask for at most; undefined: whatever their server says. */
export interface AppBounds {
  readonly connectDomains?: readonly string[] | undefined
  readonly resourceDomains?: readonly string[] | undefined
  readonly frameDomains?: readonly string[] | undefined
  readonly baseUriDomains?: readonly string[] | undefined
  readonly permissions?: readonly string[] | undefined
}

interface Source {
  readonly scheme: string
  readonly isWild: boolean
  readonly host: string
  readonly port: string
}

const SOURCE = /^([a-z][a-z0-9+.-]*):\/\/(\*\.)?([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}|\*))?\/?$/i
const PORTS: Readonly<Record<string, string>> = { https: '443', wss: '443', http: '80', ws: '80' }

function readSource(text: string): Source | undefined {
  const [, scheme = '', wild, host = '', port] = SOURCE.exec(text) ?? []
  if (scheme === '') return undefined
  return { scheme: scheme.toLowerCase(), isWild: wild !== undefined, host: host.toLowerCase(), port: port ?? PORTS[scheme.toLowerCase()] ?? '' }
}

/** Whether it is an origin as a list of domains may hold it, its host perhaps beginning with `*.`. */
export function isAppDomain(text: string): boolean {
  return readSource(text) !== undefined
}

/** Whether `wide` allows everything that `narrow` allows (CSP 3 §6.7.2, for origins only). */
function covers(wide: Source, narrow: Source): boolean {
  if (wide.scheme !== narrow.scheme || (wide.port !== '*' && wide.port !== narrow.port)) return false
  if (!wide.isWild) return !narrow.isWild && wide.host === narrow.host
  return narrow.host.endsWith(`.${wide.host}`) || (narrow.isWild && narrow.host === wide.host)
}

/** What both allow, never more than either: a host MUST NOT allow what was not declared (SEP-1865, No Loosening). */
export function tightened(declared: readonly string[], allowed: readonly string[]): readonly string[] {
  const kept = declared.flatMap((text) => {
    const source = readSource(text)
    // What is no origin could be more than one: `https://a; script-src *`.
    if (source === undefined) return []
    const isWithin = allowed.some((one) => coversText(one, source))
    return isWithin ? [text] : allowed.filter((one) => isWithinSource(source, one))
  })
  return [...new Set(kept)]
}

function coversText(wide: string, narrow: Source): boolean {
  const source = readSource(wide)
  return source !== undefined && covers(source, narrow)
}

function isWithinSource(wide: Source, narrow: string): boolean {
  const source = readSource(narrow)
  return source !== undefined && covers(wide, source)
}
