/** What every EventStore must do. */
import { describe, expect, it } from 'vitest'
import type { EventStore, KeptBounds, KeptEvent } from '../../src/core/session/event-store.ts'
import type { SessionStore } from '../../src/core/session/session-store.ts'
import type { Session } from '../../src/core/session/session.ts'
import type { StoreRig } from './store-rig.ts'

const ROOM: KeptBounds = { events: 10_000, bytes: 1_000_000 }
const event = (eventId: string, more: Partial<KeptEvent> = {}): KeptEvent => ({ streamId: 'stream', eventId, text: '{"n":1}', isFinal: false, ...more })
const session = (id: string): Session => ({
  id, bindingKey: 'b', ownerKey: 'o', endpoint: '', revision: '2025-11-25', clientInfo: '{}', clientCapabilities: '{}',
  createdAtMs: 1, lastUsedAtMs: 1, initialized: true, logLevel: '', subscriptions: {}, tasks: {}, holds: [], atServers: {},
})

/** Events are of sessions, which stand in the same database. */
export function testEventStore(name: string, open: () => Promise<StoreRig<EventStore & { readonly sessions: SessionStore }>>): void {
  describe(`EventStore contract: ${name}`, () => {
    it('loads what was kept, whole and in order, from everywhere', async () => {
      const { store, second } = await open()
      const first = [event('z'), event('a', { streamId: 'other', text: '' }), event('m', { text: '{"text":"t\u00c3\u00abst \\u0000"}' })]
      const later = [event('b', { isFinal: true }), event('0')]
      await store.keep('s1', first, 60_000, ROOM)
      await store.keep('s1', later, 60_000, ROOM)
      expect(await (await second()).load('s1')).toEqual([...first, ...later])
    })

    it('keeps each event once, as it was first', async () => {
      const { store } = await open()
      await store.keep('s1', [event('a'), event('b')], 60_000, ROOM)
      await store.keep('s1', [event('b', { text: 'changed' }), event('c')], 60_000, ROOM)
      expect((await store.load('s1')).map(({ eventId, text }) => [eventId, text])).toEqual([['a', '{"n":1}'], ['b', '{"n":1}'], ['c', '{"n":1}']])
    })

    it('keeps nothing, and many', async () => {
      const { store } = await open()
      await store.keep('s1', [], 60_000, ROOM)
      expect(await store.load('s1')).toEqual([])
      const many = Array.from({ length: 1_000 }, (_, at) => event(`e${at}`))
      await store.keep('s1', many, 60_000, ROOM)
      expect(await store.load('s1')).toEqual(many)
    })

    it('tells sessions apart, and forgets one at a time', async () => {
      const { store } = await open()
      await store.keep('s1', [event('a')], 60_000, ROOM)
      await store.keep('s2', [event('a', { text: 'two' })], 60_000, ROOM)
      await store.dropSession('s1')
      await store.dropSession('never')
      expect(await store.load('s1')).toEqual([])
      expect(await store.load('s2')).toEqual([event('a', { text: 'two' })])
      for (const id of ['never', '', '__proto__']) expect(await store.load(id)).toEqual([])
    })

    it('keeps no more of a session than it may: the oldest go, whichever stream they are of', async () => {
      const { store } = await open()
      const ids = async (sessionId: string): Promise<string[]> => (await store.load(sessionId)).map(({ eventId }) => eventId)
      await store.keep('other', [event('z1'), event('z2')], 60_000, ROOM)
      for (const id of ['a', 'b', 'c']) await store.keep('s1', [event(`${id}1`, { streamId: id }), event(`${id}2`, { streamId: id })], 60_000, { events: 3, bytes: 1_000 })
      expect(await ids('s1')).toEqual(['b2', 'c1', 'c2'])
      await store.keep('s1', [event('d1', { text: 'x'.repeat(90) })], 60_000, { events: 3, bytes: 97 })
      expect(await ids('s1')).toEqual(['c2', 'd1'])
      await store.keep('s1', [event('e1', { text: 'x'.repeat(98) })], 60_000, { events: 3, bytes: 97 })
      expect(await ids('s1')).toEqual([])
      // A byte a character, whatever it takes in the store.
      await store.keep('s1', [event('f1', { text: '\u00e9'.repeat(97) })], 60_000, { events: 3, bytes: 97 })
      expect(await ids('s1')).toEqual(['f1'])
      expect(await ids('other')).toEqual(['z1', 'z2'])
    })

    it('puts events in the place of all that was kept of a session', async () => {
      const { store, second } = await open()
      await store.sessions.save(session('s1'), 60_000)
      await store.keep('s1', [event('a'), event('b')], 60_000, ROOM)
      await store.keep('s2', [event('a')], 60_000, ROOM)
      const many = [event('b', { text: 'changed' }), ...Array.from({ length: 700 }, (_, at) => event(`e${at}`))]
      expect(await store.replace('s1', 0, many, 60_000)).toBe(true)
      expect(await (await second()).load('s1')).toEqual(many)
      expect(await store.replace('s1', 0, [], 60_000)).toBe(true)
      expect(await store.load('s1')).toEqual([])
      expect(await store.load('s2')).toEqual([event('a')])
    })

    it('leaves alone what is kept of a session that was claimed since, and keeps nothing of one that was ended', async () => {
      const { store, second } = await open()
      await store.sessions.save(session('s1'), 60_000)
      await store.keep('s1', [event('a')], 60_000, ROOM)
      await (await second()).sessions.claim('s1', 'other', 0)
      expect(await store.replace('s1', 0, [event('late')], 60_000)).toBe(false)
      expect(await store.load('s1')).toEqual([event('a')])
      expect(await store.replace('s1', 1, [event('b')], 60_000)).toBe(true)
      expect(await store.load('s1')).toEqual([event('b')])
      await (await second()).sessions.delete('s1')
      await store.dropSession('s1')
      expect(await store.replace('s1', 1, [event('late')], 60_000)).toBe(false)
      expect(await store.load('s1')).toEqual([])
    })

    it('forgets events after their lifetime', async () => {
      const { store, pass } = await open()
      await store.keep('s1', [event('short')], 400, ROOM)
      await store.keep('s1', [event('long')], 60_000, ROOM)
      await pass(500)
      expect(await store.load('s1')).toEqual([event('long')])
    })
  })
}
