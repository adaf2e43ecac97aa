import { describe, expect, it } from 'vitest'
import { lookDelayMs } from './adopted-follow.ts'

describe('how soon a server is asked again of a task', () => {
  it('is what the server says, and later the longer nothing changes', () => {
    expect(lookDelayMs({ pollIntervalMs: 2_000, ttlMs: null }, 0)).toBe(2_000)
    expect(lookDelayMs({ pollIntervalMs: 2_000, ttlMs: null }, 1)).toBe(3_000)
    expect(lookDelayMs({ pollIntervalMs: 2_000, ttlMs: null }, 50)).toBe(30_000)
  })

  it('is never sooner than the server says, nor in a storm where it says nothing, or nearly nothing', () => {
    expect(lookDelayMs({ pollIntervalMs: 120_000, ttlMs: 60_000 }, 9)).toBe(120_000)
    expect(lookDelayMs({ pollIntervalMs: undefined, ttlMs: null }, 0)).toBe(5_000)
    expect(lookDelayMs({ pollIntervalMs: 0, ttlMs: null }, 0)).toBe(250)
  })

  it('is four times within the time for which the server keeps it', () => {
    expect(lookDelayMs({ pollIntervalMs: 1_000, ttlMs: 20_000 }, 50)).toBe(5_000)
  })
})
