/** What every SessionStore must do. `pass` lets the store's time pass. */
import { describe, expect, it } from 'vitest'
import type { Session } from '../../src/core/session/session.ts'
import type { SessionStore } from '../../src/core/session/session-store.ts'
import type { StoreRig } from './store-rig.ts'

export function sessionNamed(id: string, more: Partial<Session> = {}): Session {
  return {
    id,
    bindingKey: 'binding-alice',
    ownerKey: 'alice',
    endpoint: '',
    revision: '2025-11-25',
    clientInfo: '{"name":"tëst"}',
    clientCapabilities: '{}',
    createdAtMs: 1_700_000_000_000,
    lastUsedAtMs: 1_700_000_000_001,
    initialized: false,
    logLevel: '',
    subscriptions: {},
    tasks: {},
    holds: [],
    atServers: {},
    ...more,
  }
}

export function testSessionStore(name: string, open: () => Promise<StoreRig<SessionStore>>): void {
  describe(`SessionStore contract: ${name}`, () => {
    it('finds what was saved, whole, from everywhere', async () => {
      const { store, second } = await open()
      const saved = sessionNamed('s1', {
        initialized: true,
        logLevel: 'debug',
        subscriptions: { up: ['file:///a', 'file:///b'], __proto__x: [] },
        tasks: { up: ['t1'] },
        holds: ['up'],
      })
      expect(await store.save(saved, 1_000)).toEqual({ ok: true, value: { version: 1 } })
      const stored = { session: saved, owner: undefined, epoch: 0, version: 1 }
      expect(await store.find('s1')).toEqual(stored)
      expect(await (await second()).find('s1')).toEqual(stored)
    })

    it('finds nothing that never was, or was deleted', async () => {
      const { store } = await open()
      await store.save(sessionNamed('s1'), 1_000)
      await store.delete('s1')
      await store.delete('never')
      expect(await store.find('s1')).toBeUndefined()
      for (const id of ['never', '', '__proto__', 'constructor']) expect(await store.find(id)).toBeUndefined()
    })

    it('forgets a session that was not saved again within its lifetime', async () => {
      const { store, pass } = await open()
      await store.save(sessionNamed('short'), 400)
      await store.save(sessionNamed('long'), 60_000)
      expect(await store.find('short')).toBeDefined()
      await pass(500)
      expect(await store.find('short')).toBeUndefined()
      expect(await store.find('long')).toBeDefined()
    })

    it('counts the lifetime from the last save, and not from a find', async () => {
      const { store, pass } = await open()
      await store.save(sessionNamed('s1'), 1_000)
      await store.save(sessionNamed('s2'), 1_000)
      await pass(600)
      await store.save(sessionNamed('s1'), 1_000)
      await store.find('s2')
      await pass(600)
      expect(await store.find('s1')).toBeDefined()
      expect(await store.find('s2')).toBeUndefined()
    })

    it('keeps a copy: what changes outside counts once it is saved', async () => {
      const { store } = await open()
      const mine = sessionNamed('s1', { subscriptions: { up: ['a'] } })
      await store.save(mine, 60_000)
      mine.logLevel = 'error'
      mine.subscriptions['up']?.push('b')
      const found = await store.find('s1')
      expect(found?.session).toMatchObject({ logLevel: '', subscriptions: { up: ['a'] } })
      found?.session.subscriptions['up']?.push('c')
      expect((await store.find('s1'))?.session).toMatchObject({ subscriptions: { up: ['a'] } })
      if (found !== undefined) await store.save(found.session, 60_000)
      expect((await store.find('s1'))?.session).toMatchObject({ subscriptions: { up: ['a', 'c'] } })
    })

    it('counts the live sessions of each owner', async () => {
      const { store, pass } = await open()
      await store.save(sessionNamed('a1'), 400)
      await store.save(sessionNamed('a2'), 60_000)
      await store.save(sessionNamed('a2'), 60_000)
      await store.save(sessionNamed('a3'), 60_000)
      await store.save(sessionNamed('b1', { ownerKey: 'bob' }), 60_000)
      await store.delete('a3')
      expect(await store.count('alice')).toBe(2)
      expect(await store.count('bob')).toBe(1)
      expect(await store.count('nobody')).toBe(0)
      await pass(500)
      expect(await store.count('alice')).toBe(1)
    })

    it('gives each save a version, and replaces only what the saver has seen', async () => {
      const { store, second } = await open()
      const other = await second()
      await store.save(sessionNamed('s1'), 60_000)
      expect(await other.save(sessionNamed('s1', { logLevel: 'info' }), 60_000, { epoch: 0, version: 1 })).toEqual({ ok: true, value: { version: 2 } })
      expect(await store.save(sessionNamed('s1', { logLevel: 'error' }), 60_000, { epoch: 0, version: 1 })).toEqual({ ok: false, fault: { reason: 'stale' } })
      expect(await store.find('s1')).toMatchObject({ version: 2, session: { logLevel: 'info' } })
      expect(await store.save(sessionNamed('s1', { logLevel: 'error' }), 60_000, { epoch: 0 })).toMatchObject({ ok: true })
      expect(await store.find('s1')).toMatchObject({ version: 3, session: { logLevel: 'error' } })
    })

    it('does not bring back by a renewal what was deleted or has expired', async () => {
      const { store, pass } = await open()
      await store.save(sessionNamed('deleted'), 60_000)
      await store.save(sessionNamed('expired'), 400)
      await store.delete('deleted')
      await pass(500)
      for (const id of ['deleted', 'expired', 'never']) {
        expect(await store.save(sessionNamed(id), 60_000, { epoch: 0 })).toEqual({ ok: false, fault: { reason: 'stale' } })
        expect(await store.find(id)).toBeUndefined()
      }
      expect(await store.count('alice')).toBe(0)
    })

    it('gives a session to the first who claims it, and fences whoever owned it before', async () => {
      const { store, second } = await open()
      const other = await second()
      await store.save(sessionNamed('s1'), 60_000)
      const claims = await Promise.all([store.claim('s1', 'a', 0), other.claim('s1', 'b', 0), store.claim('s1', 'c', 0)])
      expect(claims.filter((claim) => claim !== undefined)).toEqual([{ epoch: 1 }])
      const owner = ['a', 'b', 'c'][claims.findIndex((claim) => claim !== undefined)] ?? ''
      expect(await other.find('s1')).toMatchObject({ owner, epoch: 1 })
      expect(await store.save(sessionNamed('s1'), 60_000, { epoch: 1 })).toMatchObject({ ok: true })
      expect(await other.claim('s1', 'next', 1)).toEqual({ epoch: 2 })
      expect(await store.save(sessionNamed('s1', { logLevel: 'late' }), 60_000, { epoch: 1 })).toEqual({ ok: false, fault: { reason: 'stale' } })
      expect(await store.release('s1', owner, 1)).toBe(false)
      expect(await store.find('s1')).toMatchObject({ owner: 'next', epoch: 2, session: { logLevel: '' } })
    })

    it('keeps owner and epoch over saves of others, and the epoch over a release', async () => {
      const { store } = await open()
      await store.save(sessionNamed('s1'), 60_000)
      await store.claim('s1', 'a', 0)
      await store.save(sessionNamed('s1', { logLevel: 'info' }), 60_000)
      expect(await store.find('s1')).toMatchObject({ owner: 'a', epoch: 1, version: 2 })
      expect(await store.release('s1', 'b', 1)).toBe(false)
      expect(await store.release('s1', 'a', 0)).toBe(false)
      expect(await store.release('s1', 'a', 1)).toBe(true)
      expect(await store.release('s1', 'a', 1)).toBe(false)
      expect(await store.find('s1')).toMatchObject({ owner: undefined, epoch: 1 })
      expect(await store.claim('s1', 'b', 0)).toBeUndefined()
      expect(await store.claim('s1', 'b', 1)).toEqual({ epoch: 2 })
    })

    it('lets nobody claim what is not there, and a claim lengthens no life', async () => {
      const { store, pass } = await open()
      expect(await store.claim('never', 'a', 0)).toBeUndefined()
      await store.save(sessionNamed('s1'), 500)
      await pass(300)
      expect(await store.claim('s1', 'a', 0)).toEqual({ epoch: 1 })
      await pass(300)
      expect(await store.find('s1')).toBeUndefined()
      expect(await store.claim('s1', 'a', 1)).toBeUndefined()
      expect(await store.release('s1', 'a', 1)).toBe(false)
      expect(await store.count('alice')).toBe(0)
    })

    it('gives what has expired, whole, to whoever takes it first, and once', async () => {
      const { store, second, pass } = await open()
      const expired = sessionNamed('expired', { atServers: { up: 'sealed' }, tasks: { up: ['t1'] }, subscriptions: { up: ['a'] } })
      await store.save(expired, 400)
      await store.save(sessionNamed('long'), 60_000)
      await store.save(sessionNamed('deleted'), 400)
      expect(await store.takeExpired(10, 0)).toEqual([])
      await pass(500)
      await store.delete('deleted')
      expect(await (await second()).takeExpired(10, 0)).toEqual([expired])
      expect(await store.takeExpired(10, 0)).toEqual([])
      expect(await store.find('long')).toBeDefined()
    })

    it('leaves to its owner what has expired just now', async () => {
      const { store, pass } = await open()
      await store.save(sessionNamed('s1'), 400)
      await pass(1_000)
      expect(await store.takeExpired(10, 60_000)).toEqual([])
      await pass(60_000)
      expect(await store.takeExpired(10, 60_000)).toHaveLength(1)
    })

    it('gives nobody what was saved again after it had expired', async () => {
      const { store, pass } = await open()
      await store.save(sessionNamed('s1'), 400)
      await pass(500)
      expect(await store.find('s1')).toBeUndefined()
      await store.save(sessionNamed('s1'), 60_000)
      expect(await store.takeExpired(10, 0)).toEqual([])
      expect(await store.find('s1')).toBeDefined()
      expect(await store.count('alice')).toBe(1)
    })

    it('gives no session to two who take at once, none of them more than was asked for, and between them all', async () => {
      const { store, second, pass } = await open()
      const other = await second()
      const ids = Array.from({ length: 30 }, (_, at) => `s${at}`)
      await Promise.all(ids.map((id) => store.save(sessionNamed(id), 400)))
      await pass(500)
      const taken: string[] = []
      for (let rounds = 0; rounds < 10 && taken.length < ids.length; rounds += 1) {
        const both = await Promise.all([store.takeExpired(7, 0), other.takeExpired(7, 0)])
        for (const some of both) expect(some.length).toBeLessThanOrEqual(7)
        taken.push(...both.flat().map(({ id }) => id))
      }
      expect(taken.toSorted()).toEqual(ids.toSorted())
      expect(await store.takeExpired(7, 0)).toEqual([])
    })

    it('lets nobody claim or renew what is taken, and stores it anew for whoever saves it as new', async () => {
      const { store, pass } = await open()
      await store.save(sessionNamed('s1'), 400)
      await store.claim('s1', 'a', 0)
      await pass(500)
      const [claimed, taken] = await Promise.all([store.claim('s1', 'b', 1), store.takeExpired(10, 0)])
      expect([claimed, taken.length]).toEqual([undefined, 1])
      expect(await store.save(sessionNamed('s1'), 60_000, { epoch: 1 })).toEqual({ ok: false, fault: { reason: 'stale' } })
      await store.save(sessionNamed('s1'), 60_000)
      expect(await store.find('s1')).toMatchObject({ owner: undefined, epoch: 0, version: 1 })
    })
  })
}
