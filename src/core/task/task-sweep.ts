/**
 * What must happen to tasks that nobody touches: deadlines, expiry, and numbers for operators. In small steps with pauses between
 * them, so that no store is kept from serving. Of several replicas the elected one does it; each step is harmless to repeat.
 */

import type { WireText } from '../../protocol/json.ts'
import type { Telemetry } from '../audit/telemetry.ts'
import type { Clock } from '../clock.ts'
import type { Random } from '../random.ts'
import { COUNTED_PHASES } from './task-store.ts'
import type { TaskStore } from './task-store.ts'
import { TOMBSTONE_MS } from './tasks.ts'
import type { Tasks } from './tasks.ts'

export interface TaskSweepDeps {
  readonly store: TaskStore
  readonly tasks: Tasks
  readonly clock: Clock
  readonly random: Random
  readonly telemetry: Telemetry
  /** Of several replicas one sweeps; all of them count. */
  readonly isElected: () => Promise<boolean>
  /** What a client gets of a task whose deadline has passed: a JSON-RPC error object. */
  readonly overdueText: WireText
  /** A store that could not be reached, or a fault of our own; it goes on. */
  readonly onError: (error: unknown) => void
}

const SWEEP_MS = 5_000
/** Replicas that were started together must not all come at once. */
const JITTER_MS = 2_000
const STEP_COUNT = 100
const STEP_PAUSE_MS = 50
const COUNT_EVERY = 3

/** Returns a function that ends it. */
export function startTaskSweep(deps: TaskSweepDeps): () => void {
  let isStopped = false
  let rounds = 0
  let cancel = (): void => undefined
  const again = (ms: number): void => {
    if (!isStopped) cancel = deps.clock.after(ms, run)
  }
  const run = (): void => {
    step(deps, rounds % COUNT_EVERY === 0)
      .then((isMore) => {
        rounds += isMore ? 0 : 1
        again(isMore ? STEP_PAUSE_MS : SWEEP_MS + deps.random.fraction() * JITTER_MS)
      })
      .catch((error: unknown) => {
        deps.onError(error)
        again(SWEEP_MS)
      })
  }
  again(deps.random.fraction() * JITTER_MS)
  return () => {
    isStopped = true
    cancel()
  }
}

/** True where there is more to do at once. */
async function step(deps: TaskSweepDeps, isCounting: boolean): Promise<boolean> {
  const isElected = await deps.isElected()
  deps.telemetry.gauge('portolan_elected', {}, isElected ? 1 : 0)
  const isMore = isElected && (await sweep(deps))
  if (isCounting) await tell(deps.store, deps.telemetry)
  return isMore
}

async function sweep({ store, tasks, telemetry, overdueText }: TaskSweepDeps): Promise<boolean> {
  const ticks = tasks.time.ticksMs()
  const { nowMs, tasks: overdue } = await store.overdue(STEP_COUNT)
  tasks.time.note(nowMs, ticks)
  await Promise.all(overdue.map((task) => tasks.move(task, { kind: 'overdue', errorText: overdueText })))
  const swept = await store.sweep(STEP_COUNT, TOMBSTONE_MS)
  if (overdue.length > 0) telemetry.count('portolan_task_overdue_total', {}, overdue.length)
  if (swept > 0) telemetry.count('portolan_task_expired_total', {}, swept)
  return swept === STEP_COUNT || overdue.length === STEP_COUNT
}

async function tell(store: TaskStore, telemetry: Telemetry): Promise<void> {
  const { phases, oldestDueMs = 0 } = await store.counts()
  for (const phase of COUNTED_PHASES) telemetry.gauge('portolan_tasks', { phase }, phases[phase])
  telemetry.gauge('portolan_task_oldest_due_ms', {}, oldestDueMs)
}
