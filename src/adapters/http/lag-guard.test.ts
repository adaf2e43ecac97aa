import { describe, expect, it } from 'vitest'
import type { Clock } from '../../core/clock.ts'
import { createLagGuard } from './lag-guard.ts'

/** A clock whose one timer fires when told, however late, in a process that works all the while but for what it `stood`. */
function lateClock() {
  let ticks = 0
  let busy = 0
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
    busyMs: () => busy,
    fireAfter(ms: number, stoodMs = 0) {
      ticks += ms
      busy += ms - stoodMs
      pending?.()
    },
    waits: () => pending !== undefined,
  }
}

describe('lag guard', () => {
  it('is overloaded while its timer comes later than the limit, and no longer', () => {
    const { fireAfter, ...deps } = lateClock()
    const guard = createLagGuard({ ...deps, maxLagMs: 1_000 })
    fireAfter(255)
    expect(guard.overloaded).toBe(false)
    fireAfter(1_240)
    expect(guard.overloaded).toBe(false)
    fireAfter(1_260)
    expect(guard.overloaded).toBe(true)
    fireAfter(250)
    expect(guard.overloaded).toBe(false)
  })

  it('is not overloaded when the process was stopped and goes on', () => {
    const { fireAfter, ...deps } = lateClock()
    const guard = createLagGuard({ ...deps, maxLagMs: 1_000 })
    fireAfter(4_000, 3_700)
    expect(guard.overloaded).toBe(false)
    fireAfter(250)
    fireAfter(4_000, 3_700)
    expect(guard.overloaded).toBe(false)
  })

  it('is overloaded when it is late again, however little of the processor it gets', () => {
    const { fireAfter, ...deps } = lateClock()
    const guard = createLagGuard({ ...deps, maxLagMs: 1_000 })
    fireAfter(4_000, 3_700)
    fireAfter(1_300, 1_200)
    expect(guard.overloaded).toBe(true)
  })

  it('sets no timer when it is off or closed', () => {
    const { waits, ...deps } = lateClock()
    createLagGuard({ ...deps, maxLagMs: 0 })
    expect(waits()).toBe(false)
    const guard = createLagGuard({ ...deps, maxLagMs: 1_000 })
    expect(waits()).toBe(true)
    guard.close()
    expect(waits()).toBe(false)
  })
})
