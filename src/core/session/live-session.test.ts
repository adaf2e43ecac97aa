import { describe, expect, it } from 'vitest'
import type { Exchange } from '../gateway/exchange.ts'
import type { Reply } from '../gateway/reply.ts'
import type { CallControl } from '../upstream/channel.ts'
import { addStream, createLiveSession, deliver, deliverOfNoCall, deliverUnattributed, rememberAnswered, rememberHostedTask, rememberTask } from './live-session.ts'
import type { LiveSession } from './live-session.ts'
import type { SessionStream } from './session-stream.ts'

function createSession(): LiveSession {
  return createLiveSession({
    id: 's',
    bindingKey: 'b',
    ownerKey: 'o',
    endpoint: '',
    revision: '2025-11-25',
    clientInfo: '{}',
    clientCapabilities: '{}',
    createdAtMs: 0,
    lastUsedAtMs: 0,
    initialized: true,
    logLevel: '',
    subscriptions: {},
    tasks: {},
    holds: [], atServers: {},
  }, 'h')
}

function createStream(isFast = true): SessionStream & { readonly written: string[] } {
  const written: string[] = []
  return { written, write: (text) => (written.push(text), isFast), keepAlive() {}, onDrain() {}, end() {} }
}

/** A call in flight; `carried`: it has reached its upstream; `isHeard`: its client is there. */
function addCall(session: LiveSession, idText: string, { carried = true, isHeard = true } = {}): string[] {
  const sent: string[] = []
  const reply: Reply = { isHeard: () => isHeard, send: (text) => sent.push(text) > 0, onDrain() {}, finish: () => 0, suspend() {}, keepAlive() {} }
  const carriage: CallControl | undefined = carried ? { abort() {}, resume() {} } : undefined
  // Of an exchange only this is asked for here.
  session.inFlight.set(idText, { reply, carriage } as unknown as Exchange)
  return sent
}

describe('what belongs to no call', () => {
  it('goes to exactly one stream, the newest', () => {
    const session = createSession()
    const [older, newer] = [createStream(), createStream(false)]
    addStream(session, older)
    const remove = addStream(session, newer)
    expect(deliver(session, 'a')).toBe(false)
    remove()
    expect(deliver(session, 'b')).toBe(true)
    remove()
    deliver(session, 'c')
    expect([older.written, newer.written]).toEqual([['b', 'c'], ['a']])
  })

  it('waits for a stream, in order, and goes to one only', () => {
    const session = createSession()
    expect(deliver(session, 'a')).toBe(true)
    deliver(session, 'b')
    const [first, second] = [createStream(), createStream()]
    addStream(session, first)
    addStream(session, second)
    expect([first.written, second.written]).toEqual([['a', 'b'], []])
  })

  it('waits within bounds: the oldest give way', () => {
    const session = createSession()
    for (let count = 0; count < 300; count += 1) deliver(session, String(count))
    const stream = createStream()
    addStream(session, stream)
    expect(stream.written).toEqual(Array.from({ length: 256 }, (_, index) => String(index + 44)))
  })
})

describe('a server\'s message that names no call', () => {
  it('goes to the one call in flight, even where a stream is open', () => {
    const session = createSession()
    const stream = createStream()
    addStream(session, stream)
    const sent = addCall(session, '1')
    addCall(session, '2', { carried: false })
    deliverUnattributed(session, 'a')
    expect([sent, stream.written]).toEqual([['a'], []])
  })

  it('goes to the session\'s stream where there are several calls, or none', () => {
    const session = createSession()
    const stream = createStream()
    addStream(session, stream)
    deliverUnattributed(session, 'a')
    const calls = [addCall(session, '1'), addCall(session, '2')]
    deliverUnattributed(session, 'b')
    expect([stream.written, ...calls]).toEqual([['a', 'b'], [], []])
  })

  it('goes to the newest call where there is no stream, and waits where there is neither', () => {
    const session = createSession()
    deliverUnattributed(session, 'a')
    expect(session.backlog).toEqual(['a'])
    const calls = [addCall(session, '1'), addCall(session, '2')]
    deliverUnattributed(session, 'b')
    expect(calls).toEqual([[], ['b']])
  })
})

describe('a server\'s message that names no call, where a client went away from one', () => {
  it('goes to the session\'s stream, and is kept for the call where there is none', () => {
    const session = createSession()
    const gone = addCall(session, '1', { isHeard: false })
    deliverUnattributed(session, 'a')
    const stream = createStream()
    addStream(session, stream)
    deliverUnattributed(session, 'b')
    expect([gone, stream.written]).toEqual([['a'], ['b']])
  })

  it('goes to a call that is heard rather than to a newer one that is not, and to the session\'s stream before both', () => {
    const session = createSession()
    const [heard, gone] = [addCall(session, '1'), addCall(session, '2', { isHeard: false })]
    deliverUnattributed(session, 'a')
    const stream = createStream()
    addStream(session, stream)
    deliverUnattributed(session, 'b')
    expect([heard, gone, stream.written]).toEqual([['a'], [], ['b']])
  })
})

describe('a server\'s message that belongs to no call', () => {
  it('goes to the session\'s stream, without one to a call that is heard, and else waits for a stream', () => {
    const session = createSession()
    const gone = addCall(session, '1', { isHeard: false })
    deliverOfNoCall(session, 'a')
    const heard = addCall(session, '2')
    deliverOfNoCall(session, 'b')
    const stream = createStream()
    addStream(session, stream)
    deliverOfNoCall(session, 'c')
    expect([gone, heard, stream.written]).toEqual([[], ['b'], ['a', 'c']])
  })

  it('waits for the next stream of a client whose last one broke, whatever call of it is heard', () => {
    const session = createSession()
    const remove = addStream(session, createStream())
    const heard = addCall(session, '1')
    remove()
    deliverOfNoCall(session, 'a')
    const next = createStream()
    addStream(session, next)
    expect([heard, next.written]).toEqual([[], ['a']])
  })
})

describe('streams that have ended', () => {
  it('are remembered by the request that was theirs: the newest 64, and no long ids', () => {
    const session = createSession()
    for (let count = 0; count < 70; count += 1) rememberAnswered(session, `stream-${count}`, String(count))
    rememberAnswered(session, 'long', `"${'x'.repeat(300)}"`)
    expect(session.answered.size).toBe(64)
    expect([session.answered.get('stream-5'), session.answered.get('stream-6'), session.answered.get('long')]).toEqual([undefined, '6', undefined])
  })
})

describe('the tasks of a session', () => {
  it('are kept in order, each once, the oldest giving way', () => {
    const session = createSession()
    for (let id = 0; id <= 1_000; id += 1) {
      rememberTask(session, 'constructor', `t${id}`)
      rememberHostedTask(session, 'u', `t${id}`)
    }
    rememberTask(session, 'constructor', 't5')
    rememberHostedTask(session, 'u', 't5')
    rememberTask(session, 'other', 't0')
    const ids = session.data.tasks['constructor'] ?? []
    expect([ids.length, ids[0], ids.at(-1), session.data.tasks['other']]).toEqual([1_000, 't1', 't5', ['t0']])
    const hosted = [...session.hostedTasks.keys()]
    expect([hosted.length, hosted[0], hosted.at(-1)]).toEqual([1_000, 't1', 't5'])
  })
})
