/**
 * Claims tasks that are due, for as many attempts as there is room for. What waits for a replica that holds its open call is left
 * to that replica for as long as it lives.
 */

import { PortolanError } from '../../protocol/error.ts'
import type { Clock } from '../clock.ts'
import type { LogEvent } from '../gateway/context.ts'
import type { StoredTask } from './stored-task.ts'
import type { TaskShare } from './task-share.ts'
import type { TaskStore } from './task-store.ts'
import type { Tasks } from './tasks.ts'

export interface TaskClaims {
  /** Something may be due. */
  claim(): void
  /** There is room again: for whoever was due while there was none. */
  goOn(): void
  stop(): void
}

export interface TaskClaimsDeps {
  readonly store: TaskStore
  readonly tasks: Tasks
  readonly clock: Pick<Clock, 'ticksMs'>
  readonly log: (event: LogEvent) => void
  readonly replicaId: string
  readonly leaseMs: number
  readonly share: TaskShare
  /** Whether a replica that is not this one lives. Rejects where that cannot be found out. */
  readonly isAlive: (replicaId: string) => Promise<boolean>
  readonly after: (ms: number, run: () => void) => unknown
  /** Tries it; `ticks` are from before it was asked for. */
  readonly take: (task: StoredTask, ticks: number) => void
}

const CLAIM_COUNT = 64
/** A claim that failed is tried again so soon. */
const AGAIN_MS = 1_000
/** How often it is looked for what waits for a replica that is gone: at once, but not at each claim. */
const ORPHANS_MS = 1_000

/** Whoever keeps the store has said so, once; who asks it every second must not say so every second. */
export function isStoreAway(error: unknown): boolean {
  return error instanceof PortolanError && error.code === 'state_unavailable'
}

export function createTaskClaims({ store, tasks, clock, log, replicaId, leaseMs, share, isAlive, after, take }: TaskClaimsDeps): TaskClaims {
  let isStopped = false
  let isClaiming = false
  /** Somebody may be due who was not claimed yet. */
  let isRung = false
  /** Somebody may have been due for whom there was no room. */
  let isHeldBack = false
  let orphansSoughtAtTicks = Number.NEGATIVE_INFINITY
  let isLater = false

  const claim = (): void => {
    isRung = true
    if (isClaiming || isStopped) return
    isClaiming = true
    claimAll().then(
      () => {
        isClaiming = false
        // Rung after it had looked for the last time.
        if (isRung) claim()
      },
      (error: unknown) => {
        isClaiming = false
        if (!isStoreAway(error)) log({ level: 'warn', event: 'task_claim_failed', fields: { detail: error instanceof Error ? error.message : String(error) } })
        after(AGAIN_MS, claim)
      },
    )
  }

  const claimAll = async (): Promise<void> => {
    while (isRung && !isStopped) {
      isRung = false
      await claimSome([])
      if (!isRung) await claimOrphans()
    }
  }

  const claimSome = async (gone: readonly string[]): Promise<void> => {
    const room = share.room(CLAIM_COUNT)
    isHeldBack = room === undefined || room.rooms.size > 0 || room.perOwner < room.count
    if (room === undefined) return
    const ticks = clock.ticksMs()
    const { nowMs, tasks: claimed } = await store.claim({ holder: replicaId, leaseMs, gone, ...room })
    tasks.time.note(nowMs, ticks)
    for (const task of claimed) take(task, ticks)
    // Others may stand behind those that there was no room for, and behind a server's tasks, which took their places and take no room.
    if (claimed.length === room.count || (claimed.length > 0 && isHeldBack)) isRung = true
  }

  /** Sought once a second at most, and not forgotten in between. */
  const claimOrphans = async (): Promise<void> => {
    const leftMs = orphansSoughtAtTicks + ORPHANS_MS - clock.ticksMs()
    if (leftMs > 0) return later(leftMs)
    orphansSoughtAtTicks = clock.ticksMs()
    const homes = (await store.homes()).filter((id) => id !== replicaId)
    const alive = await Promise.all(homes.map(isAlive))
    const gone = homes.filter((_, at) => alive[at] === false)
    if (gone.length > 0) await claimSome(gone)
  }

  const later = (ms: number): void => {
    if (isLater) return
    isLater = true
    after(ms, () => {
      isLater = false
      claim()
    })
  }

  return {
    claim,
    goOn() {
      if (isHeldBack) claim()
    },
    stop() {
      isStopped = true
    },
  }
}
