/** What the ledger says of operators: who did what to which task or server, and what came of it. No content. */

import type { LedgerRecord } from '../../core/audit/ledger.ts'
import type { AdminSource } from './admin-route.ts'

export interface AdminRecord {
  /** '' where nobody was let in. */
  readonly operator: string
  /** `operationId`; '' where it never got so far. */
  readonly method: string
  readonly subject: string
  /** The server's id; '' for none. */
  readonly server: string
  readonly outcome: 'answered' | 'refused' | 'challenge'
  readonly status: number
  readonly errorCode: string
  readonly durationMs: number
}

export type AdminTransport = 'http' | 'socket'

export function recordAdmin({ ledger, clock, random }: AdminSource, transport: AdminTransport, record: AdminRecord): void {
  const { operator, method, subject, server, outcome, status, errorCode, durationMs } = record
  const line: LedgerRecord = {
    exchangeId: random.id(), receivedAtMs: Math.round(clock.nowMs() - durationMs), durationMs, transport, era: '', revision: '',
    principal: operator === '' ? '' : `operator:${operator}`,
    endpoint: 'api', method: method === '' ? '' : `admin/${method}`, upstreamId: server, subject: subject.slice(0, 256),
    outcome, status, errorCode, requestBytes: 0, responseBytes: 0,
  }
  ledger.append(line)
}
