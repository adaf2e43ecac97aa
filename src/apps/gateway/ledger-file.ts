/**
 * The ledger of one process: JSON lines, appended in batches to a file of mode 0600. A crash loses at most the batch that
 * was not written yet. A disk that fails never fails an exchange: what cannot be kept is counted and logged.
 */

import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Ledger, LedgerRecord } from '../../core/audit/ledger.ts'

export interface LedgerFileOptions {
  readonly path: string
  /** The longest time a record waits to be written. */
  readonly batchMs?: number
  /** Records kept in memory while the disk does not take them. */
  readonly maxWaiting?: number
  /** Called for each failed write, with the number of records lost so far. */
  readonly onFailure: (failure: { readonly reason: string; readonly lostCount: number }) => void
}

export interface LedgerFile extends Ledger {
  readonly lostCount: number
  /** Writes what is left. */
  close(): Promise<void>
}

/** Rejects where the file cannot be opened. */
export async function openLedgerFile(options: LedgerFileOptions): Promise<LedgerFile> {
  const { path, batchMs = 200, maxWaiting = 100_000, onFailure } = options
  const file: FileHandle = await open(path, 'a', 0o600)
  let waiting: LedgerRecord[] = []
  let lostCount = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  function schedule(): void {
    timer ??= setTimeout(() => void write(), batchMs).unref()
  }

  /** One batch after the other, so that lines keep their order. */
  function write(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    writing = writing.then(writeBatch)
    return writing
  }

  async function writeBatch(): Promise<void> {
    const batch = waiting
    if (batch.length === 0) return
    waiting = []
    try {
      await file.appendFile(`${batch.map((record) => JSON.stringify(record)).join('\n')}\n`)
    } catch (error) {
      keep(batch)
      onFailure({ reason: error instanceof Error ? error.message : String(error), lostCount })
      schedule()
    }
  }

  /** Puts back what was not written, as far as there is room: the newest are lost, so that the rest stays gapless. */
  function keep(batch: readonly LedgerRecord[]): void {
    const all = [...batch, ...waiting]
    waiting = all.slice(0, maxWaiting)
    lostCount += all.length - waiting.length
  }

  return {
    get lostCount() {
      return lostCount
    },
    append(record) {
      if (waiting.length >= maxWaiting) lostCount += 1
      else waiting.push(record)
      schedule()
    },
    async flush() {
      await write()
      await file.datasync().catch(() => undefined)
    },
    async close() {
      await write()
      clearTimeout(timer)
      await file.close()
    },
  }
}
