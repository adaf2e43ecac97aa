import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createBreaker } from './breaker.ts'
import type { Breaker, BreakerSettings } from './breaker.ts'

const SETTINGS: BreakerSettings = { failures: 3, windowMs: 10_000, openMs: 5_000, halfOpenProbes: 1 }

function make(written: Partial<BreakerSettings> = {}) {
  const clock = createManualClock()
  const changes: string[] = []
  const current: { settings: BreakerSettings | undefined } = { settings: { ...SETTINGS, ...written } }
  const breaker = createBreaker(clock, () => current.settings, (isOpen, failures) => void changes.push(`${isOpen ? 'open' : 'closed'} ${failures}`))
  return { clock, breaker, changes, current }
}

function fail(breaker: Breaker, times: number): void {
  for (let at = 0; at < times; at++) breaker.failed()
}

describe('a breaker', () => {
  it('opens after so many failures in a row, and says for how long', () => {
    const { breaker, changes, clock } = make()
    fail(breaker, 2)
    expect(breaker.pass()).toMatchObject({ ok: true })
    expect(breaker.refusedForMs()).toBe(0)
    fail(breaker, 1)
    expect(breaker.status()).toEqual({ state: 'open', failures: 3, retryAfterMs: 5_000 })
    clock.advance(1_500)
    expect(breaker.refusedForMs()).toBe(3_500)
    expect(breaker.pass()).toEqual({ ok: false, retryAfterSec: 4 })
    expect(changes).toEqual(['open 3'])
  })

  it('forgets failures before an answer, and those that lie too far back', () => {
    const { breaker, clock } = make()
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    clock.advance(10_001)
    fail(breaker, 2)
    expect(breaker.status()).toMatchObject({ state: 'closed', failures: 2 })
    fail(breaker, 1)
    expect(breaker.status().state).toBe('open')
  })

  it('lets one call try when its time is up, and all once that is answered', () => {
    const { breaker, clock, changes } = make()
    fail(breaker, 3)
    clock.advance(5_000)
    expect(breaker.status()).toEqual({ state: 'halfOpen', failures: 3, retryAfterMs: 0 })
    const probe = breaker.pass()
    expect(probe.ok).toBe(true)
    expect(breaker.pass()).toEqual({ ok: false, retryAfterSec: 1 })
    breaker.succeeded()
    expect(breaker.pass()).toEqual({ ok: true, end: undefined })
    expect(breaker.status()).toEqual({ state: 'closed', failures: 0, retryAfterMs: 0 })
    expect(changes).toEqual(['open 3', 'closed 0'])
  })

  it('closes the way again when the try fails, and says so once', () => {
    const { breaker, clock, changes } = make()
    fail(breaker, 3)
    clock.advance(5_000)
    breaker.pass()
    fail(breaker, 1)
    expect(breaker.status()).toEqual({ state: 'open', failures: 4, retryAfterMs: 5_000 })
    expect(changes).toEqual(['open 3'])
  })

  it('lets another try where the first ended without news, and where it takes too long', () => {
    const { breaker, clock } = make({ halfOpenProbes: 2 })
    fail(breaker, 3)
    clock.advance(5_000)
    const [first, second] = [breaker.pass(), breaker.pass()]
    expect(breaker.pass().ok).toBe(false)
    if (first.ok) first.end?.()
    if (first.ok) first.end?.()
    expect(breaker.pass().ok).toBe(true)
    expect(breaker.pass().ok).toBe(false)
    clock.advance(5_000)
    expect([breaker.pass().ok, breaker.pass().ok, breaker.pass().ok]).toEqual([true, true, false])
    // One of before frees no place of now.
    if (second.ok) second.end?.()
    expect(breaker.pass().ok).toBe(false)
  })

  it('is not held open longer by calls of before, and believes an answer to one of them', () => {
    const { breaker, clock } = make()
    fail(breaker, 3)
    clock.advance(4_000)
    fail(breaker, 5)
    expect(breaker.refusedForMs()).toBe(1_000)
    breaker.succeeded()
    expect(breaker.status().state).toBe('closed')
  })

  it('lets one try at once where there are signs that the server is well', () => {
    const { breaker } = make()
    fail(breaker, 3)
    breaker.mayTry()
    expect([breaker.pass().ok, breaker.pass().ok]).toEqual([true, false])
    const closed = make().breaker
    closed.mayTry()
    expect(closed.status().state).toBe('closed')
  })

  it('goes by the settings of now, and lets everybody pass where there are none', () => {
    const { breaker, current } = make()
    fail(breaker, 2)
    current.settings = { ...SETTINGS, failures: 9 }
    fail(breaker, 2)
    expect(breaker.status().state).toBe('closed')
    fail(breaker, 5)
    expect(breaker.status().state).toBe('open')
    current.settings = undefined
    expect(breaker.refusedForMs()).toBe(0)
    expect(breaker.pass().ok).toBe(true)
    fail(breaker, 100)
    expect(breaker.status().state).toBe('closed')
  })
})
