/** As test/task-model.test.ts, with 10,000 lives on each store: writes bench/results/task-model.json. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'vitest'
import { findPostgres } from '../services/postgres.ts'
import { checkTasks } from '../task-model.ts'
import { memoryTasks, postgresTasks, sqliteTasks } from '../task-stores.ts'
import type { OpenTasks } from '../task-stores.ts'

const RUNS = 10_000
const RESULT = fileURLToPath(new URL('../../bench/results/task-model.json', import.meta.url))

const postgres = await findPostgres()
const onPostgres = postgres === undefined ? undefined : await postgresTasks(postgres)
const onSqlite = sqliteTasks()

/** Written where it has held; a run that fails names its seed. */
async function check(store: string, open: OpenTasks): Promise<void> {
  const startedMs = performance.now()
  const seed = await checkTasks(RUNS, open)
  const known: Record<string, unknown> = JSON.parse(readFileSync(RESULT, 'utf8'))
  const result = { at: new Date().toISOString().slice(0, 10), runs: RUNS, seed, tookSec: Math.round((performance.now() - startedMs) / 1_000), wrong: 0 }
  writeFileSync(RESULT, `${JSON.stringify({ ...known, [store]: result }, null, 1)}\n`)
}

describe('10,000 random lives of tasks are what a simple model says', () => {
  it('in memory', { timeout: 900_000 }, () => check('memory', memoryTasks))

  it('on SQLite', { timeout: 1_800_000 }, () => check('sqlite', onSqlite))

  it.skipIf(onPostgres === undefined)('on PostgreSQL', { timeout: 3_600_000 }, async () => {
    if (onPostgres !== undefined) await check('postgres', onPostgres)
  })
})
