/** As test/e2e/tasks-chaos.test.ts, with 10,000 tasks: writes bench/results/tasks-chaos.json. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'vitest'
import { findPostgres } from '../services/postgres.ts'
import { checkChaos } from '../task-chaos.ts'

const RESULT = fileURLToPath(new URL('../../bench/results/tasks-chaos.json', import.meta.url))
const postgres = await findPostgres()

describe.skipIf(postgres === undefined)('ten thousand tasks on three replicas that are killed, stopped and continued at random', () => {
  it('all end, keep their results, and never run twice where they must not', { timeout: 900_000 }, async () => {
    const counts = await checkChaos((await postgres?.newDatabase()) ?? '', 10_000, 850_000)
    writeFileSync(RESULT, `${JSON.stringify({ at: new Date().toISOString().slice(0, 10), ...counts }, null, 1)}\n`)
  })
})
