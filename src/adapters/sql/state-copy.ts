/**
 * Takes the state from one database to another: every table row by row, in the order of its key, a bounded batch at a time.
 * What belongs to processes that run (replicas) stays behind.
 */

import { StateOpenError, numberOf } from './sql-database.ts'
import type { SqlDatabase, SqlRow, SqlValue, StateDatabases } from './sql-database.ts'

export interface StateTable {
  readonly name: string
  readonly file: 'durable' | 'cache'
  readonly key: readonly string[]
}

/** In the order of copying. A table that is in neither list fails a test. */
export const STATE_TABLES: readonly StateTable[] = [
  { name: 'portolan_once', file: 'durable', key: ['name'] },
  { name: 'portolan_key', file: 'durable', key: ['id'] },
  { name: 'portolan_replay', file: 'durable', key: ['used_key'] },
  { name: 'portolan_lease', file: 'durable', key: ['name'] },
  { name: 'portolan_snapshot', file: 'durable', key: ['slot'] },
  { name: 'portolan_task', file: 'durable', key: ['id'] },
  { name: 'portolan_task_tombstone', file: 'durable', key: ['id'] },
  { name: 'portolan_session', file: 'cache', key: ['id'] },
  { name: 'portolan_event', file: 'cache', key: ['session_id', 'event_id'] },
  { name: 'portolan_era', file: 'cache', key: ['upstream_key'] },
]

/** `portolan_replica`: whoever runs announces itself. `portolan_schema`: the target has its own. */
export const LEFT_BEHIND: readonly string[] = ['portolan_replica', 'portolan_schema']

export interface CopiedTable {
  readonly table: string
  readonly rows: number
}

const BATCH = 500

/** Rows that a failed copy takes back: by their keys, since somebody else's may stand among them by then. */
interface Inserted {
  readonly table: StateTable
  readonly rows: readonly SqlRow[]
}

/** Rejects with StateOpenError where the target is not empty, or holds something else in the end; what was copied has gone again then, and nothing else. */
export async function copyState(from: StateDatabases, to: StateDatabases, onProgress: (table: string, rows: number, total: number) => void): Promise<readonly CopiedTable[]> {
  await refuseFull(to)
  const inserted: Inserted[] = []
  try {
    const copied: CopiedTable[] = []
    for (const table of STATE_TABLES) copied.push({ table: table.name, rows: await copyTable(from[table.file], to[table.file], table, inserted, onProgress) })
    return copied
  } catch (error) {
    for (const { table, rows } of inserted) await removeBatch(to[table.file], table, rows).catch(() => undefined)
    throw error
  }
}

async function refuseFull(to: StateDatabases): Promise<void> {
  for (const { name, file } of STATE_TABLES) {
    const rows = await countOf(to[file], name)
    if (rows === 0) continue
    throw new StateOpenError(`The target ${to.name} is not empty: ${name} has ${rows} rows. Give an empty database; nothing was copied.`)
  }
}

async function copyTable(from: SqlDatabase, to: SqlDatabase, table: StateTable, inserted: Inserted[], onProgress: (table: string, rows: number, total: number) => void): Promise<number> {
  const total = await countOf(from, table.name)
  let copied = 0
  let last: SqlRow | undefined
  for (;;) {
    const rows = await readBatch(from, table, last)
    if (rows.length > 0) {
      await insertBatch(to, table.name, rows)
      inserted.push({ table, rows: rows.map((row) => keyOf(table, row)) })
    }
    copied += rows.length
    onProgress(table.name, copied, total)
    last = rows.at(-1)
    if (rows.length < BATCH) break
  }
  const arrived = await countOf(to, table.name)
  if (arrived === total && copied === total) return copied
  throw new StateOpenError(`${table.name} had ${total} rows, and ${arrived} arrived: something writes to one of the databases. Stop Portolan, and copy again.`)
}

function readBatch(from: SqlDatabase, { name, key }: StateTable, last: SqlRow | undefined): Promise<readonly SqlRow[]> {
  const columns = key.join(', ')
  const after = last === undefined ? '' : `WHERE (${columns}) > (${key.map((_, index) => `$${index + 1}`).join(', ')})`
  const values = last === undefined ? [] : key.map((column) => last[column] ?? null)
  return from.read(`SELECT * FROM ${name} ${after} ORDER BY ${columns} LIMIT ${BATCH}`, values)
}

async function insertBatch(to: SqlDatabase, name: string, rows: readonly SqlRow[]): Promise<void> {
  const columns = Object.keys(rows[0] ?? {})
  const values: SqlValue[] = []
  const texts = rows.map((row) => `(${columns.map((column) => `$${values.push(row[column] ?? null)}`).join(', ')})`)
  await to.write(`INSERT INTO ${name} (${columns.join(', ')}) VALUES ${texts.join(', ')}`, values)
}

function keyOf({ key }: StateTable, row: SqlRow): SqlRow {
  return Object.fromEntries(key.map((column) => [column, row[column] ?? null]))
}

async function removeBatch(to: SqlDatabase, { name, key }: StateTable, rows: readonly SqlRow[]): Promise<void> {
  const values: SqlValue[] = []
  const isOne = (row: SqlRow): string => `(${key.map((column) => `${column} = $${values.push(row[column] ?? null)}`).join(' AND ')})`
  await to.write(`DELETE FROM ${name} WHERE ${rows.map(isOne).join(' OR ')}`, values)
}

async function countOf(database: SqlDatabase, name: string): Promise<number> {
  const [row] = await database.read(`SELECT COUNT(*) AS rows_there FROM ${name}`, [])
  return numberOf(row, 'rows_there')
}
