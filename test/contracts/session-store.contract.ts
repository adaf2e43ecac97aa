/** What every SessionStore must do. `pass` lets the store's time pass. */
import { describe, expect, it } from 'vitest'
import type { Session } from '../../src/core/session/session.ts'
import type { SessionStore } from '../../src/core/session/session-store.ts'

export interface SessionStoreRig {
  readonly store: SessionStore
  pass(ms: number): Promise<void>
}

function session(id: string, more: Partial<Session> = {}): Session {
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
    ...more,
  }
}

export function testSessionStore(name: string, open: () => Promise<SessionStoreRig>): void {
  describe(`SessionStore contract: ${name}`, () => {
    it('finds what was saved, whole', async () => {
      const { store } = await open()
      const saved = session('s1', {
        initialized: true,
        logLevel: 'debug',
        subscriptions: { up: ['file:///a', 'file:///b'], __proto__x: [] },
        tasks: { up: ['t1'] },
      })
      await store.save(saved, 1_000)
      expect(await store.find('s1')).toEqual(saved)
    })

    it('finds nothing that never was, or was deleted', async () => {
      const { store } = await open()
      await store.save(session('s1'), 1_000)
      await store.delete('s1')
      await store.delete('never')
      expect(await store.find('s1')).toBeUndefined()
      for (const id of ['never', '', '__proto__', 'constructor']) expect(await store.find(id)).toBeUndefined()
    })

    it('forgets a session that was not saved again within its lifetime', async () => {
      const { store, pass } = await open()
      await store.save(session('short'), 400)
      await store.save(session('long'), 60_000)
      expect(await store.find('short')).toBeDefined()
      await pass(500)
      expect(await store.find('short')).toBeUndefined()
      expect(await store.find('long')).toBeDefined()
    })

    it('counts the lifetime from the last save, and not from a find', async () => {
      const { store, pass } = await open()
      await store.save(session('s1'), 1_000)
      await store.save(session('s2'), 1_000)
      await pass(600)
      await store.save(session('s1'), 1_000)
      await store.find('s2')
      await pass(600)
      expect(await store.find('s1')).toBeDefined()
      expect(await store.find('s2')).toBeUndefined()
    })

    it('keeps a copy: what changes outside counts once it is saved', async () => {
      const { store } = await open()
      const mine = session('s1', { subscriptions: { up: ['a'] } })
      await store.save(mine, 60_000)
      mine.logLevel = 'error'
      mine.subscriptions['up']?.push('b')
      const found = await store.find('s1')
      expect(found).toMatchObject({ logLevel: '', subscriptions: { up: ['a'] } })
      found?.subscriptions['up']?.push('c')
      expect(await store.find('s1')).toMatchObject({ subscriptions: { up: ['a'] } })
      if (found !== undefined) await store.save(found, 60_000)
      expect(await store.find('s1')).toMatchObject({ subscriptions: { up: ['a', 'c'] } })
    })

    it('counts the live sessions of each owner', async () => {
      const { store, pass } = await open()
      await store.save(session('a1'), 400)
      await store.save(session('a2'), 60_000)
      await store.save(session('a2'), 60_000)
      await store.save(session('a3'), 60_000)
      await store.save(session('b1', { ownerKey: 'bob' }), 60_000)
      await store.delete('a3')
      expect(await store.count('alice')).toBe(2)
      expect(await store.count('bob')).toBe(1)
      expect(await store.count('nobody')).toBe(0)
      await pass(500)
      expect(await store.count('alice')).toBe(1)
    })
  })
}
