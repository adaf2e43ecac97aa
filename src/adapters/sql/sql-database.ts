/**
 * What the stores of this folder need of a database. Their SQL is the common subset of SQLite and PostgreSQL: parameters are
 * `$1` …, times are BIGINT milliseconds, JSON is TEXT, and the time is `portolan_now_ms()`, which each database brings: the
 * store's clock, not the caller's. Everything rejects with PortolanError `state_unavailable` where the database fails.
 */

import { PortolanError } from '../../protocol/error.ts'

export type SqlValue = string | number | null
export type SqlRow = Readonly<Record<string, SqlValue>>

export interface Statement {
  readonly sql: string
  readonly values: readonly SqlValue[]
}

export interface SqlDatabase {
  /** For the few statements that cannot be the same in both. */
  readonly dialect: 'sqlite' | 'postgres'
  /** Sees all that was written before, by whichever replica. */
  read(sql: string, values: readonly SqlValue[]): Promise<readonly SqlRow[]>
  /** One statement, all or nothing; its rows are those of RETURNING. */
  write(sql: string, values: readonly SqlValue[]): Promise<readonly SqlRow[]>
  /** Several in one transaction, all or none; the rows of each. */
  writeAll(statements: readonly Statement[]): Promise<readonly (readonly SqlRow[])[]>
}

/** The databases of one installation. PostgreSQL is both. */
export interface StateDatabases {
  /** What was acknowledged survives a loss of power. */
  readonly durable: SqlDatabase
  /** What was acknowledged survives the end of the process; a loss of power may take the last of it. */
  readonly cache: SqlDatabase
  /** For people: which database; without a secret. */
  readonly name: string
  close(): Promise<void>
}

/** The database cannot be used as it is; the message says what to do. */
export class StateOpenError extends Error {
  override readonly name = 'StateOpenError'
}

/** How soon a client may try again. */
const RETRY_AFTER_SEC = 1

/** What every failure of a database is to core; `cause` is for the log. */
export function unavailable(cause: unknown): PortolanError {
  return new PortolanError('state_unavailable', { retryAfterSec: RETRY_AFTER_SEC, cause })
}

/** A column of text that is never NULL. */
export function textOf(row: SqlRow | undefined, column: string): string {
  return String(row?.[column] ?? '')
}

/** A column of whole numbers that is never NULL. */
export function numberOf(row: SqlRow | undefined, column: string): number {
  return Number(row?.[column] ?? 0)
}
