/** Removes what has expired, a bounded batch of each table at a time: nothing that serves waits for it for long. */

import type { SqlDatabase, StateDatabases } from './sql-database.ts'

/** Table -> its key. Sessions are taken by whoever ends what servers keep of them (`SessionStore.takeExpired`). */
const CACHE_TABLES = { portolan_event: 'session_id, event_id', portolan_replica: 'id', portolan_era: 'upstream_key' } as const
const DURABLE_TABLES = { portolan_replay: 'used_key' } as const
const BATCH = 500
/** Batches of one table in one sweep. */
const MAX_BATCHES = 20

export interface Swept {
  /** How many rows went. */
  readonly removed: number
  /** There was more than one sweep takes: the next one should not wait. */
  readonly isMore: boolean
}

/** `isStopped`: looked at before each batch. */
export async function sweepExpired({ durable, cache }: StateDatabases, isStopped: () => boolean): Promise<Swept> {
  const swept: Swept[] = []
  for (const [table, key] of Object.entries(CACHE_TABLES)) swept.push(await sweepTable(cache, table, key, isStopped))
  for (const [table, key] of Object.entries(DURABLE_TABLES)) swept.push(await sweepTable(durable, table, key, isStopped))
  return { removed: swept.reduce((sum, { removed }) => sum + removed, 0), isMore: swept.some(({ isMore }) => isMore) }
}

function sweepTable(database: SqlDatabase, table: string, key: string, isStopped: () => boolean): Promise<Swept> {
  const expired = `SELECT ${key} FROM ${table} WHERE expires_at_ms <= portolan_now_ms() LIMIT`
  return sweepBatches(database, `${expired} 1`, removalOf(database, table, key, `${expired} ${BATCH}`, '1 AS removed'), isStopped)
}

/** Materialized: picked once. Left to itself PostgreSQL may pick anew for each row that it looks at, and 10,000 rows take longer than a statement may. */
export function removalOf(database: SqlDatabase, table: string, key: string, picked: string, returning: string): string {
  return `
    WITH picked AS MATERIALIZED (${picked}${unlocked(database)})
    DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM picked) RETURNING ${returning}`
}

/** Two replicas that sweep at once take different rows, and what was renewed meanwhile stays. */
function unlocked({ dialect }: SqlDatabase): string {
  return dialect === 'postgres' ? ' FOR UPDATE SKIP LOCKED' : ''
}

/** Where nothing has expired, nothing is written: a process without sessions starts no thread that writes. */
async function sweepBatches(database: SqlDatabase, look: string, remove: string, isStopped: () => boolean): Promise<Swept> {
  let removed = 0
  for (let batch = 0; batch < MAX_BATCHES && !isStopped(); batch++) {
    if ((await database.read(look, [])).length === 0) return { removed, isMore: false }
    const { length } = await database.write(remove, [])
    // Somebody else removes them.
    if (length === 0) return { removed, isMore: false }
    removed += length
  }
  return { removed, isMore: true }
}
