/** Tasks on several replicas that are killed, stopped and continued at random, and an oracle that counts what was done. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { createSeededRandom } from '../src/adapters/memory/random.ts'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import { createTaskStore } from '../src/adapters/sql/task-store.ts'
import { isOverPhase } from '../src/core/task/stored-task.ts'
import type { StoredTask, TaskOrigin } from '../src/core/task/stored-task.ts'
import { TERMS, newTask, taskOrigin } from './contracts/task-store.contract.ts'

const REPLICA = fileURLToPath(new URL('fixtures/task-replica.ts', import.meta.url))
const REPLICAS = 3
/** At least so many, each with tasks that wait. */
const DISTURBANCES = 4

interface ChaosReport {
  readonly tasks: readonly StoredTask[]
  /** How often the server began each task's work. */
  readonly runs: ReadonlyMap<string, number>
  readonly kills: number
  readonly stops: number
}

/** Every second task may run twice. Resolves when all have ended; rejects after `withinMs`. */
async function runChaos({ url, count, seed, withinMs }: { url: string; count: number; seed: number; withinMs: number }): Promise<ChaosReport> {
  const random = createSeededRandom(seed)
  const runs = new Map<string, number>()
  const counter = createServer((request, response) => {
    const id = (request.url ?? '').slice(1)
    request.resume()
    // Refused before anything is done: it may come again.
    if (random.fraction() < 0.1) return void response.writeHead(503).end()
    runs.set(id, (runs.get(id) ?? 0) + 1)
    setTimeout(() => response.end(`done ${id}`), random.fraction() * 60)
  })
  counter.listen(0, '127.0.0.1')
  await once(counter, 'listening')
  const counterUrl = `http://127.0.0.1:${(counter.address() as AddressInfo).port}`
  const databases = await openPostgres({ url })
  const store = createTaskStore(databases.durable)
  const replicas = new Map<string, ChildProcess>()
  const start = (name: string): void => {
    const child = spawn(process.execPath, [REPLICA, url, counterUrl, name, JSON.stringify([originOf(false), originOf(true)])], { stdio: ['ignore', 'ignore', 'inherit'] })
    replicas.set(name, child)
  }
  let [kills, stops, isOver] = [0, 0, false]
  const disturb = async (): Promise<void> => {
    for (let round = 0; !isOver; round += 1) {
      await sleep(400 + random.fraction() * 800)
      const [name = '', child] = [...replicas][Math.floor(random.fraction() * replicas.size)] ?? []
      if (child === undefined || isOver) continue
      if (random.fraction() < 0.6) {
        kills += 1
        child.kill('SIGKILL')
        start(`r${round + REPLICAS}`)
        replicas.delete(name)
      } else {
        stops += 1
        child.kill('SIGSTOP')
        // Longer than its lease, now and then.
        await sleep(random.fraction() * 2_500)
        child.kill('SIGCONT')
      }
    }
  }
  try {
    const make = (at: number) => store.create(newTask(`t${at}`, { origin: originOf(at % 2 === 1) }))
    const makeAll = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at += 50) await Promise.all(Array.from({ length: Math.min(50, to - at) }, (_, more) => make(at + more)))
    }
    const later = Math.floor(count / 10)
    await makeAll(0, count - DISTURBANCES * later)
    for (let at = 0; at < REPLICAS; at += 1) start(`r${at}`)
    const disturbing = disturb()
    // On a fast machine all would have ended before anything was disturbed.
    for (let left = DISTURBANCES; left > 0; left -= 1) {
      const seen = kills + stops
      while (kills + stops === seen) await sleep(20)
      await makeAll(count - left * later, count - (left - 1) * later)
    }
    const untilMs = Date.now() + withinMs
    await allEnded(store, ({ id }) => id.startsWith('t'), untilMs)
    isOver = true
    await disturbing
    // What the replicas made themselves, while they were disturbed.
    const tasks = await allEnded(store, () => true, untilMs)
    return { tasks, runs, kills, stops }
  } finally {
    isOver = true
    for (const child of replicas.values()) child.kill('SIGKILL')
    counter.close()
    counter.closeAllConnections()
    await databases.close()
  }
}

function originOf(isRepeatable: boolean): TaskOrigin {
  return taskOrigin({ terms: { ...TERMS, isRepeatable, maxAttempts: 50, deadlineMs: 600_000, ttlMs: 600_000, baseDelayMs: 50, maxDelayMs: 400 } })
}

async function allEnded(store: ReturnType<typeof createTaskStore>, isMeant: (task: StoredTask) => boolean, untilMs: number): Promise<readonly StoredTask[]> {
  for (;;) {
    const tasks = (await store.list({ count: 1_000_000 })).tasks.filter(isMeant)
    const open = tasks.filter(({ phase }) => !isOverPhase(phase))
    if (open.length === 0) return tasks
    if (Date.now() > untilMs) throw new Error(`${open.length} of ${tasks.length} tasks have not ended: ${JSON.stringify(open.slice(0, 3))}`)
    await sleep(250)
  }
}

/** What came of it. */
export interface ChaosCounts {
  readonly seed: number
  readonly tookSec: number
  /** Those that replicas made, and began at once, among them. */
  readonly tasks: number
  readonly kills: number
  readonly stops: number
  readonly completed: number
  /** Of unknown outcome: sent, or marked as sent, and their replica lost. */
  readonly dead: number
  /** That may run twice, and did. */
  readonly repeated: number
}

/** All have ended, every result is kept, and nothing ran twice that must not (guarantee 1). A failure names its seed. */
export async function checkChaos(url: string, count: number, withinMs: number): Promise<ChaosCounts> {
  const startedMs = performance.now()
  const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)
  const { tasks, runs, kills, stops } = await runChaos({ url, count, seed, withinMs })
  expect(tasks.filter(({ id }) => id.startsWith('t')), `CHAOS_SEED=${seed}`).toHaveLength(count)
  expect(tasks.length).toBeGreaterThan(count)
  expect(kills + stops).toBeGreaterThanOrEqual(DISTURBANCES)
  for (const { id, phase, resultText, origin, progress } of tasks) {
    const label = `CHAOS_SEED=${seed} ${id} ${phase}`
    const times = runs.get(id) ?? 0
    if (phase === 'completed') expect(resultText, label).toContain(`done ${id}`)
    else expect({ phase, reason: progress.failures.at(-1)?.reason }, label).toEqual({ phase: 'dead', reason: 'transport' })
    if (origin.terms.isRepeatable) expect(phase, label).toBe('completed')
    else expect(times, label).toBeLessThanOrEqual(1)
    if (phase === 'completed') expect(times, label).toBeGreaterThanOrEqual(1)
  }
  const completed = tasks.filter(({ phase }) => phase === 'completed').length
  return {
    seed, tookSec: Math.round((performance.now() - startedMs) / 1_000), tasks: tasks.length, kills, stops, completed, dead: tasks.length - completed,
    repeated: Array.from(runs.values()).filter((times) => times > 1).length,
  }
}
