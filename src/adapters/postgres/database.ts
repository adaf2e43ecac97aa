/**
 * The state in PostgreSQL, shared by any number of replicas. Nothing here needs a session of its own at the server: no named
 * statements, no SET, locks inside transactions only; so PgBouncer may stand between, in transaction mode.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { Client, Pool, types } from 'pg'
import type { ClientBase, PoolClient, PoolConfig } from 'pg'
import { unavailable, StateOpenError } from '../sql/sql-database.ts'
import type { Migration } from '../sql/migration.ts'
import type { SqlDatabase, SqlRow, SqlValue, StateDatabases } from '../sql/sql-database.ts'
import { READS_ONLY, adviceOf, isBroken, isRefusal, isServerLost, isUndone, refusesParameters } from './fault.ts'
import { migrate } from './migrate.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?sslmode=verify-full`. Holds a secret: never printed. */
  readonly url: string
  /** Connections of this replica, at most. */
  readonly poolSize?: number
  /** A statement that takes longer is given up. */
  readonly statementTimeoutMs?: number
  /** Of that, what it may wait for a lock; left out: all of it. */
  readonly lockTimeoutMs?: number
  /** A replica that says nothing for so long in mid-transaction is cut off. */
  readonly transactionIdleMs?: number
  /** How long the server is tried at the start. */
  readonly openWithinMs?: number
  /** Told what is waited for, step by step, and why it is not there yet. */
  readonly onWait?: (what: string, reason?: string) => void
  /** For tests. */
  readonly migrations?: readonly Migration[]
}

const POOL_SIZE = 10
/** With the margin less than 5 s: no client waits for longer than that for a server that vanished. */
const STATEMENT_TIMEOUT_MS = 4_000
/** A replica that is stopped, or whose machine is gone, must not keep rows locked: less than others' statements may wait for them. */
const TRANSACTION_IDLE_MS = 2_500
/** Tries of what was undone because another stood in its way. */
const MAX_TRIES = 5
/** Also for a free connection of the pool. */
const CONNECT_TIMEOUT_MS = 2_000
const IDLE_MS = 30_000
const OPEN_WITHIN_MS = 15_000
const RETRY_MS = 250
const MIGRATION_MS = 15 * 60_000
/** The client gives up this much after the server should have. */
const TIMEOUT_MARGIN_MS = 500

/** `bigint`: milliseconds, epochs and counts, all below 2^53. */
const INT8 = 20
const NUMBERS = { getTypeParser: (oid: number, format?: 'text' | 'binary') => (oid === INT8 ? Number : types.getTypeParser(oid, format)) }

/** Brings the database to the current schema. Rejects with StateOpenError; nothing is open then. */
export async function openPostgres(options: PostgresOptions): Promise<StateDatabases> {
  const name = nameOf(options.url)
  const { onWait = () => undefined } = options
  const pool = await connect(options, name)
  try {
    await withPatientClient(options.url, (client) => migrate(client, name, { migrations: options.migrations, onWait }))
  } catch (error) {
    await pool.end()
    throw error instanceof StateOpenError ? error : openError(error, name)
  }
  const database = databaseOf(pool, options.transactionIdleMs ?? TRANSACTION_IDLE_MS)
  return { durable: database, cache: database, name, close: () => pool.end() }
}

/** A migration may take longer than what serves clients, and so may the wait for another replica's. */
async function withPatientClient(url: string, run: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, query_timeout: MIGRATION_MS, application_name: 'portolan', types: NUMBERS })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await run(client)
  } finally {
    // What was not committed goes with the connection.
    await client.end().catch(() => undefined)
  }
}

/** A pool whose first connection stands: the server may start at the same time as Portolan. */
async function connect(options: PostgresOptions, name: string): Promise<Connections> {
  const untilMs = performance.now() + (options.openWithinMs ?? OPEN_WITHIN_MS)
  let timeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS
  const awaited = `${name} to answer`
  options.onWait?.(awaited)
  for (;;) {
    const pool = createPool(options, timeoutMs)
    try {
      ;(await pool.take()).release()
      return pool
    } catch (error) {
      await pool.end()
      if (refusesParameters(error) && timeoutMs !== 0) timeoutMs = 0
      else if (isRefusal(error) || performance.now() > untilMs) throw openError(error, name)
      else {
        options.onWait?.(awaited, reasonOf(error))
        await sleep(RETRY_MS)
      }
    }
  }
}

interface Connections {
  take(): Promise<PoolClient>
  /** The server behind them is gone, or is another one by now: none that was made before then is used again. */
  forget(madeBeforeMs: number): void
  end(): Promise<void>
}

/** `serverTimeoutMs` 0: the server is not told, because what stands between takes no such parameter. */
function createPool({ url, poolSize, statementTimeoutMs, lockTimeoutMs }: PostgresOptions, serverTimeoutMs: number): Connections {
  const config: PoolConfig = {
    connectionString: url,
    max: poolSize ?? POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_MS,
    // A server that vanished without a word must not hold a replica.
    query_timeout: (statementTimeoutMs ?? STATEMENT_TIMEOUT_MS) + TIMEOUT_MARGIN_MS,
    keepAlive: true,
    application_name: 'portolan',
    allowExitOnIdle: true,
    types: NUMBERS,
    ...(serverTimeoutMs === 0 ? {} : { statement_timeout: serverTimeoutMs, lock_timeout: lockTimeoutMs }),
    onConnect: refuseReader,
  }
  const pool = new Pool(config)
  // An idle connection that breaks has left the pool; the next query opens another.
  pool.on('error', () => undefined)
  // One that breaks between being taken and being asked would end the process: whoever asks it learns that it is broken.
  pool.on('connect', (client) => client.on('error', () => undefined))
  const madeAtMs = new WeakMap<PoolClient, number>()
  let forgottenMs = 0
  pool.on('connect', (client) => void madeAtMs.set(client, performance.now()))
  return {
    async take() {
      for (;;) {
        const client = await pool.connect()
        if ((madeAtMs.get(client) ?? 0) >= forgottenMs) return client
        client.release(true)
      }
    },
    forget: (madeBeforeMs) => void (forgottenMs = Math.max(forgottenMs, madeBeforeMs)),
    end: () => pool.end(),
  }
}

/** The pool's time for a new connection is over once it stands: this is waited for as long again, and not as long as a statement. */
const READS_ONLY_NOW = { text: `SELECT current_setting('transaction_read_only') = 'on' AS reads_only`, query_timeout: CONNECT_TIMEOUT_MS }

/** During a fail-over the address may lead to a standby: what it would say is old, and it takes nothing. */
async function refuseReader(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ reads_only: boolean }>(READS_ONLY_NOW)
  if (rows[0]?.reads_only === true) throw new Error(READS_ONLY)
}

function openError(error: unknown, name: string): StateOpenError {
  return new StateOpenError(`Cannot use the database ${name}: ${reasonOf(error)}. ${adviceOf(error)}.`, { cause: error })
}

function reasonOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error)
}

/** For people: where it is, without user and password. */
function nameOf(url: string): string {
  try {
    const { hostname, port, pathname, searchParams } = new URL(url)
    const host = searchParams.get('host') ?? hostname
    return `PostgreSQL ${host}${port === '' ? '' : `:${port}`}${pathname}`
  } catch {
    throw new StateOpenError('The database URL is no URL. Give it as postgres://user:password@host:port/database')
  }
}

function databaseOf(pool: Connections, transactionIdleMs: number): SqlDatabase {
  // In one trip; and of the transaction, so that a pooler passes it on.
  const begin = `BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${transactionIdleMs}`
  const run = (sql: string, values: readonly SqlValue[]): Promise<readonly SqlRow[]> => withClient(pool, async (client) => rowsOf(client, sql, values))
  return {
    dialect: 'postgres',
    read: run,
    write: run,
    writeAll: (statements) =>
      withClient(pool, async (client) => {
        const [only] = statements
        // It is a transaction by itself: one trip to the server instead of three.
        if (only !== undefined && statements.length === 1) return [await rowsOf(client, only.sql, only.values)]
        await client.query(begin)
        try {
          const rows: (readonly SqlRow[])[] = []
          for (const { sql, values } of statements) rows.push(await rowsOf(client, sql, values))
          await client.query('COMMIT')
          return rows
        } catch (error) {
          if (!isBroken(error)) await client.query('ROLLBACK')
          throw error
        }
      }),
  }
}

async function rowsOf(client: PoolClient, sql: string, values: readonly SqlValue[]): Promise<readonly SqlRow[]> {
  const { rows } = await client.query<Record<string, SqlValue>>(sql, [...values])
  return rows
}

async function withClient<T>(pool: Connections, run: (client: PoolClient) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await tryWithClient(pool, run)
    } catch (error) {
      if (!isUndone(error) || tries === MAX_TRIES) throw unavailable(error)
    }
  }
}

async function tryWithClient<T>(pool: Connections, run: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.take()
  const takenAtMs = performance.now()
  try {
    const value = await run(client)
    client.release()
    return value
  } catch (error) {
    // Each of the others would be waited for as long as this one was. Those made since are of a server that answered, and behind a
    // pooler, which takes no time-out for the server, a statement that is merely slow looks the same: they stay.
    if (isServerLost(error)) pool.forget(takenAtMs)
    client.release(isBroken(error))
    throw error
  }
}
