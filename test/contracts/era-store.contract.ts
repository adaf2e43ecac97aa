/** What every EraStore must do. */
import { describe, expect, it } from 'vitest'
import type { EraStore } from '../../src/core/upstream/era-store.ts'
import type { UpstreamProfile } from '../../src/core/upstream/upstream.ts'
import type { StoreRig } from './store-rig.ts'

const LEGACY: UpstreamProfile = {
  legacy: { era: 'legacy', revision: '2025-11-25', capabilities: '{"tools":{}}', serverInfo: '{"name":"t\u00c3\u00abst"}', instructions: 'Read\nme' },
  modern: undefined,
}
const BOTH: UpstreamProfile = { ...LEGACY, modern: { era: 'modern', revision: '2026-07-28', capabilities: '{}', serverInfo: '', instructions: '' } }

export function testEraStore(name: string, open: () => Promise<StoreRig<EraStore>>): void {
  describe(`EraStore contract: ${name}`, () => {
    it('finds what was saved last for a target, whole, from everywhere', async () => {
      const { store, second } = await open()
      await store.save('k1', LEGACY, 60_000)
      await store.save('k2', BOTH, 60_000)
      const other = await second()
      expect(await other.find('k1')).toEqual(LEGACY)
      await other.save('k1', BOTH, 60_000)
      expect(await store.find('k1')).toEqual(BOTH)
      for (const key of ['never', '', '__proto__']) expect(await store.find(key)).toBeUndefined()
    })

    it('forgets a profile after its lifetime', async () => {
      const { store, pass } = await open()
      await store.save('k1', LEGACY, 400)
      await store.save('k2', LEGACY, 60_000)
      await pass(500)
      expect(await store.find('k1')).toBeUndefined()
      expect(await store.find('k2')).toEqual(LEGACY)
    })
  })
}
