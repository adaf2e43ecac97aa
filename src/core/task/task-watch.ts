/**
 * Tasks as they change, on whichever replica, for somebody who looks again and again. The first look tells of all that wait; so does
 * every look of what it has not told of, so that a lost hint, or a look that failed, costs time and no change.
 */

import { COUNTED_PHASES } from './task-store.ts'
import type { TaskStore } from './task-store.ts'
import type { StoredTask } from './stored-task.ts'
import type { Tasks } from './tasks.ts'

/** `gone`: it was told of, and has ended and been removed meanwhile. */
export type TaskChange = { readonly kind: 'changed'; readonly task: StoredTask } | { readonly kind: 'gone'; readonly id: string }

export interface TaskWatch {
  /** What has changed since the look before. Rejects with `state_unavailable`; the next look tells of it all. */
  look(): Promise<readonly TaskChange[]>
  close(): void
}

/** The oldest that wait; of further ones only what is heard of. */
const FOLLOWED = 200
/** Between two looks; what else changes is told of while it waits, and not when it has ended by the next look. */
const HEARD = 1_000

export function openTaskWatch(store: TaskStore, tasks: Pick<Tasks, 'onChange'>): TaskWatch {
  /** Of those that wait: the version that was told of. */
  const told = new Map<string, number>()
  const heard = new Set<string>()
  const stop = tasks.onChange((id) => void (heard.size < HEARD && heard.add(id)))

  const tell = async (id: string): Promise<readonly TaskChange[]> => {
    const sighting = await store.find(id)
    if (sighting.kind === 'found') return note(sighting.task)
    return told.delete(id) ? [{ kind: 'gone', id }] : []
  }
  const note = (task: StoredTask): readonly TaskChange[] => {
    const isNews = told.get(task.id) !== task.version
    if (COUNTED_PHASES.some((phase) => phase === task.phase)) told.set(task.id, task.version)
    else told.delete(task.id)
    return isNews ? [{ kind: 'changed', task }] : []
  }

  return {
    async look() {
      const ids = new Set([...told.keys(), ...heard])
      const { tasks: waiting } = await store.list({ phases: COUNTED_PHASES, count: FOLLOWED })
      for (const { id } of waiting) ids.delete(id)
      const changes: TaskChange[] = []
      for (const id of ids) {
        changes.push(...(await tell(id)))
        heard.delete(id)
      }
      for (const task of waiting) {
        changes.push(...note(task))
        heard.delete(task.id)
      }
      return changes
    },
    close: stop,
  }
}
