import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createLeaseStore } from '../../adapters/memory/lease-store.ts'
import type { LeaseStore } from './lease-store.ts'
import { LEASE_MS, MARGIN_SHARE, createTenures } from './tenure.ts'
import type { Tenure } from './tenure.ts'

const MARGIN_MS = LEASE_MS * MARGIN_SHARE
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface Holder {
  readonly tenure: Tenure
  readonly lost: number[]
  readonly held: number[]
  away: boolean
  /** It does nothing for so long, as under SIGSTOP. */
  stop(ms: number): void
}

/** The store has a clock of its own. */
function createRig() {
  const stored = createManualClock()
  const store = createLeaseStore(stored)
  const clocks = new Set<{ readonly clock: ReturnType<typeof createManualClock>; isStopped: boolean }>([{ clock: stored, isStopped: false }])
  const join = (replicaId: string): Holder => {
    const running = { clock: createManualClock(), isStopped: false }
    clocks.add(running)
    let lateMs = 0
    const clock = { ...running.clock, ticksMs: () => running.clock.ticksMs() + lateMs }
    const holder: Omit<Holder, 'tenure'> = { lost: [], held: [], away: false, stop: (ms) => void (lateMs += ms) }
    const failing: LeaseStore = new Proxy(store, { get: (target, name) => (holder.away ? () => Promise.reject(new Error('away')) : Reflect.get(target, name)) })
    const tenure = createTenures({ clock, store: failing, replicaId }).join('singleton:files', { onHeld: (ms) => holder.held.push(ms), onLost: () => holder.lost.push(stored.ticksMs()) })
    return Object.assign(holder, { tenure })
  }
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 50) {
      for (const { clock } of clocks) clock.advance(50)
      await turn()
    }
  }
  return { stored, store, join, pass }
}

describe('a tenure', () => {
  it('is its who needs it first, and everybody else is told whose', async () => {
    const { join, pass } = createRig()
    const [a, b] = [join('a'), join('b')]
    expect(await Promise.all([a.tenure.place(), b.tenure.place()])).toEqual(['a', 'a'])
    await pass(10 * LEASE_MS)
    expect([a.tenure.isHeld(), b.tenure.isHeld(), await b.tenure.place(), b.tenure.lastHolder()]).toEqual([true, false, 'a', 'a'])
    expect(Math.min(...a.held)).toBeGreaterThan(LEASE_MS - MARGIN_MS - 100)
  })

  it('ends at its holder a margin before anybody else can have it, where the store does not answer the holder', async () => {
    const { stored, join, pass } = createRig()
    const [a, b] = [join('a'), join('b')]
    await a.tenure.place()
    await pass(300)
    a.away = true
    let takenAtMs = 0
    while (takenAtMs === 0) {
      if ((await b.tenure.place()) === 'b') takenAtMs = stored.ticksMs()
      else expect(stored.ticksMs()).toBeLessThan(2 * LEASE_MS)
      await pass(50)
    }
    expect(a.lost).toHaveLength(1)
    expect(takenAtMs - (a.lost[0] ?? 0)).toBeGreaterThanOrEqual(MARGIN_MS - 50)
    expect(a.tenure.isHeld()).toBe(false)
  })

  it('is not held any more, and says so, where its holder was stopped for longer', async () => {
    const { join, pass } = createRig()
    const [a, b] = [join('a'), join('b')]
    await a.tenure.place()
    a.stop(LEASE_MS)
    expect(a.tenure.isHeld()).toBe(false)
    await pass(1_000)
    expect(a.lost).toHaveLength(1)
    expect(await a.tenure.place()).toBe('a')
    expect(await b.tenure.place()).toBe('a')
  })

  it('is another one\'s as soon as its holder has left', async () => {
    const { join } = createRig()
    const [a, b] = [join('a'), join('b')]
    await a.tenure.place()
    a.tenure.stopTaking()
    await a.tenure.leave()
    expect([await a.tenure.place(), await b.tenure.place(), await a.tenure.place()]).toEqual([undefined, 'b', 'b'])
    expect(a.lost, 'it knew').toEqual([])
  })

  it('lasts until the last has left who acts under its name', async () => {
    const { store } = createRig()
    const tenures = createTenures({ clock: createManualClock(), store, replicaId: 'a' })
    const user = { onHeld: () => undefined, onLost: () => undefined }
    const [before, after] = [tenures.join('x', user), tenures.join('x', { ...user })]
    expect(await before.place()).toBe('a')
    await before.leave()
    expect([after.isHeld(), (await store.find('x'))?.holder]).toEqual([true, 'a'])
    await after.leave()
    expect(await store.find('x')).toBeUndefined()
  })

  it('is left in a second where the store hangs, and what is taken late is given back', async () => {
    const clock = createManualClock()
    const store = createLeaseStore(clock)
    let goOn = (): void => undefined
    const hung = new Promise<void>((resolve) => (goOn = resolve))
    const hanging: LeaseStore = { ...store, acquire: (...asked) => hung.then(() => store.acquire(...asked)) }
    const tenure = createTenures({ clock, store: hanging, replicaId: 'a' }).join('x', { onHeld: () => undefined, onLost: () => undefined })
    const refused = expect(tenure.place()).rejects.toMatchObject({ code: 'state_unavailable' })
    await turn()
    let hasLeft = false
    void tenure.leave().then(() => (hasLeft = true))
    clock.advance(999)
    await turn()
    expect(hasLeft).toBe(false)
    clock.advance(1)
    await turn()
    expect(hasLeft).toBe(true)
    await refused
    goOn()
    await turn()
    expect([tenure.isHeld(), await store.find('x')]).toEqual([false, undefined])
  })

  it('is refused with the store\'s absence where nobody can be asked', async () => {
    const { join } = createRig()
    const a = join('a')
    a.away = true
    await expect(a.tenure.place()).rejects.toMatchObject({ code: 'state_unavailable' })
  })
})
