/**
 * Keeps calls from a server that answers none, so that they fail at once instead of after a timeout each. What a server says,
 * an error too, is an answer; only the way there and silence are failures.
 *
 *   closed ──so many failures in a row, within the window──▶ open ──openMs──▶ half-open ──a call is answered──▶ closed
 *                                                             ▲                   └──a call fails──▶ open
 *                                                             └───────────────────────────────────────┘
 */
import type { Clock } from '../clock.ts'

export interface BreakerSettings {
  /** In a row, without an answer between them. */
  readonly failures: number
  /** All of them within this time. */
  readonly windowMs: number
  readonly openMs: number
  /** Calls that may try at the same time whether it is well again. */
  readonly halfOpenProbes: number
}

export interface BreakerStatus {
  readonly state: 'closed' | 'open' | 'halfOpen'
  /** In a row, up to now. */
  readonly failures: number
  /** Until the next call may try; 0 unless open. */
  readonly retryAfterMs: number
}

/** A call that may go. `end`: when it is over, however it ended; undefined where nobody waits for that. */
export type Passage = { readonly ok: true; readonly end: (() => void) | undefined } | { readonly ok: false; readonly retryAfterSec: number }

export interface Breaker {
  /** Milliseconds; 0 where a call may try to pass. */
  refusedForMs(): number
  /** Right before a call is sent. */
  pass(): Passage
  succeeded(): void
  failed(): void
  /** There are signs that it is well: an open one is half-open at once. */
  mayTry(): void
  status(): BreakerStatus
}

const PASSED: Passage = { ok: true, end: undefined }

/** `settings` is asked at each failure: it may change. Undefined: it never opens. */
export function createBreaker(clock: Clock, settings: () => BreakerSettings | undefined, onChange: (isOpen: boolean, failures: number) => void): Breaker {
  let failures = 0
  let firstTicks = 0
  /** Undefined: closed. */
  let openUntilTicks: number | undefined
  let probes = 0
  /** Of the last probe that was let through. */
  let probedTicks = 0
  let generation = 0

  function open(nowTicks: number, { openMs }: BreakerSettings): void {
    const wasClosed = openUntilTicks === undefined
    openUntilTicks = nowTicks + openMs
    probes = 0
    generation += 1
    if (wasClosed) onChange(true, failures)
  }

  function close(): void {
    openUntilTicks = undefined
    generation += 1
    onChange(false, 0)
  }

  function refusedForMs(): number {
    if (openUntilTicks === undefined) return 0
    if (settings() !== undefined) return Math.max(0, openUntilTicks - clock.ticksMs())
    // It was switched off while it was open.
    close()
    return 0
  }

  function passHalfOpen(untilTicks: number): Passage {
    const current = settings()
    const nowTicks = clock.ticksMs()
    if (current === undefined) {
      close()
      return PASSED
    }
    if (nowTicks < untilTicks) return { ok: false, retryAfterSec: secondsOf(untilTicks - nowTicks) }
    // A probe may be a call of an hour: it holds up the others as long as the breaker was open, no longer.
    if (probes > 0 && nowTicks - probedTicks >= current.openMs) {
      probes = 0
      generation += 1
    }
    if (probes >= current.halfOpenProbes) return { ok: false, retryAfterSec: 1 }
    probes += 1
    probedTicks = nowTicks
    const mine = generation
    let isOver = false
    return {
      ok: true,
      end() {
        if (!isOver && mine === generation) probes -= 1
        isOver = true
      },
    }
  }

  return {
    refusedForMs,
    pass: () => (openUntilTicks === undefined ? PASSED : passHalfOpen(openUntilTicks)),
    succeeded() {
      failures = 0
      if (openUntilTicks !== undefined) close()
    },
    failed() {
      const current = settings()
      if (current === undefined) return
      const nowTicks = clock.ticksMs()
      if (openUntilTicks === undefined) {
        if (failures === 0 || nowTicks - firstTicks > current.windowMs) {
          failures = 0
          firstTicks = nowTicks
        }
        failures += 1
        if (failures >= current.failures) open(nowTicks, current)
        return
      }
      failures += 1
      // Calls from before it opened end while it is open: that is no news.
      if (nowTicks >= openUntilTicks) open(nowTicks, current)
    },
    mayTry() {
      if (openUntilTicks !== undefined) openUntilTicks = Math.min(openUntilTicks, clock.ticksMs())
    },
    status() {
      const retryAfterMs = refusedForMs()
      return { state: openUntilTicks === undefined ? 'closed' : retryAfterMs > 0 ? 'open' : 'halfOpen', failures, retryAfterMs: Math.ceil(retryAfterMs) }
    },
  }
}

/** At least 1: what is sooner is too soon. */
export function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000))
}
