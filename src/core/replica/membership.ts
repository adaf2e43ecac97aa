/**
 * This replica among the others. It lives while its heartbeat is stored; from when the others may take it for dead, it must
 * not take itself for the owner of anything before it has looked again (a process that was stopped, a store that was away).
 *
 *   certain ──lifetime passes without a heartbeat──▶ doubtful ──heartbeat──▶ certain, of a new generation
 *      └──heartbeat finds that the others took it for dead──────────────────────▲
 */

import { fail, ok } from '../../protocol/result.ts'
import type { Result } from '../../protocol/result.ts'
import type { Clock } from '../clock.ts'
import type { Replica, ReplicaStore } from './replica-store.ts'

export interface Membership {
  readonly id: string
  /** Asked for each request of a session: a comparison of ticks. */
  isCertain(): boolean
  /** Grows each time the others may have taken this replica for dead: what it owned before may be another's. */
  generation(): number
  /** A heartbeat now, if it is doubtful; false where the store does not answer. */
  confirm(): Promise<boolean>
  /** One of the others that live; undefined for the only one. Rejects with `state_unavailable`. */
  another(): Promise<string | undefined>
  /** Rejects with `state_unavailable`. */
  isAlive(id: string): Promise<boolean>
  /** Since when the store has not answered; undefined while it does. */
  unreachableSinceTicks(): number | undefined
  /** Takes itself out: nothing more is announced. */
  leave(): Promise<void>
}

export interface MembershipDeps {
  readonly clock: Clock
  readonly store: ReplicaStore
  readonly self: Replica
  /** It is of a new generation: what it owned is to be looked up again, also what nobody asks for. */
  readonly onGeneration?: () => void
  /** After a change between reachable and not, with the reason; '' once it is. */
  readonly onReachable?: (isReachable: boolean, why: string) => void
}

/** Within 5 s of a crash somebody else serves (design §7.9): the lifetime passes, then one claim. */
export const LIFETIME_MS = 3_000
const HEARTBEAT_MS = 750

/** A store that hangs is one that does not answer: who waits for a heartbeat is a client's request. */
const ANSWER_MS = 1_000

/** What it answered, or why not. */
function answerOf<T>(clock: Clock, work: Promise<T>): Promise<Result<T, string>> {
  return new Promise((resolve) => {
    const stopTimer = clock.after(ANSWER_MS, () => resolve(fail(`no answer within ${ANSWER_MS / 1_000} s`)))
    work.then(
      (value) => resolve(ok(value)),
      (error: unknown) => resolve(fail(reasonOf(error))),
    ).finally(stopTimer)
  })
}

/** Of the store itself: what it became on the way says the same of every reason. */
function reasonOf(error: unknown): string {
  const origin = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return origin instanceof Error && origin.message !== '' ? origin.message : String(origin)
}

/** Announces itself at once, and from then on. */
export function startMembership({ clock, store, self, onGeneration, onReachable }: MembershipDeps): Membership {
  let certainUntilTicks = 0
  let generation = 0
  let beating: Promise<boolean> | undefined
  let unreachableSinceTicks: number | undefined
  let hasLeft = false
  let wasTakenOut = false
  let stopTimer = (): void => {}

  const isCertain = (): boolean => clock.ticksMs() < certainUntilTicks
  const reached = (why: string): boolean => {
    const isReached = why === ''
    if (isReached !== (unreachableSinceTicks === undefined)) {
      unreachableSinceTicks = isReached ? undefined : clock.ticksMs()
      onReachable?.(isReached, why)
    }
    return isReached
  }
  const beat = async (): Promise<boolean> => {
    // The store counts from when it hears this, which is later: here it ends first.
    const sentTicks = clock.ticksMs()
    const announcing = store.announce(self, LIFETIME_MS)
    // Somebody took it out, wrongly perhaps: its heartbeat is how it learns so, also where the answer comes too late for this one.
    announcing.then((wasAlive) => (wasTakenOut ||= !wasAlive), () => undefined)
    const announced = await answerOf(clock, announcing)
    if (!announced.ok) return reached(announced.fault)
    const isNew = !isCertain() || wasTakenOut
    wasTakenOut = false
    if (isNew) generation += 1
    certainUntilTicks = sentTicks + LIFETIME_MS
    if (isNew) onGeneration?.()
    return reached('')
  }
  const beatOnce = (): Promise<boolean> => {
    beating ??= beat().finally(() => (beating = undefined))
    return beating
  }
  const later = (): void => {
    if (hasLeft) return
    stopTimer = clock.after(HEARTBEAT_MS, () => {
      void beatOnce()
      later()
    })
  }
  void beatOnce()
  later()

  return {
    id: self.id,
    isCertain,
    generation: () => generation,
    async confirm() {
      if (isCertain() || hasLeft) return true
      return (await beatOnce()) && isCertain()
    },
    another: async () => (await store.live()).find(({ id }) => id !== self.id)?.id,
    isAlive: async (id) => (await store.find(id)) !== undefined,
    unreachableSinceTicks: () => unreachableSinceTicks,
    async leave() {
      if (hasLeft) return
      hasLeft = true
      stopTimer()
      await beating
      await store.leave(self.id).catch(() => undefined)
    },
  }
}
