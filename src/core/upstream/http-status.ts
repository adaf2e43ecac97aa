/** What an upstream's HTTP status and headers say about a call. */

import type { Message } from '../../protocol/message.ts'
import type { ChannelFailure } from './channel.ts'

/** What a status means where the channel knows no better; undefined: the body is the response. */
export function refuseByStatus(status: number, body: Message | undefined): ChannelFailure['reason'] | undefined {
  if (status === 429 || status === 503) return 'overloaded'
  if (status === 401 || status === 403 || body === undefined) return 'status'
  // A server that failed without reading the id may have done anything.
  return status >= 500 && body.idText === '' ? 'status' : undefined
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
