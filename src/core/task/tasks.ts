/**
 * The tasks that Portolan owns, whichever replica tries them: made, found, answered, cancelled and moved. Who reads a task and
 * is overtaken before he writes reads it again, so that nothing is lost between replicas.
 */

import type { WireText } from '../../protocol/json.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { Result } from '../../protocol/result.ts'
import type { Clock } from '../clock.ts'
import type { Hints } from '../event/hints.ts'
import { TASK_PHASES, isOverPhase, textsBytes } from './stored-task.ts'
import type { StoredTask, TaskPhase } from './stored-task.ts'
import { createStoreTime } from './store-time.ts'
import type { StoreTime } from './store-time.ts'
import { createTaskQuota } from './task-quota.ts'
import type { TaskBounds } from './task-quota.ts'
import { answerEvent, moveTask } from './task-state.ts'
import type { MoveFault, TaskEvent } from './task-state.ts'
import type { NewTask, TaskStore } from './task-store.ts'
import { createWriteBatch } from './write-batch.ts'

/** `same`: the idempotency key and the arguments are those of this task. `differs`: the arguments are not. */
export type Making = Made | { readonly kind: 'same'; readonly task: StoredTask } | { readonly kind: 'differs' } | { readonly kind: 'full'; readonly what: keyof TaskBounds }

export interface Made {
  readonly kind: 'made'
  readonly task: StoredTask
  /** From before it was asked for: its lease ends no sooner than this and its time. */
  readonly askedAtTicks: number
}

/** Undefined: unknown, or another's, which looks the same (guarantee 3). */
export type Found = { readonly kind: 'found'; readonly task: StoredTask } | { readonly kind: 'expired'; readonly expiredAtMs: number } | undefined

export interface Tasks {
  /** What the store's clock says, near enough. */
  readonly time: StoreTime
  make(task: NewTask): Promise<Making>
  /** In place of what has its id: no more than there was. */
  replace(task: NewTask): Promise<Made>
  find(ownerKey: string, id: string): Promise<Found>
  /** Takes what answers an open question; what does not is ignored. Undefined as `find`. Rejects with `overloaded` where the owner's tasks have no room for it. */
  answer(ownerKey: string, id: string, answers: Readonly<Record<string, WireText>>): Promise<StoredTask | undefined>
  /** One that has ended stays what it is. Undefined as `find`. */
  cancel(ownerKey: string, id: string): Promise<StoredTask | undefined>
  /** Moves a task that was read before; `gone` where it is not there any more. */
  move(seen: StoredTask, event: TaskEvent): Promise<Result<StoredTask, MoveFault | { readonly reason: 'gone' }>>
  /**
   * Calls `run` at every change that this replica hears of, with the phase that it led to, and now and then without one, for what a
   * lost hint would have said. Returns a function that ends it.
   */
  watch(id: string, run: (phase: TaskPhase | undefined) => void): () => void
  /** Calls `run` with the id of each task that this replica hears has changed, for operators who look on. Returns a function that ends it. */
  onChange(run: (id: string) => void): () => void
  /** Tells everybody that a task is due. */
  wake(): void
  /** Calls `run` when a task may be due. */
  onDue(run: () => void): () => void
}

export interface TasksDeps {
  readonly store: TaskStore
  readonly clock: Clock
  readonly hints: Hints
  readonly bounds: () => TaskBounds
}

/** Each task has a topic of its own: of one topic only the latest hint is sent, and who watches another task must not miss his. */
const topicOf = (id: string): string => `task/${id}`
/** Of any: for who looks on. It may name the last one only of those that changed together. */
const ANY_TOPIC = 'task'
/** Of tasks that are due. */
const DUE_TOPIC = 'task-due'
/** Behind each hint, for what a lost one would have said. */
const POLL_MS = 5_000
/** Each time somebody else was faster: so many at once there are not. */
const MAX_TRIES = 32

export function createTasks({ store, clock, hints, bounds }: TasksDeps): Tasks {
  const time = createStoreTime(clock)
  const quota = createTaskQuota(store, clock)
  const write = createWriteBatch((tasks) => store.write(tasks))
  const watchers = new Map<string, Watched>()
  const dueWatchers = new Set<() => void>()
  const onlookers = new Set<(id: string) => void>()
  let stopPoll: (() => void) | undefined
  let stopHints: (() => void) | undefined

  const ring = (id: string, phase: TaskPhase | undefined): void => {
    for (const run of watchers.get(id)?.runs ?? []) run(phase)
  }
  const changed = ({ id, version, phase }: StoredTask): void => {
    hints.publish({ topic: topicOf(id), revision: `${phase}:${version}` })
    hints.publish({ topic: ANY_TOPIC, revision: `${id}:${version}` })
    if (phase === 'queued') due()
  }
  const due = (): void => {
    for (const run of dueWatchers) run()
    hints.publish({ topic: DUE_TOPIC, revision: String(time.nowMs()) })
  }

  const read = async (ownerKey: string, id: string): Promise<Found> => {
    const ticks = time.ticksMs()
    const sighting = await store.find(id)
    time.note(sighting.nowMs, ticks)
    switch (sighting.kind) {
      case 'unknown':
        return undefined
      case 'expired':
        return sighting.ownerKey === ownerKey ? { kind: 'expired', expiredAtMs: sighting.expiredAtMs } : undefined
      case 'found':
        return sighting.task.origin.ownerKey === ownerKey ? { kind: 'found', task: sighting.task } : undefined
    }
  }

  /** `eventFor` says what is to be done with the task as it is now; undefined for nothing. */
  const moveBy = async (seen: StoredTask, eventFor: (task: StoredTask) => TaskEvent | undefined): Promise<Result<StoredTask, MoveFault | { readonly reason: 'gone' }>> => {
    let task = seen
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const event = eventFor(task)
      if (event === undefined) return { ok: true, value: task }
      const moved = moveTask(task, event, time.nowMs())
      if (!moved.ok) return moved
      if (await write(moved.value)) {
        changed(moved.value)
        return moved
      }
      const found = await read(task.origin.ownerKey, task.id)
      // An id that a server gives twice has another row by now.
      if (found?.kind !== 'found' || found.task.createdAtMs !== seen.createdAtMs) return { ok: false, fault: { reason: 'gone' } }
      task = found.task
    }
    return { ok: false, fault: { reason: 'not_now' } }
  }

  /** Whose owner may have no more is still told of what he has. */
  const sameBefore = async (task: NewTask): Promise<Making | undefined> => {
    const { idempotency, origin } = task
    if (idempotency === undefined && origin.adopted === undefined) return undefined
    const sighting = await (idempotency === undefined ? store.find(task.id) : store.findByKey(origin.ownerKey, idempotency.key))
    return sighting.kind === 'found' ? sameOrNot(sighting.task, task) : undefined
  }

  const create = async (task: NewTask): Promise<Making> => {
    const { ownerKey } = task.origin
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const ticks = time.ticksMs()
      const { kind, nowMs, task: made } = await store.create(task)
      time.note(nowMs, ticks)
      if (kind === 'created') {
        quota.added(ownerKey, made)
        if (made.phase === 'queued') due()
        return { kind: 'made', task: made, askedAtTicks: ticks }
      }
      // The key is free again once its task has expired.
      if (!isOverPhase(made.phase) || made.expiresAtMs > nowMs) return sameOrNot(made, task)
      await store.drop(made.id, TOMBSTONE_MS)
    }
    return { kind: 'full', what: 'live' }
  }

  const poll = (): void => {
    stopPoll = clock.after(POLL_MS, () => {
      for (const id of watchers.keys()) ring(id, undefined)
      for (const run of dueWatchers) run()
      poll()
    })
  }
  const listen = (): void => {
    if (stopPoll !== undefined) return
    poll()
    const stops = [
      hints.subscribe(ANY_TOPIC, ({ revision }) => {
        const [id = ''] = revision.split(':')
        for (const run of onlookers) run(id)
      }),
      hints.subscribe(DUE_TOPIC, () => {
        for (const run of dueWatchers) run()
      }),
    ]
    stopHints = () => stops.forEach((stop) => stop())
  }
  const unlisten = (): void => {
    if (watchers.size > 0 || dueWatchers.size > 0 || onlookers.size > 0) return
    stopPoll?.()
    stopHints?.()
    stopPoll = undefined
  }

  return {
    time,
    async make(task) {
      const { ownerKey } = task.origin
      const full = await quota.fullOf(ownerKey, bounds(), task.origin.adopted === undefined ? 1 : ADOPTED_SHARE)
      if (full !== undefined) return (await sameBefore(task)) ?? { kind: 'full', what: full }
      return create(task)
    },
    async replace(asked) {
      const ticks = time.ticksMs()
      const { nowMs, task } = await store.replace(asked)
      time.note(nowMs, ticks)
      return { kind: 'made', task, askedAtTicks: ticks }
    },
    find: read,
    async answer(ownerKey, id, answers) {
      const found = await read(ownerKey, id)
      if (found?.kind !== 'found') return undefined
      const eventFor = (task: StoredTask): TaskEvent | undefined => (task.phase === 'asking' ? answerEvent(task, answers) : undefined)
      const isTaken = eventFor(found.task) !== undefined
      const bytes = textsBytes(answers)
      if (isTaken && !(await quota.hasRoom(ownerKey, bounds(), bytes))) throw new PortolanError('overloaded', { retryAfterSec: 1, message: NO_ROOM })
      const moved = await moveBy(found.task, eventFor)
      if (isTaken && moved.ok) quota.grown(ownerKey, bytes)
      return moved.ok ? moved.value : undefined
    },
    async cancel(ownerKey, id) {
      const found = await read(ownerKey, id)
      if (found?.kind !== 'found') return undefined
      const moved = await moveBy(found.task, (task) => (isOverPhase(task.phase) ? undefined : { kind: 'cancel' }))
      return moved.ok ? moved.value : undefined
    },
    move: (seen, event) => moveBy(seen, () => event),
    wake: due,
    watch(id, run) {
      const watched = watchers.get(id) ?? { runs: new Set(), stop: hints.subscribe(topicOf(id), ({ revision }) => ring(id, phaseIn(revision))) }
      watchers.set(id, watched)
      watched.runs.add(run)
      listen()
      return () => {
        watched.runs.delete(run)
        if (watched.runs.size > 0 || watchers.get(id) !== watched) return
        watched.stop()
        watchers.delete(id)
        unlisten()
      }
    },
    onChange(run) {
      onlookers.add(run)
      listen()
      return () => {
        onlookers.delete(run)
        unlisten()
      }
    },
    onDue(run) {
      dueWatchers.add(run)
      listen()
      return () => {
        dueWatchers.delete(run)
        unlisten()
      }
    },
  }
}

/** Of what an owner may have: servers make tasks without being asked to, and leave room for those that are Portolan's. */
const ADOPTED_SHARE = 0.5
const NO_ROOM = 'Too much is kept of your tasks: wait until results of some have expired'

interface Watched {
  readonly runs: Set<(phase: TaskPhase | undefined) => void>
  readonly stop: () => void
}

/** Undefined where hints may have been lost, or of a version that knows other phases. */
function phaseIn(revision: string): TaskPhase | undefined {
  const said = revision.slice(0, revision.indexOf(':'))
  return TASK_PHASES.find((phase) => phase === said)
}

function sameOrNot(made: StoredTask, asked: NewTask): Making {
  return made.idempotency?.digest === asked.idempotency?.digest ? { kind: 'same', task: made } : { kind: 'differs' }
}

/** So long "expired" is told apart from "unknown". */
export const TOMBSTONE_MS = 7 * 24 * 60 * 60_000
