import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toWireText } from './json.ts'
import { createSseParser, SSE_HEADERS, SSE_KEEP_ALIVE, ssePrime, sseText } from './sse.ts'
import type { SseEvent } from './sse.ts'

interface PlainEvent {
  event: string
  data: string
  id: string | undefined
  retryMs: number | undefined
}

const plain = (event: SseEvent): PlainEvent => ({ ...event, data: event.data.toString('utf8') })

function parse(chunks: readonly (string | Buffer)[], maxEventBytes = 1_000_000): PlainEvent[] {
  const parser = createSseParser({ maxEventBytes })
  return chunks.flatMap((chunk) => {
    const { events, fault } = parser.push(Buffer.from(chunk))
    expect(fault).toBeUndefined()
    return events.map(plain)
  })
}

const message = (data: string): PlainEvent => ({ event: 'message', data, id: undefined, retryMs: undefined })

describe('the parser', () => {
  it('reads one event', () => {
    expect(parse(['data: {"a":1}\n\n'])).toEqual([message('{"a":1}')])
  })

  it('reads event, id and retry', () => {
    expect(parse(['event: endpoint\nid: 7\nretry: 500\ndata: /x\n\n'])).toEqual(
      [{ event: 'endpoint', data: '/x', id: '7', retryMs: 500 }],
    )
  })

  it.each([['LF', '\n'], ['CR', '\r'], ['CRLF', '\r\n']])('takes %s for a line end', (_name, eol) => {
    expect(parse([['id: 1', 'data: a', 'data: b', '', 'data: c', '', ''].join(eol)])).toEqual([
      { ...message('a\nb'), id: '1' },
      message('c'),
    ])
  })

  it('takes a CRLF that is split between chunks for one line end', () => {
    expect(parse(['data: a\r', '\n\r', '\ndata: b\r', '\n', '\r', '\n'])).toEqual([message('a'), message('b')])
  })

  it('takes mixed line ends', () => {
    expect(parse(['data: a\rdata: b\ndata: c\r\n\n'])).toEqual([message('a\nb\nc')])
  })

  it('skips one byte order mark, split or whole, and only at the beginning', () => {
    const bom = Buffer.from([0xef, 0xbb, 0xbf])
    expect(parse([Buffer.concat([bom, Buffer.from('data: a\n\n')])])).toEqual([message('a')])
    expect(parse([bom.subarray(0, 1), bom.subarray(1, 2), bom.subarray(2), 'data: a\n\n'])).toEqual([message('a')])
    expect(parse(['data: a\n\n', bom, 'data: b\n\n'])).toEqual([message('a')])
  })

  it('keeps what only began like a byte order mark as part of the first line', () => {
    const like = Buffer.from([0xef, 0xbb])
    expect(parse([like, 'data: a\n\ndata: b\n\n'])).toEqual([message('b')])
    expect(parse([Buffer.concat([like, Buffer.from('data: a\n\ndata: b\n\n')])])).toEqual([message('b')])
  })

  it('removes one space after the colon and no more', () => {
    expect(parse(['data:a\n\ndata:  b\n\n'])).toEqual([message('a'), message(' b')])
  })

  it('reads a line without a colon as a field without a value', () => {
    expect(parse(['data\ndata\n\n'])).toEqual([message('\n')])
  })

  it('ignores comments and unknown fields', () => {
    expect(parse([': hi\n:\nfoo: bar\ndatax: 1\nDATA: 2\ndat: 3\ndata: a\n\n'])).toEqual([message('a')])
  })

  it('gives a priming event: an id and empty data', () => {
    expect(parse(['id: 1/0\ndata:\n\n'])).toEqual([{ ...message(''), id: '1/0' }])
    expect(parse(['id: 1/0\ndata: \n\n'])).toEqual([{ ...message(''), id: '1/0' }])
  })

  it('gives no event without data, but keeps its id and retry', () => {
    const parser = createSseParser({ maxEventBytes: 100 })
    expect(parser.push(Buffer.from('event: x\nid: 9\nretry: 20\n\ndata: a\n\n')).events.map(plain)).toEqual([message('a')])
    expect(parser.lastEventId()).toBe('9')
    expect(parser.retryMs()).toBe(20)
  })

  it('ignores an id that holds NUL', () => {
    const parser = createSseParser({ maxEventBytes: 100 })
    parser.push(Buffer.from('id: a\ndata: 1\n\nid: b\0\ndata: 2\n\n'))
    expect(parser.lastEventId()).toBe('a')
  })

  it('forgets the last id at an empty one', () => {
    const parser = createSseParser({ maxEventBytes: 100 })
    parser.push(Buffer.from('id: a\ndata: 1\n\nid\ndata: 2\n\n'))
    expect(parser.lastEventId()).toBe('')
  })

  it.each(['1s', '-1', '1.5', '', ' 5', '99999999999999999999'])('ignores retry %j', (value) => {
    expect(parse([`retry: ${value}\ndata: a\n\n`])).toEqual([message('a')])
  })

  it('gives nothing for an event that the stream cut off', () => {
    expect(parse(['data: a\n', 'data: b'])).toEqual([])
  })

  it('does not copy data that lies in one chunk', () => {
    const chunk = Buffer.from('data: abc\n\n')
    const [event] = createSseParser({ maxEventBytes: 100 }).push(chunk).events
    expect(event?.data.buffer).toBe(chunk.buffer)
  })
})

describe('the cap on an event', () => {
  it('refuses a line beyond it before the line has ended, and gives the events before it', () => {
    const parser = createSseParser({ maxEventBytes: 20 })
    const { events, fault } = parser.push(Buffer.from(`data: ok\n\ndata: ${'x'.repeat(30)}`))
    expect(events.map(plain)).toEqual([message('ok')])
    expect(fault).toEqual({ reason: 'event_too_large', maxEventBytes: 20 })
    expect(parser.push(Buffer.from('\n\ndata: y\n\n'))).toEqual({ events: [], fault })
  })

  it('refuses a line that grows beyond it by small chunks', () => {
    const parser = createSseParser({ maxEventBytes: 20 })
    const faults = Array.from({ length: 30 }, () => parser.push(Buffer.from('x')).fault)
    expect(faults.findIndex((fault) => fault !== undefined)).toBe(20)
  })

  it('refuses many short data lines, even empty ones', () => {
    const parser = createSseParser({ maxEventBytes: 20 })
    expect(parser.push(Buffer.from('data\n'.repeat(20))).fault).toBeUndefined()
    expect(parser.push(Buffer.from('data\n')).fault).toBeDefined()
  })

  it('does not count keep-alive comments', () => {
    const parser = createSseParser({ maxEventBytes: 20 })
    expect(parser.push(Buffer.from(': keep-alive\n'.repeat(1_000))).fault).toBeUndefined()
  })
})

/** Wire text as the client gets it. */
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('the writer', () => {
  it.each([
    ['{"a":1}', '', '', 'data: {"a":1}\n\n'],
    ['{}', 's_1', '', 'id: s_1\ndata: {}\n\n'],
    ['/messages?x=1', '', 'endpoint', 'event: endpoint\ndata: /messages?x=1\n\n'],
    ['{}', 's_1', 'message', 'event: message\nid: s_1\ndata: {}\n\n'],
    ['{\n"a":\r\n1\r}', '', '', 'data: {\ndata: "a":\ndata: 1\ndata: }\n\n'],
  ])('writes %j (id %j, name %j)', (text, id, name, wire) => {
    expect(sseText(text, id, name)).toBe(wire)
  })

  it('primes a stream with an id and no data', () => {
    expect(ssePrime('s_1', 1_000)).toBe('id: s_1\nretry: 1000\ndata: \n\n')
    expect(parse([ssePrime('s_1', 1_000)])).toEqual([{ event: 'message', data: '', id: 's_1', retryMs: 1_000 }])
  })

  it('keeps a stream alive with a comment that every client ignores', () => {
    expect(SSE_KEEP_ALIVE).toBe(':\n\n')
    expect(parse([SSE_KEEP_ALIVE, SSE_KEEP_ALIVE])).toEqual([])
  })

  it('says that what follows is a stream that nobody may hold back or keep', () => {
    expect(SSE_HEADERS).toEqual({ 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' })
  })
})

describe('for every stream', () => {
  it('what is written is parsed as it was, with every line end as LF', () => {
    const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/)
    const part = fc.constantFrom('a', 'é', '\r', '\n', '\r\n', ' ', ':', 'data: x', '\u2028', '\0', '😀')
    const event = fc.record({ event: fc.stringMatching(/^[a-z]{1,8}$/), id, data: fc.array(part).map((parts) => parts.join('')) })
    fc.assert(fc.property(fc.array(event), (events) => {
      const written = events.map((one) => bytes(sseText(toWireText(one.data), one.id, one.event)))
      const expected = events.map((one) => ({ ...one, data: one.data.replaceAll(/\r\n|\r/g, '\n'), retryMs: undefined }))
      expect(parse([Buffer.concat(written)])).toEqual(expected)
    }))
  })

  it('any chunking gives the same events', () => {
    const piece = fc.constantFrom(
      'data: a', 'data:b', 'data', 'id: 1', 'id: \0', 'event: x', 'retry: 5', ': c', '\n', '\r', '\r\n', '\n\n', '\r\r', 'é',
      '\u{FEFF}', 'x',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.array(fc.nat({ max: 12 })), (pieces, cuts) => {
        const whole = Buffer.from(pieces.join(''))
        const chunks: Buffer[] = []
        let at = 0
        for (const cut of cuts) {
          chunks.push(whole.subarray(at, at + cut))
          at = Math.min(whole.length, at + cut)
        }
        chunks.push(whole.subarray(at))
        const single = Array.from(whole, (byte) => Buffer.from([byte]))
        expect(parse(chunks)).toEqual(parse([whole]))
        expect(parse(single)).toEqual(parse([whole]))
      }),
      { numRuns: 2_000 },
    )
  })
})
