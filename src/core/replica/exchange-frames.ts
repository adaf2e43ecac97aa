/**
 * The texts that bring a whole HTTP exchange to the replica that owns what it needs, and the answer back. All of it is wire
 * text. The first character of an answer's text says what it is; a reader that meets what it does not know breaks off.
 */

import type { Principal } from '../auth/principal.ts'
import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import { FORMATS, isRead } from '../format.ts'

export type HeaderPair = readonly [name: string, value: string]

export interface CarriedRequest {
  readonly exchangeId: string
  readonly verb: string
  /** With the query, as received. */
  readonly path: string
  readonly query: string
  readonly headers: readonly HeaderPair[]
  readonly remoteAddress: string
  /** Authenticated where the client is connected: its token goes nowhere. */
  readonly principal: Principal
  readonly body: WireText
}

/** Secrets of the client's, and what concerns its own connection only (RFC 9110 §7.6.1). */
const KEPT_BACK = new Set(['authorization', 'cookie', 'proxy-authorization', 'connection', 'keep-alive', 'te', 'transfer-encoding', 'upgrade', 'content-length', 'host'])

export function writeRequest({ body, principal, headers, ...fields }: CarriedRequest): WireText {
  const head = {
    format: FORMATS.exchange.writes,
    ...fields,
    headers: headers.filter(([name]) => !KEPT_BACK.has(name.toLowerCase())),
    principal: { ...principal, scopes: [...principal.scopes] },
  }
  return `${asciiJson(head)}\n${body}`
}

/** Undefined for what is of another format, or malformed. */
export function readRequest(text: WireText): CarriedRequest | undefined {
  const at = text.indexOf('\n')
  if (at < 0) return undefined
  const head: unknown = parsed(text.slice(0, at))
  if (!isJsonObject(head) || !isRead(FORMATS.exchange, head['format']) || !isJsonObject(head['principal']) || !Array.isArray(head['headers'])) return undefined
  const { ownerKey, bindingKey, label, scopes } = head['principal']
  const { exchangeId, verb, path, query, remoteAddress } = head
  const strings = [exchangeId, verb, path, query, remoteAddress, ownerKey, bindingKey, label]
  if (!areStrings(strings) || !areStrings(scopes)) return undefined
  const headers = head['headers'].filter((pair): pair is [string, string] => areStrings(pair) && pair.length === 2)
  const [id, method, where, search, address, owner, binding, name] = strings as [string, string, string, string, string, string, string, string]
  return {
    exchangeId: id, verb: method, path: where, query: search, headers, remoteAddress: address,
    principal: { ownerKey: owner, bindingKey: binding, label: name, scopes: new Set(scopes) },
    body: text.slice(at + 1),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function areStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

export interface Head {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

export type AnswerFrame =
  /** The whole answer. */
  | { readonly kind: 'answer'; readonly head: Head; readonly text: WireText }
  /** An answer that follows in pieces. */
  | { readonly kind: 'head'; readonly head: Head }
  | { readonly kind: 'piece'; readonly text: WireText }
  | { readonly kind: 'end' }
  /** It cannot be finished: the client's connection is to be cut. */
  | { readonly kind: 'cut' }
  /** What the exchange needs is not there any more, and nothing of it was done. */
  | { readonly kind: 'moved' }

const SIGN = { answer: 'a', head: 'h', piece: 'p', end: 'e', cut: 'x', moved: 'm' } as const

export function writeFrame(frame: AnswerFrame): WireText {
  switch (frame.kind) {
    case 'answer':
      return `${SIGN.answer}${asciiJson({ ...frame.head, headers: { ...frame.head.headers } })}\n${frame.text}`
    case 'head':
      return `${SIGN.head}${asciiJson({ ...frame.head, headers: { ...frame.head.headers } })}`
    case 'piece':
      return `${SIGN.piece}${frame.text}`
    default:
      return SIGN[frame.kind]
  }
}

/** Undefined for what is none. */
export function readFrame(text: WireText): AnswerFrame | undefined {
  switch (text[0]) {
    case SIGN.answer: {
      const at = text.indexOf('\n')
      const head = readHead(text.slice(1, Math.max(1, at)))
      return head === undefined ? undefined : { kind: 'answer', head, text: text.slice(at + 1) }
    }
    case SIGN.head: {
      const head = readHead(text.slice(1))
      return head === undefined ? undefined : { kind: 'head', head }
    }
    case SIGN.piece:
      return { kind: 'piece', text: text.slice(1) }
    case SIGN.end:
      return { kind: 'end' }
    case SIGN.cut:
      return { kind: 'cut' }
    case SIGN.moved:
      return { kind: 'moved' }
    default:
      return undefined
  }
}

function readHead(text: string): Head | undefined {
  const head = parsed(text)
  if (!isJsonObject(head) || typeof head['status'] !== 'number' || !isJsonObject(head['headers'])) return undefined
  const headers = Object.entries(head['headers']).filter((pair): pair is [string, string] => typeof pair[1] === 'string')
  return { status: head['status'], headers: Object.fromEntries(headers) }
}
