import { describe, it } from 'vitest'
import { findPostgres } from './services/postgres.ts'
import { checkTasks } from './task-model.ts'
import { memoryTasks, postgresTasks, sqliteTasks } from './task-stores.ts'

const RUNS = 300
const postgres = await findPostgres()
const onPostgres = postgres === undefined ? undefined : await postgresTasks(postgres)
const onSqlite = sqliteTasks()

describe('tasks, whatever happens to them in whatever order, are what a simple model says', () => {
  it('in memory', { timeout: 60_000 }, () => checkTasks(RUNS, memoryTasks))

  it('on SQLite', { timeout: 120_000 }, () => checkTasks(RUNS, onSqlite))

  it.skipIf(onPostgres === undefined)('on PostgreSQL', { timeout: 120_000 }, async () => {
    if (onPostgres !== undefined) await checkTasks(RUNS, onPostgres)
  })
})
