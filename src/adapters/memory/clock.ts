/** A clock that stands still until it is told: for tests, and for simulations. */
import type { Clock } from '../../core/clock.ts'

export interface ManualClock extends Clock {
  /** Lets `ms` pass and runs what falls due, in order of time; what that sets for within `ms` runs too. */
  advance(ms: number): void
  /** Timers that wait. */
  readonly pendingCount: number
}

interface Timer {
  readonly dueAtMs: number
  readonly run: () => void
}

export function createManualClock(startAtMs = 0): ManualClock {
  let ticks = 0
  const timers = new Set<Timer>()

  function nextDue(untilMs: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of timers) if (timer.dueAtMs <= untilMs && (next === undefined || timer.dueAtMs < next.dueAtMs)) next = timer
    return next
  }

  return {
    nowMs: () => startAtMs + Math.floor(ticks),
    ticksMs: () => ticks,
    after(delayMs, run) {
      const timer = { dueAtMs: ticks + Math.max(0, delayMs), run }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    advance(ms) {
      const untilMs = ticks + ms
      for (let timer = nextDue(untilMs); timer !== undefined; timer = nextDue(untilMs)) {
        timers.delete(timer)
        ticks = Math.max(ticks, timer.dueAtMs)
        timer.run()
      }
      ticks = untilMs
    },
    get pendingCount() {
      return timers.size
    },
  }
}
