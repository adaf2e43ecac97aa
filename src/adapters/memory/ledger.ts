/** The last records only, in memory: nothing survives the process. */
import type { Ledger, LedgerRecord } from '../../core/audit/ledger.ts'

export interface MemoryLedger extends Ledger {
  /** The newest last. */
  records(): LedgerRecord[]
}

/** Keeps `keepCount` records; 0 keeps none. */
export function createMemoryLedger(keepCount: number): MemoryLedger {
  const ring: LedgerRecord[] = []
  let next = 0

  return {
    append(record) {
      if (ring.length < keepCount) ring.push(record)
      else if (keepCount > 0) ring[next] = record
      next = keepCount === 0 ? 0 : (next + 1) % keepCount
    },
    async flush() {},
    records: () => (ring.length < keepCount ? [...ring] : [...ring.slice(next), ...ring.slice(0, next)]),
  }
}
