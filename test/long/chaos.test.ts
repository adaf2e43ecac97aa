/** As test/e2e/chaos.test.ts, for five minutes with each adapter of hints: writes bench/results/chaos.json. */
import { writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, it } from 'vitest'
import { LIMIT_MS } from '../chaos.ts'
import { hintsArgs, judgeChaos, runChaos } from '../chaos-run.ts'
import type { ChaosResult } from '../chaos-run.ts'
import { findNats } from '../services/nats.ts'
import { findPostgres } from '../services/postgres.ts'

const RESULT = fileURLToPath(new URL('../../bench/results/chaos.json', import.meta.url))
const postgres = await findPostgres()
const hints = hintsArgs(await findNats())
const SECONDS = 300
const SEED = Number(process.env['PORTOLAN_CHAOS_SEED'] ?? Date.now() % 1_000_000)

describe.skipIf(postgres === undefined)('three replicas under fire for five minutes', () => {
  const results: Record<string, object> = {}

  afterAll(() => writeFileSync(RESULT, `${JSON.stringify({ at: new Date().toISOString().slice(0, 10), seconds: SECONDS, results }, null, 1)}\n`))

  it.each(hints)('with hints over %s', { timeout: (SECONDS + 120) * 1_000 }, async (wire, args) => {
    const result = await runChaos({ databaseUrl: (await postgres?.newDatabase()) ?? '', args, seconds: SECONDS, seed: SEED })
    results[wire] = { ...result, faults: counted(result), loadAverage: Number((loadavg()[0] ?? 0).toFixed(1)) }
    judgeChaos(result, SECONDS, LIMIT_MS)
  })
})

/** How many there were of each kind: which they were, the seed says. */
function counted({ faults }: ChaosResult): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const fault of faults) {
    const kind = fault.slice(0, fault.indexOf(' '))
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}
