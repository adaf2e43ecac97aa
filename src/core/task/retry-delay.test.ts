import { describe, expect, it } from 'vitest'
import { MAX_RETRY_AFTER_MS, retryDelayMs } from './retry-delay.ts'

const terms = { baseDelayMs: 100, maxDelayMs: 1_000 }
const at = (attempts: number, fraction: number, retryAfterMs?: number): number => retryDelayMs({ attempts, terms, retryAfterMs }, () => fraction)

describe('the delay before another attempt', () => {
  it('doubles its ceiling with each attempt, up to the longest', () => {
    expect([1, 2, 3, 4, 5, 500].map((attempts) => at(attempts, 0.999999))).toEqual([99, 199, 399, 799, 999, 999])
  })

  it('is spread over the whole time, so that those who failed together do not come back together', () => {
    expect([0, 0.25, 0.5].map((fraction) => at(4, fraction))).toEqual([0, 200, 400])
  })

  it('is never shorter than the server asked for, nor endless because it asked', () => {
    expect(at(1, 0, 30_000)).toBe(30_000)
    expect(at(1, 0.5, 30_000)).toBe(30_050)
    expect(at(1, 0, 1e12)).toBe(MAX_RETRY_AFTER_MS)
  })
})
