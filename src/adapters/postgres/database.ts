/**
 * The state in PostgreSQL, shared by any number of replicas. Nothing here needs a session of its own at the server: no named
 * statements, no SET, locks inside transactions only; so PgBouncer may stand between, in transaction mode.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { PoolClient } from 'pg'
import { unavailable, StateOpenError } from '../sql/sql-database.ts'
import type { Migration } from '../sql/migration.ts'
import type { SqlDatabase, SqlRow, SqlValue, StateDatabases } from '../sql/sql-database.ts'
import { NUMBERS, connectMsOf, createConnections } from './connections.ts'
import type { Connections } from './connections.ts'
import { adviceOf, isBroken, isRefusal, isServerLost, isUnanswered, isUndone, outOfTime, refusesParameters } from './fault.ts'
import { createHosts, databaseNameOf, hostUrlsOf } from './hosts.ts'
import type { Hosts } from './hosts.ts'
import { migrate } from './migrate.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port,host:port/database?sslmode=verify-full`. Holds a secret: never printed. */
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
const STATEMENT_TIMEOUT_MS = 4_000
/** All that one call of a store takes, from the wait for a connection to the last answer: no client waits for 5 s. */
const CALL_MS = 4_500
/** A replica that is stopped, or whose machine is gone, must not keep rows locked: less than others' statements may wait for them. */
const TRANSACTION_IDLE_MS = 2_500
/** Tries of what was undone because another stood in its way. */
const MAX_TRIES = 5
const OPEN_WITHIN_MS = 15_000
const RETRY_MS = 250
const MIGRATION_MS = 15 * 60_000
/** The client gives up this much after the server should have. */
const TIMEOUT_MARGIN_MS = 500

interface Place {
  readonly hosts: Hosts
  readonly name: string
}

/** Brings the database to the current schema. Rejects with StateOpenError; nothing is open then. */
export async function openPostgres(options: PostgresOptions): Promise<StateDatabases> {
  const place = placeOf(options.url)
  const { hosts, name } = place
  const { onWait = () => undefined } = options
  const connections = await connect(options, place)
  try {
    await withPatientClient(hosts, (client) => migrate(client, name, { migrations: options.migrations, onWait }))
  } catch (error) {
    await connections.end()
    throw error instanceof StateOpenError ? error : openError(error, name)
  }
  const database = databaseOf(connections, limitsOf(options))
  return { durable: database, cache: database, name, close: () => connections.end() }
}

function placeOf(url: string): Place {
  const urls = hostUrlsOf(url)
  if (urls === undefined) throw new StateOpenError('The database URL is no URL. Give it as postgres://user:password@host:port/database')
  return { hosts: createHosts(urls), name: `PostgreSQL ${databaseNameOf(urls)}` }
}

/** A migration may take longer than what serves clients, and so may the wait for another replica's. The host is the one that was just found to write. */
async function withPatientClient(hosts: Hosts, run: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: hosts.url(), connectionTimeoutMillis: connectMsOf(hosts), query_timeout: MIGRATION_MS, application_name: 'portolan', types: NUMBERS })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await run(client)
  } finally {
    // What was not committed goes with the connection.
    await client.end().catch(() => undefined)
  }
}

/** Connections of which the first stands: the server may start at the same time as Portolan. */
async function connect(options: PostgresOptions, { hosts, name }: Place): Promise<Connections> {
  const untilMs = performance.now() + (options.openWithinMs ?? OPEN_WITHIN_MS)
  const { queryTimeoutMs, callMs } = limitsOf(options)
  let statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS
  const awaited = `${name} to answer`
  options.onWait?.(awaited)
  for (;;) {
    const connections = createConnections(hosts, { poolSize: options.poolSize ?? POOL_SIZE, queryTimeoutMs, statementTimeoutMs, lockTimeoutMs: options.lockTimeoutMs })
    try {
      ;(await connections.take(performance.now() + callMs)).release()
      return connections
    } catch (error) {
      await connections.end()
      if (refusesParameters(error) && statementTimeoutMs !== 0) statementTimeoutMs = 0
      else if (isRefusal(error) || performance.now() > untilMs) throw openError(error, name)
      else {
        options.onWait?.(awaited, reasonOf(error))
        await sleep(RETRY_MS)
      }
    }
  }
}

interface CallLimits {
  readonly queryTimeoutMs: number
  readonly callMs: number
  readonly transactionIdleMs: number
}

function limitsOf({ statementTimeoutMs, transactionIdleMs }: PostgresOptions): CallLimits {
  const queryTimeoutMs = (statementTimeoutMs ?? STATEMENT_TIMEOUT_MS) + TIMEOUT_MARGIN_MS
  return { queryTimeoutMs, callMs: Math.max(CALL_MS, queryTimeoutMs), transactionIdleMs: transactionIdleMs ?? TRANSACTION_IDLE_MS }
}

function openError(error: unknown, name: string): StateOpenError {
  return new StateOpenError(`Cannot use the database ${name}: ${reasonOf(error)}. ${adviceOf(error)}.`, { cause: error })
}

function reasonOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error)
}

/** One statement over one connection, within what is left of the call's time. */
type Ask = (sql: string, values?: readonly SqlValue[]) => Promise<readonly SqlRow[]>

function databaseOf(connections: Connections, limits: CallLimits): SqlDatabase {
  // In one trip; and of the transaction, so that a pooler passes it on.
  const begin = `BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${limits.transactionIdleMs}`
  const run = (sql: string, values: readonly SqlValue[]): Promise<readonly SqlRow[]> => withConnection(connections, limits, (ask) => ask(sql, values))
  return {
    dialect: 'postgres',
    read: run,
    write: run,
    writeAll: (statements) =>
      withConnection(connections, limits, async (ask) => {
        const [only] = statements
        // It is a transaction by itself: one trip to the server instead of three.
        if (only !== undefined && statements.length === 1) return [await ask(only.sql, only.values)]
        await ask(begin)
        try {
          const rows: (readonly SqlRow[])[] = []
          for (const { sql, values } of statements) rows.push(await ask(sql, values))
          await ask('COMMIT')
          return rows
        } catch (error) {
          if (!isBroken(error)) await ask('ROLLBACK')
          throw error
        }
      }),
  }
}

/** Nothing more is begun once the time is over: who asked has been told so. */
function askOver(client: PoolClient, untilMs: number, queryTimeoutMs: number): Ask {
  return async (sql, values = []) => {
    const leftMs = untilMs - performance.now()
    if (leftMs <= 0) throw outOfTime()
    try {
      const query = { text: sql, values: [...values], query_timeout: Math.ceil(Math.min(leftMs, queryTimeoutMs)) }
      return (await client.query<Record<string, SqlValue>>(query)).rows
    } catch (error) {
      throw isUnanswered(error) && leftMs < queryTimeoutMs - TIMEOUT_MARGIN_MS ? outOfTime(error) : error
    }
  }
}

async function withConnection<T>(connections: Connections, limits: CallLimits, run: (ask: Ask) => Promise<T>): Promise<T> {
  const untilMs = performance.now() + limits.callMs
  for (let tries = 1; ; tries += 1) {
    try {
      return await tryOnce(connections, limits, untilMs, run)
    } catch (error) {
      if (!isUndone(error) || tries === MAX_TRIES) throw unavailable(error)
    }
  }
}

async function tryOnce<T>(connections: Connections, { queryTimeoutMs }: CallLimits, untilMs: number, run: (ask: Ask) => Promise<T>): Promise<T> {
  const client = await connections.take(untilMs)
  const takenAtMs = performance.now()
  try {
    const value = await run(askOver(client, untilMs, queryTimeoutMs))
    client.release()
    return value
  } catch (error) {
    // Each of the others would be waited for as long as this one was. Those made since are of a server that answered, and behind a
    // pooler, which takes no time-out for the server, a statement that is merely slow looks the same: they stay.
    if (isServerLost(error)) connections.forget(takenAtMs)
    client.release(isBroken(error))
    throw error
  }
}
