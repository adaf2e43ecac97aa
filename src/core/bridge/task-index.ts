/**
 * The tasks of other eras that Portolan follows, by owner: bounded in number, in the bytes of results that are held, and in
 * time. Nobody is shown, and nobody's room is taken by, another's (guarantee 3).
 */

import { PortolanError } from '../../protocol/error.ts'
import type { Clock } from '../clock.ts'

export interface IndexedTask {
  /** Unique; inside the sealed id that the client holds. */
  readonly key: string
  readonly ownerKey: string
  /** Of the result that is held. */
  readonly heldBytes: number
  /** It has ended: its result may give way to newer ones. */
  readonly isOver: boolean
  /** Lets go of all that it holds: its time is up, its room is needed, or Portolan ends. */
  forget(): void
}

export interface TaskIndex<T extends IndexedTask> {
  /** Throws `overloaded` where the owner has too many that have not ended. */
  add(task: T, ttlMs: number): void
  get(ownerKey: string, key: string): T | undefined
  /** The owner's, the oldest first. */
  of(ownerKey: string): readonly T[]
  all(): readonly T[]
  /** Its time is another one from now on. */
  renew(task: T, ttlMs: number): void
  /** It holds a result now: the oldest results of the same owner, then of all, give way. */
  settled(task: T): void
  /** Whether the owner may have one more that has not ended. */
  hasRoom(ownerKey: string): boolean
  close(): void
}

export interface TaskBounds {
  /** Of one owner: tasks that have not ended, all tasks, and bytes of results. */
  readonly live: number
  readonly perOwner: number
  readonly ownerBytes: number
  /** Of all owners together. */
  readonly total: number
  readonly totalBytes: number
}

const LIVE_TASKS = 64
const OWNER_TASKS = 512
const TOTAL_TASKS = 10_000
/** Two of the longest results that a server may send. */
const OWNER_BYTES = 32 * 1024 * 1024
const TOTAL_BYTES = 256 * 1024 * 1024

const TASK_BOUNDS: TaskBounds = { live: LIVE_TASKS, perOwner: OWNER_TASKS, ownerBytes: OWNER_BYTES, total: TOTAL_TASKS, totalBytes: TOTAL_BYTES }

/** No task is followed for longer, whatever its server says. */
export const MAX_TASK_MS = 24 * 60 * 60_000

/** Runs `run` once none of them is left: at once, where there are none. `left` says which still are, `watch` when to look. */
export function whenAllEnded<T>(tasks: readonly T[], isLeft: (task: T) => boolean, watch: (task: T, look: () => void) => () => void, run: () => void): void {
  let left = tasks.length
  if (left === 0) return run()
  for (const task of tasks) {
    const stop = watch(task, () => {
      if (isLeft(task)) return
      stop()
      left -= 1
      if (left === 0) run()
    })
  }
}

export function createTaskIndex<T extends IndexedTask>(clock: Clock, bounds: TaskBounds = TASK_BOUNDS): TaskIndex<T> {
  /** In the order in which they were made. */
  const tasks = new Map<string, { readonly task: T; stopTimer: () => void }>()
  const owners = new Map<string, Set<T>>()

  const ofOwner = (ownerKey: string): T[] => [...(owners.get(ownerKey) ?? [])]
  const forget = (task: T): void => {
    const entry = tasks.get(task.key)
    if (entry?.task !== task) return
    entry.stopTimer()
    tasks.delete(task.key)
    const own = owners.get(task.ownerKey)
    own?.delete(task)
    if (own?.size === 0) owners.delete(task.ownerKey)
    task.forget()
  }
  const timer = (task: T, ttlMs: number): (() => void) => clock.after(Math.max(0, Math.min(ttlMs, MAX_TASK_MS)), () => forget(task))
  const giveWay = (among: readonly T[], tooMany: (left: readonly T[]) => boolean, kept: T): void => {
    const left = [...among]
    for (const task of among) {
      if (!tooMany(left)) return
      if (!task.isOver || task === kept) continue
      left.splice(left.indexOf(task), 1)
      forget(task)
    }
  }
  const bytesOf = (among: readonly T[]): number => among.reduce((sum, { heldBytes }) => sum + heldBytes, 0)
  const hasRoom = (ownerKey: string): boolean => ofOwner(ownerKey).filter(({ isOver }) => !isOver).length < bounds.live
  const all = (): T[] => Array.from(tasks.values(), ({ task }) => task)

  return {
    add(task, ttlMs) {
      if (!hasRoom(task.ownerKey) || (tasks.size >= bounds.total && !all().some(({ isOver }) => isOver))) {
        throw new PortolanError('overloaded', { retryAfterSec: 1, message: 'Too many tasks' })
      }
      tasks.set(task.key, { task, stopTimer: timer(task, ttlMs) })
      owners.set(task.ownerKey, (owners.get(task.ownerKey) ?? new Set<T>()).add(task))
      giveWay(ofOwner(task.ownerKey), (left) => left.length > bounds.perOwner, task)
      if (tasks.size > bounds.total) giveWay(all(), (left) => left.length > bounds.total, task)
    },
    get(ownerKey, key) {
      const task = tasks.get(key)?.task
      return task?.ownerKey === ownerKey ? task : undefined
    },
    of: ofOwner,
    all,
    renew(task, ttlMs) {
      const entry = tasks.get(task.key)
      if (entry?.task !== task) return
      entry.stopTimer()
      entry.stopTimer = timer(task, ttlMs)
    },
    settled(task) {
      giveWay(ofOwner(task.ownerKey), (left) => bytesOf(left) > bounds.ownerBytes, task)
      const everybody = all()
      if (bytesOf(everybody) > bounds.totalBytes) giveWay(everybody, (left) => bytesOf(left) > bounds.totalBytes, task)
    },
    hasRoom,
    close() {
      for (const task of all()) forget(task)
    },
  }
}
