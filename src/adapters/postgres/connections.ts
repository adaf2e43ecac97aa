/** The connections to whichever host of the database writes: taken within a time, and none that leads to a server that is lost. */

import { Client, Pool, types } from 'pg'
import type { ClientBase, ClientConfig, PoolClient, PoolConfig } from 'pg'
import { READS_ONLY, isElsewhere } from './fault.ts'
import { hostNameOf } from './hosts.ts'
import type { Hosts } from './hosts.ts'

/** Also for a free connection of the pool. */
const CONNECT_TIMEOUT_MS = 2_000
/** Of all hosts together, so that the last of them is found before whoever waits is told that there is none. */
const ROUND_MS = 4_000
const IDLE_MS = 30_000

/** `bigint`: milliseconds, epochs and counts, all below 2^53. */
const INT8 = 20
export const NUMBERS = { getTypeParser: (oid: number, format?: 'text' | 'binary') => (oid === INT8 ? Number : types.getTypeParser(oid, format)) }

export interface Connections {
  /** Of a server that writes; rejects once `untilMs` has come. */
  take(untilMs: number): Promise<PoolClient>
  /** The server behind them is gone, or is another one by now: none that was made before then is used again. */
  forget(madeBeforeMs: number): void
  end(): Promise<void>
}

export interface ConnectionLimits {
  readonly poolSize: number
  /** The client's patience with one statement. */
  readonly queryTimeoutMs: number
  /** The server's; 0: it is not told, because what stands between takes no such parameter. */
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number | undefined
}

export function connectMsOf({ count }: Pick<Hosts, 'count'>): number {
  return Math.min(CONNECT_TIMEOUT_MS, Math.floor(ROUND_MS / count))
}

export function createConnections(hosts: Hosts, { poolSize, queryTimeoutMs, statementTimeoutMs, lockTimeoutMs }: ConnectionLimits): Connections {
  const connectMs = connectMsOf(hosts)
  class HostClient extends Client {
    constructor(config: ClientConfig = {}) {
      super({ ...config, connectionString: hosts.url(), connectionTimeoutMillis: connectMs })
    }
  }
  const config: PoolConfig = {
    Client: HostClient,
    max: poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_MS,
    // A server that vanished without a word must not hold a replica.
    query_timeout: queryTimeoutMs,
    keepAlive: true,
    application_name: 'portolan',
    allowExitOnIdle: true,
    types: NUMBERS,
    ...(statementTimeoutMs === 0 ? {} : { statement_timeout: statementTimeoutMs, lock_timeout: lockTimeoutMs }),
    onConnect: (client) => refuseReader(client, connectMs),
  }
  const pool = new Pool(config)
  // An idle connection that breaks has left the pool; the next query opens another.
  pool.on('error', () => undefined)
  // One that breaks between being taken and being asked would end the process: whoever asks it learns that it is broken.
  pool.on('connect', (client) => client.on('error', () => undefined))
  const madeAtMs = new WeakMap<PoolClient, number>()
  let forgottenMs = 0
  pool.on('connect', (client) => void madeAtMs.set(client, performance.now()))
  const takeKnown = async (): Promise<PoolClient> => {
    for (;;) {
      const client = await takeOfHosts(pool, hosts)
      if ((madeAtMs.get(client) ?? 0) >= forgottenMs) return client
      client.release(true)
    }
  }
  return {
    take: (untilMs) => inTime(takeKnown(), untilMs),
    forget: (madeBeforeMs) => void (forgottenMs = Math.max(forgottenMs, madeBeforeMs)),
    end: () => pool.end(),
  }
}

/** Each host once, from the one that wrote last. */
async function takeOfHosts(pool: Pool, hosts: Hosts): Promise<PoolClient> {
  const tried: string[] = []
  for (;;) {
    const url = hosts.url()
    try {
      return await pool.connect()
    } catch (error) {
      if (hosts.count === 1 || !isElsewhere(error)) throw error
      tried.push(`${hostNameOf(url)}: ${error instanceof Error ? error.message : String(error)}`)
      hosts.failed(url)
      if (tried.length === hosts.count) throw new Error(tried.join('; '), { cause: error })
    }
  }
}

/** What comes too late goes back. */
function inTime(taking: Promise<PoolClient>, untilMs: number): Promise<PoolClient> {
  return new Promise((resolve, reject) => {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      reject(new Error('no connection in time'))
    }, Math.max(0, untilMs - performance.now()))
    taking.then((client) => (isLate ? client.release() : resolve(client)), reject).finally(() => clearTimeout(timer))
  })
}

const READS_ONLY_NOW = `SELECT current_setting('transaction_read_only') = 'on' AS reads_only`

/**
 * During a fail-over the address may lead to a standby: what it would say is old, and it takes nothing. The time for a new connection is
 * over once it stands: this is waited for as long again, and not as long as a statement.
 */
export async function refuseReader(client: ClientBase, withinMs: number): Promise<void> {
  const query = { text: READS_ONLY_NOW, query_timeout: withinMs }
  const { rows } = await client.query<{ reads_only: boolean }>(query)
  if (rows[0]?.reads_only === true) throw new Error(READS_ONLY)
}
