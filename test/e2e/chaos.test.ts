/** Replicas that are killed, stopped and restarted at random under a workload: nothing wrong, nothing twice, nobody hangs (design §7). */
import { describe, it } from 'vitest'
import { hintsArgs, judgeChaos, runChaos } from '../chaos-run.ts'
import { findNats } from '../services/nats.ts'
import { findPostgres } from '../services/postgres.ts'

const postgres = await findPostgres()
const hints = hintsArgs(await findNats())
/** As long as it takes for each fault to come several times; test/long/chaos.test.ts goes on for five minutes. */
const SECONDS = 45
const SEED = Number(process.env['PORTOLAN_CHAOS_SEED'] ?? Date.now() % 1_000_000)

describe.skipIf(postgres === undefined)('three replicas under fire', () => {
  it.each(hints)('with hints over %s', { timeout: (SECONDS + 90) * 1_000 }, async (_wire, args) => {
    const result = await runChaos({ databaseUrl: (await postgres?.newDatabase()) ?? '', args, seconds: SECONDS, seed: SEED })
    console.info(JSON.stringify(result))
    judgeChaos(result, SECONDS)
  })
})
