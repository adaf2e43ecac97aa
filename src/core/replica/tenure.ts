/**
 * What one replica of all may run, by lease: whoever needs it first takes it, and keeps it while it renews. The holder takes it
 * for lost a margin before others may have it, so that what it runs can be gone by then.
 *
 *   nobody's ──taken──▶ held ──renewed──▶ held ──released, or not renewed in time──▶ lost here, taken by the next who needs it
 */

import { PortolanError } from '../../protocol/error.ts'
import type { Clock } from '../clock.ts'
import type { Lease, LeaseStore } from './lease-store.ts'

/** Whoever acts while it is held. */
export interface TenureUser {
  /** It is held for `ms` from now at least: after each renewal. */
  onHeld(ms: number): void
  /** It is not held any more, or is not certain to be. */
  onLost(): void
}

export interface Tenure {
  /** A comparison of ticks. */
  isHeld(): boolean
  /** For how long at least; 0 where it is not held. */
  leftMs(): number
  /** The replica that holds it: this one, where nobody did. Undefined where nobody does for now. Rejects with `state_unavailable`. */
  place(): Promise<string | undefined>
  /** Who held it when it was last asked for; '' for nobody. */
  lastHolder(): string
  /** Is not to be taken here any more; what is held stays so. */
  stopTaking(): void
  /** This user is through: given back once the last one is, at once to whom waits for it. Never rejects. */
  leave(): Promise<void>
}

export interface Tenures {
  readonly replicaId: string
  join(name: string, user: TenureUser): Tenure
}

export interface TenuresDeps {
  readonly clock: Clock
  readonly store: LeaseStore
  readonly replicaId: string
  readonly leaseMs?: number
}

/** After a crash of its holder somebody else has it so soon. */
export const LEASE_MS = 5_000
/** So much of it passes from when it is lost here until others may have it: what runs must be ended in between. */
export const MARGIN_SHARE = 0.2
const RENEW_SHARE = 0.15
/** A store that hangs is one that does not answer. */
const ANSWER_MS = 1_000

export function createTenures(deps: TenuresDeps): Tenures {
  const known = new Map<string, Shared>()
  return {
    replicaId: deps.replicaId,
    join(name, user) {
      const shared = known.get(name) ?? createShared(deps, name, () => known.delete(name))
      known.set(name, shared)
      shared.users.add(user)
      return viewOf(shared, user)
    },
  }
}

/** Of all here who act under the same name: a server and its successor after a reload. */
interface Shared extends Omit<Tenure, 'leave' | 'stopTaking'> {
  readonly users: Set<TenureUser>
  readonly takers: { isOpen: boolean }
  release(): Promise<void>
}

function viewOf(shared: Shared, user: TenureUser): Tenure {
  return {
    isHeld: shared.isHeld,
    leftMs: shared.leftMs,
    place: shared.place,
    lastHolder: shared.lastHolder,
    stopTaking: () => void (shared.takers.isOpen = false),
    async leave() {
      if (shared.users.delete(user) && shared.users.size === 0) await shared.release()
    },
  }
}

function createShared({ clock, store, replicaId, leaseMs = LEASE_MS }: TenuresDeps, name: string, onUnused: () => void): Shared {
  const users = new Set<TenureUser>()
  const takers = { isOpen: true }
  let lease: Lease | undefined
  let certainUntilTicks = 0
  let lastHolder = ''
  let asking: Promise<string | undefined> | undefined
  let renewing: Promise<void> = Promise.resolve()
  let stopTimer = (): void => {}

  const leftMs = (): number => (lease === undefined ? 0 : Math.max(0, certainUntilTicks - clock.ticksMs()))
  const isHeld = (): boolean => leftMs() > 0
  const lose = (): void => {
    stopTimer()
    if (lease === undefined) return
    lease = undefined
    for (const user of users) user.onLost()
  }
  /** The store counts from when it heard of it, which is later: here it ends first. */
  const hold = (taken: Lease, sentTicks: number): void => {
    lease = taken
    lastHolder = replicaId
    certainUntilTicks = sentTicks + leaseMs * (1 - MARGIN_SHARE)
    for (const user of users) user.onHeld(leftMs())
  }
  const renewSoon = (): void => {
    stopTimer()
    stopTimer = clock.after(Math.min(leaseMs * RENEW_SHARE, leftMs()), () => void (renewing = renew()))
  }
  const renew = async (): Promise<void> => {
    const before = lease
    if (before === undefined) return
    if (!isHeld()) return lose()
    const sentTicks = clock.ticksMs()
    const isRenewed = await answerOf(clock, store.renew(before, leaseMs))
    if (lease !== before) return
    if (isRenewed === true) hold(before, sentTicks)
    if (isRenewed === false || !isHeld()) return lose()
    renewSoon()
  }
  const ask = async (): Promise<string | undefined> => {
    const found = await store.find(name)
    if (found !== undefined && found.holder !== replicaId) return found.holder
    if (!takers.isOpen) return undefined
    const sentTicks = clock.ticksMs()
    const taken = await store.acquire(name, replicaId, leaseMs)
    if (taken === undefined) return (await store.find(name))?.holder
    if (!takers.isOpen || users.size === 0) {
      await store.release(taken)
      return undefined
    }
    hold(taken, sentTicks)
    renewSoon()
    return isHeld() ? replicaId : undefined
  }

  return {
    users,
    takers,
    isHeld,
    leftMs,
    lastHolder: () => lastHolder,
    async place() {
      if (isHeld()) return replicaId
      // It ran out, and its timer has not: this process was stopped.
      lose()
      asking ??= ask().finally(() => (asking = undefined))
      const answer = await answerOf(clock, asking.then((holder) => ({ holder })))
      if (answer === undefined) throw new PortolanError('state_unavailable', { retryAfterSec: 1 })
      lastHolder = answer.holder ?? ''
      return answer.holder
    },
    async release() {
      onUnused()
      takers.isOpen = false
      stopTimer()
      // What it takes later it gives back by itself.
      if (asking !== undefined) await answerOf(clock, asking)
      await renewing
      stopTimer()
      const held = lease
      lease = undefined
      if (held !== undefined) await answerOf(clock, store.release(held))
    },
  }
}

/** Undefined where the store fails, or takes too long. */
function answerOf<T>(clock: Clock, work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const stopTimer = clock.after(ANSWER_MS, () => resolve(undefined))
    work.then(resolve, () => resolve(undefined)).finally(stopTimer)
  })
}
