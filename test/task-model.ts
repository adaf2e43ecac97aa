/**
 * Random lives of tasks against a simple model: creations, claims by several replicas, ends, retries, questions, answers,
 * cancellations, crashes, deadlines, expiries and jumps of time. The model knows nothing of the table in task-state.ts.
 *
 * A failure prints seed and path: `TASK_SEED=… TASK_PATH=… npm test` plays it again.
 */
import fc from 'fast-check'
import { expect } from 'vitest'
import { createManualClock } from '../src/adapters/memory/clock.ts'
import { createHints } from '../src/adapters/memory/hints.ts'
import { createTasks } from '../src/core/task/tasks.ts'
import type { Tasks } from '../src/core/task/tasks.ts'
import { STATUS_OF } from '../src/core/task/stored-task.ts'
import type { StoredTask } from '../src/core/task/stored-task.ts'
import type { TaskEvent } from '../src/core/task/task-state.ts'
import type { TaskStore } from '../src/core/task/task-store.ts'
import type { StoreRig } from './contracts/store-rig.ts'
import { TERMS, newTask, taskOrigin } from './contracts/task-store.contract.ts'

interface ModelTask {
  readonly id: string
  readonly owner: string
  readonly key: string
  readonly digest: string
  readonly createdAtMs: number
  status: 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled'
  /** Who tries it: replica and epoch. */
  held: { readonly replica: string; readonly epoch: number; untilMs: number } | undefined
  home: string
  epoch: number
  attempts: number
  dispatched: boolean
  isResuming: boolean
  dueAtMs: number
  open: Set<string>
  result: string
  expiresAtMs: number
}

interface Model {
  nowMs: number
  readonly tasks: Map<string, ModelTask>
  /** Swept, and not forgotten. */
  readonly gone: Map<string, { readonly owner: string }>
  count: number
}

interface Real {
  readonly store: TaskStore
  readonly tasks: Tasks
  readonly pass: (ms: number) => Promise<void>
  /** What each replica believes to hold. */
  readonly held: Map<string, StoredTask[]>
}

type Command = fc.AsyncCommand<Model, Real>

const OWNERS = ['alice', 'bob'] as const
const REPLICAS = ['r1', 'r2', 'r3'] as const
const LEASE_MS = 1_000
const TOMBSTONE_MS = 10_000_000
const failure = { attempt: 1, atMs: 0, reason: 'transport', message: 'gone' } as const

const isOver = ({ status }: ModelTask): boolean => status === 'completed' || status === 'failed' || status === 'cancelled'
const isGone = (model: Model, task: ModelTask): boolean => isOver(task) && task.expiresAtMs <= model.nowMs
const pick = <T>(all: readonly T[], at: number): T | undefined => (all.length === 0 ? undefined : all[at % all.length])

function endIn(model: Model, task: ModelTask, status: ModelTask['status'], result: string): void {
  Object.assign(task, { status, result, held: undefined, home: '', expiresAtMs: Math.max(task.createdAtMs + TERMS.ttlMs, model.nowMs + TERMS.retentionMs) })
  task.open.clear()
}

/** Whatever was done, everybody sees what the model says, and nobody another's. */
async function agree(model: Model, { tasks }: Real, id: string): Promise<void> {
  const expected = model.tasks.get(id)
  for (const owner of OWNERS) {
    const found = await tasks.find(owner, id)
    if (expected === undefined || isGone(model, expected)) {
      const owns = (expected?.owner ?? model.gone.get(id)?.owner) === owner
      expect(found?.kind).toBe(owns ? 'expired' : undefined)
    } else if (owner !== expected.owner) expect(found).toBeUndefined()
    else if (found?.kind === 'found') {
      const { phase, epoch, isDispatched, resultText, progress, createdAtMs } = found.task
      expect({ status: STATUS_OF[phase], epoch, isDispatched, attempts: progress.attempts, open: Object.keys(progress.questions).toSorted(), createdAtMs }).toEqual({
        status: expected.status, epoch: expected.epoch, isDispatched: expected.dispatched, attempts: expected.attempts, open: [...expected.open].toSorted(), createdAtMs: expected.createdAtMs,
      })
      if (expected.result !== '') expect(resultText).toBe(expected.result)
      if (isOver(expected)) expect(found.task.expiresAtMs).toBe(expected.expiresAtMs)
    } else expect(found?.kind).toBe('found')
  }
}

function command(name: string, run: (model: Model, real: Real) => Promise<string | undefined>): Command {
  return {
    check: () => true,
    async run(model, real) {
      const touched = await run(model, real)
      for (const id of new Set([touched, pick([...model.tasks.keys()], model.count)])) if (id !== undefined) await agree(model, real, id)
    },
    toString: () => name,
  }
}

const create = (owner: string, key: string, digest: string, replica: string | undefined): Command =>
  command(`create(${owner}, ${key}, ${digest}, ${replica})`, async (model, real) => {
    model.count += 1
    const id = `t${model.count}`
    const lease = replica === undefined ? undefined : { holder: replica, leaseMs: LEASE_MS, isDispatched: false }
    const idempotency = key === '' ? undefined : { key, digest }
    const made = await real.tasks.make(newTask(id, { origin: taskOrigin({ ownerKey: owner }), idempotency, lease }))
    const taken = key === '' ? undefined : [...model.tasks.values()].find((task) => task.owner === owner && task.key === key)
    if (taken !== undefined && !isGone(model, taken)) {
      expect(made.kind).toBe(taken.digest === digest ? 'same' : 'differs')
      if ('task' in made) expect(made.task.id).toBe(taken.id)
      return taken.id
    }
    if (taken !== undefined) {
      model.tasks.delete(taken.id)
      model.gone.set(taken.id, { owner })
    }
    if (made.kind !== 'made') throw new Error(`create: ${made.kind}`)
    if (replica !== undefined) real.held.get(replica)?.push(made.task)
    model.tasks.set(id, {
      id, owner, key, digest, createdAtMs: model.nowMs, status: 'working', home: replica ?? '', epoch: replica === undefined ? 0 : 1, attempts: replica === undefined ? 0 : 1, dispatched: false,
      isResuming: false, dueAtMs: model.nowMs, open: new Set(), result: '', expiresAtMs: 0,
      held: replica === undefined ? undefined : { replica, epoch: 1, untilMs: model.nowMs + LEASE_MS },
    })
    return id
  })

/** `rooms`: of each of `OWNERS`. Who is full keeps nobody else from his; of an owner no more than his room is claimed. */
const claim = (replica: string, count: number, gone: readonly string[], rooms: readonly number[]): Command =>
  command(`claim(${replica}, ${count}, [${gone.join()}], [${rooms.join()}])`, async (model, real) => {
    const roomOf = (owner: string): number => rooms[OWNERS.findIndex((one) => one === owner)] ?? count
    const due = [...model.tasks.values()].filter(({ status, held, dueAtMs, home }) => {
      if (status !== 'working') return false
      if (held !== undefined) return held.untilMs <= model.nowMs
      return dueAtMs <= model.nowMs && (home === '' || home === replica || gone.includes(home))
    })
    const { tasks } = await real.store.claim({ holder: replica, count, leaseMs: LEASE_MS, gone, perOwner: count, rooms: new Map(OWNERS.map((owner) => [owner, roomOf(owner)])) })
    const open = due.filter(({ owner }) => roomOf(owner) > 0)
    if (OWNERS.every((owner) => roomOf(owner) >= count || roomOf(owner) === 0)) expect(tasks.length).toBe(Math.min(count, open.length))
    for (const owner of OWNERS) expect(tasks.filter(({ origin }) => origin.ownerKey === owner).length).toBeLessThanOrEqual(roomOf(owner))
    expect(tasks.length > 0).toBe(open.length > 0)
    for (const task of tasks) {
      const known = due.find(({ id }) => id === task.id)
      if (known === undefined) throw new Error(`${task.id} was not due`)
      if (!(known.isResuming && known.held === undefined)) known.attempts += 1
      known.epoch += 1
      known.held = { replica, epoch: known.epoch, untilMs: model.nowMs + LEASE_MS }
      known.home = replica
      real.held.get(replica)?.push(task)
    }
    return tasks[0]?.id
  })

const ENDS = ['dispatch', 'complete', 'fail', 'giveUp', 'retry', 'release', 'ask'] as const

/** By whoever believes to hold it, rightly or not. */
const act = (replica: string, at: number, kind: (typeof ENDS)[number]): Command =>
  command(`act(${replica}, ${at}, ${kind})`, async (model, real) => {
    const mine = real.held.get(replica) ?? []
    const task = pick(mine, at)
    if (task === undefined) return undefined
    const known = model.tasks.get(task.id)
    const moved = await real.tasks.move(task, eventOf(kind, task))
    const isHeld = known !== undefined && known.status === 'working' && known.held?.epoch === task.epoch && known.held.replica === replica
    expect(moved.ok).toBe(isHeld)
    mine.splice(mine.indexOf(task), 1)
    if (!moved.ok || known === undefined) return task.id
    if (kind === 'dispatch') {
      known.dispatched = true
      mine.push(moved.value)
    } else if (kind === 'complete' || kind === 'fail' || kind === 'giveUp') endIn(model, known, kind === 'complete' ? 'completed' : 'failed', `"${kind} ${task.epoch}"`)
    else if (kind === 'ask') Object.assign(known, { status: 'input_required', held: undefined, dispatched: false, isResuming: false, open: new Set(keysOf(task)) })
    else {
      Object.assign(known, { held: undefined, home: '', dispatched: false, dueAtMs: model.nowMs + (kind === 'retry' ? 300 : 0) })
      if (kind === 'release' && !known.isResuming) known.attempts -= 1
      if (kind === 'retry') known.isResuming = false
    }
    return task.id
  })

const keysOf = ({ progress }: StoredTask): string[] => [`${progress.rounds + 1}.a`, `${progress.rounds + 1}.b`]

function eventOf(kind: (typeof ENDS)[number], task: StoredTask): TaskEvent {
  const { epoch } = task
  const text = `"${kind} ${epoch}"`
  switch (kind) {
    case 'complete':
      return { kind, epoch, resultText: text }
    case 'fail':
      return { kind, epoch, errorText: text, message: 'refused' }
    case 'giveUp':
      return { kind, epoch, errorText: text, failure }
    case 'retry':
      return { kind, epoch, delayMs: 300, failure, isAfresh: true }
    case 'ask':
      return { kind, epoch, isHeld: true, questions: Object.fromEntries(keysOf(task).map((key) => [key, '{}'])), stateText: '"s"' }
    default:
      return { kind, epoch }
  }
}

const renew = (replica: string): Command =>
  command(`renew(${replica})`, async (model, real) => {
    const mine = real.held.get(replica) ?? []
    const { ids } = await real.store.renew(mine, LEASE_MS)
    for (const { id } of mine) {
      const held = model.tasks.get(id)?.held
      // It may believe to hold the same task twice: once before it lost it.
      const isHeld = held?.replica === replica && mine.some((task) => task.id === id && task.epoch === held.epoch)
      expect(ids.has(id)).toBe(isHeld)
      if (isHeld) held.untilMs = model.nowMs + LEASE_MS
    }
    return mine[0]?.id
  })

const crash = (replica: string): Command =>
  command(`crash(${replica})`, async (_model, real) => {
    real.held.set(replica, [])
    return undefined
  })

const answer = (at: number, owner: string, which: string): Command =>
  command(`answer(${at}, ${owner}, ${which})`, async (model, real) => {
    const known = pick([...model.tasks.values()], at)
    if (known === undefined) return undefined
    const keys = which === 'none' ? ['9.none'] : [...known.open].filter((key) => which === 'all' || key.endsWith(which))
    const answered = await real.tasks.answer(owner, known.id, Object.fromEntries(keys.map((key) => [key, '{"x":1}'])))
    expect(answered !== undefined).toBe(owner === known.owner && !isGone(model, known))
    if (answered === undefined || known.status !== 'input_required') return known.id
    for (const key of keys) known.open.delete(key)
    if (known.open.size === 0 && keys.some((key) => key !== '9.none')) Object.assign(known, { status: 'working', isResuming: true, dueAtMs: model.nowMs })
    return known.id
  })

const cancel = (at: number, owner: string): Command =>
  command(`cancel(${at}, ${owner})`, async (model, real) => {
    const known = pick([...model.tasks.values()], at)
    if (known === undefined) return undefined
    const cancelled = await real.tasks.cancel(owner, known.id)
    expect(cancelled !== undefined).toBe(owner === known.owner && !isGone(model, known))
    if (cancelled !== undefined && !isOver(known)) endIn(model, known, 'cancelled', '')
    return known.id
  })

const pass = (ms: number): Command =>
  command(`pass(${ms})`, async (model, real) => {
    model.nowMs += ms
    await real.pass(ms)
    return undefined
  })

const tidy = (count: number): Command =>
  command(`tidy(${count})`, async (model, real) => {
    const late = [...model.tasks.values()].filter((task) => !isOver(task) && task.createdAtMs + TERMS.deadlineMs <= model.nowMs)
    const { tasks } = await real.store.overdue(100)
    expect(tasks.map(({ id }) => id).toSorted()).toEqual(late.map(({ id }) => id).toSorted())
    for (const task of tasks) expect((await real.tasks.move(task, { kind: 'overdue', errorText: '"late"' })).ok).toBe(true)
    for (const task of late) endIn(model, task, 'failed', '"late"')
    const old = [...model.tasks.values()].filter((task) => isGone(model, task))
    // Which of them were swept before is the store's to know.
    expect(await real.store.sweep(count, TOMBSTONE_MS)).toBeLessThanOrEqual(Math.min(count, old.length))
    const listed = (await real.store.list({ count: 1_000 })).tasks.map(({ id }) => id)
    expect(listed.toSorted()).toEqual([...model.tasks.values()].filter((task) => !isGone(model, task)).map(({ id }) => id).toSorted())
    return old[0]?.id
  })

const replica = fc.constantFrom(...REPLICAS)
const owner = fc.constantFrom(...OWNERS)
const COMMANDS: fc.Arbitrary<Command>[] = [
  fc.tuple(owner, fc.constantFrom('', '', 'k1', 'k2'), fc.constantFrom('d1', 'd2'), fc.option(replica, { nil: undefined })).map((all) => create(...all)),
  fc.tuple(replica, fc.integer({ min: 1, max: 4 }), fc.subarray([...REPLICAS]), fc.array(fc.nat(4), { maxLength: OWNERS.length })).map((all) => claim(...all)),
  fc.tuple(replica, fc.nat(9), fc.constantFrom(...ENDS)).map((all) => act(...all)),
  fc.tuple(replica, fc.nat(9), fc.constantFrom(...ENDS)).map((all) => act(...all)),
  replica.map(renew),
  replica.map(crash),
  fc.tuple(fc.nat(9), owner, fc.constantFrom('all', 'all', 'a', 'b', 'none')).map((all) => answer(...all)),
  fc.tuple(fc.nat(9), owner).map((all) => cancel(...all)),
  fc.constantFrom(1, 250, 400, 999, 1_000, 5_000, 30_000, 61_000).map(pass),
  fc.integer({ min: 1, max: 50 }).map(tidy),
]

/** Each run on a store of its own; `open` gives an empty one. Returns the seed of all. */
export async function checkTasks(runs: number, open: () => Promise<StoreRig<TaskStore>>): Promise<number> {
  const { TASK_SEED, TASK_PATH: path } = process.env
  const seed = TASK_SEED === undefined ? Date.now() % 1_000_000_000 : Number(TASK_SEED)
  const property = fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: 60, size: 'max' }), async (commands) => {
    await fc.asyncModelRun(() => setUp(open), commands)
  })
  await fc.assert(property, { numRuns: runs, seed, ...(path === undefined ? {} : { path }) })
  return seed
}

async function setUp(open: () => Promise<StoreRig<TaskStore>>): Promise<{ model: Model; real: Real }> {
  const rig = await open()
  const clock = createManualClock(1_700_000_000_000)
  const bounds = { live: 1_000, total: 1_000, bytes: 1e9 }
  const tasks = createTasks({ store: rig.store, clock, hints: createHints(), bounds: () => bounds })
  const model: Model = { nowMs: (await rig.store.find('')).nowMs, tasks: new Map(), gone: new Map(), count: 0 }
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await rig.pass(ms)
  }
  return { model, real: { store: rig.store, tasks, pass, held: new Map(REPLICAS.map((name) => [name, []])) } }
}
