/** What every SnapshotStore must do. */
import { describe, expect, it } from 'vitest'
import type { SnapshotStore } from '../../src/core/gateway/snapshot-store.ts'
import type { StoreRig } from './store-rig.ts'

export function testSnapshotStore(name: string, open: () => Promise<StoreRig<SnapshotStore>>): void {
  describe(`SnapshotStore contract: ${name}`, () => {
    it('gives every replica the one that was put last', async () => {
      const { store, second } = await open()
      const other = await second()
      expect(await store.current()).toBeUndefined()
      await store.put('d1', '{"a":1}')
      expect(await other.current()).toMatchObject({ digest: 'd1', text: '{"a":1}' })
      const before = (await store.current())?.revision ?? Infinity
      await other.put('d2', '{"a":"t\u00ebst"}')
      const now = await store.current()
      expect(now).toMatchObject({ digest: 'd2', text: '{"a":"t\u00ebst"}' })
      expect(now?.revision).toBeGreaterThan(before)
    })

    it('grows no revision for what is current already, and one for what was before', async () => {
      const { store } = await open()
      await store.put('d1', 'one')
      const first = await store.current()
      await store.put('d1', 'one')
      expect(await store.current()).toEqual(first)
      await store.put('d2', 'two')
      const second = await store.current()
      await store.put('d1', 'one')
      const third = await store.current()
      expect(third).toMatchObject({ digest: 'd1', text: 'one' })
      expect(third?.revision).toBeGreaterThan(second?.revision ?? Infinity)
    })
  })
}
