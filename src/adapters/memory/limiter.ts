/**
 * Exchanges in flight in this process, counted in all and per owner, rates per owner, and what each server may have. Where
 * nothing is set, a count and nothing else.
 */
import type { Clock } from '../../core/clock.ts'
import { UNBOUNDED } from '../../core/policy/limiter.ts'
import type { Admission, LimitFault, Limiter, RateLimit, ServerLimits, Waiting } from '../../core/policy/limiter.ts'
import { createRateBook } from './rate-book.ts'
import type { RateBook } from './rate-book.ts'
import { createServerGate } from './server-gate.ts'
import type { ServerGate } from './server-gate.ts'

/** Read each time: what they hold may change. */
export interface LimiterOptions {
  /** In flight in all. */
  readonly exchanges: number
  /** In flight for one owner, so that nobody takes all of them. Default: no bound of its own. */
  readonly exchangesPerOwner?: number | undefined
  /** Requests of one owner. Default: no bound. Needs `clock`. */
  readonly ratePerOwner?: RateLimit | undefined
  /** Of the server with this id; undefined where it has none. Default: none has. Needs `clock`. */
  readonly server?: ((upstreamId: string) => ServerLimits | undefined) | undefined
  /** Seconds, where only a count is reached. Default 1. */
  readonly retryAfterSec?: number
  readonly clock?: Clock
}

export interface MemoryLimiter extends Limiter {
  /** Limits have changed: who waits is served by the new ones at once. */
  refresh(): void
}

/** Throws TypeError where rates or servers' limits are given without a clock. */
export function createLimiter(options: LimiterOptions): MemoryLimiter {
  const { clock, retryAfterSec = 1 } = options
  if (clock === undefined && (options.ratePerOwner !== undefined || options.server !== undefined)) throw new TypeError('ratePerOwner and server need a clock')
  const byOwner = new Map<string, number>()
  const gates = new Map<string, ServerGate>()
  let rates: RateBook | undefined
  let inFlight = 0

  function fault(ownerKey: string, owned: number): LimitFault | undefined {
    if (inFlight >= options.exchanges) return { reason: 'overloaded', retryAfterSec, limit: 'exchanges' }
    const { exchangesPerOwner, ratePerOwner } = options
    if (exchangesPerOwner !== undefined && owned >= exchangesPerOwner) return { reason: 'rate_limited', retryAfterSec, limit: 'principal_exchanges' }
    if (ratePerOwner === undefined || clock === undefined) return undefined
    // Last: who is refused anyhow spends nothing.
    rates ??= createRateBook(clock)
    const waitMs = rates.take(ownerKey, ratePerOwner)
    return waitMs === 0 ? undefined : { reason: 'rate_limited', retryAfterSec: Math.max(1, Math.ceil(waitMs / 1_000)), limit: 'principal_rate' }
  }

  function admitOwner(ownerKey: string): Admission {
    const owned = byOwner.get(ownerKey) ?? 0
    const refused = fault(ownerKey, owned)
    if (refused !== undefined) return { ok: false, fault: refused }
    inFlight++
    byOwner.set(ownerKey, owned + 1)
    let released = false
    return {
      ok: true,
      release() {
        if (released) return
        released = true
        inFlight--
        const left = (byOwner.get(ownerKey) ?? 1) - 1
        if (left === 0) byOwner.delete(ownerKey)
        else byOwner.set(ownerKey, left)
      },
    }
  }

  function admitAt(upstreamId: string, ownerKey: string): Admission | Waiting {
    const limits = options.server?.(upstreamId)
    if (limits === undefined || clock === undefined) return UNBOUNDED
    let gate = gates.get(upstreamId)
    if (gate === undefined) gates.set(upstreamId, (gate = createServerGate(clock)))
    return gate.admit(ownerKey, limits)
  }

  return {
    admit: ({ ownerKey, upstreamId }) => (upstreamId === '' ? admitOwner(ownerKey) : admitAt(upstreamId, ownerKey)),
    refresh() {
      for (const [upstreamId, gate] of gates) {
        const limits = options.server?.(upstreamId)
        gate.refresh(limits)
        if (limits === undefined && gate.isIdle) gates.delete(upstreamId)
      }
    },
  }
}
