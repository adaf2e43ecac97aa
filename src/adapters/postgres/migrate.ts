/** Brings a PostgreSQL database to the current schema; of several replicas that start at once one does, the others wait for it. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientBase } from 'pg'
import { SCHEMA_INSERT, SCHEMA_TABLE, SCHEMA_VERSION, pendingMigrations } from '../sql/migration.ts'
import type { Migration, SchemaVersion } from '../sql/migration.ts'
import { StateOpenError } from '../sql/sql-database.ts'
import { isLocked, isUndone } from './fault.ts'

const OLDEST_SERVER = 150_000

/** Any number, the same in every version. */
const LOCK = 7_061_626_600_301

/** Of one transaction: another replica's migration may take its time, but one that was stopped in the middle of it not for ever. */
const PATIENCE = `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10min'; SET LOCAL idle_in_transaction_session_timeout = '10s'`
/** While it waits for a table, all that replicas ask of that table waits behind it: for less than a statement may take. */
const HASTE = `SET LOCAL lock_timeout = '1s'`
/** Then they have their turn. */
const LOCKED_PAUSE_MS = 2_000
const LOCKED_MS = 120_000

/** The store's clock is the server's: replicas may disagree about the time. */
const CLOCK = `
  CREATE OR REPLACE FUNCTION portolan_now_ms() RETURNS BIGINT LANGUAGE SQL STABLE
  AS $$ SELECT FLOOR(EXTRACT(EPOCH FROM statement_timestamp()) * 1000)::BIGINT $$`

export interface MigrateOptions {
  readonly migrations: readonly Migration[] | undefined
  readonly onWait: (what: string) => void
}

/** Rejects with StateOpenError where the server or the schema is of the wrong version, and with what the server says. */
export async function migrate(client: ClientBase, name: string, { migrations, onWait }: MigrateOptions): Promise<void> {
  await checkServer(client)
  const untilMs = performance.now() + LOCKED_MS
  let tell = onWait
  while (pendingMigrations(await versionOf(client), name, migrations).length > 0) {
    try {
      await applyAlone(client, name, { migrations, onWait: tell })
    } catch (error) {
      // A deadlock may be found before the lock's time is over: the server looks after 1 s, too.
      if (!isLocked(error) && !isUndone(error)) throw error
      await client.query('ROLLBACK')
      if (performance.now() > untilMs) throw new StateOpenError(`Something keeps tables of ${name} from being migrated: a backup that runs, or a transaction that was forgotten. See pg_stat_activity, and start again when it has ended.`, { cause: error })
      onWait(`what keeps tables of ${name} from being migrated, such as a backup`)
      // That stays what it waits for, however often it comes again.
      tell = () => undefined
      await sleep(LOCKED_PAUSE_MS)
    }
  }
}

async function applyAlone(client: ClientBase, name: string, { migrations, onWait }: MigrateOptions): Promise<void> {
  onWait(`another replica to migrate ${name}`)
  await client.query('BEGIN')
  await client.query(PATIENCE)
  await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK])
  onWait(`${name} to be migrated`)
  await client.query(HASTE)
  await apply(client, name, migrations)
  await client.query('COMMIT')
}

async function apply(client: ClientBase, name: string, migrations: readonly Migration[] | undefined): Promise<void> {
  const found = await versionOf(client)
  if (found === undefined) {
    await client.query(CLOCK)
    await client.query(SCHEMA_TABLE)
  }
  for (const { version, oldestCode, durable, cache } of pendingMigrations(found, name, migrations)) {
    for (const sql of [...durable, ...cache]) await client.query(sql)
    await client.query(SCHEMA_INSERT, [version, oldestCode])
  }
}

async function checkServer(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ number: number; text: string }>(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS text`,
  )
  const [server] = rows
  if (server === undefined || server.number >= OLDEST_SERVER) return
  throw new StateOpenError(`The database is PostgreSQL ${server.text}: Portolan needs 15 or newer. Upgrade it, or give another with --database-url.`)
}

async function versionOf(client: ClientBase): Promise<SchemaVersion | undefined> {
  // Not to_regclass: what it did not find before the lock it does not find after it, either (its cache holds no snapshot).
  const { rows } = await client.query(`SELECT 1 FROM pg_class WHERE relname = 'portolan_schema' AND pg_table_is_visible(oid)`)
  if (rows.length === 0) return undefined
  const { rows: versions } = await client.query<{ version: number; oldest_code: number }>(SCHEMA_VERSION)
  const [newest] = versions
  return newest === undefined ? undefined : { version: newest.version, oldestCode: newest.oldest_code }
}
