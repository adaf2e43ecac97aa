import { describe, expect, it } from 'vitest'
import type { Clock } from '../../core/clock.ts'
import { createLagGuard } from './lag-guard.ts'

/** A clock whose one timer fires when told, however late. */
function lateClock() {
  let ticks = 0
  let pending: (() => void) | undefined
  const clock: Clock = {
    nowMs: () => ticks,
    ticksMs: () => ticks,
    after(_delayMs, run) {
      pending = run
      return () => (pending = undefined)
    },
  }
  return {
    clock,
    fireAfter(ms: number) {
      ticks += ms
      pending?.()
    },
    waits: () => pending !== undefined,
  }
}

describe('lag guard', () => {
  it('is overloaded while its timer comes later than the limit, and no longer', () => {
    const { clock, fireAfter } = lateClock()
    const guard = createLagGuard(clock, 1_000)
    fireAfter(255)
    expect(guard.overloaded).toBe(false)
    fireAfter(1_240)
    expect(guard.overloaded).toBe(false)
    fireAfter(1_260)
    expect(guard.overloaded).toBe(true)
    fireAfter(250)
    expect(guard.overloaded).toBe(false)
  })

  it('sets no timer when it is off or closed', () => {
    const { clock, waits } = lateClock()
    createLagGuard(clock, 0)
    expect(waits()).toBe(false)
    const guard = createLagGuard(clock, 1_000)
    expect(waits()).toBe(true)
    guard.close()
    expect(waits()).toBe(false)
  })
})
