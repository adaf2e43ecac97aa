/**
 * Room for children on one host: caps per upstream, per principal and in all. Where there is none, the least recently
 * used child that may go is ended; then callers wait in line; then they are refused (design §4).
 */
import { PortolanError } from '../../protocol/error.ts'
import type { Clock } from '../clock.ts'
import type { Limits } from '../gateway/snapshot.ts'

export type ChildLimits = Pick<
  Limits,
  'childrenPerUpstream' | 'childrenPerPrincipal' | 'childrenPerHost' | 'childIdleMs' | 'childQueueMs'
>

export interface ChildSlotRequest {
  readonly upstream: string
  /** '' counts against no principal. */
  readonly ownerKey: string
  /** Nothing is lost when it is ended between two calls; otherwise only after the idle time. */
  readonly isExpendable: boolean
  /** Whether it may be ended in the middle of a call for another one of its principal; never for anybody else's. */
  readonly mayYield?: (() => boolean) | undefined
  /** Ends the child; its holder then releases the slot. */
  reclaim(): void
}

export interface ChildSlot {
  /** Calls in flight; a child without any is idle. */
  setInFlight(count: number): void
  /** The child is gone. Idempotent. */
  release(): void
}

export interface ChildPool {
  /** Rejects with `overloaded` after `childQueueMs` without room. */
  acquire(request: ChildSlotRequest): Promise<ChildSlot>
  readonly size: number
  /** Refuses who waits. The children are their holders' to end. */
  close(): void
}

interface Held {
  readonly request: ChildSlotRequest
  inFlight: number
  idleSinceMs: number
  isLeaving: boolean
}

interface Waiter {
  readonly request: ChildSlotRequest
  grant(slot: ChildSlot): void
  refuse(): void
}

export function createChildPool(options: { readonly limits: ChildLimits; readonly clock: Clock }): ChildPool {
  const { limits, clock } = options
  /** In order of last use: a child that becomes idle moves to the end. */
  const held = new Set<Held>()
  const waiters = new Set<Waiter>()
  let stopSweep: (() => void) | undefined
  let isClosed = false

  function fits(request: ChildSlotRequest): boolean {
    if (held.size >= limits.childrenPerHost) return false
    let ofUpstream = 0
    let ofOwner = 0
    for (const { request: other } of held) {
      if (other.upstream !== request.upstream) continue
      ofUpstream += 1
      // Per upstream: with one token everybody is one principal, and a client of `/mcp` may need a child of every server.
      if (request.ownerKey !== '' && other.ownerKey === request.ownerKey) ofOwner += 1
    }
    return ofUpstream < limits.childrenPerUpstream && ofOwner < limits.childrenPerPrincipal
  }

  /** Whether ending `candidate` brings `request` nearer to a slot. */
  function helps(candidate: Held, request: ChildSlotRequest): boolean {
    return candidate.request.upstream === request.upstream || held.size >= limits.childrenPerHost
  }

  function mayGo(candidate: Held): boolean {
    if (candidate.inFlight > 0 || candidate.isLeaving) return false
    return candidate.request.isExpendable || clock.ticksMs() - candidate.idleSinceMs >= limits.childIdleMs
  }

  function yields(candidate: Held, { ownerKey, upstream }: ChildSlotRequest): boolean {
    const { request, isLeaving } = candidate
    return !isLeaving && request.ownerKey !== '' && request.ownerKey === ownerKey && request.upstream === upstream && request.mayYield?.() === true
  }

  function evictFor(request: ChildSlotRequest): void {
    const candidates = [...held].filter((candidate) => mayGo(candidate) && helps(candidate, request))
    // Its own upstream first: the cap of the upstream may bind even where the host has room.
    const idle = candidates.find((candidate) => candidate.request.upstream === request.upstream) ?? candidates[0]
    const chosen = idle ?? [...held].find((candidate) => yields(candidate, request))
    if (chosen === undefined) return
    chosen.isLeaving = true
    chosen.request.reclaim()
  }

  function grant(request: ChildSlotRequest): ChildSlot {
    const entry: Held = { request, inFlight: 0, idleSinceMs: clock.ticksMs(), isLeaving: false }
    held.add(entry)
    stopSweep ??= clock.after(sweepMs(), sweep)
    return {
      setInFlight(count) {
        entry.inFlight = count
        if (count > 0) return
        entry.idleSinceMs = clock.ticksMs()
        if (held.delete(entry)) held.add(entry)
        evictForFirst()
      },
      release() {
        if (held.delete(entry)) serveWaiters()
      },
    }
  }

  function serveWaiters(): void {
    for (const waiter of waiters) {
      if (!fits(waiter.request)) continue
      waiters.delete(waiter)
      waiter.grant(grant(waiter.request))
    }
    evictForFirst()
  }

  function evictForFirst(): void {
    for (const waiter of waiters) {
      if ([...held].some((entry) => entry.isLeaving && helps(entry, waiter.request))) continue
      evictFor(waiter.request)
    }
  }

  function sweepMs(): number {
    return Math.max(10, limits.childIdleMs / 4)
  }

  function sweep(): void {
    stopSweep = undefined
    for (const entry of held) {
      const isIdle = entry.inFlight === 0 && clock.ticksMs() - entry.idleSinceMs >= limits.childIdleMs
      if (!isIdle || entry.isLeaving) continue
      entry.isLeaving = true
      entry.request.reclaim()
    }
    if (held.size > 0 && !isClosed) stopSweep = clock.after(sweepMs(), sweep)
  }

  return {
    acquire(request) {
      if (isClosed) return Promise.reject(overloaded(limits))
      if (waiters.size === 0 && fits(request)) return Promise.resolve(grant(request))
      return new Promise((resolve, reject) => {
        const waiter: Waiter = {
          request,
          grant(slot) {
            stopTimer()
            resolve(slot)
          },
          refuse() {
            stopTimer()
            waiters.delete(waiter)
            reject(overloaded(limits))
          },
        }
        const stopTimer = clock.after(limits.childQueueMs, () => waiter.refuse())
        waiters.add(waiter)
        serveWaiters()
      })
    },
    get size() {
      return held.size
    },
    close() {
      isClosed = true
      stopSweep?.()
      for (const waiter of waiters) waiter.refuse()
    },
  }
}

function overloaded(limits: ChildLimits): PortolanError {
  return new PortolanError('overloaded', {
    message: 'Too many server processes',
    retryAfterSec: Math.max(1, Math.ceil(limits.childQueueMs / 1_000)),
  })
}
