/** Empty stores of tasks on each database, whose time stands still until it is told: for models that count milliseconds. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll } from 'vitest'
import { createManualClock } from '../src/adapters/memory/clock.ts'
import { createTaskStore as createMemoryStore } from '../src/adapters/memory/task-store.ts'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import type { SqlDatabase } from '../src/adapters/sql/sql-database.ts'
import { createTaskStore } from '../src/adapters/sql/task-store.ts'
import { openSqlite } from '../src/adapters/sqlite/database.ts'
import type { TaskStore } from '../src/core/task/task-store.ts'
import type { StoreRig } from './contracts/store-rig.ts'
import type { Postgres } from './services/postgres.ts'

export type OpenTasks = () => Promise<StoreRig<TaskStore>>

const START_MS = 1_700_000_000_000

export const memoryTasks: OpenTasks = async () => {
  const clock = createManualClock(START_MS)
  const store = createMemoryStore(clock)
  return { store, second: async () => store, pass: async (ms) => clock.advance(ms) }
}

async function empty(database: SqlDatabase): Promise<void> {
  await database.writeAll(['portolan_task', 'portolan_task_tombstone'].map((table) => ({ sql: `DELETE FROM ${table}`, values: [] })))
}

export function sqliteTasks(): OpenTasks {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-tasks-'))
  let nowMs = START_MS
  const databases = openSqlite({ folder, nowMs: () => nowMs })
  const store = createTaskStore(databases.durable)
  afterAll(async () => {
    await databases.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return async () => {
    await empty(databases.durable)
    return { store, second: async () => store, pass: async (ms) => void (nowMs += ms) }
  }
}

export async function postgresTasks(postgres: Postgres): Promise<OpenTasks> {
  const url = await postgres.newDatabase()
  const databases = await openPostgres({ url })
  const admin = new Client({ connectionString: url })
  await admin.connect()
  const store = createTaskStore(databases.durable)
  afterAll(async () => {
    await Promise.all([databases.close(), admin.end()])
  })
  let nowMs = START_MS
  const setTime = (): Promise<unknown> => admin.query(`CREATE OR REPLACE FUNCTION portolan_now_ms() RETURNS BIGINT LANGUAGE SQL STABLE AS $$ SELECT ${nowMs}::BIGINT $$`)
  return async () => {
    await setTime()
    await empty(databases.durable)
    return {
      store,
      second: async () => store,
      async pass(ms) {
        nowMs += ms
        await setTime()
      },
    }
  }
}
