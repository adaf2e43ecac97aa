/** Keeps the leases of what is tried here, and says in time which of them could not be kept: before another replica may begin. */

import type { Clock } from '../clock.ts'
import type { StoredTask } from './stored-task.ts'
import type { TaskStore } from './task-store.ts'
import type { Tasks } from './tasks.ts'

export interface Leased {
  readonly task: StoredTask
  /** Ticks from before the lease was asked for: it ends no sooner than this and its time. */
  leasedAtTicks: number
  /** It is being ended. */
  readonly isOver: boolean
}

export interface TaskLeases<T extends Leased> {
  /** From the first that is held on, until none is. */
  keep(): void
  isLate(entry: T): boolean
  /** Also after a stop of the whole process: its timers fire late, and its leases have passed on. */
  dropLate(): void
}

export interface TaskLeasesDeps<T extends Leased> {
  readonly store: TaskStore
  readonly tasks: Tasks
  readonly clock: Pick<Clock, 'ticksMs'>
  readonly leaseMs: number
  readonly after: (ms: number, run: () => void) => () => void
  readonly held: () => readonly T[]
  /** The store says that it is another's. */
  readonly lost: (entry: T) => void
  /** It could not be renewed in time. */
  readonly late: (entry: T) => void
}

/** Of the lease: so much before its end an attempt that could not renew it is given up. */
const MARGIN = 1 / 6
/** Every third of the lease: one renewal may fail. */
const TICKS_PER_RENEWAL = 2

export function createTaskLeases<T extends Leased>({ store, tasks, clock, leaseMs, after, held, lost, late }: TaskLeasesDeps<T>): TaskLeases<T> {
  let stopTimer = (): void => undefined

  const isLate = ({ leasedAtTicks }: T): boolean => clock.ticksMs() - leasedAtTicks >= leaseMs * (1 - MARGIN)
  const dropLate = (): void => {
    for (const entry of held()) if (!entry.isOver && isLate(entry)) late(entry)
  }
  const keep = (ticksPassed = 1): void => {
    stopTimer()
    stopTimer = after(leaseMs * MARGIN, () => {
      if (held().length === 0) return
      dropLate()
      if (ticksPassed % TICKS_PER_RENEWAL === 0) void renew()
      keep(ticksPassed + 1)
    })
  }
  const renew = async (): Promise<void> => {
    const ticks = clock.ticksMs()
    const entries = held()
    try {
      const { nowMs, ids } = await store.renew(entries.map(({ task: { id, epoch } }) => ({ id, epoch })), leaseMs)
      tasks.time.note(nowMs, ticks)
      for (const entry of entries) {
        if (ids.has(entry.task.id)) entry.leasedAtTicks = ticks
        // What is being ended has perhaps ended meanwhile.
        else if (!entry.isOver) lost(entry)
      }
    } catch {
      // Not reached: who cannot renew in time gives up (`dropLate`).
    }
  }

  return { keep: () => keep(), isLate, dropLate }
}
