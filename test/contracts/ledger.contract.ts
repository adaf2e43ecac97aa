/** What every Ledger must do. `records` reads what it kept, oldest first. */
import { describe, expect, it } from 'vitest'
import type { Ledger, LedgerRecord } from '../../src/core/audit/ledger.ts'

export interface LedgerRig {
  readonly ledger: Ledger
  records(): Promise<readonly LedgerRecord[]>
}

/** A whole record that names itself. */
export function ledgerRecord(exchangeId: string): LedgerRecord {
  return {
    exchangeId,
    receivedAtMs: 1_700_000_000_000,
    durationMs: 1.5,
    transport: 'http',
    era: 'modern',
    revision: '2026-07-28',
    principal: 'älice',
    endpoint: 'files',
    method: 'tools/call',
    upstreamId: 'files',
    subject: 'read "it"\n',
    outcome: 'result',
    status: 200,
    errorCode: '',
    requestBytes: 120,
    responseBytes: 640,
  }
}

/** `open` gives a ledger that keeps at least 100 records. */
export function testLedger(name: string, open: () => Promise<LedgerRig>): void {
  describe(`Ledger contract: ${name}`, () => {
    it('keeps each record once, whole, in order, once flushed', async () => {
      const { ledger, records } = await open()
      const appended = Array.from({ length: 100 }, (_, at) => ledgerRecord(`x${at}`))
      for (const record of appended) ledger.append(record)
      await ledger.flush()
      await ledger.flush()
      expect(await records()).toEqual(appended)
    })

    it('takes records while a flush is under way', async () => {
      const { ledger, records } = await open()
      ledger.append(ledgerRecord('first'))
      const flushed = ledger.flush()
      ledger.append(ledgerRecord('second'))
      await flushed
      await ledger.flush()
      expect((await records()).map((record) => record.exchangeId)).toEqual(['first', 'second'])
    })
  })
}
