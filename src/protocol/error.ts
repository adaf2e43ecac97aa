/**
 * Every failure that leaves Portolan, in one table: our code, and what it is on the wire of each era. An HTTP status
 * other than 200 and 500 says that the call was not executed, because intermediaries retry on statuses; what fails after
 * the call was handed to an upstream is an error in a 200. Anything that is not a PortolanError leaves as `internal`.
 */
import type { Era } from './revision.ts'
import type { JsonValue } from './json-value.ts'

/** One era's side of an error. `code` is the JSON-RPC code, `status` the HTTP status. */
export interface WireRow {
  readonly code: number
  readonly status: number
}

interface ErrorRow {
  readonly legacy: WireRow
  readonly modern: WireRow
  /** The same request may be sent again: the cause passes, and nothing was executed. */
  readonly retryable: boolean
  readonly message: string
}

function row(code: number, status: number, message: string): ErrorRow {
  return { legacy: { code, status }, modern: { code, status }, retryable: false, message }
}

function rowPerEra(legacy: WireRow, modern: WireRow, message: string): ErrorRow {
  return { legacy, modern, retryable: false, message }
}

function passing(error: ErrorRow): ErrorRow {
  return { ...error, retryable: true }
}

const wire = (code: number, status: number): WireRow => ({ code, status })

/**
 * Codes of our own are −31000 … −31099: outside the range that JSON-RPC reserves (S26 basic, Error Codes). −32000 and
 * −32001 for sessions are what the official SDKs send and expect on legacy wires. −32020 … are never sent to legacy.
 */
export const ERRORS = {
  parse_error: row(-32700, 400, 'Parse error'),
  invalid_request: row(-32600, 400, 'Invalid request'),
  /** Two parsers must never see two names (design §3, stage 2). */
  duplicate_key: row(-32600, 400, 'Invalid request: duplicate key'),
  /** S26 basic/transports/streamable-http, Protocol Version Header: 404; a legacy 404 would mean "session gone". */
  method_not_found: rowPerEra(wire(-32601, 200), wire(-32601, 404), 'Method not found'),
  /** Wrong in the arguments of a method. */
  invalid_params: row(-32602, 200, 'Invalid params'),
  /** Wrong or missing in the request's metadata (S26 basic, `_meta`: 400). */
  invalid_meta: row(-32602, 400, 'Invalid params: request metadata'),
  unknown_tool: row(-32602, 200, 'Unknown tool'),
  unknown_prompt: row(-32602, 200, 'Unknown prompt'),
  resource_not_found: rowPerEra(wire(-32002, 200), wire(-32602, 200), 'Resource not found'),
  task_not_found: row(-32602, 200, 'Task not found'),
  invalid_cursor: row(-32602, 200, 'Invalid cursor'),
  /** Foreign, altered, expired or already used: one answer for all (guarantee 3). */
  invalid_request_state: row(-32602, 200, 'Invalid or expired requestState'),
  header_mismatch: rowPerEra(wire(-32600, 400), wire(-32020, 400), 'Header mismatch'),
  /** `data.requiredCapabilities` names them in both eras. */
  missing_capability: rowPerEra(wire(-32600, 200), wire(-32021, 400), 'Missing required client capability'),
  /** Modern: `data` is `{ supported, requested }`. */
  unsupported_version: rowPerEra(wire(-32000, 400), wire(-32022, 400), 'Unsupported protocol version'),
  session_required: rowPerEra(wire(-32000, 400), wire(-31014, 400), 'Mcp-Session-Id header is required'),
  session_not_found: rowPerEra(wire(-32001, 404), wire(-31015, 404), 'Session not found'),
  /** `Last-Event-ID` is no longer in the buffer. */
  event_expired: row(-31016, 200, 'The events after Last-Event-ID are no longer kept'),
  unauthorized: row(-31001, 401, 'Unauthorized'),
  forbidden: row(-31002, 403, 'Forbidden'),
  insufficient_scope: row(-31003, 403, 'Insufficient scope'),
  forbidden_origin: row(-31004, 403, 'Forbidden: Origin is not allowed'),
  forbidden_host: row(-31005, 403, 'Forbidden: Host is not allowed'),
  unknown_server: row(-31006, 404, 'No such server'),
  method_not_allowed: rowPerEra(wire(-32000, 405), wire(-31007, 405), 'Method not allowed'),
  not_acceptable: rowPerEra(wire(-32000, 406), wire(-31008, 406), 'Not acceptable: send Accept for JSON and event streams'),
  unsupported_media_type: rowPerEra(wire(-32000, 415), wire(-31009, 415), 'Unsupported media type: send application/json'),
  body_too_large: row(-31010, 413, 'Request body too large'),
  /** The request itself did not arrive in time. */
  request_timeout: passing(row(-31011, 408, 'Request timeout')),
  rate_limited: passing(row(-31012, 429, 'Rate limit exceeded')),
  too_many_sessions: passing(row(-31013, 503, 'Too many sessions')),
  too_many_streams: passing(row(-31027, 503, 'Too many open streams')),
  overloaded: passing(row(-31017, 503, 'Overloaded')),
  draining: passing(row(-31018, 503, 'Shutting down')),
  /** What this request needs of the state store cannot be had now. */
  state_unavailable: passing(row(-31028, 503, 'State store unavailable')),
  /** It may come back, or another will have what it had. */
  owner_unreachable: passing(row(-31029, 503, 'The replica that owns this cannot be reached')),
  cancelled: row(-31019, 200, 'Request cancelled'),
  /** No byte reached it, or it refused before execution. */
  upstream_unavailable: passing(rowPerEra(wire(-31020, 200), wire(-31020, 503), 'Upstream server unavailable')),
  upstream_timeout: row(-31021, 200, 'Upstream server timed out'),
  upstream_malformed: row(-31022, 200, 'Upstream server sent a malformed response'),
  upstream_oversized: row(-31023, 200, 'Upstream server sent a response beyond the limit'),
  /** Sent, then lost: it may have run (guarantee 1). */
  outcome_unknown: row(-31024, 200, 'Outcome unknown: the upstream server was lost after the call was sent'),
  /** The upstream needs more input than this client, or more rounds than we allow. */
  input_refused: row(-31025, 200, 'The input that the upstream server asked for was not obtained'),
  /** What this pair of revisions cannot carry; the message says why. */
  unsupported: row(-31026, 200, 'Not supported between these protocol revisions'),
  internal: row(-32603, 500, 'Internal error'),
} as const satisfies Record<string, ErrorRow>

/** Stable: documented in docs/errors.md, logged, counted. */
export type ErrorCode = keyof typeof ERRORS

/** What a failure says beyond its code. */
export interface PortolanErrorOptions {
  /** For the client: never holds a secret, an upstream's address, or another principal's data. */
  readonly message?: string
  readonly data?: JsonValue
  /** Seconds, for `Retry-After`. */
  readonly retryAfterSec?: number
  /** For the log only. */
  readonly cause?: unknown
}

/** The one failure type. */
export class PortolanError extends Error {
  override readonly name = 'PortolanError'
  readonly code: ErrorCode
  readonly data: JsonValue | undefined
  readonly retryAfterSec: number | undefined

  constructor(code: ErrorCode, options: PortolanErrorOptions = {}) {
    super(options.message ?? ERRORS[code].message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.data = options.data
    this.retryAfterSec = options.retryAfterSec
  }
}

/** An error as it stands in a JSON-RPC response. */
export interface WireErrorObject {
  readonly code: number
  readonly message: string
  readonly data?: JsonValue
}

/** An error ready for one era's wire. `status` is the HTTP status where nothing was answered yet. */
export interface WireError extends WireErrorObject {
  readonly status: number
  readonly retryAfterSec?: number
}

/** What leaves the process for `error`. Anything that is not a PortolanError becomes `internal`, without its text. */
export function toWire(error: unknown, era: Era): WireError {
  if (!(error instanceof PortolanError)) {
    const { code, status } = ERRORS.internal[era]
    return { status, code, message: ERRORS.internal.message }
  }
  const { code, status } = ERRORS[error.code][era]
  return {
    status,
    code,
    message: error.message,
    ...(error.data === undefined ? {} : { data: error.data }),
    ...(error.retryAfterSec === undefined ? {} : { retryAfterSec: error.retryAfterSec }),
  }
}

/** The member `error` of a JSON-RPC response: `status` and `retryAfterSec` belong to HTTP, not to it. */
export function toErrorObject(error: WireError): WireErrorObject {
  const { code, message, data } = error
  return data === undefined ? { code, message } : { code, message, data }
}

/** Whether the same request may be sent again: the cause passes, and nothing was executed. */
export function isRetryable(code: ErrorCode): boolean {
  return ERRORS[code].retryable
}
