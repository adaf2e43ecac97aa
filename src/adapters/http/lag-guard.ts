/**
 * Whether this process keeps up: a timer that fires late shows that the event loop was blocked. Timers run before most of
 * the requests that piled up meanwhile, so those see the verdict. One timer every quarter second, no native monitor.
 */
import type { Clock } from '../../core/clock.ts'

export interface LagGuard {
  readonly overloaded: boolean
  close(): void
}

const SAMPLE_MS = 250

/** `maxLagMs` 0 turns it off. */
export function createLagGuard(clock: Clock, maxLagMs: number): LagGuard {
  let overloaded = false
  let cancel: () => void = () => {}

  function sample(): void {
    const dueAtMs = clock.ticksMs() + SAMPLE_MS
    cancel = clock.after(SAMPLE_MS, () => {
      overloaded = clock.ticksMs() - dueAtMs > maxLagMs
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
