/** Port: every outgoing HTTP request of Portolan. Redirects are off; proxies, extra CAs and the SSRF guard live behind it. */

export interface EgressRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  /** Names in lower case, one pair each. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** latin1 view of UTF-8. */
  readonly body?: string
  readonly connectTimeoutMs: number
}

export interface EgressFailure {
  readonly reason: 'unreachable' | 'aborted' | 'closed' | 'protocol'
  /** False only where not one byte of the request was handed to the socket. */
  readonly sent: boolean
  readonly detail: string
}

/**
 * Calls come in this order: onHead once, onChunk any number, then onEnd or onFailure once. Nothing after an abort, and
 * nothing before `send` has returned.
 */
export interface EgressHandler {
  onHead(status: number, header: (lowerCaseName: string) => string | undefined): void
  onChunk(chunk: Uint8Array): void
  onEnd(): void
  onFailure(failure: EgressFailure): void
}

export interface EgressControl {
  /** Closes the connection or stream; no handler is called afterwards. */
  abort(): void
  pause(): void
  resume(): void
}

export interface Egress {
  send(request: EgressRequest, handler: EgressHandler): EgressControl
  close(): Promise<void>
}
