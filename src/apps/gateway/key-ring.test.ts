import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createKeyStore } from '../../adapters/memory/key-store.ts'
import { createKeyring } from '../../adapters/node/keyring.ts'
import { makeKey, openSharedKeyring, sealKeys } from './key-ring.ts'
import { createKeySeal } from './key-seal.ts'

const store = () => createKeyStore(createManualClock(1_700_000_000_000))
const plain = createKeySeal(undefined)

describe('the key ring that replicas share', () => {
  it('is made by whoever starts first, and the same for all', async () => {
    const keys = store()
    const [one, other] = await Promise.all([openSharedKeyring(keys, plain, []), openSharedKeyring(keys, plain, [])])
    expect(other.open('session', 'alice', one.seal('session', 'alice', 'text'))).toBe('text')
    expect(await keys.list()).toHaveLength(1)
  })

  it('takes over what a file had, the key that sealed there last', async () => {
    const [old, newest, waiting] = [{ secret: randomBytes(32), active: true }, { secret: randomBytes(32), active: true }, { secret: randomBytes(32), active: false }]
    const handles = [createKeyring([old]), createKeyring([newest])].map((ring) => ring.seal('session', 'alice', 'text'))
    const keys = store()
    const ring = await openSharedKeyring(keys, plain, [old, newest, waiting])
    expect(handles.map((handle) => ring.open('session', 'alice', handle))).toEqual(['text', 'text'])
    expect(createKeyring([newest]).open('session', 'alice', ring.seal('session', 'alice', 'new'))).toBe('new')
    const again = await openSharedKeyring(keys, plain, [{ secret: randomBytes(32), active: true }])
    expect(again.open('session', 'alice', handles[0] ?? '')).toBe('text')
    expect(await keys.list()).toHaveLength(2)
  })

  it('rotates: what was sealed before opens after, on every replica, until its key is retired', async () => {
    const keys = store()
    const [one, other] = [await openSharedKeyring(keys, plain, []), await openSharedKeyring(keys, plain, [])]
    const before = one.seal('session', 'alice', 'text')
    const [former] = await keys.list()
    const next = makeKey(plain)
    await keys.add(next)
    await Promise.all([one.refresh(), other.refresh()])
    expect(createKeyring([{ secret: plain.open(next), active: true }]).open('session', 'alice', one.seal('session', 'alice', 'x'))).toBeUndefined()
    await keys.activate(next.id)
    await one.refresh()
    const after = one.seal('session', 'alice', 'next')
    // The other has not read the ring again since the key was added.
    expect(other.open('session', 'alice', after)).toBe('next')
    expect(one.open('session', 'alice', before)).toBe('text')
    await keys.retire(former?.id ?? '')
    await one.refresh()
    expect(one.open('session', 'alice', before)).toBeUndefined()
    expect(one.open('session', 'alice', after)).toBe('next')
  })

  it('stays as it was while its store fails', async () => {
    const keys = store()
    let isAway = false
    const ring = await openSharedKeyring({ ...keys, list: () => (isAway ? Promise.reject(new Error('away')) : keys.list()) }, plain, [])
    isAway = true
    const handle = ring.seal('session', 'alice', 'text')
    await expect(ring.refresh()).rejects.toThrow('away')
    expect(ring.open('session', 'alice', handle)).toBe('text')
    isAway = false
    await ring.refresh()
  })
})

describe('a sealed key ring', () => {
  const stateKey = 'a-state-key-of-thirty-two-characters'

  it('holds no secret in the clear, and opens with the same state key', async () => {
    const keys = store()
    const seal = createKeySeal(stateKey)
    const secret = randomBytes(32)
    const ring = await openSharedKeyring(keys, seal, [{ secret, active: true }])
    const stored = JSON.stringify(await keys.list())
    expect(stored).toContain('sealed:')
    expect(stored).not.toContain(secret.toString('base64url'))
    const again = await openSharedKeyring(keys, createKeySeal(stateKey), [])
    expect(again.open('session', 'alice', ring.seal('session', 'alice', 'text'))).toBe('text')
  })

  it('is refused without its state key, with another, and where a secret was moved to another id', async () => {
    const keys = store()
    const seal = createKeySeal(stateKey)
    await openSharedKeyring(keys, seal, [])
    await expect(openSharedKeyring(keys, plain, [])).rejects.toThrow(/is sealed\. Give the state key/)
    await expect(openSharedKeyring(keys, createKeySeal('another-key-of-thirty-two-characters'), [])).rejects.toThrow(/state key does not open/)
    const [key] = await keys.list()
    expect(() => seal.open({ id: 'other', secret: key?.secret ?? '' })).toThrow(/state key does not open/)
    for (const secret of ['sealed:', 'sealed:AAAA', 'unknown:AAAA', '']) expect(() => seal.open({ id: 'x', secret })).toThrow(/state key does not open/)
  })

  it('takes no key that stands unsealed beside a state key, not even from a database that somebody wrote to meanwhile', async () => {
    const keys = store()
    const ring = await openSharedKeyring(keys, createKeySeal(stateKey), [])
    const handle = ring.seal('session', 'alice', 'text')
    const forged = makeKey(plain)
    await keys.add(forged)
    await keys.activate(forged.id)
    await expect(ring.refresh()).rejects.toThrow(/stands unsealed in the database/)
    const forger = await openSharedKeyring({ ...keys, list: async () => (await keys.list()).filter(({ id }) => id === forged.id) }, plain, [])
    expect(ring.open('session', 'alice', forger.seal('session', 'alice', 'mine'))).toBeUndefined()
    expect(ring.open('session', 'alice', handle)).toBe('text')
    await expect(openSharedKeyring(keys, createKeySeal(stateKey), [])).rejects.toThrow(/portolan key seal/)
  })

  it('opens keys from before there was a state key once they were sealed, with all that they sealed', async () => {
    const keys = store()
    const before = await openSharedKeyring(keys, plain, [])
    await keys.add(makeKey(plain))
    await expect(openSharedKeyring(keys, createKeySeal(stateKey), [])).rejects.toThrow(/stands unsealed/)
    const sealed = await sealKeys(keys, createKeySeal(stateKey))
    expect(sealed.toSorted()).toEqual((await keys.list()).map(({ id }) => id).toSorted())
    expect(await sealKeys(keys, createKeySeal(stateKey))).toEqual([])
    expect(JSON.stringify(await keys.list())).not.toContain('plain:')
    const after = await openSharedKeyring(keys, createKeySeal(stateKey), [])
    expect(after.open('session', 'alice', before.seal('session', 'alice', 'text'))).toBe('text')
  })
})
