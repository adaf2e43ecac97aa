import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createEventBuffer } from '../../adapters/memory/event-buffer.ts'
import { createEventStore } from '../../adapters/memory/event-store.ts'
import { createSeededRandom } from '../../adapters/memory/random.ts'
import { createSessionStore } from '../../adapters/memory/session-store.ts'
import { createKeyring } from '../../adapters/node/keyring.ts'
import type { Principal } from '../auth/principal.ts'
import type { Exchange } from '../gateway/exchange.ts'
import { addStream } from './live-session.ts'
import type { LiveSession } from './live-session.ts'
import type { SessionStream } from './session-stream.ts'
import { ownAll } from './ownership.ts'
import { createSessions } from './sessions.ts'
import type { NewSession, Sessions, SessionsDeps } from './sessions.ts'

const IDLE_MS = 60_000
const FIELDS: NewSession = { endpoint: 'files', revision: '2025-11-25', clientInfo: '{}', clientCapabilities: '{}', withHandle: true }

const BOUNDS = { events: 3, bytes: 10_000 }

function principal(ownerKey: string, client = 'client'): Principal {
  return { ownerKey, bindingKey: `${ownerKey}/${client}`, label: ownerKey, scopes: new Set() }
}
const [alice, bob] = [principal('alice'), principal('bob')]

/** One store, as many replicas as wanted. */
function createRig(perPrincipal = 10) {
  const clock = createManualClock(1_000_000)
  const store = createSessionStore(clock)
  const keyring = createKeyring([{ secret: Buffer.alloc(32, 1), active: true }])
  const random = createSeededRandom(1)
  const ended: LiveSession[] = []
  const replica = (deps: Partial<SessionsDeps> = {}): Sessions => createSessions({
    clock,
    random,
    keyring,
    store,
    events: createEventBuffer({ clock, bufferedEvents: 10, bufferedEventBytes: 10_000, bufferedEventAgeMs: 60_000 }),
    idleMs: () => IDLE_MS,
    perPrincipal: () => perPrincipal,
    ownership: ownAll(store),
    kept: undefined,
    keptBounds: () => BOUNDS,
    onTakenUp: () => true,
    onEnd: (session) => ended.push(session),
    onLeft: () => undefined,
    ...deps,
  })
  return { clock, store, replica, sessions: replica(), ended }
}

function recordingStream(): SessionStream & { readonly written: string[]; readonly isEnded: () => boolean } {
  const written: string[] = []
  let ended = false
  return { written, isEnded: () => ended, write: (text) => written.push(text) > 0, keepAlive() {}, onDrain() {}, end: () => void (ended = true) }
}

describe('a session', () => {
  it('that ends where it may be another\'s is left to that one; a pipe, which nobody else can have, ends for good', async () => {
    const { store, replica } = createRig()
    const ended: string[] = []
    const left: string[] = []
    const ownership = { ...ownAll(store), isCertain: () => false }
    const sessions = replica({ ownership, onEnd: ({ handle }) => void ended.push(handle), onLeft: ({ handle }) => void left.push(handle) })
    const [session, pipe] = [await sessions.open(alice, FIELDS), await sessions.open(alice, { ...FIELDS, withHandle: false })]
    await Promise.all([sessions.end(session), sessions.end(pipe)])
    expect([ended, left]).toEqual([[pipe.handle], [session.handle]])
  })

  it('is found by what the client holds, on its endpoint', async () => {
    const { sessions } = createRig()
    const session = await sessions.open(alice, FIELDS)
    expect(session.handle).toMatch(/^[\x21-\x7e]+$/)
    expect(session.handle).not.toContain(session.data.id)
    expect(sessions.find(alice, 'files', session.handle)).toBe(session)
    expect(sessions.count).toBe(1)
    expect([...sessions.all()]).toEqual([session])
  })

  it('is stored for as long as it may be idle after its last use, though it was saved before that', async () => {
    const { clock, store, sessions } = createRig()
    const { handle, data } = await sessions.open(alice, FIELDS)
    clock.advance(IDLE_MS / 5)
    expect(sessions.find(alice, 'files', handle)).toBeDefined()
    clock.advance(IDLE_MS - 1)
    expect(await store.find(data.id)).toBeDefined()
  })

  it('that is live here is nobody\'s to end where its row has expired meanwhile, and is stored again when it is used', async () => {
    const { clock, store, sessions, replica, ended } = createRig()
    const here = await sessions.open(alice, FIELDS)
    const { data: { id: left } } = await replica().open(alice, FIELDS)
    clock.advance(2 * IDLE_MS)
    expect(await sessions.takeExpired(10, 0)).toMatchObject({ taken: 2, left: [{ id: left }] })
    expect([ended, await store.find(here.data.id)]).toEqual([[], undefined])
    sessions.find(alice, 'files', here.handle)
    await expect.poll(() => store.find(here.data.id)).toBeDefined()
  })

  it('ends here where its row has expired, and others can have nothing of it', async () => {
    const { clock, store, replica, ended } = createRig()
    const sessions = replica({ ownership: { ...ownAll(store), recheck: async ({ data }) => (await store.find(data.id)) !== undefined } })
    const session = await sessions.open(alice, FIELDS)
    clock.advance(2 * IDLE_MS)
    expect(await sessions.takeExpired(10, 0)).toEqual({ taken: 1, left: [] })
    expect([ended, sessions.count]).toEqual([[session], 0])
  })

  it('is unknown to others, to other clients of its owner, and on other endpoints', async () => {
    const { sessions } = createRig()
    const { handle } = await sessions.open(alice, FIELDS)
    for (const [who, endpoint] of [[bob, 'files'], [principal('alice', 'other'), 'files'], [alice, ''], [alice, 'other']] as const) {
      expect(await sessions.find(who, endpoint, handle)).toBeUndefined()
    }
    for (const unknown of ['', 'x', `${handle}x`, handle.slice(1)]) expect(await sessions.find(alice, 'files', unknown)).toBeUndefined()
  })

  it('is unknown to others also where it is known to be at another replica, and to its client there', async () => {
    const { store, replica, sessions } = createRig()
    const { handle } = await sessions.open(alice, FIELDS)
    const other = replica({ ownership: { ...ownAll(store), locate: () => Promise.resolve({ replicaId: 'r9' }) } })
    for (const time of ['looked up', 'known']) expect(await other.find(alice, 'files', handle), time).toEqual({ replicaId: 'r9' })
    for (const who of [bob, principal('alice', 'other')]) expect(await other.find(who, 'files', handle)).toBeUndefined()
  })

  it('is taken up by another replica, with what was saved of it', async () => {
    const { replica, sessions } = createRig()
    const { handle, data } = await sessions.open(alice, FIELDS)
    const other = replica()
    for (const [who, endpoint] of [[bob, 'files'], [principal('alice', 'other'), 'files'], [alice, 'other']] as const) {
      expect(await other.find(who, endpoint, handle)).toBeUndefined()
    }
    const restored = await other.find(alice, 'files', handle)
    if (restored === undefined || 'replicaId' in restored) expect.fail('not taken up')
    expect(restored.data).toMatchObject({ id: data.id, revision: '2025-11-25', endpoint: 'files' })
    expect(other.find(alice, 'files', handle)).toBe(restored)
  })

  it('is taken up once, however many requests ask for it at the same time', async () => {
    const { replica, sessions } = createRig()
    const { handle } = await sessions.open(alice, FIELDS)
    const other = replica()
    const [first, second] = await Promise.all([other.find(alice, 'files', handle), other.find(alice, 'files', handle)])
    expect(first).toBeDefined()
    expect(second).toBe(first)
  })

  it('of a pipe is found by nobody who holds a handle', async () => {
    const { sessions, replica } = createRig()
    const session = await sessions.open(alice, { ...FIELDS, withHandle: false })
    expect(await replica().find(alice, 'files', session.handle)).toBeUndefined()
    expect(await sessions.find(alice, 'files', session.data.id)).toBeUndefined()
  })
})

describe('the end', () => {
  it('comes once, and leaves nothing', async () => {
    const { sessions, ended, store, replica } = createRig()
    const session = await sessions.open(alice, FIELDS)
    const stream = recordingStream()
    addStream(session, stream)
    let runs = 0
    session.onEnded.add(() => (runs += 1))
    await Promise.all([sessions.end(session), sessions.end(session)])
    expect([ended, runs, stream.isEnded(), session.ended, session.streams, sessions.count]).toEqual([[session], 1, true, true, [], 0])
    expect(await store.find(session.data.id)).toBeUndefined()
    expect(await sessions.find(alice, 'files', session.handle)).toBeUndefined()
    expect(await replica().find(alice, 'files', session.handle)).toBeUndefined()
  })

  it('is not undone by a save that was asked for before', async () => {
    const { sessions, store, replica } = createRig()
    const session = await sessions.open(alice, FIELDS)
    const saves = [sessions.changed(session), sessions.changed(session)]
    await Promise.all([...saves, sessions.end(session)])
    expect(await store.find(session.data.id)).toBeUndefined()
    expect(await replica().find(alice, 'files', session.handle)).toBeUndefined()
  })

  it('comes after idle time, not before, and not while a call or a stream is open', async () => {
    const { sessions, clock } = createRig()
    const idle = await sessions.open(alice, FIELDS)
    const calling = await sessions.open(alice, FIELDS)
    calling.inFlight.set('1', {} as Exchange)
    const listening = await sessions.open(alice, FIELDS)
    addStream(listening, recordingStream())
    clock.advance(IDLE_MS)
    sessions.sweep()
    expect(idle.ended).toBe(false)
    clock.advance(1)
    sessions.sweep()
    expect([idle, calling, listening].map((session) => session.ended)).toEqual([true, false, false])
  })

  it('comes a whole idle time after a long call or stream, not with it', async () => {
    const { sessions, clock, store } = createRig()
    const session = await sessions.open(alice, FIELDS)
    const remove = addStream(session, recordingStream())
    for (let minute = 0; minute < 5; minute += 1) {
      clock.advance(IDLE_MS / 2)
      sessions.sweep()
      // One save is on its way at a time.
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await store.find(session.data.id)).toBeDefined()
    remove()
    sessions.sweep()
    expect(session.ended).toBe(false)
    clock.advance(IDLE_MS + 1)
    sessions.sweep()
    expect(session.ended).toBe(true)
  })

  it('is put off in the store by use, though the clock of the replica is set back meanwhile, or goes on without a tick', async () => {
    const { clock, store, replica } = createRig()
    let aheadMs = 0
    const sessions = replica({ clock: { ...clock, nowMs: () => clock.nowMs() + aheadMs } })
    const { handle, data } = await sessions.open(alice, FIELDS)
    aheadMs = -100 * IDLE_MS
    for (let version = 2; version <= 5; version += 1) {
      clock.advance(IDLE_MS / 2)
      await sessions.find(alice, 'files', handle)
      await expect.poll(() => store.find(data.id)).toMatchObject({ version })
    }
    aheadMs += IDLE_MS / 2
    await sessions.find(alice, 'files', handle)
    await expect.poll(() => store.find(data.id)).toMatchObject({ version: 6 })
  })

  it('is put off by use', async () => {
    const { sessions, clock, replica } = createRig()
    const { handle } = await sessions.open(alice, FIELDS)
    for (let use = 0; use < 10; use += 1) {
      clock.advance(IDLE_MS * 0.9)
      sessions.sweep()
      expect(await sessions.find(alice, 'files', handle)).toBeDefined()
    }
    expect(await replica().find(alice, 'files', handle)).toBeDefined()
  })
})

describe('a session that another replica claimed meanwhile', () => {
  it('is let go, with what that one has kept of it left alone', async () => {
    const { clock, store, replica } = createRig()
    const kept = createEventStore(clock, store)
    const sessions = replica({ kept, ownership: { ...ownAll(store), isCertain: () => false, recheck: () => Promise.resolve(false) } })
    const session = await sessions.open(alice, FIELDS)
    const event = { streamId: 'post_1', eventId: 'post_1_1', text: '{}', isFinal: true }
    await kept.keep(session.data.id, [event], IDLE_MS, BOUNDS)
    await sessions.handOver(session, 0)
    expect(session.ended).toBe(true)
    expect(await kept.load(session.data.id)).toEqual([event])
  })

  it('is not given back with events in the place of that one\'s, where it was claimed while it was handed over', async () => {
    const { clock, store, replica } = createRig()
    const [kept, events] = [createEventStore(clock, store), createEventBuffer({ clock, bufferedEvents: 10, bufferedEventBytes: 10_000, bufferedEventAgeMs: 60_000 })]
    const sessions = replica({ kept, events, ownership: { ...ownAll(store), save: () => Promise.resolve(false) } })
    const session = await sessions.open(alice, FIELDS)
    events.append(session.data.id, 'post_1', '{"jsonrpc":"2.0","id":1,"result":{}}')
    const event = { streamId: 'post_2', eventId: 'post_2_1', text: '{}', isFinal: true }
    await kept.keep(session.data.id, [event], IDLE_MS, BOUNDS)
    await sessions.handOver(session, 0)
    expect(await kept.load(session.data.id)).toEqual([event])
  })
})

describe('a session that was claimed between two writes of its hand-over', () => {
  it('has what its new owner keeps left alone', async () => {
    const { clock, store, replica } = createRig()
    const [kept, events] = [createEventStore(clock, store), createEventBuffer({ clock, bufferedEvents: 10, bufferedEventBytes: 10_000, bufferedEventAgeMs: 60_000 })]
    const event = { streamId: 'post_2', eventId: 'post_2_1', text: '{}', isFinal: true }
    const ownership = ownAll(store)
    const claimedAfter: typeof ownership.save = async (session, lifetimeMs) => {
      await ownership.save(session, lifetimeMs)
      await store.claim(session.data.id, 'other', session.epoch)
      await kept.keep(session.data.id, [event], lifetimeMs, BOUNDS)
      return true
    }
    const sessions = replica({ kept, events, ownership: { ...ownership, save: claimedAfter } })
    const session = await sessions.open(alice, FIELDS)
    events.append(session.data.id, 'post_1', '{"jsonrpc":"2.0","id":1,"result":{}}')
    await sessions.handOver(session, 0)
    expect(await kept.load(session.data.id)).toEqual([event])
  })
})

describe('a session of former replicas, served by the only one that is left', () => {
  it('is handed over with what it has to say', async () => {
    const { clock, store, replica } = createRig()
    const [kept, events] = [createEventStore(clock, store), createEventBuffer({ clock, bufferedEvents: 10, bufferedEventBytes: 10_000, bufferedEventAgeMs: 60_000 })]
    const { handle, data } = await replica().open(alice, FIELDS)
    await store.claim(data.id, 'former', 0)
    const sessions = replica({ kept, events })
    const session = await sessions.find(alice, 'files', handle)
    if (session === undefined || 'replicaId' in session) throw new TypeError('it is not here')
    events.append(data.id, 'post_1', '{"jsonrpc":"2.0","id":1,"result":{}}')
    await sessions.handOver(session, 0)
    expect((await kept.load(data.id)).map(({ streamId }) => streamId)).toEqual(['post_1'])
  })
})

describe('a session that is to be handed over', () => {
  it('costs the store of events nothing where it has nothing to say, and never had', async () => {
    const { clock, store, replica } = createRig()
    const [inner, events] = [createEventStore(clock, store), createEventBuffer({ clock, bufferedEvents: 10, bufferedEventBytes: 10_000, bufferedEventAgeMs: 60_000 })]
    const replaced: string[] = []
    const kept = { ...inner, replace: (...given: Parameters<typeof inner.replace>) => (replaced.push(given[0]), inner.replace(...given)) }
    const sessions = replica({ kept, events })
    const [silent, spoken, former] = [await sessions.open(alice, FIELDS), await sessions.open(alice, FIELDS), await sessions.open(alice, FIELDS)]
    events.append(spoken.data.id, 'post_1', '{"jsonrpc":"2.0","id":1,"result":{}}')
    sessions.keepStream(spoken, 'post_1')
    events.dropSession(spoken.data.id)
    for (const session of [silent, spoken, former]) await sessions.handOver(session, 0)
    expect(replaced).toEqual([spoken.data.id])
    // What one before it kept is in the place of nothing else.
    await inner.keep(former.data.id, [{ streamId: 'post_1', eventId: 'post_1_1', text: '{}', isFinal: true }], IDLE_MS, BOUNDS)
    const takenUp = await sessions.find(alice, 'files', former.handle)
    if (takenUp === undefined || 'replicaId' in takenUp) throw new TypeError('it is not here')
    events.dropSession(former.data.id)
    await sessions.handOver(takenUp, 0)
    expect(await inner.load(former.data.id)).toEqual([])
  })

  it('stays where a call of it has begun while it was looked up, until that has ended', async () => {
    const { store, replica } = createRig()
    const looked = Promise.withResolvers<boolean>()
    const sessions = replica({ ownership: { ...ownAll(store), isCertain: () => false, recheck: () => looked.promise } })
    const session = await sessions.open(alice, FIELDS)
    const handedOver = sessions.handOver(session, 0)
    session.inFlight.set('1', {} as Exchange)
    looked.resolve(true)
    await handedOver
    expect(session.ended).toBe(false)
    session.inFlight.clear()
    await sessions.handOver(session, 0)
    expect(session.ended).toBe(true)
  })
})

describe('what a client was not there to hear', () => {
  const answer = (id: number): string => `{"jsonrpc":"2.0","id":${id},"result":{}}`

  it('is kept within bounds, however often it goes away', async () => {
    const { clock, store, replica } = createRig()
    const kept = createEventStore(clock, store)
    const events = createEventBuffer({ clock, bufferedEvents: 10, bufferedEventBytes: 10_000, bufferedEventAgeMs: 60_000 })
    const sessions = replica({ kept, events })
    const session = await sessions.open(alice, FIELDS)
    for (let at = 1; at <= 5; at += 1) {
      events.append(session.data.id, `post_${at}`, answer(at))
      sessions.keepStream(session, `post_${at}`)
    }
    await expect.poll(async () => (await kept.load(session.data.id)).map(({ text, isFinal }) => [text, isFinal])).toEqual([3, 4, 5].map((at) => [answer(at), true]))
  })

  it('stays where it was kept by a hand-over that the store does not take', async () => {
    const { clock, store: stored, replica } = createRig()
    const store = createEventStore(clock, stored)
    const kept = { ...store, keep: () => Promise.reject(new Error('full')), replace: () => Promise.reject(new Error('full')) }
    const sessions = replica({ kept })
    const session = await sessions.open(alice, FIELDS)
    const event = { streamId: 'post_1', eventId: 'post_1_1', text: answer(1), isFinal: true }
    await store.keep(session.data.id, [event], IDLE_MS, BOUNDS)
    await sessions.handOver(session, 0)
    expect(await store.load(session.data.id)).toEqual([event])
  })
})

describe('a session that is its pipe', () => {
  it('does not end in a drain as long as a call of it is under way', async () => {
    const { sessions } = createRig()
    const session = await sessions.open(alice, { ...FIELDS, withHandle: false })
    session.inFlight.set('1', {} as Exchange)
    await sessions.handOver(session, 0)
    expect(session.ended).toBe(false)
    session.inFlight.clear()
    await sessions.handOver(session, 0)
    expect(session.ended).toBe(true)
  })
})

describe('how many sessions an owner has', () => {
  it('is bounded, for all clients of the owner together, and for nobody else', async () => {
    const { sessions } = createRig(2)
    const first = await sessions.open(alice, FIELDS)
    await sessions.open(principal('alice', 'other'), FIELDS)
    await expect(sessions.open(alice, FIELDS)).rejects.toMatchObject({ code: 'too_many_sessions', retryAfterSec: 60 })
    await sessions.open(bob, FIELDS)
    await sessions.end(first)
    await sessions.open(alice, FIELDS)
  })

  it('is bounded for those opened at the same time too', async () => {
    const { sessions } = createRig(3)
    const opened = await Promise.allSettled(Array.from({ length: 10 }, () => sessions.open(alice, FIELDS)))
    expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    expect(sessions.count).toBe(3)
    await expect(sessions.open(alice, FIELDS)).rejects.toMatchObject({ code: 'too_many_sessions' })
    for (const session of sessions.all()) await sessions.end(session)
    await sessions.open(alice, FIELDS)
  })
})
