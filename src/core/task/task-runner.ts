/**
 * Tries tasks on this replica: claims what is due, keeps its leases, gives each attempt its time, and writes down what became of
 * it. An attempt whose lease cannot be renewed is aborted before another replica may begin one, and whatever it still
 * says is not taken.
 */

import type { Telemetry } from '../audit/telemetry.ts'
import type { Clock } from '../clock.ts'
import type { LogEvent } from '../gateway/context.ts'
import type { Random } from '../random.ts'
import { endEvent } from './attempt-end.ts'
import type { AttemptFailure, AttemptOutcome } from './attempt-end.ts'
import type { Attempt, BeginAttempt } from './attempt.ts'
import { boundedMessage } from './bounded-said.ts'
import { homeOf, isOverPhase } from './stored-task.ts'
import type { SaidOf, StoredTask, TaskPhase } from './stored-task.ts'
import { takeOver } from './task-state.ts'
import type { TaskEvent } from './task-state.ts'
import { createTaskClaims } from './task-claims.ts'
import type { TaskClaimsDeps } from './task-claims.ts'
import { createTaskShare } from './task-share.ts'
import type { AttemptBounds } from './task-share.ts'
import { createTaskLeases } from './task-leases.ts'
import type { Leased } from './task-leases.ts'
import type { TaskStore } from './task-store.ts'
import type { Made, Tasks } from './tasks.ts'

/** Ends of attempts that the ledger has, and nobody has to look at. */
const UNREMARKABLE: ReadonlySet<string> = new Set<TaskEvent['kind']>(['complete', 'ask'])

export interface TaskRunner {
  /** Attempts under way here. */
  readonly count: number
  /** Whether one more of this owner's may begin here. */
  hasRoom(ownerKey: string): boolean
  /** Goes on with a task that was made with a lease for this replica. */
  take(made: Pick<Made, 'task' | 'askedAtTicks'>, begin: BeginAttempt): void
  /** Goes on with a call that was sent, and has become a task since. */
  adopt(made: Pick<Made, 'task' | 'askedAtTicks'>, begin: BeginAttempt): void
  /** Claims nothing more; resolves when all attempts have ended, or `graceMs` have passed and they were given up. */
  drain(graceMs: number): Promise<void>
  close(): void
}

export interface TaskRunnerDeps {
  readonly store: TaskStore
  readonly tasks: Tasks
  readonly clock: Clock
  readonly random: Random
  readonly telemetry: Telemetry
  readonly log: (event: LogEvent) => void
  readonly replicaId: string
  readonly begin: BeginAttempt
  /** The error that a client gets of a task whose outcome nobody knows. */
  readonly lost: (reason: 'lost' | 'timeout') => Pick<AttemptFailure, 'errorText' | 'message'>
  readonly isAlive: TaskClaimsDeps['isAlive']
  readonly leaseMs?: number
  readonly bounds?: () => AttemptBounds
}

export const LEASE_MS = 15_000
const BOUNDS: AttemptBounds = { attempts: 512, attemptsPerOwner: 256 }
const NOTE_MS = 1_000
/** An end that could not be written is tried again so soon. */
const AGAIN_MS = 1_000

const STOPPING = 'shutting down'
const LATE = 'its lease could not be renewed'

interface Running extends Leased {
  task: StoredTask
  attempt: Attempt | undefined
  /** From here on a byte may have left. The mark in the store is older: it may be made with the task. */
  isSent: boolean
  isOver: boolean
  isLooking: boolean
  /** One write of it after the other. */
  writing: Promise<unknown>
  noted: { readonly statusMessage: string; readonly heard: SaidOf | undefined } | undefined
  readonly stops: (() => void)[]
}

export function createTaskRunner(deps: TaskRunnerDeps): TaskRunner {
  const { store, tasks, clock, random, telemetry, log, replicaId } = deps
  const { leaseMs = LEASE_MS, bounds = () => BOUNDS } = deps
  const share = createTaskShare(bounds)
  const running = new Map<string, Running>()
  const idle = new Set<() => void>()
  let isDraining = false
  const timers = new Set<() => void>()

  const after = (ms: number, run: () => void): (() => void) => {
    const stop = clock.after(ms, () => {
      timers.delete(stop)
      run()
    })
    timers.add(stop)
    return () => {
      timers.delete(stop)
      stop()
    }
  }

  const leave = (entry: Running): void => {
    entry.isOver = true
    for (const stop of entry.stops.splice(0)) stop()
    if (running.get(entry.task.id) !== entry) return
    running.delete(entry.task.id)
    if (takesRoom(entry.task)) share.ended(entry.task.origin.ownerKey)
    if (running.size === 0) for (const run of idle) run()
    claims.goOn()
  }

  /** Not ours any more: nothing of it is written, and nothing more is sent. */
  const lose = (entry: Running, reason: string, phase?: TaskPhase): void => {
    if (entry.isOver) return
    leave(entry)
    entry.attempt?.abort(reason, phase)
    log({ level: 'info', event: 'task_attempt_dropped', fields: { task: entry.task.id, epoch: entry.task.epoch, reason } })
  }

  /** Rejects where the store cannot be reached. */
  const move = (entry: Running, event: TaskEvent): Promise<boolean> => {
    const moving = entry.writing.then(async () => {
      const moved = await tasks.move(entry.task, event)
      if (moved.ok) entry.task = moved.value
      return moved.ok
    })
    entry.writing = moving.catch(() => undefined)
    return moving
  }

  /** Its lease is kept meanwhile: a result that cannot be written yet is not lost. */
  const end = (entry: Running, outcome: AttemptOutcome): void => {
    if (entry.isOver) return
    entry.isOver = true
    const write = (): void => {
      const event = endEvent(entry.task, outcome, tasks.time.nowMs(), () => random.fraction())
      move(entry, event).then(
        (isTaken) => {
          count(entry, isTaken ? event.kind : 'stale')
          if (isTaken && event.kind === 'retry') after(event.delayMs, claims.claim)
          leave(entry)
        },
        () => {
          if (running.get(entry.task.id) === entry) after(AGAIN_MS, write)
        },
      )
    }
    write()
  }

  const count = ({ task }: Running, outcome: string): void => {
    telemetry.count('portolan_task_attempts_total', { outcome })
    log({ level: UNREMARKABLE.has(outcome) ? 'debug' : 'info', event: 'task_attempt_ended', fields: { task: task.id, upstream: task.origin.upstreamId, attempt: task.progress.attempts, outcome } })
  }

  const dispatch = async (entry: Running): Promise<boolean> => {
    const { isDispatched, origin, epoch } = entry.task
    // What may run twice needs no mark.
    if (!entry.isOver && !isDispatched && !origin.terms.isRepeatable) {
      const isMarked = await move(entry, { kind: 'dispatch', epoch })
      if (!isMarked) lose(entry, 'the task is held by another replica, or over')
    }
    // Made too slowly, or this process was stopped: nothing has left, and whoever may try it now is to.
    if (!entry.isOver && leases.isLate(entry)) handBack(entry, LATE)
    entry.isSent = !entry.isOver
    return entry.isSent
  }

  /** It was not tried after all. Where somebody else holds it by now, that is not taken. */
  const handBack = (entry: Running, reason: string): void => {
    end(entry, { kind: 'unbegun' })
    entry.attempt?.abort(reason)
  }

  const note = (entry: Running, statusMessage: string, heard: SaidOf | undefined): void => {
    const isFirst = entry.noted === undefined
    entry.noted = { statusMessage: boundedMessage(statusMessage), heard }
    if (!isFirst || entry.isOver) return
    entry.stops.push(after(NOTE_MS, () => {
      const said = entry.noted
      entry.noted = undefined
      const isNews = said !== undefined && (said.heard !== undefined || said.statusMessage !== entry.task.progress.statusMessage)
      if (!entry.isOver && isNews) void move(entry, { kind: 'note', epoch: entry.task.epoch, ...said }).catch(() => undefined)
    }))
  }

  const lostEnd = (reason: 'lost' | 'timeout', mayHaveRun: boolean): AttemptFailure => ({
    kind: 'failed', ...deps.lost(reason), reason: reason === 'timeout' ? 'timeout' : 'transport', code: undefined, mayHaveRun, retryAfterMs: undefined,
  })

  const timeOut = (entry: Running): void => {
    if (entry.isOver) return
    end(entry, lostEnd('timeout', entry.isSent))
    entry.attempt?.abort('the attempt took too long')
  }

  const hold = (task: StoredTask, leasedAtTicks: number, isSent: boolean): Running => {
    const entry: Running = { task, attempt: undefined, leasedAtTicks, isSent, isOver: false, isLooking: false, writing: Promise.resolve(), noted: undefined, stops: [] }
    const before = running.get(task.id)
    if (before !== undefined) {
      lose(before, 'its lease had passed')
      // Also one whose end could not be written in time.
      leave(before)
    }
    running.set(task.id, entry)
    if (takesRoom(task)) share.begun(task.origin.ownerKey)
    entry.stops.push(tasks.watch(task.id, (phase) => {
      if (phase !== undefined && isOverPhase(phase)) look(entry)
    }))
    entry.stops.push(after(task.origin.terms.attemptMs, () => timeOut(entry)))
    if (running.size === 1) leases.keep()
    return entry
  }

  const take = (task: StoredTask, leasedAtTicks: number, begin: BeginAttempt, isSent = false): void => {
    const entry = hold(task, leasedAtTicks, isSent)
    entry.attempt = begin(task, { dispatch: () => dispatch(entry), note: (text, heard) => note(entry, text, heard), end: (outcome) => end(entry, outcome) })
    if (isDraining) void handOn(entry)
  }

  /** Of what a hint says the store knows better: it may be late, or anybody's. A lost one comes out when the lease is renewed. */
  const look = (entry: Running): void => {
    const { id, epoch, origin: { ownerKey } } = entry.task
    if (entry.isOver || entry.isLooking) return
    entry.isLooking = true
    tasks.find(ownerKey, id).then(
      (found) => {
        entry.isLooking = false
        if (found?.kind !== 'found') lose(entry, 'the task is gone')
        else if (isOverPhase(found.task.phase) || found.task.epoch !== epoch) lose(entry, `the task is ${found.task.phase}`, found.task.phase)
      },
      () => (entry.isLooking = false),
    )
  }

  /** Guarantee 1: it may have run, and nobody says that it may run twice. */
  const lostBefore = (task: StoredTask, leasedAtTicks: number): void => {
    telemetry.count('portolan_task_takeovers_total', { outcome: 'lost' })
    end(hold(task, leasedAtTicks, true), lostEnd('lost', true))
  }

  const takeClaimed = (task: StoredTask, leasedAtTicks: number): void => {
    const { epoch, progress: { attempts, failures } } = task
    if (epoch > 1 && attempts > 1 && failures.length === 0) telemetry.count('portolan_task_takeovers_total', { outcome: 'run' })
    take(task, leasedAtTicks, deps.begin)
  }

  const leases = createTaskLeases<Running>({
    store, tasks, clock, leaseMs, after, held: () => [...running.values()],
    lost: (entry) => lose(entry, 'its lease is lost'),
    late(entry) {
      // Looking is no harm, whoever else looks; what is seen is refused where the lease is another's by now.
      if (isFollowed(entry.task)) return
      if (entry.isSent) lose(entry, LATE)
      else handBack(entry, LATE)
    },
  })
  const claims = createTaskClaims({
    store, tasks, clock, log, replicaId, leaseMs, share, after, isAlive: deps.isAlive,
    take: (task, ticks) => (takeOver(task) === 'lost' ? lostBefore(task, ticks) : takeClaimed(task, ticks)),
  })
  const stopDue = tasks.onDue(() => {
    leases.dropLate()
    claims.claim()
  })
  claims.claim()

  return {
    get count() {
      return running.size
    },
    hasRoom: (ownerKey) => share.hasRoom(ownerKey),
    take: ({ task, askedAtTicks }, begin) => take(task, askedAtTicks, begin),
    adopt: ({ task, askedAtTicks }, begin) => take(task, askedAtTicks, begin, true),
    async drain(graceMs) {
      claims.stop()
      stopDue()
      isDraining = true
      // A store that is slow to be told of some does not make it longer for the rest.
      const untilTicks = clock.ticksMs() + graceMs
      await Promise.all(Array.from(running.values(), handOn))
      await new Promise<void>((resolve) => {
        if (running.size === 0) return resolve()
        const done = (): void => {
          idle.delete(done)
          stop()
          resolve()
        }
        const stop = clock.after(untilTicks - clock.ticksMs(), done)
        idle.add(done)
      })
      await Promise.all([...running.values()].map((entry) => giveUp(entry)))
    },
    close() {
      claims.stop()
      stopDue()
      for (const entry of running.values()) lose(entry, STOPPING)
      for (const stop of timers) stop()
      timers.clear()
    },
  }

  /** Its server is a child of this replica: nobody can ask that once we have ended. */
  function isBoundHere({ origin }: StoredTask): boolean {
    return homeOf(origin) === replicaId
  }

  /** What goes on without us is not waited for: another replica follows it at once. Also what becomes a task only now. */
  async function handOn(entry: Running): Promise<void> {
    if (isBoundHere(entry.task)) entry.attempt?.hurry?.()
    else if (isFollowed(entry.task)) await giveUp(entry)
  }

  /** What was not sent goes to another replica at once; what was, to whoever may run it again, or to nobody. */
  async function giveUp(entry: Running): Promise<void> {
    if (!entry.isOver) {
      end(entry, !entry.isSent || entry.task.origin.terms.isRepeatable ? { kind: 'unbegun' } : lostEnd('lost', true))
      entry.attempt?.abort(STOPPING)
    }
    await entry.writing
  }
}

/** It goes on at its server, whoever looks. */
function isFollowed({ origin }: StoredTask): boolean {
  return origin.adopted !== undefined && origin.adopted.taskId !== ''
}

function takesRoom(task: StoredTask): boolean {
  return !isFollowed(task)
}
