/** What an operator may do with tasks, whoever owns them: look, cancel, have another made of a dead one, remove. */

import type { Result } from '../../protocol/result.ts'
import type { Random } from '../random.ts'
import { isOverPhase } from './stored-task.ts'
import type { StoredTask, TaskPhase } from './stored-task.ts'
import { TASK_TABLE } from './task-state.ts'
import type { TaskQuery, TaskStore } from './task-store.ts'
import { TOMBSTONE_MS } from './tasks.ts'
import type { Tasks } from './tasks.ts'
import { openTaskWatch } from './task-watch.ts'
import type { TaskWatch } from './task-watch.ts'

/** `not_now`: it has ended, or cannot be retried or removed as it is; `retried`: it was, and this is the task. */
export type OperationFault = { readonly reason: 'unknown' | 'not_now' } | { readonly reason: 'retried'; readonly as: string }

/** What is not given is not asked for. */
export interface TaskFilter {
  readonly phases?: readonly TaskPhase[] | undefined
  /** The server's id. */
  readonly server?: string | undefined
  readonly tool?: string | undefined
  /** As records name the principal. */
  readonly owner?: string | undefined
}

export interface TaskPage {
  /** By creation, the oldest first. */
  readonly tasks: readonly StoredTask[]
  /** Where the next page begins; undefined for none. There may be one though this page is not full. */
  readonly next: TaskQuery['after']
}

export interface TaskOperations {
  page(filter: TaskFilter, count: number, after?: TaskQuery['after']): Promise<TaskPage>
  find(id: string): Promise<StoredTask | undefined>
  watch(): TaskWatch
  /** Reaches its server, at whichever replica. */
  cancel(id: string): Promise<Result<StoredTask, OperationFault>>
  /** Makes another task of the same request for the same owner: what has ended stays what it is (ext-tasks, Task Status). */
  retry(id: string): Promise<Result<StoredTask, OperationFault>>
  /** Only what has ended. Its owner is told that it has expired. */
  drop(id: string): Promise<Result<StoredTask, OperationFault>>
}

/** Read at once, so that on SQLite others are served in between; and for one page, however rare what is looked for. */
const CHUNK = 200
const MAX_LOOKED_AT = 2_000

async function pageOf(store: TaskStore, { phases, ...filter }: TaskFilter, count: number, from: TaskQuery['after']): Promise<TaskPage> {
  const found: StoredTask[] = []
  let after = from
  for (let lookedAt = 0; lookedAt < MAX_LOOKED_AT; lookedAt += CHUNK) {
    const { tasks } = await store.list({ phases, after, count: CHUNK })
    for (const task of tasks) {
      after = { createdAtMs: task.createdAtMs, id: task.id }
      if (isMeant(task, filter)) found.push(task)
      if (found.length === count) return { tasks: found, next: after }
    }
    if (tasks.length < CHUNK) return { tasks: found, next: undefined }
  }
  return { tasks: found, next: after }
}

function isMeant({ origin: { upstreamId, tool, label } }: StoredTask, filter: Omit<TaskFilter, 'phases'>): boolean {
  const { server = upstreamId, tool: wanted = tool, owner = label } = filter
  return server === upstreamId && wanted === tool && owner === label
}

export function createTaskOperations(store: TaskStore, tasks: Tasks, random: Random): TaskOperations {
  const find = async (id: string): Promise<StoredTask | undefined> => {
    const sighting = await store.find(id)
    return sighting.kind === 'found' ? sighting.task : undefined
  }
  const makeAs = async (id: string, { origin }: StoredTask): Promise<Result<StoredTask, OperationFault>> => {
    const { task } = await store.create({ id, origin, idempotency: undefined, lease: undefined })
    tasks.wake()
    return { ok: true, value: task }
  }

  return {
    page: (filter, count, after) => pageOf(store, filter, count, after),
    find,
    watch: () => openTaskWatch(store, tasks),
    async cancel(id) {
      const task = await find(id)
      if (task === undefined) return unknown
      if (isOverPhase(task.phase)) return notNow
      const after = await tasks.cancel(task.origin.ownerKey, id)
      return after?.phase === 'cancelled' ? { ok: true, value: after } : notNow
    },
    async retry(id) {
      const task = await find(id)
      if (task === undefined) return unknown
      // Only its server could try it again.
      if (task.origin.adopted !== undefined) return notNow
      const { retriedAs } = task.progress
      if (retriedAs !== '') return (await store.find(retriedAs)).kind === 'unknown' ? makeAs(retriedAs, task) : { ok: false, fault: { reason: 'retried', as: retriedAs } }
      if (TASK_TABLE[task.phase].retried === undefined) return notNow
      // Noted first: of two who retry at once one makes the task. Who noted it and did not come to make it is done with by the next.
      const as = random.id()
      const noted = await tasks.move(task, { kind: 'retried', as })
      return noted.ok ? makeAs(as, task) : notNow
    },
    async drop(id) {
      const task = await find(id)
      if (task === undefined) return unknown
      if (!isOverPhase(task.phase)) return notNow
      await store.drop(id, TOMBSTONE_MS)
      return { ok: true, value: task }
    },
  }
}

const unknown = { ok: false, fault: { reason: 'unknown' } } as const
const notNow = { ok: false, fault: { reason: 'not_now' } } as const
