/** What every ReplayGuard must do. `pass` lets its time pass. */
import { describe, expect, it } from 'vitest'
import type { ReplayGuard } from '../../src/core/auth/replay-guard.ts'
import type { StoreRig } from './store-rig.ts'

export function testReplayGuard(name: string, open: () => Promise<StoreRig<ReplayGuard>>): void {
  describe(`ReplayGuard contract: ${name}`, () => {
    it('lets a key be used once', async () => {
      const { store: guard } = await open()
      expect(await guard.firstUse('a', 60_000)).toBe(true)
      expect(await guard.firstUse('a', 60_000)).toBe(false)
      expect(await guard.firstUse('b', 60_000)).toBe(true)
    })

    it('gives one of many simultaneous uses, of several replicas, the first', async () => {
      const { store, second } = await open()
      const guards = [store, await second()]
      const uses = await Promise.all(Array.from({ length: 20 }, (_, at) => guards[at % 2]?.firstUse('a', 60_000)))
      expect(uses.filter(Boolean)).toHaveLength(1)
    })

    it('forgets a key after its lifetime, which later uses do not lengthen', async () => {
      const { store: guard, pass } = await open()
      await guard.firstUse('a', 500)
      await guard.firstUse('long', 60_000)
      await pass(300)
      expect(await guard.firstUse('a', 500)).toBe(false)
      await pass(300)
      expect(await guard.firstUse('a', 500)).toBe(true)
      expect(await guard.firstUse('long', 500)).toBe(false)
    })

    it('remembers a key however many come after it', async () => {
      const { store: guard } = await open()
      await guard.firstUse('a', 60_000)
      await Promise.all(Array.from({ length: 1_000 }, (_, at) => guard.firstUse(`key-${at}`, 60_000)))
      expect(await guard.firstUse('a', 60_000)).toBe(false)
    })
  })
}
