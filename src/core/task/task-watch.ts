/**
 * Tasks as they change, on whichever replica, for somebody who looks again and again. The first look tells of all that wait; so does
 * every look of what it has not told of, so that a lost hint, or a look that failed, costs time and no change. A look costs the same
 * however many wait: those beyond the oldest are read when they are heard of, and in turns of a few.
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
/** What else changes is told of while it waits, and not when it has ended before its turn. */
const HEARD = 1_000
/** Read in one look, of those heard of: on SQLite a read holds everybody up. The rest is for the next look. */
const HEARD_AT_ONCE = 200
/** Read in one look, of those that nothing was heard of. */
const TURN = 25
/** Beyond, what was read longest ago is forgotten: it is told of again when it is heard of. */
const TOLD = 10_000

export function openTaskWatch(store: TaskStore, tasks: Pick<Tasks, 'onChange'>): TaskWatch {
  /** Of those that wait: the version that was told of. What was read last is last. */
  const told = new Map<string, number>()
  const heard = new Set<string>()
  /** The oldest that wait, of the look before. */
  let followed: ReadonlySet<string> = new Set()
  /** Found by a look that failed afterwards. */
  let untold: TaskChange[] = []
  const stop = tasks.onChange((id) => void (heard.size < HEARD && heard.add(id)))

  const tell = async (id: string): Promise<readonly TaskChange[]> => {
    // Before it is read: what is heard meanwhile is for the next look.
    heard.delete(id)
    const sighting = await store.find(id).catch((error: unknown) => {
      heard.add(id)
      throw error
    })
    if (sighting.kind === 'found') return note(sighting.task)
    return told.delete(id) ? [{ kind: 'gone', id }] : []
  }
  const note = (task: StoredTask): readonly TaskChange[] => {
    const isNews = told.get(task.id) !== task.version
    told.delete(task.id)
    if (COUNTED_PHASES.some((phase) => phase === task.phase)) told.set(task.id, task.version)
    for (const id of told.keys()) {
      if (told.size <= TOLD) break
      told.delete(id)
    }
    return isNews ? [{ kind: 'changed', task }] : []
  }

  return {
    async look() {
      const { tasks: waiting } = await store.list({ phases: COUNTED_PHASES, count: FOLLOWED })
      const left = followed
      followed = new Set(waiting.map(({ id }) => id))
      for (const id of left) heard.add(id)
      for (const id of followed) heard.delete(id)
      const turn = firstOf(told.keys(), TURN, (id) => !followed.has(id) && !heard.has(id))
      for (const id of [...firstOf(heard, HEARD_AT_ONCE), ...turn]) untold.push(...(await tell(id)))
      for (const task of waiting) untold.push(...note(task))
      const changes = untold
      untold = []
      return changes
    },
    close: stop,
  }
}

function firstOf(ids: Iterable<string>, count: number, isMeant: (id: string) => boolean = () => true): string[] {
  const found: string[] = []
  for (const id of ids) {
    if (found.length === count) break
    if (isMeant(id)) found.push(id)
  }
  return found
}
