/**
 * Which steps bring a database to the schema that this version of Portolan knows. Forward only, and in two releases: one
 * expands (new tables and columns, which older versions overlook), a later one contracts what no version in use reads any more.
 * So version N of Portolan runs on the schema of N+1 while replicas are being replaced.
 */

import { MIGRATIONS } from './migrations/migrations.ts'
import { StateOpenError } from './sql-database.ts'

export interface Migration {
  /** 1, 2, 3 … without a gap. */
  readonly version: number
  /** The oldest schema version that a Portolan may know and still run on this one. */
  readonly oldestCode: number
  /** DDL for what must survive a loss of power; all of it goes into one database where there is only one. */
  readonly durable: readonly string[]
  readonly cache: readonly string[]
}

/** What a database says of itself; undefined where it is empty. */
export interface SchemaVersion {
  readonly version: number
  readonly oldestCode: number
}

export const SCHEMA_TABLE = 'CREATE TABLE portolan_schema (version BIGINT PRIMARY KEY, oldest_code BIGINT NOT NULL, applied_at_ms BIGINT NOT NULL)'
export const SCHEMA_VERSION = 'SELECT version, oldest_code FROM portolan_schema ORDER BY version DESC LIMIT 1'
export const SCHEMA_INSERT = 'INSERT INTO portolan_schema (version, oldest_code, applied_at_ms) VALUES ($1, $2, portolan_now_ms())'

/** The steps that are missing. Throws StateOpenError where a newer Portolan has left this one behind. */
export function pendingMigrations(found: SchemaVersion | undefined, where: string, known: readonly Migration[] = MIGRATIONS): readonly Migration[] {
  const newest = known.at(-1)?.version ?? 0
  if (found === undefined) return known
  if (found.version > newest && found.oldestCode > newest) {
    throw new StateOpenError(
      `The state in ${where} is of a newer Portolan: its schema is ${found.version}, this version knows ${newest}. ` +
        'Start the newer version, or restore the backup that was made before the upgrade.',
    )
  }
  return known.filter(({ version }) => version > found.version)
}
