/**
 * Port: one HTTP request on an MCP route and the way to answer it, as the listener hands them over. The listener has
 * already enforced limits on headers, Host, Origin and CORS; the body is read only when asked for.
 */

export type BodyFault = { readonly reason: 'too_large' | 'timeout' | 'disconnected' }

export interface HttpRequest {
  readonly verb: string
  /** Path without the query, as received. */
  readonly path: string
  readonly query: URLSearchParams
  /** By lower-case name; repeated ones joined with ', '. */
  header(lowerCaseName: string): string | undefined
  /** All header pairs whose lower-case name starts with `prefix`. */
  headersWith(prefix: string): readonly (readonly [name: string, value: string])[]
  /** The whole body as latin1 text of its bytes, read once. */
  body(): Promise<{ readonly ok: true; readonly value: string } | { readonly ok: false; readonly fault: BodyFault }>
  /** The peer, after trusted proxies. */
  readonly remoteAddress: string
}

export interface HttpResponse {
  readonly headSent: boolean
  /** Status and headers of an answer that follows in pieces. */
  head(status: number, headers: Readonly<Record<string, string>>): void
  /** latin1 text of the bytes. False: the peer is slow, wait for `onDrain`. */
  write(text: string): boolean
  /** Ends a streamed answer. */
  end(): void
  /** A whole answer at once, with its length. `text` '' for none; `tail` follows it. */
  answer(status: number, headers: Readonly<Record<string, string>>, text: string, tail?: Buffer): void
  /** Cuts the connection: for an answer that cannot be finished. */
  destroy(): void
  /** Calls `run` once, when the peer has taken what was written. */
  onDrain(run: () => void): void
  /** Once, when the peer went away before the answer ended. */
  onGone(run: () => void): void
}

/** What the listener calls for each request on an MCP route. It answers every one. */
export interface HttpHandler {
  handle(request: HttpRequest, response: HttpResponse, refusal: HttpRefusal | undefined): void
}

/**
 * The listener's own verdict on a request that must not go further (wrong Host or Origin, headers too large, draining):
 * the gateway records it like any other exchange and answers in the shape of the client's era.
 */
export interface HttpRefusal {
  readonly code: 'forbidden_host' | 'forbidden_origin' | 'overloaded' | 'draining'
  readonly retryAfterSec?: number
}
