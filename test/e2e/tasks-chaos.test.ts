import { describe, it } from 'vitest'
import { findPostgres } from '../services/postgres.ts'
import { checkChaos } from '../task-chaos.ts'

const postgres = await findPostgres()

describe.skipIf(postgres === undefined)('a thousand tasks on three replicas that are killed, stopped and continued at random', () => {
  it('all end, keep their results, and never run twice where they must not', { timeout: 180_000 }, async () => {
    await checkChaos((await postgres?.newDatabase()) ?? '', 1_000, 150_000)
  })
})
