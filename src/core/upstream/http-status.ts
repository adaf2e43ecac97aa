/** What an upstream's HTTP status and headers say about a call. */

import { member } from '../../protocol/json.ts'
import type { Era } from '../../protocol/revision.ts'
import type { Message } from '../../protocol/message.ts'
import type { ChannelFailure } from './channel.ts'

/** What a status means where the channel knows no better; undefined: the body is the response. */
export function refuseByStatus(status: number, body: Message | undefined): ChannelFailure['reason'] | undefined {
  if (status === 429 || status === 503) return 'overloaded'
  if (status === 401 || status === 403 || body === undefined) return 'status'
  // A server that failed without reading the id may have done anything.
  return status >= 500 && body.idText === '' ? 'status' : undefined
}

/**
 * Whether a refusal is one that a server of the other era gives to this one's requests: no such route, or a JSON-RPC error
 * about versions, sessions or `_meta` (S26 basic, Error Codes; S25 basic/transports).
 */
export function isEstranged(era: Era, status: number, body: Message | undefined): boolean {
  if (status !== 400 && status !== 404 && status !== 405) return false
  const code = member(body?.body, 'code')
  if (body === undefined || code === undefined) return true
  return FOREIGN[era].has(Number(body.text.slice(code.start, code.end)))
}

/** Codes of a legacy server towards a modern channel, and the reverse. */
const FOREIGN: Readonly<Record<Era, ReadonlySet<number>>> = {
  modern: new Set([-32000, -32600]),
  legacy: new Set([-32020, -32021, -32022, -32600, -32601, -32602]),
}

/** Statuses by which a server says that it did nothing; 408 and 409 may come from the middle of the work. */
export function isRefusedUnexecuted(status: number): boolean {
  return status === 503 || (status >= 300 && status < 500 && status !== 408 && status !== 409)
}

/** Seconds from `Retry-After` (RFC 9110 §10.2.3: seconds or a date); undefined where it says nothing usable. */
export function parseRetryAfter(value: string, nowMs: number): number | undefined {
  if (/^\d{1,9}$/.test(value)) return Number(value)
  const atMs = Date.parse(value)
  return Number.isNaN(atMs) ? undefined : Math.max(0, Math.ceil((atMs - nowMs) / 1_000))
}

/** Whether a `Content-Type` is `type`, whatever its parameters and case. */
export function isMediaType(contentType: string, type: string): boolean {
  return contentType.slice(0, type.length).toLowerCase() === type && /^[\s;]|^$/.test(contentType.slice(type.length, type.length + 1))
}
