/** Port: the audit record of every exchange, appended once, when it finishes. */

export interface LedgerRecord {
  readonly exchangeId: string
  readonly receivedAtMs: number
  readonly durationMs: number
  /** `socket`: the operations socket. */
  readonly transport: 'http' | 'sse' | 'stdio' | 'socket'
  readonly era: 'legacy' | 'modern' | ''
  readonly revision: string
  /** '' where nobody was authenticated. */
  readonly principal: string
  readonly endpoint: string
  readonly method: string
  /** The upstream's id and the upstream's own name or URI of what was used; '' where it never got so far. */
  readonly upstreamId: string
  readonly subject: string
  readonly outcome: string
  /** HTTP status, or 0 where the transport has none or nothing could be sent. */
  readonly status: number
  readonly errorCode: string
  readonly requestBytes: number
  readonly responseBytes: number
}

export interface Ledger {
  /** Takes the record at once; never throws, never blocks the exchange. */
  append(record: LedgerRecord): void
  /** Resolves when all that was appended is as durable as this ledger makes it. */
  flush(): Promise<void>
}
