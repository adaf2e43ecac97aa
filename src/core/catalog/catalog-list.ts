/** One list of one upstream server, whole, as it came: the items' own bytes, and what routing needs to know of them. */

import { readAppTraits } from '../../protocol/app.ts'
import type { AppTraits } from '../../protocol/app.ts'
import { PortolanError } from '../../protocol/error.ts'
import { asciiJson, member, readJson, readString } from '../../protocol/json.ts'
import { scanJson } from '../../protocol/json-scan.ts'
import type { JsonPlan, WireText } from '../../protocol/json.ts'
import { NO_TOOL_HEADERS, compileToolHeaders, readToolHeaders } from '../../protocol/tool-header.ts'
import type { ToolHeaders } from '../../protocol/tool-header.ts'
import type { Message } from '../../protocol/message.ts'
import type { TaskSupport } from '../../protocol/task.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { Channel } from '../upstream/channel.ts'
import { ask } from '../upstream/request.ts'
import type { Asker } from '../upstream/request.ts'
import { LISTS } from './list-kind.ts'
import type { ListKind } from './list-kind.ts'

export interface CatalogItem {
  /** The upstream's own name, URI or template. */
  readonly key: string
  readonly text: WireText
  /** Arguments that are mirrored into HTTP headers (tools only). */
  readonly headers: ToolHeaders
  /** Declared read-only or idempotent (tools only): untrusted unless the configuration says otherwise. */
  readonly repeatable: boolean
  /** Whether it may be called as a task (2025-11-25; tools only). */
  readonly taskSupport?: TaskSupport
  /** What it says of apps (tools only). */
  readonly app?: AppTraits
}

export interface CatalogList {
  readonly items: readonly CatalogItem[]
  readonly byKey: ReadonlyMap<string, CatalogItem>
  /** Grows with every fetch: views compare it. */
  readonly version: number
  /** As the upstream said it; 0 and private from legacy upstreams. */
  readonly ttlMs: number
  readonly cacheScope: 'public' | 'private'
  readonly fetchedTicks: number
  /** Items left out and why, for people. */
  readonly faults: readonly string[]
}

/** A hostile or broken server must not keep us paging for ever. */
const MAX_PAGES = 1_000
/** One server's list must not take the memory of all. */
const MAX_LIST_BYTES = 64 * 1024 * 1024

/** Fetches all pages. Rejects with PortolanError; a server without the method has an empty list. */
export async function fetchList(
  channel: Channel,
  kind: ListKind,
  asker: Asker,
  stamp: { readonly version: number; readonly ticks: number },
): Promise<CatalogList> {
  const items: CatalogItem[] = []
  const faults: string[] = []
  let cursor: string | undefined
  let bytes = 0
  let ttlMs = Number.MAX_SAFE_INTEGER
  let cacheScope: 'public' | 'private' = 'public'
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const message = await ask(channel, LISTS[kind].method, cursor === undefined ? {} : { cursor: asciiJson(cursor) }, asker)
    if (message.kind === 'error') {
      if (page === 0 && errorCodeOf(message) === -32601) break
      throw new PortolanError('upstream_malformed', { message: `The server refused ${LISTS[kind].method}` })
    }
    bytes += message.text.length
    if (bytes > MAX_LIST_BYTES) throw new PortolanError('upstream_oversized', { message: `The server's ${LISTS[kind].method} is beyond the limit` })
    const result = readPage(message, kind, channel, faults)
    for (const item of result.items) items.push(item)
    ttlMs = Math.min(ttlMs, result.ttlMs)
    if (!result.isPublic) cacheScope = 'private'
    if (result.nextCursor === undefined || result.nextCursor === cursor) break
    cursor = result.nextCursor
  }
  const unique = new Map(items.map((item) => [item.key, item]))
  const legacy = channel.era === 'legacy'
  return {
    items: [...unique.values()],
    byKey: unique,
    version: stamp.version,
    ttlMs: legacy || items.length === 0 ? 0 : ttlMs,
    cacheScope: legacy ? 'private' : cacheScope,
    fetchedTicks: stamp.ticks,
    faults,
  }
}

function errorCodeOf(message: Message): number {
  const node = member(message.body, 'code')
  return node === undefined ? 0 : Number(message.text.slice(node.start, node.end))
}

interface Page {
  readonly items: readonly CatalogItem[]
  readonly nextCursor: string | undefined
  readonly ttlMs: number
  readonly isPublic: boolean
}

function readPage(message: Message, kind: ListKind, channel: Channel, faults: string[]): Page {
  const { field } = LISTS[kind]
  const plan: JsonPlan = { result: { [field]: { '*': { annotations: {}, execution: {} } } } }
  const scan = scanJson(message.text, plan)
  if (!scan.ok) {
    throw new PortolanError('upstream_malformed', { message: `The server's ${LISTS[kind].method} answer is malformed` })
  }
  const { text } = message
  const result = member(scan.value, 'result')
  const list = member(result, field)
  if (list?.items === undefined) throw new PortolanError('upstream_malformed', { message: `The server's answer has no ${field}` })
  const items: CatalogItem[] = []
  for (const node of list.items) {
    const key = readString(text, member(node, LISTS[kind].key))
    if (key === undefined) {
      faults.push(`an item of ${field} without ${LISTS[kind].key}`)
      continue
    }
    const item = text.slice(node.start, node.end)
    const annotations = member(node, 'annotations')
    const hint = (name: string): boolean => member(annotations, name)?.kind === 'true'
    const repeatable = hint('readOnlyHint') || hint('idempotentHint')
    const headers = kind === 'tools' && item.includes('x-mcp-header') ? headersOf(text, member(node, 'inputSchema')) : NO_TOOL_HEADERS
    if (typeof headers === 'string') {
      // Streamable HTTP, Schema Extension: clients exclude a tool whose annotation is invalid, and warn.
      if (channel.era === 'modern' && channel.transport === 'http') {
        faults.push(`tool ${key} left out: ${headers}`)
        continue
      }
    }
    const app = kind === 'tools' ? readAppTraits(item) : undefined
    items.push({ key, text: item, headers: typeof headers === 'string' ? NO_TOOL_HEADERS : headers, repeatable, ...taskSupportOf(text, member(node, 'execution')), ...(app === undefined ? {} : { app }) })
  }
  const ttl = member(result, 'ttlMs')
  return {
    items,
    nextCursor: readString(text, member(result, 'nextCursor')),
    ttlMs: ttl?.kind === 'number' ? Math.max(0, Number(text.slice(ttl.start, ttl.end))) : 0,
    isPublic: readString(text, member(result, 'cacheScope')) === 'public',
  }
}

function taskSupportOf(text: WireText, execution: ReturnType<typeof member>): Pick<CatalogItem, 'taskSupport'> {
  const said = readString(text, member(execution, 'taskSupport'))
  return said === 'optional' || said === 'required' ? { taskSupport: said } : {}
}

function headersOf(text: WireText, schema: ReturnType<typeof member>): ToolHeaders | string {
  if (schema === undefined) return NO_TOOL_HEADERS
  const value = readJson(text, schema)
  if (!isJsonObject(value)) return NO_TOOL_HEADERS
  const rules = readToolHeaders(value)
  return rules.ok ? compileToolHeaders(rules.value) : rules.fault.reason
}
