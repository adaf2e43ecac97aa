/** JSON-RPC 2.0 envelopes over scanned text: what kind of message it is, its id as written, its method, its body. */

import { member, readString } from './json.ts'
import { scanJson } from './json-scan.ts'
import type { JsonNode, JsonPlan, WireText } from './json.ts'
import { META } from './meta.ts'

/** The id as it stands in the text, quotes included (`7`, `"a"`): compared and spliced, never converted. */
export type IdText = string

export interface Message {
  readonly kind: 'request' | 'notification' | 'result' | 'error'
  readonly text: WireText
  readonly root: JsonNode
  /** '' where there is none (a notification, an error without or with a null id). */
  readonly idText: IdText
  /** '' for responses. */
  readonly method: string
  /** `params`, `result` or `error`; undefined only for a request or notification without params. */
  readonly body: JsonNode | undefined
}

export interface MessageFault {
  readonly reason: 'syntax' | 'depth' | 'duplicate_key' | 'encoding' | 'envelope'
  /** For people: what is wrong, never the value itself. */
  readonly detail: string
  /** The id where it could be read, so that the refusal can name it; otherwise ''. */
  readonly idText: IdText
}

export type MessageScan =
  | { readonly ok: true; readonly value: Message }
  | { readonly ok: false; readonly fault: MessageFault }

/** The members that routing, sealing and `_meta` rules read; all else in the body stays closed. */
export const ENVELOPE_PLAN: JsonPlan = {
  params: { _meta: { [META.clientInfo]: {}, [META.relatedTask]: {} }, ref: {}, notifications: {}, task: {} },
  result: { _meta: { [META.relatedTask]: {} }, task: {} },
  error: { data: {} },
}

/** Reads one message. `plan` opens more of it than routing needs; it should contain `ENVELOPE_PLAN`. */
export function parseMessage(text: WireText, plan: JsonPlan = ENVELOPE_PLAN, maxDepth?: number): MessageScan {
  const scan = scanJson(text, plan, maxDepth)
  if (!scan.ok) {
    const { reason, key, at } = scan.fault
    const detail = key === undefined ? `invalid JSON at byte ${at}` : `duplicate key ${JSON.stringify(key.slice(0, 64))}`
    return { ok: false, fault: { reason, detail: reason === 'depth' ? 'nested too deeply' : detail, idText: '' } }
  }
  return readEnvelope(text, scan.value)
}

/** True where the text is a JSON array by its first character: a batch, if anything. */
export function isBatch(text: WireText): boolean {
  return /^[\t\n\r ]*\[/.test(text)
}

/** The items of a batch as texts of their own; undefined where the array is not JSON or empty. */
export function splitBatch(text: WireText, maxDepth?: number): readonly WireText[] | undefined {
  const scan = scanJson(text, { '*': {} }, maxDepth)
  if (!scan.ok || scan.value.items === undefined || scan.value.items.length === 0) return undefined
  return scan.value.items.map((item) => text.slice(item.start, item.end))
}

function readEnvelope(text: WireText, root: JsonNode): MessageScan {
  if (root.kind !== 'object') return envelopeFault('a message is a JSON object', '')
  const id = member(root, 'id')
  const idText = id !== undefined && isId(text, id) ? text.slice(id.start, id.end) : ''
  if (readString(text, member(root, 'jsonrpc')) !== '2.0') return envelopeFault('jsonrpc must be "2.0"', idText)
  const methodNode = member(root, 'method')
  if (methodNode !== undefined) return readCall(text, root, methodNode, id, idText)
  const result = member(root, 'result')
  const error = member(root, 'error')
  if (result !== undefined && error === undefined) {
    if (idText === '') return envelopeFault('a result needs an id', '')
    if (result.kind !== 'object') return envelopeFault('result must be an object', idText)
    return { ok: true, value: { kind: 'result', text, root, idText, method: '', body: result } }
  }
  if (error === undefined || result !== undefined) return envelopeFault('neither a call nor a response', idText)
  if (error.kind !== 'object' || member(error, 'code')?.kind !== 'number') {
    return envelopeFault('error must be an object with a code', idText)
  }
  return { ok: true, value: { kind: 'error', text, root, idText, method: '', body: error } }
}

function readCall(
  text: WireText,
  root: JsonNode,
  methodNode: JsonNode,
  id: JsonNode | undefined,
  idText: IdText,
): MessageScan {
  const method = readString(text, methodNode)
  if (method === undefined || method === '') return envelopeFault('method must be a string', idText)
  if (id !== undefined && idText === '') return envelopeFault('id must be a string or an integer', '')
  const body = member(root, 'params')
  if (body !== undefined && body.kind !== 'object') return envelopeFault('params must be an object', idText)
  return { ok: true, value: { kind: id === undefined ? 'notification' : 'request', text, root, idText, method, body } }
}

/** MCP narrows JSON-RPC: an id is a string or an integer, never null (2026-07-28, Basic, Requests). */
function isId(text: WireText, node: JsonNode): boolean {
  return node.kind === 'string' || (node.kind === 'number' && /^-?\d+$/.test(text.slice(node.start, node.end)))
}

function envelopeFault(detail: string, idText: IdText): MessageScan {
  return { ok: false, fault: { reason: 'envelope', detail, idText } }
}
