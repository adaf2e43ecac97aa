import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createEventBuffer } from '../../adapters/memory/event-buffer.ts'
import type { HttpResponse } from '../gateway/http-exchange.ts'
import type { BufferedEvent } from './event-buffer.ts'
import { createStreamReply } from './stream-reply.ts'
import type { StreamReply, StreamReplyOptions } from './stream-reply.ts'

interface Wire extends HttpResponse {
  /** What happened, in order. */
  readonly log: string[]
  isSlow: boolean
  gone(): void
  drain(): void
}

function createWire(): Wire {
  const log: string[] = []
  let onGone = (): void => {}
  let onDrain = (): void => {}
  const wire: Wire = {
    log,
    isSlow: false,
    headSent: false,
    head: (status, headers) => void log.push(`head ${status} ${headers['content-type']}`),
    write: (text) => (log.push(text), !wire.isSlow),
    end: () => void log.push('end'),
    answer: (status, headers, text) => void log.push(`answer ${status} ${headers['content-type']} ${text}`),
    destroy: () => void log.push('destroy'),
    onDrain: (run) => void (onDrain = run),
    onGone: (run) => void (onGone = run),
    gone: () => onGone(),
    drain: () => onDrain(),
  }
  return wire
}

function createRig(more: Partial<StreamReplyOptions> = {}) {
  const clock = createManualClock(5_000)
  const events = createEventBuffer({ clock, bufferedEvents: 10, bufferedEventBytes: 10_000, bufferedEventAgeMs: 60_000 })
  const wire = createWire()
  const done: boolean[] = []
  const options = { response: wire, events, sessionId: 's', streamId: 'p', priming: false, streams: false, ...more }
  const reply: StreamReply = createStreamReply({ ...options, onDone: (resumable) => done.push(resumable) })
  const after = (eventId: string): readonly BufferedEvent[] => {
    const replay = events.replayAfter('s', eventId)
    return replay.kind === 'events' ? replay.events : expect.fail(replay.kind)
  }
  return { wire, reply, events, done, after }
}

const HEAD = 'head 200 text/event-stream'
const ANSWER = { status: 200, headers: { 'content-type': 'application/json' }, text: '{"r":1}' }

describe('the reply to a POST of a session', () => {
  it('is JSON where nothing came before it', () => {
    const { wire, reply, done } = createRig()
    expect(reply.finish(ANSWER)).toBe(7)
    expect(wire.log).toEqual(['answer 200 application/json {"r":1}'])
    expect(done).toEqual([false])
  })

  it('is a stream where something did, each message an event that can be resumed after', () => {
    const { wire, reply, done, after } = createRig()
    expect(reply.send('{"n":1}')).toBe(true)
    reply.finish(ANSWER)
    expect(wire.log).toEqual([HEAD, 'id: p_5001\ndata: {"n":1}\n\n', 'id: p_5002\ndata: {"r":1}\n\n', 'end'])
    expect(done).toEqual([true])
    expect(after('p_5001')).toEqual([{ eventId: 'p_5002', text: '{"r":1}' }])
  })

  it('primes and tells when to come back where the client knows that', () => {
    const { wire, reply } = createRig({ priming: true })
    reply.send('{}')
    expect(wire.log).toEqual([HEAD, 'id: p_5001\nretry: 1000\ndata: \n\n', 'id: p_5002\ndata: {}\n\n'])
  })

  it('is a stream from the start where the client would rather have one', () => {
    const { wire, reply } = createRig({ priming: true, streams: true })
    expect(wire.log).toHaveLength(2)
    reply.finish(ANSWER)
    expect(wire.log.slice(2)).toEqual(['id: p_5002\ndata: {"r":1}\n\n', 'end'])
  })

  it('keeps a quiet connection open with a comment', () => {
    const { wire, reply } = createRig()
    reply.keepAlive()
    expect(wire.log).toEqual([HEAD, ':\n\n'])
  })

  it('ends without a word where there is no answer', () => {
    const quiet = createRig()
    quiet.reply.finish(undefined)
    expect(quiet.wire.log).toEqual(['answer 200 text/event-stream '])
    const streaming = createRig()
    streaming.reply.send('{}')
    streaming.reply.finish(undefined)
    expect(streaming.wire.log.at(-1)).toBe('end')
  })
})

describe('a client that goes away', () => {
  it('finds at another connection what it missed, then the rest', () => {
    const { wire, reply, after } = createRig()
    reply.send('{"n":1}')
    wire.gone()
    expect(reply.send('{"n":2}')).toBe(true)
    const next = createWire()
    reply.resume(next, after('p_5001'))
    reply.send('{"n":3}')
    reply.finish(ANSWER)
    expect(wire.log).toHaveLength(2)
    expect(next.log).toEqual([HEAD, 'id: p_5002\ndata: {"n":2}\n\n', 'id: p_5003\ndata: {"n":3}\n\n', 'id: p_5004\ndata: {"r":1}\n\n', 'end'])
  })

  it('finds the answer in the buffer where it comes back after it', () => {
    const { wire, reply, after, done } = createRig()
    reply.send('{"n":1}')
    wire.gone()
    reply.finish(ANSWER)
    expect(done).toEqual([true])
    expect(after('p_5001').map(({ text }) => text)).toEqual(['{"r":1}'])
  })

  it('is not primed again, nor told empty events', () => {
    const { reply, after } = createRig({ priming: true })
    reply.send('{}')
    const next = createWire()
    const missed = [{ eventId: 'p_5001', text: '' }, ...after('p_5001')]
    reply.resume(next, missed)
    expect(next.log).toEqual([HEAD, 'id: p_5002\ndata: {}\n\n'])
  })

  it('leaves the old connection when it comes back at another; the old one going away then means nothing', () => {
    const { wire, reply } = createRig()
    reply.send('{}')
    const next = createWire()
    reply.resume(next, [])
    expect(wire.log.at(-1)).toBe('end')
    wire.gone()
    reply.send('{"n":2}')
    expect(next.log).toHaveLength(2)
  })
})

describe('a slow client', () => {
  it('is waited for once, until it drains or goes away', () => {
    const { wire, reply } = createRig()
    wire.isSlow = true
    expect(reply.send('{}')).toBe(false)
    let runs = 0
    reply.onDrain(() => (runs += 1))
    wire.drain()
    wire.drain()
    expect(runs).toBe(1)
    reply.onDrain(() => (runs += 1))
    wire.gone()
    expect(runs).toBe(2)
    reply.onDrain(() => (runs += 1))
    expect(runs).toBe(3)
  })

  it('is not waited for where it moved to another connection', () => {
    const { wire, reply } = createRig()
    wire.isSlow = true
    reply.send('{}')
    let runs = 0
    reply.onDrain(() => (runs += 1))
    reply.resume(createWire(), [])
    expect(runs).toBe(1)
  })
})

describe('a server that suspends its stream', () => {
  it('sends a client away that knows how to come back', () => {
    const { wire, reply } = createRig({ priming: true })
    reply.suspend(2_500)
    expect(wire.log).toEqual([HEAD, 'id: p_5001\nretry: 2500\ndata: \n\n', 'end'])
    reply.suspend(2_500)
    expect(wire.log).toHaveLength(3)
  })

  it('is waited for by every other client', () => {
    const { wire, reply } = createRig()
    reply.suspend(2_500)
    expect(wire.log).toEqual([])
  })

  it('does not leave its reader waiting for a connection that was ended', () => {
    const { wire, reply } = createRig({ priming: true })
    wire.isSlow = true
    reply.send('{}')
    let runs = 0
    reply.onDrain(() => (runs += 1))
    reply.suspend(2_500)
    expect(runs).toBe(1)
  })
})
