/**
 * A token bucket for each key, without a timer and in bounded memory. Keys are kept in two generations; one that was not
 * used for as long as its bucket takes to fill is forgotten, which changes nothing: a full bucket is as good as none.
 */
import type { Clock } from '../../core/clock.ts'
import type { RateLimit } from '../../core/policy/limiter.ts'
import { takeToken, tokenWaitMs } from '../../core/policy/rate.ts'

export interface RateBook {
  /** Takes a token: 0. Or takes none: milliseconds until there is one. */
  take(key: string, rate: RateLimit): number
  /** Keys remembered. */
  readonly size: number
}

/** In one generation: beyond, the older one goes early, and who was in it has a full bucket. */
const MAX_BUCKETS = 50_000

export function createRateBook(clock: Clock): RateBook {
  let young = new Map<string, number>()
  let old = new Map<string, number>()
  let turnedTicks = clock.ticksMs()

  function turn(nowTicks: number, rate: RateLimit): void {
    const fillMs = (1_000 / rate.perSec) * Math.max(1, rate.burst)
    const idleMs = nowTicks - turnedTicks
    if (idleMs < fillMs && young.size < MAX_BUCKETS) return
    old = idleMs < 2 * fillMs ? young : new Map()
    young = new Map()
    turnedTicks = nowTicks
  }

  return {
    take(key, rate) {
      const nowTicks = clock.ticksMs()
      turn(nowTicks, rate)
      const fullAtTicks = young.get(key) ?? old.get(key) ?? 0
      const waitMs = tokenWaitMs(fullAtTicks, nowTicks, rate)
      if (waitMs > 0) return waitMs
      young.set(key, takeToken(fullAtTicks, nowTicks, rate))
      return 0
    },
    get size() {
      return young.size + old.size
    },
  }
}
