/** What every ReplicaStore must do. */
import { describe, expect, it } from 'vitest'
import type { Replica, ReplicaStore } from '../../src/core/replica/replica-store.ts'
import type { StoreRig } from './store-rig.ts'

const replica = (id: string, address = `http://${id}:7401`): Replica => ({ id, address, version: '1.2.3' })

export function testReplicaStore(name: string, open: () => Promise<StoreRig<ReplicaStore>>): void {
  describe(`ReplicaStore contract: ${name}`, () => {
    it('shows every replica those that live, by id', async () => {
      const { store, second } = await open()
      const other = await second()
      expect(await store.live()).toEqual([])
      await store.announce(replica('b'), 60_000)
      await other.announce(replica('a', ''), 60_000)
      expect(await store.live()).toEqual([replica('a', ''), replica('b')])
      expect(await other.find('b')).toEqual(replica('b'))
    })

    it('takes a replica that was silent for its lifetime for dead, until it speaks again', async () => {
      const { store, pass } = await open()
      await store.announce(replica('a'), 1_000)
      await store.announce(replica('b'), 1_000)
      await pass(600)
      await store.announce(replica('a', 'http://moved:1'), 1_000)
      await pass(600)
      expect(await store.live()).toEqual([replica('a', 'http://moved:1')])
      expect(await store.find('b')).toBeUndefined()
      // It learns that the others could not know.
      expect(await store.announce(replica('b'), 1_000)).toBe(false)
      expect(await store.find('b')).toEqual(replica('b'))
    })

    it('forgets one that leaves, or is taken out, which its next word tells it', async () => {
      const { store } = await open()
      expect(await store.announce(replica('a'), 60_000)).toBe(false)
      expect(await store.announce(replica('a'), 60_000)).toBe(true)
      await store.leave('a')
      await store.leave('never')
      expect(await store.live()).toEqual([])
      expect(await store.announce(replica('a'), 60_000)).toBe(false)
      await store.leave('a')
      for (const id of ['a', 'never', '', '__proto__']) expect(await store.find(id)).toBeUndefined()
    })
  })
}
