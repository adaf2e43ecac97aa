/** Removes what has expired, a bounded batch of each table at a time: nothing that serves waits for it for long. */

import type { SqlDatabase, StateDatabases } from './sql-database.ts'

/** Table -> the column by which a batch is chosen: of events those of so many sessions go at once. */
const CACHE_TABLES = { portolan_session: 'id', portolan_event: 'session_id', portolan_replica: 'id', portolan_era: 'upstream_key' } as const
const DURABLE_TABLES = { portolan_replay: 'used_key' } as const
const BATCH = 500
/** Batches of one table in one sweep. */
const MAX_BATCHES = 20

/** Resolves with how many rows went. */
export async function sweepExpired({ durable, cache }: StateDatabases): Promise<number> {
  let removed = 0
  for (const [table, key] of Object.entries(CACHE_TABLES)) removed += await sweepTable(cache, table, key)
  for (const [table, key] of Object.entries(DURABLE_TABLES)) removed += await sweepTable(durable, table, key)
  return removed
}

function sweepTable(database: SqlDatabase, table: string, key: string): Promise<number> {
  const expired = `SELECT ${key} FROM ${table} WHERE expires_at_ms <= portolan_now_ms() LIMIT`
  return sweepBatches(database, `${expired} 1`, `DELETE FROM ${table} WHERE ${key} IN (${expired} ${BATCH}${unlocked(database)}) AND expires_at_ms <= portolan_now_ms() RETURNING 1 AS removed`)
}

/** Two replicas that sweep at once take different rows. */
function unlocked({ dialect }: SqlDatabase): string {
  return dialect === 'postgres' ? ' FOR UPDATE SKIP LOCKED' : ''
}

/** Where nothing has expired, nothing is written: a process without sessions starts no thread that writes. */
async function sweepBatches(database: SqlDatabase, look: string, remove: string): Promise<number> {
  let removed = 0
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    if ((await database.read(look, [])).length === 0) break
    removed += (await database.write(remove, [])).length
  }
  return removed
}
