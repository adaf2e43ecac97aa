import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createReplicaStore } from '../../adapters/memory/replica-store.ts'
import { PortolanError } from '../../protocol/error.ts'
import { LIFETIME_MS, startMembership } from './membership.ts'
import type { ReplicaStore } from './replica-store.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** `own` is the replica's clock, `stored` the store's. */
async function createRig() {
  const own = createManualClock()
  const stored = createManualClock()
  const store = createReplicaStore(stored)
  const state = { fails: false, hangs: false, lateMs: 0 }
  const failing: ReplicaStore = {
    ...store,
    announce(...given) {
      if (state.hangs) return new Promise(() => undefined)
      if (state.lateMs > 0) return store.announce(...given).then((wasAlive) => new Promise((resolve) => own.after(state.lateMs, () => resolve(wasAlive))))
      return state.fails ? Promise.reject(new PortolanError('state_unavailable', { cause: new Error('too many clients') })) : store.announce(...given)
    },
  }
  const heard: boolean[] = []
  const reasons: string[] = []
  const onReachable = (isReachable: boolean, why: string): void => {
    heard.push(isReachable)
    reasons.push(why)
  }
  const membership = startMembership({ clock: own, store: failing, self: { id: 'a', address: '', version: '1' }, onReachable })
  await turn()
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 50) {
      stored.advance(50)
      own.advance(50)
      await turn()
    }
  }
  return { own, stored, store, state, heard, reasons, membership, pass }
}

describe('a replica among others', () => {
  it('lives while it runs, and is certain of it', async () => {
    const { membership, pass, store } = await createRig()
    const before = membership.generation()
    await pass(20_000)
    expect([membership.isCertain(), membership.generation()]).toEqual([true, before])
    expect(await store.find('a')).toBeDefined()
  })

  it('doubts all that it owned once it hears that it was taken out', async () => {
    const { membership, pass, store } = await createRig()
    const before = membership.generation()
    await store.leave('a')
    await pass(1_000)
    expect([membership.isCertain(), membership.generation()]).toEqual([true, before + 1])
    await pass(5_000)
    expect(membership.generation()).toBe(before + 1)
  })

  it('learns so also where the answer that says it comes too late for its heartbeat', async () => {
    const { membership, pass, store, state } = await createRig()
    const before = membership.generation()
    await store.leave('a')
    state.lateMs = 1_200
    await pass(1_900)
    state.lateMs = 0
    await pass(1_000)
    expect([membership.isCertain(), membership.generation()]).toEqual([true, before + 1])
  })

  it('is doubtful before anybody takes it for dead', async () => {
    const { membership, pass, store, state, heard } = await createRig()
    state.fails = true
    for (let waitedMs = 0; await store.find('a') !== undefined; waitedMs += 50) {
      expect(waitedMs).toBeLessThan(LIFETIME_MS + 100)
      await pass(50)
    }
    expect([membership.isCertain(), await membership.confirm(), heard]).toEqual([false, false, [false]])
  })

  it('says why its store cannot be reached, in the store\'s own words, and when it is back', async () => {
    const { pass, state, reasons } = await createRig()
    state.fails = true
    await pass(1_000)
    state.fails = false
    await pass(1_000)
    state.hangs = true
    await pass(3_000)
    expect(reasons).toEqual(['too many clients', '', 'no answer within 1 s'])
  })

  it('that was stopped is of another generation once it has spoken again', async () => {
    const { membership, own } = await createRig()
    const before = membership.generation()
    // Its timers did not run meanwhile.
    const stoppedAtTicks = own.ticksMs()
    Object.assign(own, { ticksMs: () => stoppedAtTicks + LIFETIME_MS + 1 })
    expect(membership.isCertain()).toBe(false)
    expect(await membership.confirm()).toBe(true)
    expect([membership.isCertain(), membership.generation()]).toEqual([true, before + 1])
  })

  it('does not wait for a store that hangs', async () => {
    const { membership, state, pass } = await createRig()
    state.hangs = true
    await pass(LIFETIME_MS + 1_000)
    const confirmed = membership.confirm()
    await pass(2_000)
    expect(await confirmed).toBe(false)
  })

  it('is gone once it has left, and says nothing more', async () => {
    const { membership, store, pass } = await createRig()
    await membership.leave()
    await pass(5_000)
    expect(await store.find('a')).toBeUndefined()
  })
})
