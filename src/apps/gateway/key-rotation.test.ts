import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createKeyStore } from '../../adapters/memory/key-store.ts'
import { activateKey, listKeys, retireKey } from './key-rotation.ts'

async function ring() {
  const clock = createManualClock(1_700_000_000_000)
  const store = createKeyStore(clock)
  await store.seed([{ id: 'old', secret: 'x' }])
  clock.advance(1_000)
  await store.add({ id: 'new', secret: 'y' })
  return { clock, store }
}

describe('rotating keys', () => {
  it('shows what each key does, and no secret', async () => {
    const { store } = await ring()
    expect(await listKeys(store)).toEqual([
      { id: 'new', state: 'waits', addedAtMs: 1_700_000_001_000, activatedAtMs: undefined },
      { id: 'old', state: 'seals', addedAtMs: 1_700_000_000_000, activatedAtMs: 1_700_000_000_000 },
    ])
    await activateKey(store, 'new', true)
    expect((await listKeys(store)).map(({ id, state }) => [id, state])).toEqual([['old', 'opens'], ['new', 'seals']])
  })

  it('activates a key when every replica has read it, or at once where that is asked for', async () => {
    const { clock, store } = await ring()
    clock.advance(14_000)
    expect(await activateKey(store, 'new', false)).toEqual({ ok: false, fault: 'Not every replica knows new yet: try again in 1 s, or say --now where there is one replica only.' })
    clock.advance(1_000)
    expect(await activateKey(store, 'new', false)).toMatchObject({ ok: true })
    expect(await activateKey(store, 'new', false)).toMatchObject({ fault: expect.stringContaining('was activated before') })
    expect(await activateKey(store, 'other', true)).toMatchObject({ fault: expect.stringContaining('There is no key other') })
  })

  it('retires a key a day after its successor took over, or by force, and never the one that seals', async () => {
    const { clock, store } = await ring()
    expect(await retireKey(store, 'old', true)).toMatchObject({ fault: expect.stringContaining('is the one that seals') })
    await activateKey(store, 'new', true)
    clock.advance(23 * 60 * 60_000)
    expect(await retireKey(store, 'old', false)).toMatchObject({ fault: expect.stringContaining('retire it in 1 h, or say --force') })
    clock.advance(60 * 60_000)
    expect(await retireKey(store, 'old', false)).toMatchObject({ ok: true })
    expect(await retireKey(store, 'old', false)).toMatchObject({ fault: expect.stringContaining('There is no key old') })
  })

  it('retires a key that never sealed at once', async () => {
    const { store } = await ring()
    expect(await retireKey(store, 'new', false)).toMatchObject({ ok: true })
  })
})
