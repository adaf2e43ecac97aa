/** How the stores' statements do where much is stored: what serves, claims or sweeps must not read all of it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import { createEventStore } from '../src/adapters/sql/event-store.ts'
import { sweepExpired } from '../src/adapters/sql/expiry-sweep.ts'
import { createReplayGuard } from '../src/adapters/sql/replay-guard.ts'
import { createSessionStore } from '../src/adapters/sql/session-store.ts'
import type { SqlDatabase, SqlValue, StateDatabases } from '../src/adapters/sql/sql-database.ts'
import { createTaskStore } from '../src/adapters/sql/task-store.ts'
import { openSqlite } from '../src/adapters/sqlite/database.ts'
import type { Session } from '../src/core/session/session.ts'
import type { TaskClaim } from '../src/core/task/task-store.ts'
import { newTask } from './contracts/task-store.contract.ts'
import { findPostgres } from './services/postgres.ts'

const NEVER = (): boolean => false

const ROWS = 100_000
const LIVE = 'portolan_now_ms() + 600000'
const FILL_MS = 60_000

/** Every tenth task waits, and every tenth runs; the others are over. */
const FILL: Readonly<Record<string, string>> = {
  portolan_session: `SELECT 's' || i, 'o' || (i % 50), '{}', NULL, 0, 1, ${LIVE}`,
  portolan_event: `SELECT 's' || (i % 20000), 'a_' || i, 'a', '{}', 0, i, ${LIVE}`,
  portolan_replay: `SELECT 'k' || i, ${LIVE}`,
  portolan_task: `
    SELECT 't' || i, 'o' || (i % 50), 'k' || i, 'd', '{}', CASE i % 10 WHEN 0 THEN 'queued' WHEN 1 THEN 'running' ELSE 'completed' END, CASE WHEN i % 10 < 2 THEN 0 ELSE 1 END,
      1, 1, '', 0, 0, CASE WHEN i % 10 < 2 THEN ${LIVE} ELSE NULL END, 0, i, i, ${LIVE}, ${LIVE}, 1, 0, 10, '{}', '{}'`,
  portolan_task_tombstone: `SELECT 'x' || i, 'o', 1, ${LIVE}`,
}

const SERIES: Readonly<Record<SqlDatabase['dialect'], string>> = {
  postgres: `generate_series(1, ${ROWS}) AS g(i)`,
  sqlite: `(WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < ${ROWS}) SELECT i FROM g)`,
}

/** Reads all of a table that grows. Replicas, leases, keys and servers are few. */
const READS_ALL: Readonly<Record<SqlDatabase['dialect'], RegExp>> = {
  postgres: /Seq Scan on portolan_(?:session|event|replay|task)/,
  sqlite: /SCAN portolan_(?:session|event|replay|task)/,
}

async function fill(databases: StateDatabases): Promise<void> {
  for (const [table, rows] of Object.entries(FILL)) {
    const database = table === 'portolan_session' || table === 'portolan_event' ? databases.cache : databases.durable
    await database.write(`INSERT INTO ${table} ${rows} FROM ${SERIES[database.dialect]}`, [])
  }
  // As what comes by and by makes it do: nobody has said yet that much of it expires.
  if (databases.durable.dialect === 'postgres') await databases.durable.write('ANALYZE', [])
}

/** Asks for the plan of each statement before it runs. */
function planned(databases: StateDatabases, plans: Map<string, string>): StateDatabases {
  const wrap = (database: SqlDatabase): SqlDatabase => {
    const plan = async (sql: string, values: readonly SqlValue[]): Promise<void> => {
      if (plans.has(sql)) return
      const rows = await database.write(`${database.dialect === 'postgres' ? 'EXPLAIN' : 'EXPLAIN QUERY PLAN'} ${sql}`, values)
      plans.set(sql, rows.map((row) => String(row['QUERY PLAN'] ?? row['detail'])).join('\n'))
    }
    return {
      dialect: database.dialect,
      read: async (sql, values) => (await plan(sql, values), database.read(sql, values)),
      write: async (sql, values) => (await plan(sql, values), database.write(sql, values)),
      writeAll: async (statements) => {
        for (const { sql, values } of statements) await plan(sql, values)
        return database.writeAll(statements)
      },
    }
  }
  return { ...databases, durable: wrap(databases.durable), cache: wrap(databases.cache) }
}

const SESSION: Session = {
  id: 's5', bindingKey: 'b', ownerKey: 'o5', endpoint: '', revision: '2025-11-25', clientInfo: '{}', clientCapabilities: '{}',
  createdAtMs: 1, lastUsedAtMs: 1, initialized: true, logLevel: '', subscriptions: {}, tasks: {}, holds: [], atServers: {},
}

async function useSessions({ durable, cache }: StateDatabases): Promise<void> {
  const [sessions, events] = [createSessionStore(cache), createEventStore(cache)]
  await sessions.find('s5')
  await sessions.save(SESSION, 600_000)
  await sessions.save(SESSION, 600_000, { epoch: 0 })
  await sessions.count('o5')
  await sessions.claim('s5', 'r', 0)
  await sessions.release('s5', 'r', 1)
  await sessions.delete('s5')
  await events.keep('s7', [{ streamId: 'a', eventId: 'z_1', text: '', isFinal: true }], 600_000, { events: 100, bytes: 10_000 })
  await events.replace('s7', 1, [{ streamId: 'a', eventId: 'z_1', text: '', isFinal: true }], 600_000)
  await events.load('s7')
  await events.dropSession('s7')
  await createReplayGuard(durable).firstUse('k3', 600_000)
}

async function useTasks({ durable }: StateDatabases): Promise<void> {
  const tasks = createTaskStore(durable)
  const claim: TaskClaim = { holder: 'r1', leaseMs: 1_000, count: 10, perOwner: 100, rooms: new Map(), gone: [] }
  const { task } = await tasks.create(newTask('n1', { idempotency: { key: 'k', digest: 'd' } }))
  await tasks.replace(newTask('n2'))
  await tasks.find('n1')
  await tasks.find('never')
  await tasks.findByKey('o1', 'never')
  await tasks.claim(claim)
  await tasks.claim({ ...claim, perOwner: 2, rooms: new Map([['o1', 1], ['o2', 0]]), gone: ['r9'] })
  await tasks.homes()
  await tasks.renew([{ id: 't1', epoch: 9 }, { id: 't2', epoch: 9 }], 1_000)
  await tasks.write([{ ...task, version: task.version + 1 }])
  await tasks.overdue(100)
  await tasks.sweep(100, 1_000)
  await tasks.drop('t99', 1_000)
  await tasks.usage('o1', 1_000)
  await tasks.counts()
}

function testPlans(name: string, filling: Promise<StateDatabases>): void {
  describe(`${ROWS} rows of everything in ${name}`, () => {
    // Whoever awaits it says so.
    filling.catch(() => undefined)

    it('are read through an index by whatever serves, claims or sweeps', async () => {
      const plans = new Map<string, string>()
      const databases = planned(await filling, plans)
      await useSessions(databases)
      await useTasks(databases)
      await sweepExpired(databases, NEVER)
      await createSessionStore(databases.cache).takeExpired(200, 0)
      expect(plans.size).toBeGreaterThan(30)
      expect(Array.from(plans, ([sql, plan]) => `${sql}\n${plan}`).filter((text) => READS_ALL[databases.durable.dialect].test(text))).toEqual([])
    }, FILL_MS)

    it('are removed where they expire all at once, without a statement that takes longer than it may, and on and on', async () => {
      const databases = await filling
      const { durable, cache } = databases
      await durable.write(`UPDATE portolan_replay SET expires_at_ms = 1 WHERE used_key LIKE 'k9%'`, [])
      await cache.write(`UPDATE portolan_session SET expires_at_ms = 1 WHERE owner_key = 'o3'`, [])
      await cache.write(`UPDATE portolan_event SET expires_at_ms = 1 WHERE ordinal % 50 = 3`, [])
      expect(await sweepExpired(databases, NEVER)).toEqual({ removed: 10_000 + 2_000, isMore: true })
      expect(await sweepExpired(databases, NEVER)).toEqual({ removed: 1_111, isMore: false })
      const sessions = createSessionStore(cache)
      for (let taken = 0; taken < 2_000; taken += 200) expect(await sessions.takeExpired(200, 0)).toHaveLength(200)
      expect(await sessions.takeExpired(200, 0)).toEqual([])
      const [left] = await durable.read('SELECT COUNT(*) AS rows FROM portolan_replay', [])
      expect(left).toEqual({ rows: ROWS - 11_111 })
    }, FILL_MS)

    it('are removed of tasks, with their tombstones', async () => {
      const { durable } = await filling
      const tasks = createTaskStore(durable)
      await durable.write(`UPDATE portolan_task SET expires_at_ms = 1 WHERE owner_key = 'o3' AND is_over = 1`, [])
      await durable.write(`UPDATE portolan_task_tombstone SET until_ms = 1 WHERE id LIKE 'x99%'`, [])
      for (let sweeps = 0; sweeps < 20; sweeps += 1) await tasks.sweep(100, 600_000)
      const [stones] = await durable.read(`SELECT COUNT(*) AS rows FROM portolan_task_tombstone WHERE until_ms = 1`, [])
      expect(stones).toEqual({ rows: 0 })
      expect(await tasks.sweep(100, 600_000)).toBe(0)
    }, FILL_MS)
  })
}

async function sqlite(): Promise<StateDatabases> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-plans-'))
  const databases = openSqlite({ folder, nowMs: Date.now })
  afterAll(async () => {
    await databases.close()
    rmSync(folder, { recursive: true, force: true })
  })
  await fill(databases)
  return databases
}

testPlans('SQLite', sqlite())

const postgres = await findPostgres()
describe.skipIf(postgres === undefined)('on a server', () => {
  if (postgres === undefined) return
  const opening = postgres.newDatabase().then(async (url) => {
    // Filling may take longer than what serves.
    const patient = await openPostgres({ url, statementTimeoutMs: FILL_MS })
    await fill(patient).finally(() => patient.close())
    return openPostgres({ url })
  })
  afterAll(async () => (await opening).close())
  testPlans('PostgreSQL', opening)
})
