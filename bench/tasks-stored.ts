// A database of its own for each engine, with so many tasks in it that were over long ago, and the same state before each window.
import { Client } from 'pg'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import { createTaskStore } from '../src/adapters/sql/task-store.ts'
import { moveTask } from '../src/core/task/task-state.ts'
import { originOf } from './tasks-portolan.ts'
import { RESULT_TEXT } from './tasks-engine.ts'
import type { EngineName } from './tasks-engine.ts'

export interface EngineDatabase {
  readonly url: string
  /** Forgets what was measured before, and writes out what waits in memory. */
  tidy(): Promise<void>
  close(): Promise<void>
}

const OWNER_COUNT = 500

/** Copies the one task that is there, each with an id, an owner and times of its own. */
const COPY_TASKS = `
  INSERT INTO portolan_task SELECT (jsonb_populate_record(task, jsonb_build_object(
    'id', 'stored-' || md5(number::TEXT), 'owner_key', 'owner-' || number % ${OWNER_COUNT},
    'created_at_ms', task.created_at_ms - number, 'updated_at_ms', task.updated_at_ms - number, 'expires_at_ms', task.expires_at_ms + number))).*
  FROM portolan_task AS task CROSS JOIN generate_series(1, $1::BIGINT) AS number`
const COPY_RESULTS = `INSERT INTO bench_result SELECT 'stored-' || md5(number::TEXT), $2 FROM generate_series(1, $1::BIGINT) AS number`

const TABLES = { portolan: ['portolan_task'], graphile: ['bench_result', 'graphile_worker._private_jobs'] } as const

export async function openEngineDatabase(adminUrl: string, engine: EngineName, storedCount: number): Promise<EngineDatabase> {
  const name = `bench_${engine.replace('-', '_')}_${storedCount}`
  await withClient(adminUrl, async (client) => void (await client.query(`CREATE DATABASE ${name}`)))
  const url = adminUrl.replace(/\/postgres$/, `/${name}`)
  const kind = engine === 'graphile' || engine === 'graphile-tuned' ? 'graphile' : 'portolan'
  const client = new Client({ connectionString: url })
  await client.connect()
  if (kind === 'portolan') await fillTasks(client, url, storedCount)
  else await fillResults(client, storedCount)
  return {
    url,
    async tidy() {
      await client.query(`DELETE FROM ${TABLES[kind][0]} WHERE id LIKE 'bench-%'`)
      for (const table of TABLES[kind]) await client.query(`VACUUM (ANALYZE) ${table}`)
      await client.query('CHECKPOINT')
    },
    close: () => client.end(),
  }
}

async function fillTasks(client: Client, url: string, storedCount: number): Promise<void> {
  const databases = await openPostgres({ url })
  const store = createTaskStore(databases.durable)
  const { task, nowMs } = await store.create({ id: 'stored-first', origin: originOf('owner-0', true), idempotency: undefined, lease: { holder: 'nobody', leaseMs: 1, isDispatched: false } })
  const over = moveTask(task, { kind: 'complete', epoch: task.epoch, resultText: RESULT_TEXT }, nowMs)
  if (over.ok) await store.write([over.value])
  await databases.close()
  if (storedCount === 0) await client.query('DELETE FROM portolan_task')
  else await client.query(COPY_TASKS, [storedCount - 1])
}

async function fillResults(client: Client, storedCount: number): Promise<void> {
  await client.query('CREATE TABLE bench_result (id TEXT PRIMARY KEY, result TEXT NOT NULL)')
  if (storedCount > 0) await client.query(COPY_RESULTS, [storedCount, RESULT_TEXT])
}

/** Milliseconds of one durable commit by one client, median: what everything here waits for. */
export async function commitMs(adminUrl: string): Promise<number> {
  const COUNT = 101
  const took: number[] = []
  await withClient(adminUrl, async (client) => {
    await client.query('CREATE TABLE bench_commit (number BIGINT)')
    for (let number = 0; number < COUNT; number += 1) {
      const fromMs = performance.now()
      await client.query('INSERT INTO bench_commit VALUES ($1)', [number])
      took.push(performance.now() - fromMs)
    }
  })
  return took.toSorted((left, right) => left - right)[(COUNT - 1) / 2] ?? Number.NaN
}

async function withClient(url: string, run: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await run(client).finally(() => client.end())
}
