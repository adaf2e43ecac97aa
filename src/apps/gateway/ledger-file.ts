/**
 * The ledger of one process: JSON lines, appended in batches to a file of mode 0600. A crash loses at most the batch that
 * was not written yet. A disk that fails never fails an exchange: what cannot be kept is counted and logged. Of a batch that a
 * full disk takes a part of, the rest follows when there is room: no line is torn by it, and none is there twice.
 */

import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Ledger, LedgerRecord } from '../../core/audit/ledger.ts'

export interface LedgerFileOptions {
  readonly path: string
  /** The longest time a record waits to be written. */
  readonly batchMs?: number
  /** How long a disk that failed is left alone. */
  readonly retryMs?: number
  /** Records kept in memory while the disk does not take them. */
  readonly maxWaiting?: number
  /** Called for each failed write, and where records are lost at the end, with the number of records lost so far. */
  readonly onFailure: (failure: { readonly reason: string; readonly lostCount: number }) => void
}

export interface LedgerFile extends Ledger {
  readonly lostCount: number
  /** Writes what is left; what the disk does not take then is lost. */
  close(): Promise<void>
}

/** Rejects where the file cannot be opened. */
export async function openLedgerFile(options: LedgerFileOptions): Promise<LedgerFile> {
  const { path, batchMs = 200, retryMs = 5_000, maxWaiting = 100_000, onFailure } = options
  const file: FileHandle = await open(path, 'a+', 0o600)
  let rest: Buffer = Buffer.from((await endsWithinLine(file)) ? '\n' : '')
  /** Records of which it has the end. */
  let restCount = 0
  let waiting: LedgerRecord[] = []
  let lostCount = 0
  let reason = ''
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  function schedule(afterMs: number): void {
    timer ??= setTimeout(() => void write(), afterMs).unref()
  }

  /** One batch after the other, so that lines keep their order. */
  function write(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    writing = writing.then(writeBatch)
    return writing
  }

  async function writeBatch(): Promise<void> {
    const isLeftOver = rest.length > 0
    if (!isLeftOver) rest = takeWaiting()
    try {
      while (rest.length > 0) rest = rest.subarray((await file.write(rest)).bytesWritten)
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error)
      restCount = Math.min(restCount, linesIn(rest))
      onFailure({ reason, lostCount })
      // A record that came meanwhile does not make it sooner.
      clearTimeout(timer)
      timer = undefined
      return schedule(retryMs)
    }
    restCount = 0
    if (isLeftOver) await writeBatch()
  }

  function takeWaiting(): Buffer {
    const batch = waiting
    waiting = []
    restCount = batch.length
    return Buffer.from(batch.map((record) => `${JSON.stringify(record)}\n`).join(''))
  }

  return {
    get lostCount() {
      return lostCount
    },
    append(record) {
      // The newest are lost, so that the rest has no gap.
      if (restCount + waiting.length >= maxWaiting) lostCount += 1
      else waiting.push(record)
      schedule(batchMs)
    },
    async flush() {
      await write()
      await file.datasync().catch(() => undefined)
    },
    async close() {
      await write()
      clearTimeout(timer)
      const unwritten = restCount + waiting.length
      lostCount += unwritten
      if (unwritten > 0) onFailure({ reason, lostCount })
      await file.close()
    },
  }
}

function linesIn(text: Buffer): number {
  let lines = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines += 1
  return lines
}

/** As a loss of power may leave it: the next record must not become part of that line. */
async function endsWithinLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat()
  if (size === 0) return false
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer.toString() !== '\n'
}
