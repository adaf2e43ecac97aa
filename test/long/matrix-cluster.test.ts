/**
 * The whole bridge matrix through nginx, round robin, over three replicas on PostgreSQL, with each adapter of hints; and again while the replicas restart:
 * that writes bench/results/matrix-restart.json. Clients on stdio start one process each, and a pipe of HTTP+SSE ends with its replica: those
 * are left out where they cannot take part.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, it } from 'vitest'
import { hintsArgs } from '../chaos-run.ts'
import { SDK1, SDK2 } from '../matrix/clients.ts'
import { BALANCED, testReplicatedMatrix } from '../matrix/replicated.ts'
import { judgeRestarted, runRestarting } from '../matrix/restarting.ts'
import type { Restarted } from '../matrix/restarting.ts'
import type { Seat } from '../matrix/run.ts'
import { findNats } from '../services/nats.ts'
import { findNginx } from '../services/nginx.ts'
import { findPostgres } from '../services/postgres.ts'

const RESULT = fileURLToPath(new URL('../../bench/results/matrix-restart.json', import.meta.url))
const postgres = await findPostgres()
const nginx = await findNginx()
const hints = hintsArgs(await findNats())

const FAR: readonly Seat[] = [SDK1, SDK2].flatMap((client) => [{ client, hops: 3 }, { client, hops: 3, isTurning: true }])

describe.skipIf(postgres === undefined || nginx === undefined).each(hints)('the bridge matrix through three replicas with hints over %s', (_wire, args) => {
  testReplicatedMatrix({ seats: [...BALANCED, ...FAR], args, limitMs: 900_000 })
})

describe.skipIf(postgres === undefined || nginx === undefined)('the bridge matrix while three replicas restart', () => {
  const results: Record<string, Restarted> = {}

  afterAll(() => writeFileSync(RESULT, `${JSON.stringify({ at: new Date().toISOString().slice(0, 10), results }, null, 1)}\n`))

  it.each(hints)('is as whole, but for what a drain ends, with hints over %s', { timeout: 900_000 }, async (wire, args) => {
    const seats = BALANCED.filter(({ client }) => client.transport === 'http')
    results[wire] = await runRestarting({ databaseUrl: (await postgres?.newDatabase()) ?? '', args, seats })
    judgeRestarted(results[wire])
  })
})
