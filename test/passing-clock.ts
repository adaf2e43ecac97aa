/** The real clock, of which a test lets more time pass at once. Timers are real ones: what looks at the clock every second does so a second later at most. */
import { createSystemClock } from '../src/adapters/node/clock.ts'
import type { Clock } from '../src/core/clock.ts'

export interface PassingClock extends Clock {
  pass(ms: number): void
}

export function createPassingClock(): PassingClock {
  const clock = createSystemClock()
  let passedMs = 0
  return {
    ...clock,
    nowMs: () => clock.nowMs() + passedMs,
    ticksMs: () => clock.ticksMs() + passedMs,
    pass: (ms) => void (passedMs += ms),
  }
}
