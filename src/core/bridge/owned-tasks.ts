/** The tasks that Portolan owns, in a gateway: their store, their runner, and how an attempt is begun. */

import { member, readString, utf8Of } from '../../protocol/json.ts'
import { parseMessage } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import { isElected } from '../replica/elected.ts'
import { serverKey } from '../task/attempt-end.ts'
import { isOverPhase } from '../task/stored-task.ts'
import type { StoredTask } from '../task/stored-task.ts'
import { LEASE_MS, createTaskRunner } from '../task/task-runner.ts'
import type { Attempt, AttemptSink } from '../task/attempt.ts'
import type { AttemptBounds } from '../task/task-share.ts'
import type { TaskRunner } from '../task/task-runner.ts'
import { startTaskSweep } from '../task/task-sweep.ts'
import type { TaskStore } from '../task/task-store.ts'
import { createTasks } from '../task/tasks.ts'
import { isStoreAway } from '../task/task-claims.ts'
import type { Tasks } from '../task/tasks.ts'
import { createFollows } from './adopted-follow.ts'
import type { Follows } from './adopted-follow.ts'
import { errorTexts } from './error-text.ts'
import { openState } from './handles.ts'
import { allowInput, askedBy, attemptExchange, attemptOutcome, launch, refusedOutcome } from './owned-flight.ts'
import type { Flight, FlightEars } from './owned-flight.ts'
import { withInput } from './owned-request.ts'
import { readParkedState } from './own-state.ts'

export interface OwnedTasks {
  readonly store: TaskStore
  readonly tasks: Tasks
  readonly runner: TaskRunner
  readonly replicaId: string
  readonly sha256: (text: string) => string
  /** Tasks of servers, kept. */
  readonly follows: Follows
  /** The first attempt at a task, of a call that has passed all stages. */
  begin(task: StoredTask, sink: AttemptSink, exchange: Exchange): Attempt
  /** A call that is in flight goes on as the first attempt at a task. */
  adopt(task: StoredTask, sink: AttemptSink, flight: Flight): Attempt
  close(): void
}

/** `prepare`: the stages between authentication and the call. */
export function createOwnedTasks(context: GatewayContext, { store, sha256 }: Pick<OwnedTasks, 'store' | 'sha256'>, prepare: (exchange: Exchange) => Promise<void>): OwnedTasks {
  const { clock, random, hints, telemetry, log, snapshots, peers: { replicaId } } = context.deps
  const bounds = (): { readonly live: number; readonly total: number; readonly bytes: number } => {
    const { tasksPerPrincipal, keptTasksPerPrincipal, taskBytesPerPrincipal } = snapshots.current().limits
    return { live: tasksPerPrincipal, total: keptTasksPerPrincipal, bytes: taskBytesPerPrincipal }
  }
  const attemptBounds = (): AttemptBounds => {
    const { taskAttempts, taskAttemptsPerPrincipal } = snapshots.current().limits
    return { attempts: taskAttempts, attemptsPerOwner: taskAttemptsPerPrincipal }
  }
  // Without others whoever is not this replica was this one, in a former life.
  const isAlive = async (id: string): Promise<boolean> => (await context.membership?.isAlive(id)) ?? false
  const tasks = createTasks({ store, clock, hints, bounds })
  const onError = (error: unknown): void => {
    if (!isStoreAway(error)) log({ level: 'warn', event: 'task_sweep_failed', fields: { detail: error instanceof Error ? error.message : String(error) } })
  }
  const overdueText = errorTexts(new PortolanError('upstream_timeout', { message: 'The deadline of the task has passed' })).errorText
  const { replica } = context.deps
  const stopSweep = startTaskSweep({ store, tasks, clock, random, telemetry, overdueText, onError, isElected: async () => replica === undefined || isElected(replica.store, replica.self.id) })

  const follows = createFollows(context, tasks)
  const again = (task: StoredTask, sink: AttemptSink): Attempt => {
    if (task.origin.adopted !== undefined) return follows.begin(task, sink)
    const exchange = attemptExchange(context, attemptId(task), requestOf(task), waitMs(task), askedBy(task))
    return attemptOf(launch(context, exchange, { prepare: sameTool(prepare, task), dispatch: () => sink.dispatch(), ears: earsOf(task, sink) }))
  }
  const runner = createTaskRunner({ store, tasks, clock, random, telemetry, log, replicaId, begin: again, lost: lostTexts, leaseMs: LEASE_MS, isAlive, bounds: attemptBounds })

  /** What stays from now until input comes is a call that waits at its server: it is cancelled with its task. */
  const earsOf = (task: StoredTask, sink: AttemptSink): FlightEars => ({
    hear(text) {
      const said = progressMessage(text)
      if (said !== undefined) sink.note(said)
      return true
    },
    onDrain: () => undefined,
    ended(outcome) {
      const ended = attemptOutcome(outcome, task.origin.terms)
      if (ended?.kind === 'asks') return sink.end({ ...ended, isHeld: holdFor(context, tasks, task, ended.stateText) })
      // Aborted by nobody who holds the task: nobody knows what has become of it.
      sink.end(ended ?? refusedOutcome(new PortolanError('outcome_unknown')))
    },
  })
  const waitMs = (task: StoredTask): number => Math.max(1_000, task.deadlineAtMs - tasks.time.nowMs())

  return {
    store, tasks, runner, replicaId, sha256, follows,
    begin(task, sink, exchange) {
      const own = attemptExchange(context, attemptId(task), task.origin.requestText, waitMs(task), exchange)
      return attemptOf(launch(context, own, { dispatch: () => sink.dispatch(), ears: earsOf(task, sink) }))
    },
    adopt(task, sink, flight) {
      allowInput(flight.exchange, waitMs(task))
      flight.tell(earsOf(task, sink))
      return attemptOf(flight)
    },
    close() {
      stopSweep()
      runner.close()
    },
  }
}

/** A name may mean another tool by now, of another server even: what may run twice was said of the one that was called. */
function sameTool(prepare: (exchange: Exchange) => Promise<void>, { origin: { upstreamId, tool } }: StoredTask): (exchange: Exchange) => Promise<void> {
  return async (exchange) => {
    await prepare(exchange)
    const { route } = exchange
    const isSame = route === undefined || (route.upstream.id === upstreamId && route.subject === tool)
    if (!isSame) throw new PortolanError('unknown_tool', { message: 'Unknown tool: its name is that of another one by now' })
  }
}

/** In the ledger: which task, and which of its leases. */
function attemptId({ id, epoch }: StoredTask): string {
  return `${id}.${epoch}`
}

function attemptOf(flight: Flight): Attempt {
  return { abort: (reason) => flight.abort(reason) }
}

function requestOf({ origin, progress: { isResuming, answers, stateText } }: StoredTask): string {
  if (!isResuming) return origin.requestText
  return withInput(origin.requestText, Object.entries(answers).map(([key, answer]) => [serverKey(key), answer] as const), stateText)
}

function lostTexts(reason: 'lost' | 'timeout'): ReturnType<typeof errorTexts> {
  if (reason === 'timeout') return errorTexts(new PortolanError('upstream_timeout'))
  return errorTexts(new PortolanError('outcome_unknown', { message: 'Outcome unknown: whoever ran the task was lost after the call was sent' }))
}

/** Progress does not follow a call that became a task; what it says in words does (bridge-rulings §4, Tasks). */
function progressMessage(text: string): string | undefined {
  const scan = parseMessage(text)
  return scan.ok && scan.value.method === 'notifications/progress' ? readString(text, member(scan.value.body, 'message')) : undefined
}

/** Whether what the state names is in this process: a call that waits open, which ends with its task, or a child that knows the state. */
function holdFor(context: GatewayContext, tasks: Tasks, task: StoredTask, stateText: string): boolean {
  const { keyring, clock, peers } = context.deps
  const { upstreamId, tool, scope, bindingKey, ownerKey } = task.origin
  const handle: unknown = stateText === '' ? undefined : JSON.parse(utf8Of(stateText))
  const { principal } = askedBy(task)
  if (typeof handle !== 'string' || principal === undefined) return false
  const opened = openState(keyring, principal, { upstreamId, method: 'tools/call', subject: tool, scope }, handle, clock.nowMs())
  const parked = readParkedState(opened?.state)
  if (parked === undefined) return opened?.heldBy === peers.replicaId
  const look = async (): Promise<void> => {
    const found = await tasks.find(ownerKey, task.id)
    const now = found?.kind === 'found' ? found.task : undefined
    const isOver = now === undefined || isOverPhase(now.phase)
    // Until somebody goes on with it, or nobody will.
    if (!isOver && now.epoch === task.epoch) return
    stop()
    if (isOver) context.parked.abandon(bindingKey, parked)
  }
  // A hint may be late, or anybody's: the store knows. Also now and then, for one that was lost, or a store that was away.
  const stop = tasks.watch(task.id, () => void look().catch(() => undefined))
  return true
}
