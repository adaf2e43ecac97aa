/** What every KeyStore must do. */
import { describe, expect, it } from 'vitest'
import type { KeyStore, NewKey } from '../../src/core/auth/key-store.ts'
import type { StoreRig } from './store-rig.ts'

const key = (id: string): NewKey => ({ id, secret: `secret of ${id}` })

export function testKeyStore(name: string, open: () => Promise<StoreRig<KeyStore>>): void {
  const ids = async (store: KeyStore): Promise<string[]> => (await store.list()).map(({ id, activatedAtMs }) => `${id}${activatedAtMs === undefined ? '?' : ''}`)

  describe(`KeyStore contract: ${name}`, () => {
    it('is seeded once, by one of many that start together', async () => {
      const { store, second } = await open()
      const stores = [store, await second()]
      expect(await store.list()).toEqual([])
      const seeded = await Promise.all(Array.from({ length: 8 }, (_, at) => stores[at % 2]?.seed([key(`old${at}`), key(`new${at}`)])))
      expect(seeded.filter(Boolean)).toHaveLength(1)
      const at = seeded.indexOf(true)
      expect(await ids(store)).toEqual([`old${at}`, `new${at}`])
      expect((await store.list()).map(({ secret }) => secret)).toEqual([`secret of old${at}`, `secret of new${at}`])
    })

    it('puts a key that waits first, and one that was activated last', async () => {
      const { store, second } = await open()
      const other = await second()
      await store.seed([key('m')])
      await other.add(key('z'))
      await store.add(key('a'))
      await store.add({ id: 'a', secret: 'another' })
      expect((await ids(store)).toSorted()).toEqual(['a?', 'm', 'z?'])
      expect((await ids(store)).at(-1)).toBe('m')
      expect(await store.activate('z')).toEqual({ ok: true, value: undefined })
      expect(await other.activate('a')).toEqual({ ok: true, value: undefined })
      expect(await ids(other)).toEqual(['m', 'z', 'a'])
      expect((await store.list()).at(-1)?.secret).toBe('secret of a')
    })

    it('says how old a key is, by its own clock', async () => {
      const { store, pass } = await open()
      await store.seed([key('a')])
      await pass(5_000)
      const [found] = await store.list()
      expect(found?.ageMs).toBeGreaterThanOrEqual(5_000)
      expect(found?.ageMs).toBeLessThan(60_000)
      expect(found?.activatedAtMs).toBe(found?.addedAtMs)
    })

    it('activates a key once, and no unknown one', async () => {
      const { store } = await open()
      await store.seed([key('a')])
      expect(await store.activate('a')).toEqual({ ok: false, fault: { reason: 'activated' } })
      expect(await store.activate('b')).toEqual({ ok: false, fault: { reason: 'unknown' } })
    })

    it('puts another text in the place of a secret, and not of one that is another by now', async () => {
      const { store, second } = await open()
      const other = await second()
      await store.seed([key('a'), key('b')])
      expect(await store.replaceSecret(key('a'), 'sealed')).toBe(true)
      expect(await other.replaceSecret(key('a'), 'sealed again')).toBe(false)
      expect(await other.replaceSecret(key('never'), 'x')).toBe(false)
      expect((await other.list()).map(({ id, secret }) => [id, secret])).toEqual([['a', 'sealed'], ['b', 'secret of b']])
    })

    it('retires any key but the one that seals', async () => {
      const { store } = await open()
      await store.seed([key('a'), key('b')])
      await store.add(key('c'))
      expect(await store.retire('b')).toEqual({ ok: false, fault: { reason: 'sealing' } })
      expect(await store.retire('never')).toEqual({ ok: false, fault: { reason: 'unknown' } })
      expect(await store.retire('a')).toEqual({ ok: true, value: undefined })
      expect(await store.retire('c')).toEqual({ ok: true, value: undefined })
      expect(await ids(store)).toEqual(['b'])
    })
  })
}
