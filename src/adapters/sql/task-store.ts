/** Tasks, one row each, and a tombstone for each that has gone. What a row becomes is decided in core; only claims are made here. */

import { PortolanError } from '../../protocol/error.ts'
import { beginTask } from '../../core/task/new-task.ts'
import { heldBytes } from '../../core/task/stored-task.ts'
import type { StoredTask } from '../../core/task/stored-task.ts'
import { COUNTED_PHASES } from '../../core/task/task-store.ts'
import type { NewTask, Sighting, TaskClaim, TaskLease, TaskQuery, TaskStore } from '../../core/task/task-store.ts'
import { numberOf, textOf } from './sql-database.ts'
import type { SqlDatabase, SqlRow, SqlValue, Statement } from './sql-database.ts'
import { CHANGED, changedValues, progressText, taskOf } from './task-row.ts'

const NOW = 'portolan_now_ms() AS now_ms'
const COLUMNS = `id, idem_key, idem_digest, origin, phase, version, epoch, holder, lease_until_ms, run_at_ms, is_dispatched,
  created_at_ms, updated_at_ms, deadline_at_ms, expires_at_ms, attempts, is_resuming, progress, result`

const INSERT_ROW = `
  INSERT INTO portolan_task (id, owner_key, idem_key, idem_digest, origin, phase, is_over, version, epoch, holder, lease_until_ms, run_at_ms, due_at_ms,
    is_dispatched, created_at_ms, updated_at_ms, deadline_at_ms, expires_at_ms, attempts, is_resuming, held_bytes, progress, result)
  VALUES ($1, $2, $3, $4, $5, $6, 0, 1, $7, $8, CASE WHEN $8 = '' THEN 0 ELSE portolan_now_ms() + $9 END, portolan_now_ms(), portolan_now_ms() + $9,
    $10, portolan_now_ms(), portolan_now_ms(), portolan_now_ms() + $11, portolan_now_ms() + $12, $13, 0, $14, $15, '')`
const INSERT = `${INSERT_ROW} ON CONFLICT DO NOTHING RETURNING ${COLUMNS}, ${NOW}`
const REPLACED = ['owner_key', 'idem_key', 'idem_digest', 'origin', 'phase', 'is_over', 'holder', 'lease_until_ms', 'run_at_ms', 'due_at_ms', 'is_dispatched', 'created_at_ms',
  'updated_at_ms', 'deadline_at_ms', 'expires_at_ms', 'attempts', 'is_resuming', 'held_bytes', 'progress', 'result']
const REPLACE = `${INSERT_ROW}
  ON CONFLICT (id) DO UPDATE SET version = portolan_task.version + 1, epoch = portolan_task.epoch + 1, ${REPLACED.map((name) => `${name} = excluded.${name}`).join(', ')}
  RETURNING ${COLUMNS}, ${NOW}`

const FIND = `SELECT ${COLUMNS}, owner_key, is_over, ${NOW} FROM portolan_task WHERE id = $1`
const FIND_BY_KEY = `SELECT ${COLUMNS}, owner_key, is_over, ${NOW} FROM portolan_task WHERE owner_key = $1 AND idem_key = $2`
const FIND_TAKEN = `SELECT ${COLUMNS}, ${NOW} FROM portolan_task WHERE id = $1 OR (owner_key = $2 AND idem_key = $3)`
const FIND_TOMBSTONE = `SELECT owner_key, expired_at_ms, ${NOW} FROM portolan_task_tombstone WHERE id = $1`
const TIME = `SELECT ${NOW}`

const CLAIM = `
  UPDATE portolan_task SET
    phase = 'running', version = version + 1, epoch = epoch + 1, holder = $1,
    lease_until_ms = portolan_now_ms() + $2, due_at_ms = portolan_now_ms() + $2, updated_at_ms = portolan_now_ms(),
    attempts = attempts + CASE WHEN is_resuming = 1 AND phase = 'queued' THEN 0 ELSE 1 END
  WHERE id IN (SELECT id FROM picked)
  RETURNING ${COLUMNS}, ${NOW}`

const HOMES = `SELECT DISTINCT holder FROM portolan_task WHERE due_at_ms <= portolan_now_ms() AND phase = 'queued' AND holder <> ''`

const OVERDUE = `SELECT ${COLUMNS}, ${NOW} FROM portolan_task WHERE is_over = 0 AND deadline_at_ms <= portolan_now_ms() ORDER BY deadline_at_ms LIMIT $1`
const EXPIRED = 'SELECT id FROM portolan_task WHERE is_over = 1 AND expires_at_ms <= portolan_now_ms() ORDER BY expires_at_ms LIMIT $1'
const oldTombstones = (dialect: SqlDatabase['dialect']): string => `
  WITH picked AS MATERIALIZED (SELECT id FROM portolan_task_tombstone WHERE until_ms <= portolan_now_ms() LIMIT $1${dialect === 'postgres' ? ' FOR UPDATE SKIP LOCKED' : ''})
  DELETE FROM portolan_task_tombstone WHERE id IN (SELECT id FROM picked)`

const DROP_TOMBSTONE = `
  INSERT INTO portolan_task_tombstone (id, owner_key, expired_at_ms, until_ms)
  SELECT id, owner_key, CASE WHEN expires_at_ms < portolan_now_ms() THEN expires_at_ms ELSE portolan_now_ms() END, portolan_now_ms() + $2 FROM portolan_task WHERE id = $1
  ON CONFLICT (id) DO NOTHING`
const DROP = 'DELETE FROM portolan_task WHERE id = $1 RETURNING id'

const USAGE = `
  SELECT COUNT(*) AS total, COALESCE(SUM(1 - is_over), 0) AS live, COALESCE(SUM(held_bytes), 0) AS bytes
  FROM (SELECT is_over, held_bytes FROM portolan_task WHERE owner_key = $1 LIMIT $2) AS own`

/** As the index has it. */
const WAITING = `phase IN ('queued', 'running', 'asking', 'dead')`
const COUNTS = `SELECT phase, COUNT(*) AS tasks FROM portolan_task WHERE ${WAITING} GROUP BY phase`
const OLDEST = `SELECT MIN(due_at_ms) AS due_at_ms, portolan_now_ms() AS now_ms FROM portolan_task WHERE due_at_ms IS NOT NULL`

/** Rows of one statement: both databases bound the number of parameters. */
const CHUNK = 64

export function createTaskStore(database: SqlDatabase): TaskStore {
  const now = async (): Promise<number> => numberOf((await database.read(TIME, []))[0], 'now_ms')
  const inTasks = async (rows: readonly SqlRow[]): Promise<{ readonly nowMs: number; readonly tasks: readonly StoredTask[] }> => {
    const [first] = rows
    return { nowMs: first === undefined ? await now() : numberOf(first, 'now_ms'), tasks: rows.map(taskOf) }
  }
  const find = async (sql: string, values: readonly SqlValue[]): Promise<Sighting | undefined> => {
    const [row] = await database.read(sql, values)
    return row === undefined ? undefined : sighted(row)
  }

  return {
    async create(task) {
      for (;;) {
        const [row] = await database.write(INSERT, insertValues(task))
        if (row !== undefined) return { kind: 'created', nowMs: numberOf(row, 'now_ms'), task: taskOf(row) }
        const [taken] = await database.read(FIND_TAKEN, [task.id, task.origin.ownerKey, task.idempotency?.key ?? null])
        // Else it was removed meanwhile, and what it took is free.
        if (taken !== undefined) return { kind: 'existing', nowMs: numberOf(taken, 'now_ms'), task: taskOf(taken) }
      }
    },
    async replace(task) {
      const [row] = await database.write(REPLACE, insertValues(task))
      if (row === undefined) throw new PortolanError('internal')
      return { nowMs: numberOf(row, 'now_ms'), task: taskOf(row) }
    },
    async find(id) {
      const sighting = await find(FIND, [id])
      if (sighting !== undefined) return sighting
      const [stone] = await database.read(FIND_TOMBSTONE, [id])
      if (stone === undefined) return { kind: 'unknown', nowMs: await now() }
      return { kind: 'expired', nowMs: numberOf(stone, 'now_ms'), ownerKey: textOf(stone, 'owner_key'), expiredAtMs: numberOf(stone, 'expired_at_ms') }
    },
    findByKey: async (ownerKey, key) => (await find(FIND_BY_KEY, [ownerKey, key])) ?? { kind: 'unknown', nowMs: await now() },
    async claim(claim) {
      const { sql, values } = claimStatement(claim, database.dialect)
      const rows = await database.write(sql, values)
      const { nowMs, tasks } = await inTasks(rows)
      return { nowMs, tasks: tasks.toSorted((left, right) => left.runAtMs - right.runAtMs || (left.id < right.id ? -1 : 1)) }
    },
    homes: async () => (await database.read(HOMES, [])).map((row) => textOf(row, 'holder')),
    async renew(leases, leaseMs) {
      const statements = chunked(byId(leases)).map((chunk) => renewStatement(chunk, leaseMs, database.dialect))
      const rows = (statements.length === 0 ? [] : await database.writeAll(statements)).flat()
      return { nowMs: rows[0] === undefined ? await now() : numberOf(rows[0], 'now_ms'), ids: new Set(rows.map((row) => textOf(row, 'id'))) }
    },
    async write(tasks) {
      const rows = await database.writeAll(chunked(byId(tasks)).map((chunk) => writeStatement(chunk, database.dialect)))
      const written = new Set(rows.flat().map((row) => textOf(row, 'id')))
      return tasks.map(({ id }) => written.has(id))
    },
    overdue: async (count) => inTasks(await database.read(OVERDUE, [count])),
    async sweep(count, tombstoneMs) {
      const ids = (await database.read(EXPIRED, [count])).map((row) => textOf(row, 'id'))
      const old = { sql: oldTombstones(database.dialect), values: [count] }
      if (ids.length === 0) return (await database.writeAll([old]), 0)
      const rows = await database.writeAll([...locked(ids, database.dialect), ...expireStatements(ids, tombstoneMs), old])
      return rows.at(-2)?.length ?? 0
    },
    async drop(id, tombstoneMs) {
      const rows = await database.writeAll([...locked([id], database.dialect), { sql: DROP_TOMBSTONE, values: [id, Math.ceil(tombstoneMs)] }, { sql: DROP, values: [id] }])
      return rows.at(-1)?.length === 1
    },
    async usage(ownerKey, upTo) {
      const [row] = await database.read(USAGE, [ownerKey, upTo])
      return { live: numberOf(row, 'live'), total: numberOf(row, 'total'), bytes: numberOf(row, 'bytes') }
    },
    async list(query) {
      const { sql, values } = listStatement(query)
      return inTasks(await database.read(sql, values))
    },
    async counts() {
      const [rows, [oldest]] = await Promise.all([database.read(COUNTS, []), database.read(OLDEST, [])])
      const count = (phase: string): number => numberOf(rows.find((row) => row['phase'] === phase), 'tasks')
      const dueMs = oldest === undefined || oldest['due_at_ms'] === null ? -1 : numberOf(oldest, 'now_ms') - numberOf(oldest, 'due_at_ms')
      return { phases: { queued: count('queued'), running: count('running'), asking: count('asking'), dead: count('dead') }, oldestDueMs: dueMs < 0 ? undefined : dueMs }
    },
  }
}

function insertValues(task: NewTask): readonly SqlValue[] {
  const { id, origin, idempotency, lease } = task
  const { phase, epoch, holder, isDispatched, progress } = beginTask(task, 0)
  const { ownerKey, terms } = origin
  return [
    id, ownerKey, idempotency?.key ?? null, idempotency?.digest ?? null, JSON.stringify(origin), phase, epoch, holder, Math.ceil(lease?.leaseMs ?? 0),
    isDispatched ? 1 : 0, Math.ceil(terms.deadlineMs), Math.ceil(terms.ttlMs), progress.attempts, heldBytes({ origin, resultText: '', progress }), progressText(progress),
  ]
}

function sighted(row: SqlRow): Sighting {
  const nowMs = numberOf(row, 'now_ms')
  const expiredAtMs = numberOf(row, 'expires_at_ms')
  if (numberOf(row, 'is_over') === 1 && expiredAtMs <= nowMs) return { kind: 'expired', nowMs, ownerKey: textOf(row, 'owner_key'), expiredAtMs }
  return { kind: 'found', nowMs, task: taskOf(row) }
}

/**
 * In one order everywhere: who writes the same tasks at once, or renews them, must not wait for each other in a circle. That of the
 * statements is only half of it: PostgreSQL updates rows as its plan comes by them, in a small table in the order of the file.
 */
function byId<T extends { readonly id: string }>(all: readonly T[]): readonly T[] {
  return all.toSorted((left, right) => (left.id < right.id ? -1 : 1))
}

function chunked<T>(all: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / CHUNK) }, (_, at) => all.slice(at * CHUNK, (at + 1) * CHUNK))
}

/** Ids are ASCII: their bytes stand in the order in which JavaScript puts them. */
const IN_ORDER = 'ORDER BY portolan_task.id COLLATE "C" FOR UPDATE'

/** Before what touches several rows, or a row and its tombstone, in turn. SQLite has one writer at a time. */
function locked(ids: readonly string[], dialect: SqlDatabase['dialect']): readonly Statement[] {
  if (dialect === 'sqlite') return []
  return [{ sql: `SELECT id FROM portolan_task WHERE id IN (${ids.map((_, at) => `$${at + 1}`).join(', ')}) ${IN_ORDER} OF portolan_task`, values: ids }]
}

/** An update of the tasks that `table` names and `condition` still holds for, locked in order before the first is written. */
function updateOf(table: string, sets: string, condition: string, returning: string, dialect: SqlDatabase['dialect']): string {
  const order = dialect === 'sqlite' ? '' : `, held AS MATERIALIZED (SELECT portolan_task.id FROM portolan_task JOIN given ON ${condition} ${IN_ORDER} OF portolan_task)`
  const isHeld = dialect === 'sqlite' ? '' : ' JOIN held ON held.id = given.id'
  return `WITH given AS (${table})${order} UPDATE portolan_task SET ${sets} FROM given${isHeld} WHERE ${condition} RETURNING ${returning}`
}

/** A table of parameters: `SELECT $1, $2 UNION ALL SELECT $3, $4`, each of its type. */
function tableOf(columns: Readonly<Record<string, string>>, rows: number, first: number): string {
  const entries = Object.entries(columns)
  const row = (at: number): string => entries.map(([name, type], index) => `CAST($${first + at * entries.length + index} AS ${type}) AS ${name}`).join(', ')
  return Array.from({ length: rows }, (_, at) => `SELECT ${row(at)}`).join(' UNION ALL ')
}

function writeStatement(tasks: readonly StoredTask[], dialect: SqlDatabase['dialect']): Statement {
  const sets = Object.keys(CHANGED).filter((name) => name !== 'id').map((name) => `${name} = given.${name}`)
  const due = `due_at_ms = CASE given.phase WHEN 'queued' THEN given.run_at_ms WHEN 'running' THEN portolan_task.lease_until_ms ELSE NULL END`
  const isNext = 'portolan_task.id = given.id AND portolan_task.version = given.version - 1'
  const sql = updateOf(tableOf(CHANGED, tasks.length, 1), [...sets, due].join(', '), isNext, 'portolan_task.id AS id', dialect)
  return { sql, values: tasks.flatMap(changedValues) }
}

/** Materialized: the rows must be picked once, however the update is carried out. */
function claimStatement({ holder, leaseMs, count, perOwner, rooms, gone }: TaskClaim, dialect: SqlDatabase['dialect']): Statement {
  const values: SqlValue[] = [holder, Math.ceil(leaseMs), count]
  const value = (one: SqlValue): string => `$${values.push(one)}`
  const open = Array.from(rooms).filter(([, places]) => places > 0)
  const full = Array.from(rooms.keys()).filter((ownerKey) => rooms.get(ownerKey) === 0)
  const isOurs = ["phase <> 'queued'", "holder = ''", 'holder = $1', ...(gone.length === 0 ? [] : [`holder IN (${gone.map(value).join(', ')})`])].join(' OR ')
  const hasRoom = full.length === 0 ? '' : ` AND owner_key NOT IN (${full.map(value).join(', ')})`
  const due = `
    SELECT id, owner_key, due_at_ms FROM portolan_task WHERE due_at_ms <= portolan_now_ms() AND (${isOurs})${hasRoom}
    ORDER BY due_at_ms LIMIT $3${dialect === 'postgres' ? ' FOR UPDATE SKIP LOCKED' : ''}`
  if (perOwner >= count && open.length === 0) return { sql: `WITH picked AS MATERIALIZED (${due})${CLAIM}`, values }
  const places = open.map(([ownerKey, room]) => `WHEN ${value(ownerKey)} THEN CAST(${value(room)} AS BIGINT)`)
  const most = `CAST(${value(perOwner)} AS BIGINT)`
  const room = places.length === 0 ? most : `CASE owner_key ${places.join(' ')} ELSE ${most} END`
  const ranked = 'SELECT id, owner_key, ROW_NUMBER() OVER (PARTITION BY owner_key ORDER BY due_at_ms, id) AS place FROM due'
  return { sql: `WITH due AS MATERIALIZED (${due}), picked AS MATERIALIZED (SELECT id FROM (${ranked}) AS ranked WHERE place <= ${room})${CLAIM}`, values }
}

function renewStatement(leases: readonly TaskLease[], leaseMs: number, dialect: SqlDatabase['dialect']): Statement {
  const table = tableOf({ id: 'TEXT', epoch: 'BIGINT' }, leases.length, 2)
  const isLeased = `portolan_task.id = given.id AND portolan_task.epoch = given.epoch AND portolan_task.phase = 'running'`
  const sql = updateOf(table, 'lease_until_ms = portolan_now_ms() + $1, due_at_ms = portolan_now_ms() + $1', isLeased, `portolan_task.id AS id, ${NOW}`, dialect)
  return { sql, values: [Math.ceil(leaseMs), ...leases.flatMap(({ id, epoch }) => [id, epoch])] }
}

/** Tombstones first; whoever was faster has left nothing to remove. */
function expireStatements(ids: readonly string[], tombstoneMs: number): readonly Statement[] {
  const list = ids.map((_, at) => `$${at + 2}`).join(', ')
  const isGone = `id IN (${list}) AND is_over = 1 AND expires_at_ms <= portolan_now_ms()`
  return [
    {
      sql: `
        INSERT INTO portolan_task_tombstone (id, owner_key, expired_at_ms, until_ms)
        SELECT id, owner_key, expires_at_ms, portolan_now_ms() + $1 FROM portolan_task WHERE ${isGone}
        ON CONFLICT (id) DO NOTHING`,
      values: [Math.ceil(tombstoneMs), ...ids],
    },
    { sql: `DELETE FROM portolan_task WHERE ${isGone.replaceAll(/\$(\d+)/g, (_, at: string) => `$${Number(at) - 1}`)} RETURNING id`, values: ids },
  ]
}

function listStatement({ ownerKey, phases, after, count }: TaskQuery): Statement {
  const values: SqlValue[] = []
  const value = (one: SqlValue): string => `$${values.push(one)}`
  // Few wait among millions that have ended: they have an index, which serves only where its own condition stands in the text, and where
  // it is not the one of the order that is taken (146 ms for 100,000 tasks on SQLite, where reads keep the process from serving).
  const isWaiting = phases?.every((phase) => COUNTED_PHASES.some((one) => one === phase)) ?? false
  const made = isWaiting ? '+created_at_ms' : 'created_at_ms'
  const conditions = ['(is_over = 0 OR expires_at_ms > portolan_now_ms())']
  if (ownerKey !== undefined) conditions.push(`owner_key = ${value(ownerKey)}`)
  if (isWaiting) conditions.push(WAITING)
  if (phases !== undefined) conditions.push(`phase IN (${phases.map(value).join(', ') || 'NULL'})`)
  if (after !== undefined) conditions.push(`(${made}, id) > (${value(after.createdAtMs)}, ${value(after.id)})`)
  const sql = `SELECT ${COLUMNS}, ${NOW} FROM portolan_task WHERE ${conditions.join(' AND ')} ORDER BY ${made}, id LIMIT ${value(count)}`
  return { sql, values }
}
