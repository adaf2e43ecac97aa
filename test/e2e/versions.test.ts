/**
 * Three replicas that are upgraded and taken back one after the other, while clients go on (decision 0018): to a version that knows more and
 * writes the former formats, from there to one that writes the next ones, and back over each step.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PATH, actsOf, choiceOf, judgeExecutions, legacyWorker, modernWorker, newTally, openSession } from '../chaos.ts'
import type { Executions, Work } from '../chaos.ts'
import { startAnnouncer, startListener } from '../chaos-listener.ts'
import type { Listener } from '../chaos-listener.ts'
import { startCluster } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import { startActor } from '../fixtures/upstream/actor.ts'
import type { Actor } from '../fixtures/upstream/actor.ts'
import { messageOf, modern } from '../mcp-client.ts'
import { findPostgres } from '../services/postgres.ts'
import { DECLARED } from '../task-rig.ts'
import type { Json } from '../task-rig.ts'
import { makeVersions } from '../versions.ts'
import type { Versions } from '../versions.ts'

const postgres = await findPostgres()
const choice = choiceOf(18)

interface MadeTask {
  readonly taskId: string
  readonly key: string
}

async function ask({ token }: Cluster, port: number, method: string, params: Json): Promise<Json> {
  const headers = { authorization: `Bearer ${token}`, ...(typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : {}) }
  const answer = messageOf(await modern(port, method, params, { path: PATH, headers, meta: { 'io.modelcontextprotocol/clientCapabilities': DECLARED } }))
  return (answer['result'] ?? answer) as Json
}

async function makeTask(cluster: Cluster, port: number, key: string): Promise<MadeTask> {
  const { taskId } = await ask(cluster, port, 'tools/call', { name: 'work', arguments: { key } })
  return { taskId: String(taskId), key }
}

describe.skipIf(postgres === undefined)('replicas of versions that follow each other', () => {
  const executions: Executions = new Map()
  let versions: Versions
  let actor: Actor
  let cluster: Cluster

  beforeAll(async () => {
    versions = await makeVersions()
    const acts = actsOf(executions, () => actor)
    actor = await startActor(['legacy', 'modern'], { ...acts, work: (call) => acts['count']?.(call) })
    const config = { mcpServers: { actor: { url: actor.url } }, portolan: { version: 1, servers: { actor: { tasks: { work: { task: 'always' } } } } } }
    cluster = await startCluster({ databaseUrl: (await postgres?.newDatabase()) ?? '', config, hasBalancer: false })
  }, 120_000)

  afterAll(async () => {
    await cluster?.close()
    await actor?.close()
    versions?.remove()
  }, 30_000)

  it('serve the same sessions and tasks side by side, each what the others made, at every step there and back', { timeout: 480_000 }, async () => {
    const tally = newTally()
    let isOver = false
    const work: Work = { cluster, tally, choice, isOver: () => isOver }
    const legacy: ReturnType<typeof legacyWorker>[] = []
    const listeners: Listener[] = []
    let isTold = false
    const announcer = startAnnouncer(actor)
    const tasks: MadeTask[] = []
    /** Of this moment: each goes on until the end, under every version that comes. */
    const begin = async (name: string): Promise<void> => {
      const session = await openSession(name, work)
      listeners.push(startListener(name, session, work, () => isTold))
      legacy.push(legacyWorker(name, session, work))
      for (const [index, { port }] of cluster.members.entries()) tasks.push(await makeTask(cluster, port, `${name}-task-${index}`))
    }
    const seeTasks = async (step: string): Promise<void> => {
      for (const { port } of cluster.members) for (const { taskId, key } of tasks) {
        const see = (): Promise<Json> => ask(cluster, port, 'tasks/get', { taskId })
        await expect.poll(see, { timeout: 15_000, message: `${key} ${step}` }).toMatchObject({ status: 'completed', result: { key } })
      }
    }
    await begin('l-0')
    const modernWork = modernWorker('m', work)
    const steps = [['to the next', versions.next], ['back', undefined], ['to the next again', versions.next], ['to the one after', versions.afterNext], ['back from there', versions.next]] as const
    let restarts = 0
    for (const [step, main] of steps) {
      for (const [index, member] of cluster.members.entries()) {
        expect(await member.end('SIGTERM')).toBe(0)
        await member.start(main)
        restarts += 1
        // Two versions serve: what either makes now, the other meets.
        if (index === 0) await begin(`l-${restarts}`)
        await sleep(200)
      }
      await seeTasks(step)
    }
    isOver = true
    await Promise.all([modernWork, ...legacy])
    await announcer.judge(tally, listeners)
    isTold = true
    await Promise.all(listeners.map(({ done }) => done))
    judgeExecutions(tally, executions)
    const { ended, codes, longestMs } = tally
    console.info(`${restarts} restarts, ${legacy.length} sessions, ${tasks.length} tasks: ${JSON.stringify(ended)}; refused ${JSON.stringify([...codes])}; news ${JSON.stringify(tally.news)}; longest ${Math.round(longestMs)} ms`)
    expect(tally.wrong).toEqual([])
    expect([ended.unknown, ended.refused]).toEqual([0, 0])
    // A connection that the kernel had accepted when its replica stopped: docs/operate.md.
    expect(ended.cut).toBeLessThanOrEqual(restarts)
    expect(ended.answered).toBeGreaterThan(restarts * 10)
  })
})
