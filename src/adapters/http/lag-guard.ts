/**
 * Whether this process keeps up: a timer that fires late shows that the event loop was blocked. Timers run before most of
 * the requests that piled up meanwhile, so those see the verdict. One timer every quarter second, no native monitor.
 */
import type { Clock } from '../../core/clock.ts'

export interface LagGuard {
  readonly overloaded: boolean
  close(): void
}

export interface LagGuardDeps {
  readonly clock: Clock
  /** Processor time of this process so far. */
  readonly busyMs: () => number
  /** 0 turns it off. */
  readonly maxLagMs: number
}

const SAMPLE_MS = 250
/** Of the time by which it was late: below that the process did not work, it stood still. */
const BUSY_SHARE = 0.5

/**
 * A process that was stopped, with its machine as a rule (SIGSTOP, a virtual machine that moves, a laptop that sleeps), is late once without
 * having had anything to do, and goes on at once. One that gets too little of the processor is late again.
 */
export function createLagGuard({ clock, busyMs, maxLagMs }: LagGuardDeps): LagGuard {
  let overloaded = false
  let wasLate = false
  let cancel: () => void = () => {}

  function sample(): void {
    const dueAtMs = clock.ticksMs() + SAMPLE_MS
    const busyBeforeMs = busyMs()
    cancel = clock.after(SAMPLE_MS, () => {
      const lateMs = clock.ticksMs() - dueAtMs
      const isLate = lateMs > maxLagMs
      overloaded = isLate && (wasLate || busyMs() - busyBeforeMs >= lateMs * BUSY_SHARE)
      wasLate = isLate
      sample()
    })
  }

  if (maxLagMs > 0) sample()
  return {
    get overloaded() {
      return overloaded
    },
    close: () => cancel(),
  }
}
