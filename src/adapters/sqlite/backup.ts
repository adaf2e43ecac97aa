/** A copy of both files as they are at one moment each, while others write to them. */

import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StateOpenError } from '../sql/sql-database.ts'
import { SQLITE_FILES } from './database.ts'
import type { FileName } from './write-message.ts'

/** The quick file first: what it holds is sealed by keys of the other, which may only have more of them by then. */
const ORDER: readonly FileName[] = ['cache', 'durable']

/** Throws StateOpenError where there is no state, or a copy already; what was copied before stays. */
export function backupSqlite(folder: string, target: string): void {
  mkdirSync(target, { recursive: true, mode: 0o700 })
  for (const file of ORDER) backupFile(join(folder, SQLITE_FILES[file]), join(target, SQLITE_FILES[file]))
}

function backupFile(from: string, to: string): void {
  if (!existsSync(from)) throw new StateOpenError(`There is no ${from}: portolan up makes it at its first start. Say where the data folder is with --data; a state in PostgreSQL is backed up with pg_dump.`)
  if (existsSync(to)) throw new StateOpenError(`${to} is there already. Give each backup a folder of its own.`)
  const database = new DatabaseSync(from, { timeout: 5_000 })
  try {
    database.prepare('VACUUM INTO ?').run(to)
  } finally {
    database.close()
  }
  if (process.platform !== 'win32') chmodSync(to, 0o600)
}
