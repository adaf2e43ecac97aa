/** The real clock. Timers never keep the process alive. */
import type { Clock } from '../../core/clock.ts'

/** setTimeout's own bound: beyond it Node fires at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

export function createSystemClock(): Clock {
  return {
    nowMs: () => Date.now(),
    ticksMs: () => performance.now(),
    after(delayMs, run) {
      const timer = setTimeout(run, Math.min(Math.max(0, delayMs), MAX_DELAY_MS))
      timer.unref()
      return () => clearTimeout(timer)
    },
  }
}
