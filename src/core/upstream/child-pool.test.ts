import { describe, expect, it } from 'vitest'
import type { Clock } from '../clock.ts'
import { createChildPool } from './child-pool.ts'
import type { ChildLimits, ChildPool, ChildSlot } from './child-pool.ts'

/** A clock that stands still until it is moved. */
function createClock(): Clock & { move(ms: number): Promise<void> } {
  let now = 0
  const timers = new Set<{ atMs: number; run: () => void }>()
  return {
    nowMs: () => now,
    ticksMs: () => now,
    after(delayMs, run) {
      const timer = { atMs: now + delayMs, run }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    async move(ms) {
      const endMs = now + ms
      for (;;) {
        const [next] = [...timers].filter(({ atMs }) => atMs <= endMs).toSorted((a, b) => a.atMs - b.atMs)
        if (next === undefined) break
        now = next.atMs
        timers.delete(next)
        next.run()
        await Promise.resolve()
      }
      now = endMs
    },
  }
}

const LIMITS: ChildLimits = { childrenPerUpstream: 2, childrenPerPrincipal: 2, childrenPerHost: 3, childIdleMs: 1_000, childQueueMs: 500 }

function setUp(limits: Partial<ChildLimits> = {}) {
  const clock = createClock()
  const pool = createChildPool({ limits: { ...LIMITS, ...limits }, clock })
  const reclaimed: string[] = []
  async function take(name: string, upstream: string, ownerKey = '', isExpendable = false): Promise<ChildSlot> {
    const slot: ChildSlot = await pool.acquire({
      upstream,
      ownerKey,
      isExpendable,
      reclaim() {
        reclaimed.push(name)
        queueMicrotask(() => slot.release())
      },
    })
    return slot
  }
  return { clock, pool, reclaimed, take }
}

async function isRefused(pool: ChildPool, clock: ReturnType<typeof createClock>, upstream: string, ownerKey = ''): Promise<boolean> {
  const waiting = pool.acquire({ upstream, ownerKey, isExpendable: false, reclaim: () => undefined }).then(
    () => false,
    (error: unknown) => error,
  )
  await clock.move(500)
  const outcome = await waiting
  if (outcome === false) return false
  expect(outcome).toMatchObject({ code: 'overloaded', retryAfterSec: 1 })
  return true
}

describe('the pool of children', () => {
  it('holds each of its three caps', async () => {
    const { pool, clock, take } = setUp()
    for (const name of ['a', 'b']) (await take(name, 'one', 'alice')).setInFlight(1)
    expect(await isRefused(pool, clock, 'one', 'bob')).toBe(true)
    ;(await take('c', 'two', 'alice')).setInFlight(1)
    expect(await isRefused(pool, clock, 'three', 'carol')).toBe(true)
    expect(pool.size).toBe(3)
  })

  it('counts a principal for each server by itself', async () => {
    const { pool, clock, take } = setUp({ childrenPerPrincipal: 1 })
    ;(await take('a', 'one', 'alice')).setInFlight(1)
    expect(await isRefused(pool, clock, 'one', 'alice')).toBe(true)
    await take('b', 'two', 'alice')
    await take('c', 'one', 'bob')
    expect(pool.size).toBe(3)
  })

  it('counts children of nobody against no principal', async () => {
    const { pool, take } = setUp({ childrenPerPrincipal: 1 })
    await take('a', 'one')
    await take('b', 'one')
    expect(pool.size).toBe(2)
  })

  it('ends the least recently used child that may go, at once', async () => {
    const { take, reclaimed } = setUp()
    const first = await take('first', 'one', '', true)
    await take('second', 'one', '', true)
    first.setInFlight(1)
    first.setInFlight(0)
    await take('third', 'one')
    expect(reclaimed).toEqual(['second'])
  })

  it('never ends a child with calls in flight, nor one with state before its idle time', async () => {
    const { pool, take, reclaimed, clock } = setUp()
    ;(await take('busy', 'one', '', true)).setInFlight(1)
    await take('stateful', 'one')
    expect(await isRefused(pool, clock, 'one')).toBe(true)
    expect(reclaimed).toEqual([])
  })

  it('gives a slot that becomes free to who waits longest', async () => {
    const { take } = setUp({ childrenPerUpstream: 1 })
    const first = await take('a', 'one')
    const order: string[] = []
    const second = take('b', 'one').then((slot) => (order.push('b'), slot))
    const third = take('c', 'one').then(() => order.push('c'))
    first.release()
    ;(await second).release()
    await third
    expect(order).toEqual(['b', 'c'])
  })

  it('ends what becomes idle while somebody waits for it', async () => {
    const { take, reclaimed } = setUp({ childrenPerUpstream: 1 })
    const busy = await take('a', 'one', '', true)
    busy.setInFlight(1)
    const waiting = take('b', 'one')
    busy.setInFlight(0)
    await waiting
    expect(reclaimed).toEqual(['a'])
  })

  it('ends children after the idle time, those in use not', async () => {
    const { take, reclaimed, clock, pool } = setUp()
    ;(await take('busy', 'one')).setInFlight(1)
    await take('idle', 'two')
    await clock.move(900)
    expect(reclaimed).toEqual([])
    await clock.move(600)
    expect(reclaimed).toEqual(['idle'])
    expect(pool.size).toBe(1)
  })
})
