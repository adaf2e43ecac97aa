/**
 * Which web pages may talk to us. A browser names the page's origin on every request that a page of another origin makes;
 * one that is not allowed is refused, and only allowed ones are told that they may read the answer (Fetch §3.2).
 */
import type { HttpRequest } from '../../core/gateway/http-exchange.ts'
import { HEADER, PARAM_HEADER_PREFIX } from '../../protocol/header.ts'
import { publicUrlOf } from './allowed-host.ts'

export interface Cors {
  allows(origin: string): boolean
  /** Headers for every answer to an allowed origin. */
  answerHeaders(origin: string): Readonly<Record<string, string>>
  /** Headers of a preflight's answer. */
  preflightHeaders(origin: string, request: HttpRequest): Readonly<Record<string, string>>
}

export interface CorsOptions {
  /** Exact origins (`https://app.example`). Default: every loopback origin and that of `publicUrl`. */
  readonly allowedOrigins?: readonly string[]
  readonly publicUrl?: string
}

const METHODS = 'GET, POST, DELETE, OPTIONS'
const EXPOSED = 'Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate'
const REQUEST_HEADERS = ['accept', 'authorization', 'content-type', ...Object.values(HEADER)]
const MAX_AGE_SEC = 600
const LOOPBACK_ORIGIN = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/

/** Throws TypeError for what is no origin. */
export function createCors(options: CorsOptions): Cors {
  const exact = new Set(options.allowedOrigins)
  for (const origin of exact) {
    if (origin !== 'null' && !(URL.canParse(origin) && new URL(origin).origin === origin)) {
      throw new TypeError(`allowedOrigins: "${origin}" is not an origin; write scheme, host and port only, such as https://app.example`)
    }
  }
  const loopbackToo = options.allowedOrigins === undefined
  if (loopbackToo && options.publicUrl !== undefined) exact.add(publicUrlOf(options.publicUrl).origin)

  return {
    allows: (origin) => exact.has(origin) || (loopbackToo && LOOPBACK_ORIGIN.test(origin)),
    answerHeaders: (origin) => ({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': EXPOSED,
      vary: 'Origin',
    }),
    preflightHeaders: (origin, request) => ({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': METHODS,
      'access-control-allow-headers': [...REQUEST_HEADERS, ...requestedParams(request)].join(', '),
      'access-control-max-age': String(MAX_AGE_SEC),
      vary: 'Origin, Access-Control-Request-Headers',
    }),
  }
}

/** A preflight as browsers send it; any other OPTIONS is a request like others. */
export function isPreflight(request: HttpRequest): boolean {
  return request.verb === 'OPTIONS' && request.header('access-control-request-method') !== undefined
}

/** Parameter headers are named by the tools' schemas, so no fixed list can hold them. */
function requestedParams(request: HttpRequest): string[] {
  const requested = request.header('access-control-request-headers') ?? ''
  return requested
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name.startsWith(PARAM_HEADER_PREFIX) && TOKEN.test(name))
}
