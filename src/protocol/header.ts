/**
 * Names of the HTTP headers that MCP defines, and the encoding of mirrored values
 * (S26 basic/transports/streamable-http, Value Encoding). Pure; both the client's and the server's half.
 */
import { fail, ok } from './result.ts'
import type { Result } from './result.ts'

/** In lower case, as node:http gives them. */
export const HEADER = {
  protocolVersion: 'mcp-protocol-version',
  sessionId: 'mcp-session-id',
  method: 'mcp-method',
  name: 'mcp-name',
  lastEventId: 'last-event-id',
} as const

/** A parameter's header is this and the `x-mcp-header` of its schema. Lower case. */
export const PARAM_HEADER_PREFIX = 'mcp-param-'

/** Why a received value stands for no text. */
export type HeaderFault =
  /** A byte that no field value may hold (RFC 9110 §5.5: visible ASCII, space, tab). */
  | { readonly reason: 'invalid_characters' }
  /** Within the sentinel, not canonical padded base64 (RFC 4648 §4). */
  | { readonly reason: 'invalid_base64' }
  | { readonly reason: 'invalid_utf8' }

const PREFIX = '=?base64?'
const SUFFIX = '?='
const PLAIN = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/
const FIELD_VALUE = /^[\t\x20-\x7e]*$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * A value for `Mcp-Name` or `Mcp-Param-*`: as it is where it is plain ASCII, else in the Base64 sentinel. The empty
 * string is encoded too: intermediaries drop empty fields. Lone surrogates, which UTF-8 cannot hold, become U+FFFD.
 */
export function encodeHeaderValue(text: string): string {
  const literal = PLAIN.test(text) && !(text.startsWith(PREFIX) && text.endsWith(SUFFIX))
  return literal ? text : `${PREFIX}${Buffer.from(text, 'utf8').toString('base64')}${SUFFIX}`
}

/**
 * The text that a received `Mcp-Name` or `Mcp-Param-*` stands for; what is not wholly within the sentinel is literal.
 * `raw` is without the whitespace around it, as HTTP parsers give it.
 */
export function decodeHeaderValue(raw: string): Result<string, HeaderFault> {
  if (!FIELD_VALUE.test(raw)) return fail({ reason: 'invalid_characters' })
  if (raw.length < PREFIX.length + SUFFIX.length || !raw.startsWith(PREFIX) || !raw.endsWith(SUFFIX)) return ok(raw)
  const base64 = raw.slice(PREFIX.length, -SUFFIX.length)
  if (!BASE64.test(base64)) return fail({ reason: 'invalid_base64' })
  try {
    return ok(utf8.decode(Buffer.from(base64, 'base64')))
  } catch {
    return fail({ reason: 'invalid_utf8' })
  }
}

/** Whether a received header stands for the body's value. A body that holds lone surrogates matches its U+FFFD form. */
export function headerStandsFor(raw: string, value: string): Result<boolean, HeaderFault> {
  const decoded = decodeHeaderValue(raw)
  return decoded.ok ? ok(decoded.value === value || decoded.value === value.toWellFormed()) : decoded
}
