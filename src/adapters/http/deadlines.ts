/**
 * Many deadlines of one length on one timer: whoever starts first is due first. A timer for each body cost more than
 * reading it.
 */
import type { Clock } from '../../core/clock.ts'

export interface Deadlines {
  /** Calls `run` once after the length of all deadlines here, up to a tenth of it late. Returns what `cancel` takes. */
  start(run: () => void): Deadline
  cancel(deadline: Deadline): void
}

export interface Deadline {
  readonly dueTicks: number
  readonly run: () => void
}

export function createDeadlines(clock: Clock, lengthMs: number): Deadlines {
  const open = new Set<Deadline>()
  let armed = false

  function arm(delayMs: number): void {
    armed = true
    clock.after(delayMs, fire)
  }
  function fire(): void {
    armed = false
    const nowTicks = clock.ticksMs()
    for (const deadline of open) {
      if (deadline.dueTicks > nowTicks) break
      open.delete(deadline)
      deadline.run()
    }
    if (open.size > 0) arm(lengthMs / 10)
  }

  return {
    start(run) {
      const deadline = { dueTicks: clock.ticksMs() + lengthMs, run }
      open.add(deadline)
      if (!armed) arm(lengthMs)
      return deadline
    },
    cancel: (deadline) => void open.delete(deadline),
  }
}
