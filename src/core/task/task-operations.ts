/** What an operator may do with tasks, whoever owns them: look, cancel, have another made of a dead one, remove. */

import type { Result } from '../../protocol/result.ts'
import type { Random } from '../random.ts'
import { isOverPhase } from './stored-task.ts'
import type { StoredTask } from './stored-task.ts'
import { TASK_TABLE } from './task-state.ts'
import type { TaskQuery, TaskStore } from './task-store.ts'
import { TOMBSTONE_MS } from './tasks.ts'
import type { Tasks } from './tasks.ts'

/** `not_now`: it has ended, or cannot be retried or removed as it is; `retried`: it was, and this is the task. */
export type OperationFault = { readonly reason: 'unknown' | 'not_now' } | { readonly reason: 'retried'; readonly as: string }

export interface TaskOperations {
  list(query: Omit<TaskQuery, 'ownerKey'>): Promise<readonly StoredTask[]>
  find(id: string): Promise<StoredTask | undefined>
  /** Reaches its server, at whichever replica. */
  cancel(id: string): Promise<Result<StoredTask, OperationFault>>
  /** Makes another task of the same request for the same owner: what has ended stays what it is (ext-tasks, Task Status). */
  retry(id: string): Promise<Result<StoredTask, OperationFault>>
  /** Only what has ended. Its owner is told that it has expired. */
  drop(id: string): Promise<Result<StoredTask, OperationFault>>
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
    list: async (query) => (await store.list(query)).tasks,
    find,
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
