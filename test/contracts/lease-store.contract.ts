/** What every LeaseStore must do. */
import { describe, expect, it } from 'vitest'
import type { LeaseStore } from '../../src/core/replica/lease-store.ts'
import type { StoreRig } from './store-rig.ts'

export function testLeaseStore(name: string, open: () => Promise<StoreRig<LeaseStore>>): void {
  describe(`LeaseStore contract: ${name}`, () => {
    it('gives a name to one holder at a time', async () => {
      const { store, second } = await open()
      const stores = [store, await second()]
      const leases = await Promise.all(Array.from({ length: 10 }, (_, at) => stores[at % 2]?.acquire('sweep', `r${at}`, 60_000)))
      expect(leases.filter((lease) => lease !== undefined)).toHaveLength(1)
      expect(await store.acquire('sweep', 'late', 60_000)).toBeUndefined()
      expect(await store.acquire('other', 'late', 60_000)).toEqual({ name: 'other', holder: 'late', epoch: 1 })
    })

    it('lets a lease be renewed, and a released one be taken with a higher epoch', async () => {
      const { store, second, pass } = await open()
      const other = await second()
      const lease = await store.acquire('a', 'r1', 1_000)
      if (lease === undefined) throw new Error('no lease')
      await pass(600)
      expect(await store.renew(lease, 1_000)).toBe(true)
      await pass(600)
      expect(await other.acquire('a', 'r2', 1_000)).toBeUndefined()
      await store.release(lease)
      expect(await store.renew(lease, 1_000)).toBe(false)
      expect(await other.acquire('a', 'r2', 1_000)).toEqual({ name: 'a', holder: 'r2', epoch: 2 })
    })

    it('frees a lease that was not renewed in time, and fences who held it', async () => {
      const { store, pass } = await open()
      const slow = await store.acquire('a', 'slow', 1_000)
      if (slow === undefined) throw new Error('no lease')
      await pass(1_100)
      expect(await store.renew(slow, 1_000)).toBe(false)
      const quick = await store.acquire('a', 'quick', 60_000)
      expect(quick).toEqual({ name: 'a', holder: 'quick', epoch: 2 })
      expect(await store.renew(slow, 60_000)).toBe(false)
      await store.release(slow)
      expect(await store.acquire('a', 'third', 1_000)).toBeUndefined()
    })

    it('says to everybody who holds a name, until nobody does', async () => {
      const { store, second, pass } = await open()
      const other = await second()
      expect(await other.find('a')).toBeUndefined()
      const lease = await store.acquire('a', 'r1', 1_000)
      if (lease === undefined) throw new Error('no lease')
      expect(await other.find('a')).toEqual({ name: 'a', holder: 'r1', epoch: 1 })
      await store.release(lease)
      expect(await other.find('a')).toBeUndefined()
      await store.acquire('a', 'r2', 1_000)
      await pass(1_100)
      expect(await other.find('a')).toBeUndefined()
    })

    it('lets its holder take it anew, which ends the former lease', async () => {
      const { store } = await open()
      const first = await store.acquire('a', 'r1', 60_000)
      const second = await store.acquire('a', 'r1', 60_000)
      if (first === undefined || second === undefined) throw new Error('no lease')
      expect([first.epoch, second.epoch]).toEqual([1, 2])
      expect(await store.renew(first, 60_000)).toBe(false)
      await store.release(first)
      expect(await store.renew(second, 60_000)).toBe(true)
    })
  })
}
