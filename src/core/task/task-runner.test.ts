import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import type { ManualClock } from '../../adapters/memory/clock.ts'
import { createHints } from '../../adapters/memory/hints.ts'
import { createSeededRandom } from '../../adapters/memory/random.ts'
import { createTaskStore } from '../../adapters/memory/task-store.ts'
import { createMemoryTelemetry } from '../../adapters/memory/telemetry.ts'
import type { MemoryTelemetry } from '../../adapters/memory/telemetry.ts'
import { ADOPTED, newTask, taskOrigin, TERMS } from '../../../test/contracts/task-store.contract.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { Hints } from '../event/hints.ts'
import type { AttemptFailure, AttemptOutcome } from './attempt-end.ts'
import type { StoredTask, TaskTerms } from './stored-task.ts'
import { createTaskRunner } from './task-runner.ts'
import type { AttemptSink, BeginAttempt } from './attempt.ts'
import type { TaskRunner } from './task-runner.ts'
import type { AttemptBounds } from './task-share.ts'
import type { TaskStore } from './task-store.ts'
import { startTaskSweep } from './task-sweep.ts'
import { createTasks } from './tasks.ts'
import type { Tasks } from './tasks.ts'

const LEASE_MS = 3_000

interface Tried {
  readonly replica: string
  readonly task: StoredTask
  readonly sink: AttemptSink
  aborted: string
}

interface World {
  readonly clock: ManualClock
  readonly store: TaskStore
  readonly tasks: Tasks
  readonly tried: Tried[]
  readonly telemetry: MemoryTelemetry
  readonly hints: Hints
  /** Writes of what was made before. */
  writes: number
  /** Makes every call of the store fail. */
  isDown: boolean
  /** Where it is not 0, writes fail after so long. */
  slowMs: number
  /** Of the store: these of its methods fail. */
  readonly failing: Set<keyof TaskStore>
  readonly logged: string[]
  readonly gone: Set<string>
  attempts: AttemptBounds
  start(replica: string): TaskRunner
  /** As a replica begins what it makes: leased, and marked. */
  takeNew(runner: TaskRunner, replica: string, id: string): Promise<void>
  pass(ms: number): Promise<void>
  make(id: string, terms?: Partial<TaskTerms>, ownerKey?: string): Promise<void>
  phase(id: string): Promise<StoredTask>
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 12; turns += 1) await turn()
}

function createWorld(): World {
  const clock = createManualClock(1_700_000_000_000)
  const inner = createTaskStore(clock)
  const store = new Proxy(inner, {
    get(target, name: keyof TaskStore) {
      const method = target[name] as (...all: unknown[]) => Promise<unknown>
      if (name === 'write') world.writes += 1
      if (name === 'write' && world.slowMs > 0) return () => new Promise((_resolve, reject) => clock.after(world.slowMs, () => reject(new PortolanError('state_unavailable'))))
      return (...all: unknown[]) => (world.isDown || world.failing.has(name) ? Promise.reject(new PortolanError(world.failing.has(name) ? 'internal' : 'state_unavailable')) : method(...all))
    },
  })
  const hints = createHints()
  const bounds = { live: 200, total: 200, bytes: 1e9 }
  const tasks = createTasks({ store, clock, hints, bounds: () => bounds })
  const telemetry = createMemoryTelemetry()
  const begins = new Map<string, BeginAttempt>()
  const begin = (replica: string): BeginAttempt => {
    const known = begins.get(replica) ?? ((task, sink) => {
      const one: Tried = { replica, task, sink, aborted: '' }
      world.tried.push(one)
      return { abort: (reason) => void (one.aborted = reason) }
    })
    begins.set(replica, known)
    return known
  }
  const world: World = {
    clock, store: inner, tasks, tried: [], telemetry, hints, writes: 0, isDown: false, slowMs: 0, failing: new Set(), logged: [], gone: new Set(), attempts: { attempts: 512, attemptsPerOwner: 256 },
    start: (replica) => createTaskRunner({
      store, tasks: createTasks({ store, clock, hints, bounds: () => bounds }), clock, random: createSeededRandom(7), telemetry, log: ({ level, event }) => void world.logged.push(`${level} ${event}`), replicaId: replica, leaseMs: LEASE_MS,
      isAlive: async (id) => !world.gone.has(id), bounds: () => world.attempts,
      lost: (reason) => ({ errorText: `"${reason}"`, message: reason }),
      begin: begin(replica),
    }),
    async takeNew(runner, replica, id) {
      const made = await tasks.make(newTask(id, { lease: { holder: replica, leaseMs: LEASE_MS, isDispatched: true } }))
      if (made.kind !== 'made') throw new Error(made.kind)
      runner.take(made, begin(replica))
    },
    async pass(ms) {
      for (let left = ms; left > 0; left -= 250) {
        clock.advance(Math.min(250, left))
        await settle()
      }
    },
    async make(id, terms = {}, ownerKey = 'alice') {
      await tasks.make(newTask(id, { origin: taskOrigin({ ownerKey, terms: { ...TERMS, ...terms } }) }))
      await settle()
    },
    async phase(id) {
      const found = await tasks.find('alice', id)
      if (found?.kind !== 'found') throw new Error(`${id} is not there`)
      return found.task
    },
  }
  return world
}

const completed: AttemptOutcome = { kind: 'completed', resultText: '{"content":[]}' }
const failed = (more: Partial<AttemptFailure> = {}): AttemptOutcome => ({
  kind: 'failed', errorText: '{"code":1}', message: 'no way', reason: 'transport', code: undefined, mayHaveRun: false, retryAfterMs: undefined, ...more,
})

describe('trying tasks', () => {
  it('begins at once, marks the task before anything is sent, and keeps the result', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t')
    const [one] = world.tried
    expect(one?.task).toMatchObject({ id: 't', epoch: 1 })
    expect(await one?.sink.dispatch()).toBe(true)
    expect(await world.phase('t')).toMatchObject({ phase: 'running', isDispatched: true })
    one?.sink.end(completed)
    one?.sink.end(failed())
    await settle()
    expect(await world.phase('t')).toMatchObject({ phase: 'completed', resultText: '{"content":[]}' })
    expect(world.telemetry.value('portolan_task_attempts_total', { outcome: 'complete' })).toBe(1)
  })

  it('starts what it made itself with no other write than the one that made it', async () => {
    const world = createWorld()
    await world.takeNew(world.start('r1'), 'r1', 't')
    expect(await world.tried[0]?.sink.dispatch()).toBe(true)
    expect(world.writes).toBe(0)
    world.tried[0]?.sink.end(completed)
    await settle()
    expect(await world.phase('t')).toMatchObject({ phase: 'completed', version: 2, epoch: 1 })
  })

  it('hands over what bears the mark from its beginning and was not sent, and loses it where it crashes', async () => {
    const world = createWorld()
    const stopping = world.start('r1')
    await world.takeNew(stopping, 'r1', 'waits')
    const stopped = stopping.drain(500)
    world.start('r2')
    await world.pass(750)
    await stopped
    expect(world.tried.map(({ replica, aborted }) => [replica, aborted])).toEqual([['r1', 'shutting down'], ['r2', '']])
    expect(await world.phase('waits')).toMatchObject({ phase: 'running', holder: 'r2', epoch: 2, isDispatched: false, progress: { attempts: 1 } })
    const crashing = world.start('r3')
    await world.takeNew(crashing, 'r3', 'crashed')
    crashing.close()
    await world.pass(LEASE_MS + 5_500)
    expect(await world.phase('crashed')).toMatchObject({ phase: 'dead', resultText: '"lost"' })
  })

  it('counts a lease from before it was asked for, and sends nothing beyond it', async () => {
    const world = createWorld()
    const runner = world.start('r1')
    const made = await world.tasks.make(newTask('t', { lease: { holder: 'r1', leaseMs: LEASE_MS, isDispatched: true } }))
    if (made.kind !== 'made') throw new Error(made.kind)
    // It came back as slowly as this.
    world.clock.advance(LEASE_MS * (5 / 6))
    const sent: boolean[] = []
    runner.take(made, (_task, sink) => {
      void sink.dispatch().then((mayGo) => sent.push(mayGo))
      return { abort: () => undefined }
    })
    await settle()
    expect(sent).toEqual([false])
    expect(await world.phase('t')).toMatchObject({ epoch: 2, isDispatched: false })
    expect(world.tried).toHaveLength(1)
  })

  it('believes no hint that says a task is over', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t')
    world.hints.publish({ topic: 'task/t', revision: 'cancelled:99' })
    await settle()
    expect(world.tried[0]?.aborted).toBe('')
    world.tried[0]?.sink.end(completed)
    await settle()
    expect((await world.phase('t')).phase).toBe('completed')
  })

  it('tries again after a growing time, says so meanwhile, and leaves what failed for good to an operator', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t')
    for (const attempt of [1, 2, 3]) {
      expect(world.tried).toHaveLength(attempt)
      world.tried.at(-1)?.sink.end(failed())
      await settle()
      const { phase, progress } = await world.phase('t')
      expect(phase).toBe(attempt === 3 ? 'dead' : 'queued')
      expect(progress).toMatchObject({ attempts: attempt, statusMessage: attempt === 3 ? 'no way' : `Attempt ${attempt} failed: no way` })
      await world.pass(1_000)
    }
    expect(world.tried).toHaveLength(3)
  })

  it('gives an attempt up before its lease ends where it cannot be renewed, and takes nothing that it says', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t')
    const [one] = world.tried
    world.isDown = true
    await world.pass(LEASE_MS * (5 / 6) - 250)
    expect(one?.aborted).toBe('')
    await world.pass(600)
    expect(one?.aborted).toBe('its lease could not be renewed')
    world.isDown = false
    one?.sink.end(completed)
    await settle()
    expect(await world.phase('t')).toMatchObject({ phase: 'running', epoch: 1 })
  })

  it('says nothing of a store that is away, which asks for it every second, and all of what else goes wrong', async () => {
    const world = createWorld()
    world.start('r1')
    world.isDown = true
    await world.make('t').catch(() => undefined)
    await world.pass(10_000)
    expect(world.logged).toEqual([])
    world.isDown = false
    world.failing.add('claim')
    await world.pass(10_000)
    expect(world.logged).toContain('warn task_claim_failed')
  })

  it('leaves ends that are as they should be to those who log everything', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t')
    world.tried[0]?.sink.end(completed)
    await settle()
    expect(world.logged).toEqual(['debug task_attempt_ended'])
  })

  it('keeps its lease for as long as an attempt takes', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t', { attemptMs: 20_000 })
    await world.pass(4 * LEASE_MS)
    expect(world.tried).toHaveLength(1)
    expect(await world.phase('t')).toMatchObject({ phase: 'running', epoch: 1 })
  })

  it('takes over what a replica left that has crashed: what was not sent, and what may run twice', async () => {
    for (const [isDispatched, isRepeatable, outcome] of [[false, false, 'running'], [true, true, 'running'], [true, false, 'dead']] as const) {
      const world = createWorld()
      const dying = world.start('r1')
      await world.make('t', { isRepeatable })
      const [task] = world.tried
      if (task === undefined) throw new Error('not begun')
      if (isDispatched) await world.tasks.move(task.task, { kind: 'dispatch', epoch: 1 })
      dying.close()
      world.start('r2')
      await world.pass(LEASE_MS + 5_500)
      const now = await world.phase('t')
      expect({ isDispatched, isRepeatable, phase: now.phase, epoch: now.epoch }).toEqual({ isDispatched, isRepeatable, phase: outcome, epoch: 2 })
      expect(world.tried).toHaveLength(outcome === 'running' ? 2 : 1)
      if (outcome === 'dead') expect(now).toMatchObject({ resultText: '"lost"', progress: { failures: [{ reason: 'transport' }] } })
      task.sink.end(completed)
      expect(await task.sink.dispatch()).toBe(false)
      await settle()
      expect((await world.phase('t')).resultText).not.toBe('{"content":[]}')
    }
  })

  it('aborts what was cancelled anywhere', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t')
    await world.tasks.cancel('alice', 't')
    await settle()
    expect(world.tried[0]?.aborted).toBe('the task is cancelled')
    world.tried[0]?.sink.end(completed)
    await settle()
    expect((await world.phase('t')).phase).toBe('cancelled')
  })

  it('gives each attempt its time', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t', { retryOn: ['timeout'], attemptMs: 500 })
    await world.pass(750)
    expect(world.tried[0]?.aborted).toBe('the attempt took too long')
    await world.pass(250)
    expect(world.tried).toHaveLength(2)
    await world.tried[1]?.sink.dispatch()
    await world.pass(750)
    expect(await world.phase('t')).toMatchObject({ phase: 'dead', resultText: '"timeout"' })
  })

  it('keeps a result until the store is back', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t')
    world.isDown = true
    world.tried[0]?.sink.end(completed)
    await world.pass(1_500)
    world.isDown = false
    await world.pass(1_500)
    expect((await world.phase('t')).phase).toBe('completed')
  })

  it('goes on where its questions are answered, with the answers', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t')
    world.tried[0]?.sink.end({ kind: 'asks', isHeld: true, questions: { name: '{"method":"roots/list"}' }, stateText: '"s"' })
    await settle()
    expect(await world.phase('t')).toMatchObject({ phase: 'asking', progress: { questions: { '1.name': '{"method":"roots/list"}' } } })
    expect(await world.tasks.answer('bob', 't', { '1.name': '{}' })).toBeUndefined()
    await world.tasks.answer('alice', 't', { '1.name': '{"roots":[]}' })
    await settle()
    expect(world.tried[1]?.task).toMatchObject({ epoch: 2, progress: { attempts: 1, isResuming: true, answers: { '1.name': '{"roots":[]}' }, stateText: '"s"' } })
  })

  it('leaves what its answers wake to the replica that holds its call, however long that one takes, until it is gone', async () => {
    const world = createWorld()
    const home = world.start('r1')
    await world.make('t')
    world.start('r2')
    world.tried[0]?.sink.end({ kind: 'asks', isHeld: true, questions: { name: '{"method":"roots/list"}' }, stateText: '"s"' })
    await settle()
    // It lives, and claims nothing: stopped, or busy.
    home.close()
    await world.tasks.answer('alice', 't', { '1.name': '{}' })
    await world.pass(12_000)
    expect(world.tried).toHaveLength(1)
    world.gone.add('r1')
    await world.pass(5_250)
    expect(world.tried.at(-1)).toMatchObject({ replica: 'r2', task: { epoch: 2 } })
  })

  it('goes on within a second with what waits for a replica that is gone', async () => {
    const world = createWorld()
    const home = world.start('r1')
    await world.make('t')
    world.tried[0]?.sink.end({ kind: 'asks', isHeld: true, questions: { name: '{}' }, stateText: '"s"' })
    await settle()
    home.close()
    world.gone.add('r1')
    world.start('r2')
    await settle()
    // So soon after it looked at its start.
    await world.pass(250)
    await world.tasks.answer('alice', 't', { '1.name': '{}' })
    await world.pass(1_000)
    expect(world.tried.at(-1)).toMatchObject({ replica: 'r2' })
  })

  it('tries a task though tasks of servers, which take no room, stand before it', async () => {
    const world = createWorld()
    world.attempts = { attempts: 10, attemptsPerOwner: 2 }
    for (let at = 0; at < 5; at += 1) await world.tasks.make(newTask(`s${at}`, { origin: taskOrigin({ adopted: ADOPTED }) }))
    world.clock.advance(1)
    for (const id of ['a', 'b', 'c']) await world.make(id)
    const runner = world.start('r1')
    await settle()
    expect(world.tried.map(({ task }) => task.id).sort()).toEqual(['a', 'b', 's0', 's1', 's2', 's3', 's4'])
    expect(runner.hasRoom('alice')).toBe(false)
    world.tried.find(({ task }) => task.id === 'a')?.sink.end(completed)
    await settle()
    expect(world.tried.at(-1)?.task.id).toBe('c')
  })

  it('leaves room for others however many tasks one owner has, and takes up his as there is room again', async () => {
    const world = createWorld()
    world.attempts = { attempts: 8, attemptsPerOwner: 100 }
    const runner = world.start('r1')
    for (let at = 0; at < 20; at += 1) await world.make(`a${at}`)
    await world.pass(250)
    const ofAlice = (): number => world.tried.filter(({ task, aborted }) => task.origin.ownerKey === 'alice' && aborted === '').length
    expect(ofAlice()).toBe(4)
    expect(runner.hasRoom('alice')).toBe(false)
    expect(runner.hasRoom('bob')).toBe(true)
    await world.make('b', {}, 'bob')
    expect(world.tried.at(-1)?.task.id).toBe('b')
    for (const { task, sink } of world.tried) if (task.origin.ownerKey === 'alice') sink.end(completed)
    await world.pass(250)
    expect(ofAlice()).toBeGreaterThanOrEqual(7)
    expect(runner.count).toBeLessThanOrEqual(8)
    for (let round = 0; round < 8; round += 1) {
      for (const { sink } of world.tried) sink.end(completed)
      await world.pass(250)
    }
    expect(ofAlice()).toBe(20)
  })

  it('holds a place once for what it claims again before the former end of it was written', async () => {
    const world = createWorld()
    world.attempts = { attempts: 4, attemptsPerOwner: 1 }
    const runner = world.start('r1')
    await world.make('t', { isRepeatable: true, attemptMs: 60_000 })
    for (const name of ['write', 'renew'] as const) world.failing.add(name)
    world.tried[0]?.sink.end(completed)
    world.attempts = { attempts: 4, attemptsPerOwner: 2 }
    // Until the next poll, which finds its lease over.
    await world.pass(5_500)
    expect(world.tried).toHaveLength(2)
    world.failing.clear()
    world.tried[1]?.sink.end(completed)
    await world.pass(2_000)
    expect(await world.phase('t')).toMatchObject({ phase: 'completed', epoch: 2 })
    world.attempts = { attempts: 4, attemptsPerOwner: 1 }
    expect([runner.count, runner.hasRoom('alice')]).toEqual([0, true])
  })

  it('says what an attempt is about, and not for each of its words', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t')
    for (const text of ['a', 'b', 'c']) world.tried[0]?.sink.note(text)
    await world.pass(1_250)
    expect(await world.phase('t')).toMatchObject({ version: 3, progress: { statusMessage: 'c' } })
  })

  it('hands over what it had not sent when it stops, and gives up what it had', async () => {
    const world = createWorld()
    const stopping = world.start('r1')
    await world.make('sent')
    await world.make('unsent')
    await world.tried[0]?.sink.dispatch()
    const stopped = stopping.drain(1_000)
    world.start('r2')
    await world.pass(1_250)
    await stopped
    await settle()
    expect(await world.phase('sent')).toMatchObject({ phase: 'dead', resultText: '"lost"' })
    expect(await world.phase('unsent')).toMatchObject({ phase: 'running', epoch: 2, holder: 'r2', progress: { attempts: 1 } })
  })

  it('follows what servers made beside all that it tries, and leaves it to others as soon as it stops', async () => {
    const world = createWorld()
    const stopping = world.start('r1')
    const adopted = taskOrigin({ adopted: ADOPTED, terms: { ...TERMS, deadlineMs: 1_000_000, attemptMs: 1_000_000, isRepeatable: true } })
    for (let at = 0; at < 260; at += 1) {
      const made = await world.tasks.make(newTask(`a${at}`, { origin: { ...adopted, ownerKey: at % 5 === 0 ? 'alice' : `owner ${at % 5}` }, lease: { holder: 'r1', leaseMs: LEASE_MS, isDispatched: false } }))
      if (made.kind === 'made') stopping.take(made, (_task, sink) => (sink.note('half', { said: { ...ADOPTED.said, statusMessage: 'half' }, questions: {} }), { abort: () => undefined }))
    }
    await world.make('t')
    expect(world.tried.map(({ task }) => task.id)).toEqual(['t'])
    await world.pass(1_250)
    expect(await world.phase('a0')).toMatchObject({ phase: 'running', progress: { said: { statusMessage: 'half' } } })
    world.tried[0]?.sink.end(completed)
    await settle()
    await stopping.drain(60_000)
    expect(await world.phase('a0')).toMatchObject({ phase: 'queued', holder: '' })
    world.start('r2')
    await world.pass(1_000)
    expect(await world.phase('a255')).toMatchObject({ phase: 'running', holder: 'r2', epoch: 2 })
  })

  it('waits, before it stops, for the task of a child of its own, which nobody else can ask, and has it looked at sooner', async () => {
    const world = createWorld()
    const stopping = world.start('r1')
    const sinks = new Map<string, AttemptSink>()
    const hurried: string[] = []
    for (const [id, replicaId] of [['own', 'r1'], ['late', 'r1'], ['other', 'r2']] as const) {
      const origin = taskOrigin({ adopted: { ...ADOPTED, child: { replicaId, isOwn: false } }, terms: { ...TERMS, deadlineMs: 1_000_000, attemptMs: 1_000_000, isRepeatable: true } })
      const made = await world.tasks.make(newTask(id, { origin, lease: { holder: 'r1', leaseMs: LEASE_MS, isDispatched: false } }))
      if (made.kind !== 'made') return expect.fail(made.kind)
      stopping.take(made, (_task, sink) => (sinks.set(id, sink), { hurry: () => void hurried.push(id), abort: () => undefined }))
    }
    let hasStopped = false
    const stopped = stopping.drain(10_000).then(() => (hasStopped = true))
    await world.pass(1_000)
    expect(hurried).toEqual(['own', 'late'])
    expect(await world.phase('other')).toMatchObject({ phase: 'queued', holder: 'r2' })
    expect([await world.phase('own'), await world.phase('late')]).toMatchObject([{ phase: 'running', holder: 'r1' }, { phase: 'running', holder: 'r1' }])
    sinks.get('own')?.end(completed)
    await world.pass(1_000)
    expect(await world.phase('own')).toMatchObject({ phase: 'completed' })
    expect(hasStopped).toBe(false)
    await world.pass(8_250)
    await stopped
    expect(await world.phase('late')).toMatchObject({ phase: 'queued' })
  })

  it('has no longer to stop where the store is slow to be told of what others go on with', async () => {
    const world = createWorld()
    const stopping = world.start('r1')
    for (const [id, child] of [['far', {}], ['own', { child: { replicaId: 'r1', isOwn: false } }]] as const) {
      const origin = taskOrigin({ adopted: { ...ADOPTED, ...child }, terms: { ...TERMS, deadlineMs: 1_000_000, attemptMs: 1_000_000, isRepeatable: true } })
      const made = await world.tasks.make(newTask(id, { origin, lease: { holder: 'r1', leaseMs: LEASE_MS, isDispatched: false } }))
      if (made.kind !== 'made') return expect.fail(made.kind)
      stopping.take(made, () => ({ abort: () => undefined }))
    }
    world.slowMs = 4_000
    let hasStopped = false
    void stopping.drain(5_000).then(() => (hasStopped = true))
    await world.pass(8_000)
    expect(hasStopped).toBe(false)
    await world.pass(1_500)
    expect(hasStopped).toBe(true)
  })

  it('does not wait, while it stops, for a server\'s task that a call becomes meanwhile, and has one of its own child looked at sooner', async () => {
    const world = createWorld()
    const stopping = world.start('r1')
    const hurried: string[] = []
    const take = async (id: string, child?: { readonly replicaId: string; readonly isOwn: boolean }): Promise<void> => {
      const origin = taskOrigin({ adopted: { ...ADOPTED, ...(child === undefined ? {} : { child }) }, terms: { ...TERMS, deadlineMs: 1_000_000, attemptMs: 1_000_000, isRepeatable: true } })
      const made = await world.tasks.make(newTask(id, { origin, lease: { holder: 'r1', leaseMs: LEASE_MS, isDispatched: false } }))
      if (made.kind !== 'made') return expect.fail(made.kind)
      stopping.take(made, () => ({ hurry: () => void hurried.push(id), abort: () => undefined }))
    }
    await take('before', { replicaId: 'r1', isOwn: false })
    let hasStopped = false
    const stopped = stopping.drain(10_000).then(() => (hasStopped = true))
    await take('child', { replicaId: 'r1', isOwn: false })
    await take('far')
    await settle()
    expect(hurried).toEqual(['before', 'child'])
    expect(await world.phase('far')).toMatchObject({ phase: 'queued', holder: '' })
    expect([stopping.count, hasStopped]).toEqual([2, false])
    await world.pass(10_000)
    await stopped
  })

  it('goes on following a server\'s task while the store is away for longer than a lease, and keeps how it ended', async () => {
    const world = createWorld()
    const runner = world.start('r1')
    const made = await world.tasks.make(newTask('a', { origin: taskOrigin({ adopted: ADOPTED, terms: { ...TERMS, deadlineMs: 1_000_000, attemptMs: 1_000_000 } }), lease: { holder: 'r1', leaseMs: LEASE_MS, isDispatched: false } }))
    if (made.kind !== 'made') return expect.fail(made.kind)
    const aborts: string[] = []
    let sink: AttemptSink | undefined
    runner.take(made, (_task, given) => {
      sink = given
      return { abort: (reason) => void aborts.push(reason) }
    })
    world.isDown = true
    await world.pass(3 * LEASE_MS)
    expect([aborts, runner.count]).toEqual([[], 1])
    sink?.end(completed)
    await world.pass(LEASE_MS)
    world.isDown = false
    await world.pass(LEASE_MS)
    expect(await world.phase('a')).toMatchObject({ phase: 'completed', epoch: 1 })
    runner.close()
  })

  it('tells who follows a task of a server that it was cancelled here, and of nothing else', async () => {
    const world = createWorld()
    const runner = world.start('r1')
    const phases: unknown[] = []
    for (const id of ['cancelled', 'ended']) {
      const made = await world.tasks.make(newTask(id, { origin: taskOrigin({ adopted: ADOPTED }), lease: { holder: 'r1', leaseMs: LEASE_MS, isDispatched: false } }))
      if (made.kind === 'made') runner.take(made, () => ({ abort: (_reason, phase) => void phases.push([id, phase]) }))
    }
    await world.tasks.cancel('alice', 'cancelled')
    await world.tasks.move(await world.phase('ended'), { kind: 'complete', epoch: 1, resultText: '{}' })
    await settle()
    await settle()
    runner.close()
    expect(phases).toEqual([['cancelled', 'cancelled'], ['ended', 'completed']])
  })

  it('ends what is beyond its deadline, forgets what has expired, and counts the rest', async () => {
    const world = createWorld()
    world.start('r1')
    await world.make('t', { attemptMs: 100_000 })
    const stop = startTaskSweep({ store: world.store, tasks: world.tasks, clock: world.clock, random: createSeededRandom(2), telemetry: world.telemetry, overdueText: '"late"', onError: () => undefined, isElected: async () => true })
    await world.pass(3_000)
    expect(world.telemetry.value('portolan_tasks', { phase: 'running' })).toBe(1)
    await world.store.renew([{ id: 't', epoch: 1 }], 1_000_000)
    await world.pass(38_000)
    expect(await world.phase('t')).toMatchObject({ phase: 'dead', resultText: '"late"' })
    await world.pass(60_000)
    expect((await world.tasks.find('alice', 't'))?.kind).toBe('expired')
    expect(world.telemetry.value('portolan_task_expired_total')).toBe(1)
    stop()
  })
})
