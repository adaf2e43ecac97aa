import { describe, it } from 'vitest'
import { findPostgres } from '../services/postgres.ts'
import { checkTasks } from '../task-model.ts'
import { memoryTasks, postgresTasks, sqliteTasks } from '../task-stores.ts'

const postgres = await findPostgres()
const onPostgres = postgres === undefined ? undefined : await postgresTasks(postgres)
const onSqlite = sqliteTasks()

describe('10,000 random lives of tasks are what a simple model says', () => {
  it('in memory', { timeout: 900_000 }, () => checkTasks(10_000, memoryTasks))

  it('on SQLite', { timeout: 1_800_000 }, () => checkTasks(10_000, onSqlite))

  it.skipIf(onPostgres === undefined)('on PostgreSQL', { timeout: 3_600_000 }, async () => {
    if (onPostgres !== undefined) await checkTasks(10_000, onPostgres)
  })
})
