/**
 * The state of one installation in two files of its data folder: `state.db`, whose commits reach the disk, and `cache.db`,
 * where a loss of power may take the last moments. Reads run here, in microseconds; writes in a thread of their own.
 */

import { chmodSync, closeSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SCHEMA_INSERT, SCHEMA_TABLE, SCHEMA_VERSION, pendingMigrations } from '../sql/migration.ts'
import type { Migration, SchemaVersion } from '../sql/migration.ts'
import { StateOpenError, numberOf, unavailable } from '../sql/sql-database.ts'
import type { SqlDatabase, SqlRow, StateDatabases } from '../sql/sql-database.ts'
import { openConnection } from './connection.ts'
import type { Connection } from './connection.ts'
import type { FileName } from './write-message.ts'
import { createWriter } from './writer.ts'
import type { Writer } from './writer.ts'

export interface SqliteOptions {
  /** An existing folder. */
  readonly folder: string
  readonly nowMs: () => number
  /** For tests. */
  readonly migrations?: readonly Migration[]
}

export const SQLITE_FILES: Readonly<Record<FileName, string>> = { durable: 'state.db', cache: 'cache.db' }

/** Brings both files to the current schema. Throws StateOpenError; nothing is open then. */
export function openSqlite({ folder, nowMs, migrations }: SqliteOptions): StateDatabases {
  const paths = { durable: join(folder, SQLITE_FILES.durable), cache: join(folder, SQLITE_FILES.cache) }
  const durable = openFile('durable', paths.durable, nowMs, migrations)
  let cache: Connection
  try {
    cache = openFile('cache', paths.cache, nowMs, migrations)
  } catch (error) {
    durable.close()
    throw error
  }
  const writer = createWriter(paths)
  return {
    durable: databaseOf('durable', durable, writer, nowMs),
    cache: databaseOf('cache', cache, writer, nowMs),
    name: `SQLite in ${folder}`,
    async close() {
      await writer.close()
      durable.close()
      cache.close()
    },
  }
}

function openFile(file: FileName, path: string, nowMs: () => number, migrations: readonly Migration[] | undefined): Connection {
  let connection: Connection | undefined
  try {
    keepPrivate(path)
    connection = openConnection(path, file === 'durable', nowMs)
    migrate(connection, file, path, migrations)
    connection.exec('PRAGMA query_only = 1')
    return connection
  } catch (error) {
    connection?.close()
    if (error instanceof StateOpenError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new StateOpenError(`Cannot use ${path}: ${reason}. Mend its permissions or restore it from a backup; without the file a new one is made.`, { cause: error })
  }
}

/** Others of the machine must not read it: what SQLite makes beside it has the same mode. */
function keepPrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
}

function migrate(connection: Connection, file: FileName, path: string, migrations: readonly Migration[] | undefined): void {
  if (pendingMigrations(versionOf(connection), path, migrations).length === 0) return
  // Of several processes that start at once one migrates, and the others find it done.
  connection.exec('BEGIN IMMEDIATE')
  try {
    const found = versionOf(connection)
    if (found === undefined) connection.exec(SCHEMA_TABLE)
    for (const migration of pendingMigrations(found, path, migrations)) {
      for (const sql of migration[file]) connection.exec(sql)
      connection.run(SCHEMA_INSERT, [migration.version, migration.oldestCode])
    }
    connection.exec('COMMIT')
  } catch (error) {
    connection.exec('ROLLBACK')
    throw error
  }
}

function versionOf(connection: Connection): SchemaVersion | undefined {
  const tables = connection.run(`SELECT name FROM sqlite_master WHERE name = 'portolan_schema'`, [])
  if (tables.length === 0) return undefined
  const [row] = connection.run(SCHEMA_VERSION, [])
  return row === undefined ? undefined : { version: numberOf(row, 'version'), oldestCode: numberOf(row, 'oldest_code') }
}

function databaseOf(file: FileName, connection: Connection, writer: Writer, nowMs: () => number): SqlDatabase {
  const writeAll: SqlDatabase['writeAll'] = (statements) => writer.write(file, nowMs(), statements)
  return {
    dialect: 'sqlite',
    async read(sql, values): Promise<readonly SqlRow[]> {
      try {
        return connection.run(sql, values)
      } catch (error) {
        throw unavailable(error)
      }
    },
    async write(sql, values) {
      const [rows] = await writeAll([{ sql, values }])
      return rows ?? []
    },
    writeAll,
  }
}
