/**
 * Takes the state from one database to another: every table row by row, in the order of its key, a bounded batch at a time.
 * What belongs to processes that run (replicas) stays behind. Until all of it is there the target says so, in a row of its own
 * (`COPYING`): a copy that was killed must not be taken for the state.
 */

import { StateOpenError, numberOf, textOf } from './sql-database.ts'
import type { SqlDatabase, SqlRow, SqlValue, StateDatabases } from './sql-database.ts'

export interface StateTable {
  readonly name: string
  readonly file: 'durable' | 'cache'
  readonly key: readonly string[]
  /** Of its rows only these are state. */
  readonly where?: string
  /** Columns of which one row may hold megabytes. */
  readonly long?: readonly string[]
}

/** What stands in `portolan_once` while the rest is not whole. */
const COPYING = 'copying'

/** In the order of copying. A table that is in neither list fails a test. */
export const STATE_TABLES: readonly StateTable[] = [
  { name: 'portolan_once', file: 'durable', key: ['name'], where: `name <> '${COPYING}'` },
  { name: 'portolan_key', file: 'durable', key: ['id'] },
  { name: 'portolan_replay', file: 'durable', key: ['used_key'] },
  { name: 'portolan_lease', file: 'durable', key: ['name'] },
  { name: 'portolan_snapshot', file: 'durable', key: ['slot'], long: ['body'] },
  { name: 'portolan_task', file: 'durable', key: ['id'], long: ['origin', 'progress', 'result'] },
  { name: 'portolan_task_tombstone', file: 'durable', key: ['id'] },
  { name: 'portolan_session', file: 'cache', key: ['id'], long: ['body'] },
  { name: 'portolan_event', file: 'cache', key: ['session_id', 'event_id'], long: ['body'] },
  { name: 'portolan_era', file: 'cache', key: ['upstream_key'] },
]

/** `portolan_replica`: whoever runs announces itself. `portolan_schema`: the target has its own. */
export const LEFT_BEHIND: readonly string[] = ['portolan_replica', 'portolan_schema']

export interface CopiedTable {
  readonly table: string
  readonly rows: number
}

const BATCH = 500
/** Of the long columns in one batch: a statement must not take longer than it may. One row alone may have more. */
const BATCH_BYTES = 8 * 1024 * 1024

/** Rows that a failed copy takes back: by their keys, since somebody else's may stand among them by then. */
interface Inserted {
  readonly table: StateTable
  readonly rows: readonly SqlRow[]
}

/** Rejects with StateOpenError where a copy into this database was killed, or goes on: what stands there is not whole. */
export async function refuseUnfinished({ durable, name }: StateDatabases): Promise<void> {
  const rows = await durable.read('SELECT name FROM portolan_once WHERE name = $1', [COPYING])
  if (rows.length === 0) return
  throw new StateOpenError(`A copy into ${name} was not finished, or goes on: what is there is not whole. Make that database anew, and run portolan state copy again.`)
}

/**
 * Rejects with StateOpenError where the target is not empty, or holds something else in the end; what was copied has gone again then, and
 * nothing else.
 */
export async function copyState(from: StateDatabases, to: StateDatabases, onProgress: (table: string, rows: number, total: number) => void): Promise<readonly CopiedTable[]> {
  for (const databases of [from, to]) await refuseUnfinished(databases)
  for (const databases of [from, to]) await refuseServed(databases)
  await refuseFull(to)
  await to.durable.write('INSERT INTO portolan_once (name) VALUES ($1)', [COPYING])
  const inserted: Inserted[] = []
  try {
    const copied: CopiedTable[] = []
    for (const table of STATE_TABLES) copied.push({ table: table.name, rows: await copyTable(from[table.file], to[table.file], table, inserted, onProgress) })
    await to.durable.write(FINISH, [COPYING])
    return copied
  } catch (error) {
    await takeBack(to, inserted).catch(() => undefined)
    throw error
  }
}

const FINISH = 'DELETE FROM portolan_once WHERE name = $1'

/** What it cannot take back stays, and is told apart. */
async function takeBack(to: StateDatabases, inserted: readonly Inserted[]): Promise<void> {
  for (const { table, rows } of inserted) await removeBatch(to[table.file], table, rows)
  await to.durable.write(FINISH, [COPYING])
}

async function refuseServed({ cache, name }: StateDatabases): Promise<void> {
  const [replica] = await cache.read('SELECT id, address FROM portolan_replica WHERE expires_at_ms > portolan_now_ms() LIMIT 1', [])
  if (replica === undefined) return
  throw new StateOpenError(`A Portolan serves from ${name}: replica ${textOf(replica, 'id')}${replica['address'] === '' ? '' : ` at ${textOf(replica, 'address')}`}. Stop it, and copy again.`)
}

async function refuseFull(to: StateDatabases): Promise<void> {
  for (const table of STATE_TABLES) {
    const rows = await countOf(to[table.file], table)
    if (rows === 0) continue
    throw new StateOpenError(`The target ${to.name} is not empty: ${table.name} has ${rows} rows. Give an empty database; nothing was copied.`)
  }
}

async function copyTable(from: SqlDatabase, to: SqlDatabase, table: StateTable, inserted: Inserted[], onProgress: (table: string, rows: number, total: number) => void): Promise<number> {
  const total = await countOf(from, table)
  let copied = 0
  let last: SqlRow | undefined
  for (;;) {
    const rows = await readBatch(from, table, last)
    if (rows.length > 0) {
      await insertBatch(to, table.name, rows)
      inserted.push({ table, rows: rows.map((row) => keyOf(table, row)) })
    }
    copied += rows.length
    if (rows.length > 0 || total === 0) onProgress(table.name, copied, total)
    last = rows.at(-1)
    if (rows.length === 0) break
  }
  const arrived = await countOf(to, table)
  if (arrived === total && copied === total) return copied
  throw new StateOpenError(`${table.name} had ${total} rows, and ${arrived} arrived: something writes to one of the databases. Stop Portolan, and copy again.`)
}

async function readBatch(from: SqlDatabase, { name, key, where = 'TRUE', long = [] }: StateTable, last: SqlRow | undefined): Promise<readonly SqlRow[]> {
  const columns = key.join(', ')
  const after = last === undefined ? '' : ` AND (${columns}) > (${key.map((_, index) => `$${index + 1}`).join(', ')})`
  const values = last === undefined ? [] : key.map((column) => last[column] ?? null)
  const next = (what: string, limit: number): Promise<readonly SqlRow[]> => from.read(`SELECT ${what} FROM ${name} WHERE ${where}${after} ORDER BY ${columns} LIMIT ${limit}`, values)
  if (long.length === 0) return next('*', BATCH)
  const sizes = await next(`${long.map((column) => `octet_length(${column})`).join(' + ')} AS bytes`, BATCH)
  return next('*', fitting(sizes.map((row) => numberOf(row, 'bytes'))))
}

function fitting(sizes: readonly number[]): number {
  let [bytes, rows] = [0, 0]
  for (const size of sizes) {
    bytes += size
    if (bytes > BATCH_BYTES && rows > 0) break
    rows += 1
  }
  return rows
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

async function countOf(database: SqlDatabase, { name, where = 'TRUE' }: StateTable): Promise<number> {
  const [row] = await database.read(`SELECT COUNT(*) AS rows_there FROM ${name} WHERE ${where}`, [])
  return numberOf(row, 'rows_there')
}
