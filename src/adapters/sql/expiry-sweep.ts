/** Removes what has expired, a bounded batch of each table at a time: nothing that serves waits for it for long. */

import type { SqlDatabase, StateDatabases } from './sql-database.ts'

const CACHE_TABLES = { portolan_session: 'id', portolan_replica: 'id', portolan_era: 'upstream_key' } as const
const DURABLE_TABLES = { portolan_replay: 'used_key' } as const
const BATCH = 500
/** Batches of one table in one sweep. */
const MAX_BATCHES = 20

/** Resolves with how many rows went. */
export async function sweepExpired({ durable, cache }: StateDatabases): Promise<number> {
  let removed = await sweepEvents(cache)
  for (const [table, key] of Object.entries(CACHE_TABLES)) removed += await sweepTable(cache, table, key)
  for (const [table, key] of Object.entries(DURABLE_TABLES)) removed += await sweepTable(durable, table, key)
  return removed
}

function sweepTable(database: SqlDatabase, table: string, key: string): Promise<number> {
  return sweepBatches(database, `
    DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE expires_at_ms <= portolan_now_ms() LIMIT ${BATCH}${unlocked(database)})
    AND expires_at_ms <= portolan_now_ms() RETURNING 1 AS removed`)
}

function sweepEvents(database: SqlDatabase): Promise<number> {
  return sweepBatches(database, `
    DELETE FROM portolan_event WHERE (session_id, event_id) IN
      (SELECT session_id, event_id FROM portolan_event WHERE expires_at_ms <= portolan_now_ms() LIMIT ${BATCH}${unlocked(database)})
    AND expires_at_ms <= portolan_now_ms() RETURNING 1 AS removed`)
}

/** Two replicas that sweep at once take different rows. */
function unlocked({ dialect }: SqlDatabase): string {
  return dialect === 'postgres' ? ' FOR UPDATE SKIP LOCKED' : ''
}

async function sweepBatches(database: SqlDatabase, sql: string): Promise<number> {
  let removed = 0
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    const { length } = await database.write(sql, [])
    removed += length
    if (length < BATCH) break
  }
  return removed
}
