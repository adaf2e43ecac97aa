/**
 * How much one owner may have. Counting costs by what he has, so it is done once a second at most, and what is made in between is
 * added: several replicas together may let a second's worth too many through.
 */

import type { Clock } from '../clock.ts'
import { heldBytes } from './stored-task.ts'
import type { StoredTask } from './stored-task.ts'
import type { TaskStore } from './task-store.ts'

export interface TaskBounds {
  /** Those that have not ended. */
  readonly live: number
  readonly total: number
  /** Of requests, questions, answers and results. */
  readonly bytes: number
}

export interface TaskQuota {
  /** Which bound is reached, or so much of it; undefined for none. */
  fullOf(ownerKey: string, bounds: TaskBounds, share?: number): Promise<keyof TaskBounds | undefined>
  /** Whether so many bytes more may be kept of his tasks. */
  hasRoom(ownerKey: string, bounds: TaskBounds, bytes: number): Promise<boolean>
  added(ownerKey: string, task: StoredTask): void
  grown(ownerKey: string, bytes: number): void
}

const FRESH_MS = 1_000
/** Owners that are remembered; the rest is counted when needed. */
const MAX_OWNERS = 10_000

interface Counted {
  readonly atTicks: number
  live: number
  total: number
  bytes: number
}

export function createTaskQuota(store: TaskStore, clock: Clock): TaskQuota {
  const owners = new Map<string, Promise<Counted>>()
  const known = new WeakMap<Promise<Counted>, Counted>()

  const isFresh = (counting: Promise<Counted>): boolean => {
    const counted = known.get(counting)
    return counted === undefined || clock.ticksMs() - counted.atTicks < FRESH_MS
  }
  const count = (ownerKey: string, bounds: TaskBounds): Promise<Counted> => {
    const atTicks = clock.ticksMs()
    const counting = store.usage(ownerKey, bounds.total).then((usage) => ({ ...usage, atTicks }))
    counting.then((counted) => known.set(counting, counted), () => owners.delete(ownerKey))
    owners.delete(ownerKey)
    owners.set(ownerKey, counting)
    const [oldest] = owners.keys()
    if (owners.size > MAX_OWNERS && oldest !== undefined) owners.delete(oldest)
    return counting
  }

  const countedOf = (ownerKey: string, bounds: TaskBounds): Promise<Counted> => {
    const before = owners.get(ownerKey)
    return before !== undefined && isFresh(before) ? before : count(ownerKey, bounds)
  }
  const knownOf = (ownerKey: string): Counted | undefined => {
    const counting = owners.get(ownerKey)
    return counting === undefined ? undefined : known.get(counting)
  }

  return {
    async fullOf(ownerKey, bounds, share = 1) {
      const counted = await countedOf(ownerKey, bounds)
      return (['live', 'total', 'bytes'] as const).find((what) => counted[what] >= bounds[what] * share)
    },
    hasRoom: async (ownerKey, bounds, bytes) => (await countedOf(ownerKey, bounds)).bytes + bytes <= bounds.bytes,
    grown(ownerKey, bytes) {
      const counted = knownOf(ownerKey)
      if (counted !== undefined) counted.bytes += bytes
    },
    added(ownerKey, task) {
      const counted = knownOf(ownerKey)
      if (counted === undefined) return
      counted.live += 1
      counted.total += 1
      counted.bytes += heldBytes(task)
    },
  }
}
