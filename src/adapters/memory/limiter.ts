/** Exchanges in flight in this process, counted in all and per owner. */
import type { Admission, Limiter } from '../../core/policy/limiter.ts'

export interface LimiterOptions {
  /** In flight in all. Read each time: it may change. */
  readonly exchanges: number
  /** In flight for one owner, so that nobody takes all of them. Default: no bound of its own. */
  readonly exchangesPerOwner?: number
  /** Seconds. Default 1. */
  readonly retryAfterSec?: number
}

export function createLimiter(options: LimiterOptions): Limiter {
  const { exchangesPerOwner = Number.POSITIVE_INFINITY, retryAfterSec = 1 } = options
  const byOwner = new Map<string, number>()
  let inFlight = 0

  return {
    admit({ ownerKey }): Admission {
      const owned = byOwner.get(ownerKey) ?? 0
      if (inFlight >= options.exchanges || owned >= exchangesPerOwner) return { ok: false, fault: { reason: 'overloaded', retryAfterSec } }
      inFlight++
      byOwner.set(ownerKey, owned + 1)
      let released = false
      return {
        ok: true,
        release() {
          if (released) return
          released = true
          inFlight--
          const left = (byOwner.get(ownerKey) ?? 1) - 1
          if (left === 0) byOwner.delete(ownerKey)
          else byOwner.set(ownerKey, left)
        },
      }
    },
  }
}
