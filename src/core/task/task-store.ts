/**
 * Port: where the tasks that Portolan owns are kept, durably. A store moves nothing by itself but claims: everybody else reads a
 * task, moves it by `task-state.ts`, and writes it back, which fails where somebody was faster. Durations go in, and the
 * store's own clock makes times of them; `nowMs` is what that clock said. All methods reject with `state_unavailable`.
 */

import type { ClaimRoom } from './task-share.ts'
import type { StoredTask, TaskIdempotency, TaskOrigin, TaskPhase } from './stored-task.ts'

export interface NewTask {
  /** Unguessable, and new. */
  readonly id: string
  readonly origin: TaskOrigin
  readonly idempotency: TaskIdempotency | undefined
  /** Whoever makes it tries it at once: `running`, in its first epoch. Undefined: `queued`. */
  readonly lease: { readonly holder: string; readonly leaseMs: number; readonly isDispatched: boolean } | undefined
}

/** `existing`: this owner's idempotency key is taken by this task, whatever its arguments; or the id is. */
export type Creation = { readonly kind: 'created' | 'existing'; readonly nowMs: number; readonly task: StoredTask }

/** `expired`: it was there and has gone; nothing else is known of it. */
export type Sighting =
  | { readonly kind: 'found'; readonly nowMs: number; readonly task: StoredTask }
  | { readonly kind: 'expired'; readonly nowMs: number; readonly ownerKey: string; readonly expiredAtMs: number }
  | { readonly kind: 'unknown'; readonly nowMs: number }

export interface Tasks {
  readonly nowMs: number
  readonly tasks: readonly StoredTask[]
}

/** No more than its room, of anybody and of each owner. */
export interface TaskClaim extends ClaimRoom {
  readonly holder: string
  readonly leaseMs: number
  /** Replicas that are gone: what waits for one of them is anybody's. What waits for another one is left to it. */
  readonly gone: readonly string[]
}

export interface TaskLease {
  readonly id: string
  readonly epoch: number
}

export interface TaskUsage {
  /** Those that have not ended. */
  readonly live: number
  readonly total: number
  readonly bytes: number
}

export interface TaskQuery {
  /** Undefined: of everybody (operators only). */
  readonly ownerKey?: string | undefined
  readonly phases?: readonly TaskPhase[] | undefined
  /** Only those that come after this one. */
  readonly after?: { readonly createdAtMs: number; readonly id: string } | undefined
  readonly count: number
}

/** What waits for somebody. Of what has ended well there may be millions: nobody counts them. */
export const COUNTED_PHASES = ['queued', 'running', 'asking', 'dead'] as const satisfies readonly TaskPhase[]

export interface TaskCounts {
  readonly phases: Readonly<Record<(typeof COUNTED_PHASES)[number], number>>
  /** Since when the oldest that is due has waited; undefined where none does. */
  readonly oldestDueMs: number | undefined
}

export interface TaskStore {
  /** Durable once it resolves. */
  create(task: NewTask): Promise<Creation>
  /**
   * In place of what has its id, in one write: nobody finds the id free in between. Version and epoch go on from those of what was
   * there, so that whoever held that one is refused. Where nothing was, as `create`. Only tasks without a key.
   */
  replace(task: NewTask): Promise<{ readonly nowMs: number; readonly task: StoredTask }>
  /** What has expired is `expired` from that millisecond on, swept or not. */
  find(id: string): Promise<Sighting>
  /** The task that this owner's key is taken by; `unknown` where it is free. */
  findByKey(ownerKey: string, key: string): Promise<Sighting>
  /** Due ones, the longest due first, each to one claimant only: `claim` of `task-state.ts`. */
  claim(claim: TaskClaim): Promise<Tasks>
  /** Replicas that due tasks wait for: where their input came, what their next run needs is there. */
  homes(): Promise<readonly string[]>
  /** Those whose lease is still this one, and goes on for `leaseMs` from now. */
  renew(leases: readonly TaskLease[], leaseMs: number): Promise<{ readonly nowMs: number; readonly ids: ReadonlySet<string> }>
  /**
   * Writes each where the stored version is one less than its own; says for each whether it was. One durable write for all.
   * The time of the lease stays as it is: it may have been renewed since the task was read.
   */
  write(tasks: readonly StoredTask[]): Promise<readonly boolean[]>
  /** Those that have not ended and whose deadline has passed. */
  overdue(count: number): Promise<Tasks>
  /** Removes what has expired, at most `count`, and tells of each for `tombstoneMs`; forgets older tombstones. Returns how many were removed. */
  sweep(count: number, tombstoneMs: number): Promise<number>
  /** Removes one, leaving a tombstone. False where it is not there. */
  drop(id: string, tombstoneMs: number): Promise<boolean>
  /** Of one owner, counted no further than `upTo` tasks. */
  usage(ownerKey: string, upTo: number): Promise<TaskUsage>
  /** By creation, the oldest first; expired ones are left out. */
  list(query: TaskQuery): Promise<Tasks>
  counts(): Promise<TaskCounts>
}
