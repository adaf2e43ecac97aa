/**
 * Port: admits exchanges. Each request asks twice: before anything is looked up, for who asks; then, where it goes to a
 * server, for that server. Every admission is released exactly once.
 */

export interface LimitQuestion {
  readonly ownerKey: string
  /** '' before routing: the bounds of the process and of the owner. Else the server: its own bounds alone. */
  readonly upstreamId: string
}

/** Which bound refused. Stable: the label of a metric. */
export const LIMIT_NAMES = ['exchanges', 'principal_exchanges', 'principal_rate', 'server_queue', 'server_wait', 'breaker'] as const
export type LimitName = (typeof LIMIT_NAMES)[number]

export interface LimitFault {
  /** `rate_limited`: the owner is beyond a bound of its own. `overloaded`: one that others share. */
  readonly reason: 'rate_limited' | 'overloaded'
  /** Seconds, at least 1: when it is worth to ask again. */
  readonly retryAfterSec: number
  readonly limit?: LimitName
}

export type Admission =
  | { readonly ok: true; release(): void }
  | { readonly ok: false; readonly fault: LimitFault }

/** In line, behind others. */
export interface Waiting {
  /** Never rejects. */
  readonly admitted: Promise<Admission>
  /** Gives the place up. One that was admitted meanwhile must still be released. Idempotent. */
  leave(): void
}

export interface Limiter {
  /** At once where there is room. */
  admit(question: LimitQuestion): Admission | Promise<Admission> | Waiting
}

/** Admitted, and nothing is held: where there is no bound. */
export const UNBOUNDED: Admission = { ok: true, release: () => undefined }

/** So many a second for a long time, `burst` of them at once. */
export interface RateLimit {
  /** May be a fraction. */
  readonly perSec: number
  /** At least 1. */
  readonly burst: number
}

/** Bounds of one server, for all who use it. */
export interface ServerLimits {
  /** Calls at the server at a time; undefined: no bound. */
  readonly exchanges: number | undefined
  readonly rate: RateLimit | undefined
  /** Calls that wait where a bound is reached; 0: none. */
  readonly queue: number
  readonly queueMs: number
}
