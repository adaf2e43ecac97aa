/** When to try again. */
import type { Random } from '../random.ts'

export interface BackoffPolicy {
  readonly firstMs: number
  readonly maxMs: number
}

/** Exponential, with jitter over its upper half; attempt 1 waits about `firstMs`. */
export function backoffMs(attempt: number, policy: BackoffPolicy, random: Random): number {
  const ceilingMs = Math.min(policy.maxMs, policy.firstMs * 2 ** Math.min(attempt - 1, 30))
  return Math.round(ceilingMs * (0.5 + random.fraction() / 2))
}
