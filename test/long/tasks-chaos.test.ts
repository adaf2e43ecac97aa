import { describe, it } from 'vitest'
import { findPostgres } from '../services/postgres.ts'
import { checkChaos } from '../task-chaos.ts'

const postgres = await findPostgres()

describe.skipIf(postgres === undefined)('ten thousand tasks on three replicas that are killed, stopped and continued at random', () => {
  it('all end, keep their results, and never run twice where they must not', { timeout: 900_000 }, async () => {
    await checkChaos((await postgres?.newDatabase()) ?? '', 10_000, 850_000)
  })
})
