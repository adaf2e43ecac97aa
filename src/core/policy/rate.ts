/**
 * Token buckets as one number each (the generic cell rate algorithm): the tick at which the bucket will be full again. One
 * that lies in the past is a full bucket, the same as none.
 */
import type { RateLimit } from './limiter.ts'

/** Sums of fractions of milliseconds. */
const ROUNDING_MS = 1e-6

/** Milliseconds until there is a token; 0: now. `fullAtTicks` 0 is a bucket that was never used. */
export function tokenWaitMs(fullAtTicks: number, nowTicks: number, { perSec, burst }: RateLimit): number {
  const waitMs = fullAtTicks - nowTicks - (Math.max(1, burst) - 1) * (1_000 / perSec)
  return waitMs > ROUNDING_MS ? waitMs : 0
}

/** The bucket after a token was taken. */
export function takeToken(fullAtTicks: number, nowTicks: number, { perSec }: RateLimit): number {
  return Math.max(fullAtTicks, nowTicks) + 1_000 / perSec
}
