/** One connection to one file: WAL, the store's clock as a function, statements prepared once. */

import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import type { SqlRow, SqlValue } from '../sql/sql-database.ts'

export interface Connection {
  run(sql: string, values: readonly SqlValue[]): readonly SqlRow[]
  exec(sql: string): void
  close(): void
}

/** Another process may hold the file for as long. */
const BUSY_MS = 5_000
const SQLITE_BUSY = 5
const BUSY_PAUSE_MS = 10
/** Those whose text is made at run time must not pile up. */
const MAX_STATEMENTS = 200

/** `durable`: each commit waits until the disk has it. */
export function openConnection(path: string, durable: boolean, nowMs: () => number): Connection {
  const database = new DatabaseSync(path, { timeout: BUSY_MS })
  useLog(database)
  database.exec(`PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}`)
  database.function('portolan_now_ms', nowMs)
  const statements = new Map<string, StatementSync>()

  function prepared(sql: string): StatementSync {
    const known = statements.get(sql)
    if (known !== undefined) return known
    const statement = database.prepare(sql.replaceAll(/\$(\d+)/g, '?$1'))
    if (statements.size >= MAX_STATEMENTS) statements.clear()
    statements.set(sql, statement)
    return statement
  }

  return {
    run: (sql, values) => prepared(sql).all(...values) as unknown as readonly SqlRow[],
    exec: (sql) => database.exec(sql),
    close: () => database.close(),
  }
}

/** Of several processes that find a new file one turns its log on: for that SQLite lets the others not wait, whatever the time-out. */
function useLog(database: DatabaseSync): void {
  const untilMs = performance.now() + BUSY_MS
  for (;;) {
    try {
      return database.exec('PRAGMA journal_mode = WAL')
    } catch (error) {
      if (!isBusy(error) || performance.now() > untilMs) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_PAUSE_MS)
    }
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY
}
