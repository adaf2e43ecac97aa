/**
 * Many deadlines of one length on one timer: whoever starts first is due first. A timer for each body cost more than
 * reading it.
 */
import type { Clock } from '../../core/clock.ts'
import { LiveMap } from '../../core/live-map.ts'

export interface Deadlines {
  /** Calls `run` once after the length of all deadlines here, up to a tenth of it late. Returns what `cancel` takes. */
  start(run: () => void): Deadline
  cancel(deadline: Deadline): void
}

export interface Deadline {
  readonly key: number
  readonly dueTicks: number
  readonly run: () => void
}

export function createDeadlines(clock: Clock, lengthMs: number): Deadlines {
  const open = new LiveMap<number, Deadline>()
  let count = 0
  let armed = false

  function arm(delayMs: number): void {
    armed = true
    clock.after(delayMs, fire)
  }
  function fire(): void {
    armed = false
    const nowTicks = clock.ticksMs()
    for (const deadline of open.values()) {
      if (deadline.dueTicks > nowTicks) break
      open.delete(deadline.key)
      deadline.run()
    }
    if (open.size > 0) arm(lengthMs / 10)
  }

  return {
    start(run) {
      count += 1
      const deadline = { key: count, dueTicks: clock.ticksMs() + lengthMs, run }
      open.set(deadline.key, deadline)
      if (!armed) arm(lengthMs)
      return deadline
    },
    cancel: (deadline) => void open.delete(deadline.key),
  }
}
