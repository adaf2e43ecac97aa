/** Replicas that are killed, stopped and restarted at random under a workload: nothing wrong, nothing twice, nobody hangs (design §7). */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createSeededRandom } from '../../src/adapters/memory/random.ts'
import { actsOf, judgeAnnouncements, judgeExecutions, legacyWorker, modernWorker, openSession, wreak } from '../chaos.ts'
import type { Choice, Executions, Tally } from '../chaos.ts'
import { startCluster } from '../cluster.ts'
import { startActor } from '../fixtures/upstream/actor.ts'
import type { Actor } from '../fixtures/upstream/actor.ts'
import { findNats } from '../services/nats.ts'
import { findPostgres } from '../services/postgres.ts'

const postgres = await findPostgres()
const nats = await findNats()
const SECONDS = Number(process.env['PORTOLAN_CHAOS_SECONDS'] ?? 45)
const SEED = Number(process.env['PORTOLAN_CHAOS_SEED'] ?? Date.now() % 1_000_000)

const hints: [string, readonly string[]][] = [['LISTEN and NOTIFY', []]]
if (nats !== undefined) hints.push(['NATS', ['--nats-url', `nats://${nats.host}:${nats.port}`]])

describe.skipIf(postgres === undefined)('three replicas under fire', () => {
  it.each(hints)('with hints over %s', { timeout: (SECONDS + 90) * 1_000 }, async (_wire, args) => {
    const executions: Executions = new Map()
    const actor: Actor = await startActor(['legacy', 'modern'], actsOf(executions, () => actor))
    const config = { mcpServers: { actor: { url: actor.url } } }
    const cluster = await startCluster({ databaseUrl: (await postgres?.newDatabase()) ?? '', config, args, hasBalancer: false })
    try {
      const tally: Tally = { ended: { answered: 0, unknown: 0, refused: 0, cut: 0 }, codes: new Map(), wrong: [], longestMs: 0 }
      let isOver = false
      const work = { cluster, tally, choice: choiceOf(SEED), isOver: () => isOver }
      // Before anything is lost: what is tried is that they stay.
      const sessions = await Promise.all(Array.from({ length: 6 }, (_, index) => openSession(`l${index}`, work)))
      const legacy = sessions.map((session, index) => legacyWorker(`l${index}`, session, work))
      const modern = Array.from({ length: 2 }, (_, index) => modernWorker(`m${index}`, work))
      await sleep(1_000)
      const faults = await wreak(cluster, choiceOf(SEED + 1), performance.now() + SECONDS * 1_000)
      await sleep(1_000)
      isOver = true
      await Promise.all(modern)
      await judgeAnnouncements(tally, actor, await Promise.all(legacy))
      judgeExecutions(tally, executions)
      const { ended, codes, longestMs } = tally
      console.info(`seed ${SEED}: ${faults.join(', ')}; ${JSON.stringify(ended)}; refused ${JSON.stringify([...codes])}; longest ${Math.round(longestMs)} ms`)
      expect(tally.wrong, `seed ${SEED}: ${faults.join(', ')}`).toEqual([])
      expect(ended.answered).toBeGreaterThan(SECONDS * 10)
      // Lost in flight: a few at each fault, no more.
      expect(ended.unknown + ended.refused + ended.cut).toBeLessThan(ended.answered / 5)
    } finally {
      await cluster.close()
      await actor.close()
    }
  })
})

function choiceOf(seed: number): Choice {
  const random = createSeededRandom(seed)
  return {
    pick(among) {
      const picked = among[Math.floor(random.fraction() * among.length)]
      if (picked === undefined) throw new TypeError('nothing to pick from')
      return picked
    },
  }
}
