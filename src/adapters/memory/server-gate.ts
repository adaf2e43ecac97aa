/**
 * The calls of one server: as many at a time and a second as it may have, the others in line. First come, first served within
 * an owner; between owners in turn. Where the line is full, who waits most often makes room for others.
 */
import type { Clock } from '../../core/clock.ts'
import type { Admission, LimitName, ServerLimits, Waiting } from '../../core/policy/limiter.ts'
import { takeToken, tokenWaitMs } from '../../core/policy/rate.ts'

export interface ServerGate {
  admit(ownerKey: string, limits: ServerLimits): Admission | Waiting
  /** The limits may have changed; undefined: there are none any more, and nobody waits. */
  refresh(limits: ServerLimits | undefined): void
  /** Nobody is in, and nobody waits. */
  readonly isIdle: boolean
}

interface Waiter {
  readonly ownerKey: string
  readonly arrivedTicks: number
  readonly settle: (admission: Admission) => void
  before: Waiter | undefined
  behind: Waiter | undefined
}

/** The waiting calls of one owner. */
interface Line {
  first: Waiter | undefined
  last: Waiter | undefined
  length: number
}

/** Retry-After says no more: bounds change, and calls end. */
const LONGEST_RETRY_SEC = 60

export function createServerGate(clock: Clock): ServerGate {
  let bounds: ServerLimits | undefined
  let inFlight = 0
  let fullAtTicks = 0
  /** In the order of their turns. */
  const lines = new Map<string, Line>()
  /** In the order of arrival, which is that of the deadlines. */
  const waiters = new Set<Waiter>()
  let wakeTicks = Number.POSITIVE_INFINITY
  let stopTimer: (() => void) | undefined

  const isFull = (): boolean => bounds?.exchanges !== undefined && inFlight >= bounds.exchanges
  const waitMs = (nowTicks: number): number => (bounds?.rate === undefined ? 0 : tokenWaitMs(fullAtTicks, nowTicks, bounds.rate))

  function grant(nowTicks: number): Admission {
    inFlight += 1
    if (bounds?.rate !== undefined) fullAtTicks = takeToken(fullAtTicks, nowTicks, bounds.rate)
    let isReleased = false
    return {
      ok: true,
      release() {
        if (isReleased) return
        isReleased = true
        inFlight -= 1
        if (waiters.size > 0) serve()
      },
    }
  }

  function refusal(limit: LimitName): Admission {
    const { rate, queueMs = 0 } = bounds ?? {}
    const ms = rate === undefined ? queueMs : waitMs(clock.ticksMs()) + (1_000 / rate.perSec) * waiters.size
    const retryAfterSec = Math.min(LONGEST_RETRY_SEC, Math.max(1, Math.ceil(ms / 1_000)))
    return { ok: false, fault: { reason: 'overloaded', retryAfterSec, limit } }
  }

  function enqueue(waiter: Waiter): void {
    waiters.add(waiter)
    const line = lines.get(waiter.ownerKey) ?? { first: undefined, last: undefined, length: 0 }
    if (line.length === 0) lines.set(waiter.ownerKey, line)
    waiter.before = line.last
    if (line.last === undefined) line.first = waiter
    else line.last.behind = waiter
    line.last = waiter
    line.length += 1
  }

  function remove(waiter: Waiter): boolean {
    if (!waiters.delete(waiter)) return false
    const line = lines.get(waiter.ownerKey)
    if (line === undefined) return true
    const { before, behind } = waiter
    if (before === undefined) line.first = behind
    else before.behind = behind
    if (behind === undefined) line.last = before
    else behind.before = before
    line.length -= 1
    if (line.length === 0) lines.delete(waiter.ownerKey)
    if (waiters.size === 0) rest()
    return true
  }

  /** The first of the owner whose turn it is; the owner's next turn comes after everybody else's. */
  function takeNext(): Waiter | undefined {
    for (const [ownerKey, line] of lines) {
      const waiter = line.first
      if (waiter === undefined) continue
      remove(waiter)
      if (lines.delete(ownerKey)) lines.set(ownerKey, line)
      return waiter
    }
    return undefined
  }

  /** An owner with fewer calls in line takes the place of the newest call of the owner with the most. */
  function makeRoom(ownerKey: string): boolean {
    let longest: Line | undefined
    for (const line of lines.values()) if (line.length > (longest?.length ?? 0)) longest = line
    if (longest?.last === undefined || longest.length <= (lines.get(ownerKey)?.length ?? 0) + 1) return false
    const { last } = longest
    remove(last)
    last.settle(refusal('server_queue'))
    return true
  }

  function serve(): void {
    const nowTicks = clock.ticksMs()
    const { queueMs = Number.POSITIVE_INFINITY } = bounds ?? {}
    for (const waiter of waiters) {
      if (nowTicks - waiter.arrivedTicks < queueMs) break
      remove(waiter)
      waiter.settle(refusal('server_wait'))
    }
    while (waiters.size > 0 && !isFull() && waitMs(nowTicks) === 0) takeNext()?.settle(grant(nowTicks))
    arm(nowTicks)
  }

  /** One timer, for whatever comes first; one that is early looks again. */
  function arm(nowTicks: number): void {
    const [oldest] = waiters
    if (oldest === undefined || bounds === undefined) return
    const deadlineTicks = oldest.arrivedTicks + bounds.queueMs
    const dueTicks = isFull() ? deadlineTicks : Math.min(deadlineTicks, nowTicks + waitMs(nowTicks))
    if (stopTimer !== undefined && wakeTicks <= dueTicks) return
    stopTimer?.()
    wakeTicks = dueTicks
    stopTimer = clock.after(Math.max(1, dueTicks - nowTicks), () => {
      stopTimer = undefined
      serve()
    })
  }

  function rest(): void {
    stopTimer?.()
    stopTimer = undefined
    wakeTicks = Number.POSITIVE_INFINITY
  }

  return {
    admit(ownerKey, limits) {
      bounds = limits
      const nowTicks = clock.ticksMs()
      if (waiters.size === 0 && !isFull() && waitMs(nowTicks) === 0) return grant(nowTicks)
      if (limits.queue === 0 || (waiters.size >= limits.queue && !makeRoom(ownerKey))) return refusal('server_queue')
      const { promise, resolve } = Promise.withResolvers<Admission>()
      const waiter: Waiter = { ownerKey, arrivedTicks: nowTicks, settle: resolve, before: undefined, behind: undefined }
      enqueue(waiter)
      arm(nowTicks)
      return {
        admitted: promise,
        leave() {
          if (remove(waiter)) resolve(refusal('server_wait'))
        },
      }
    },
    refresh(limits) {
      bounds = limits
      serve()
    },
    get isIdle() {
      return inFlight === 0 && waiters.size === 0
    },
  }
}
