/**
 * Writes of one file, each batch of them in one transaction (group commit): whatever came while a commit waited for the disk
 * shares the next one. A write that fails takes none of the others with it. Runs in the worker thread.
 */

import type { SqlRow } from '../sql/sql-database.ts'
import type { Connection } from './connection.ts'
import type { WriteAnswer, WriteRequest } from './write-message.ts'

/** All are answered; nothing is thrown. `setNowMs` sets the store's clock for the statements of one write. */
export function writeBatch(connection: Connection, requests: readonly WriteRequest[], setNowMs: (nowMs: number) => void): readonly WriteAnswer[] {
  try {
    connection.exec('BEGIN IMMEDIATE')
  } catch (error) {
    return requests.map(({ id }) => ({ id, failure: String(error) }))
  }
  const answers = requests.map((request) => {
    setNowMs(request.nowMs)
    return writeOne(connection, request)
  })
  try {
    connection.exec('COMMIT')
    return answers
  } catch (error) {
    attempt(() => connection.exec('ROLLBACK'))
    return requests.map(({ id }) => ({ id, failure: String(error) }))
  }
}

function writeOne(connection: Connection, { id, statements }: WriteRequest): WriteAnswer {
  // One statement undoes itself where it fails.
  const isSingle = statements.length === 1
  try {
    if (!isSingle) connection.exec('SAVEPOINT one')
    const rows: (readonly SqlRow[])[] = statements.map(({ sql, values }) => connection.run(sql, values))
    if (!isSingle) connection.exec('RELEASE one')
    return { id, rows }
  } catch (error) {
    if (!isSingle) attempt(() => connection.exec('ROLLBACK TO one; RELEASE one'))
    return { id, failure: String(error) }
  }
}

/** A full disk may have ended the transaction already. */
function attempt(run: () => void): void {
  try {
    run()
  } catch {
    // COMMIT says it all.
  }
}
