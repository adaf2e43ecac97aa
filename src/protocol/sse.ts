/**
 * Server-Sent Events (HTML Living Standard §9.2.5, §9.2.6): a parser over bytes for any chunking, and a writer of wire text.
 * Data is never decoded; where one `data` line lies whole in a chunk, the event's data is a view into that chunk.
 */
import type { WireText } from './json.ts'

/** One event that the stream ended. */
export interface SseEvent {
  /** `message` where the stream names none. */
  readonly event: string
  /** The event's data without its last line end. Empty for a priming event. May be a view into the pushed chunk. */
  readonly data: Buffer
  /** The `id` of this event; undefined where it has none (the parser's `lastEventId` goes on). */
  readonly id: string | undefined
  /** The `retry` of this event, in milliseconds. */
  readonly retryMs: number | undefined
}

/** After this the parser takes no more: what follows could be the middle of an event. */
export interface SseFault {
  readonly reason: 'event_too_large'
  readonly maxEventBytes: number
}

/** What one chunk brought. */
export interface SsePush {
  /** The events that ended in this chunk, in order; those before a fault are still good. */
  readonly events: readonly SseEvent[]
  readonly fault: SseFault | undefined
}

/** The state of one stream. */
export interface SseParser {
  push(chunk: Buffer): SsePush
  /** The sticky id, '' before the first: for `Last-Event-ID`. Set by events without data too. */
  lastEventId(): string
  /** The last `retry`, in milliseconds. Set by events without data too. */
  retryMs(): number | undefined
}

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const SPACE = 0x20
/** `data`, as one number. */
const DATA = 0x64617461
const BOM = Buffer.from([0xef, 0xbb, 0xbf])
const DIGITS = /^[0-9]+$/

/** A parser for one stream. An event's data and its longest line are each held to `maxEventBytes`. */
export function createSseParser(options: { readonly maxEventBytes: number }): SseParser {
  const { maxEventBytes } = options
  const fault: SseFault = { reason: 'event_too_large', maxEventBytes }
  let lastEventId = ''
  let retryMs: number | undefined
  let lineParts: Buffer[] = []
  let lineBytes = 0
  let data: Buffer[] = []
  let dataBytes = 0
  let event = ''
  let eventId: string | undefined
  let eventRetryMs: number | undefined
  let afterCr = false
  let bomMatched = 0
  let broken = false

  function dispatch(events: SseEvent[]): void {
    const only = data[0]
    if (only !== undefined) {
      const whole = data.length === 1 ? only : joinLines(data, dataBytes)
      events.push({ event: event === '' ? 'message' : event, data: whole, id: eventId, retryMs: eventRetryMs })
      data = []
    }
    dataBytes = 0
    event = ''
    eventId = undefined
    eventRetryMs = undefined
  }

  function field(line: Buffer): void {
    const colon = line.indexOf(COLON)
    if (colon === 0) return
    const nameEnd = colon === -1 ? line.length : colon
    const from = colon === -1 ? nameEnd : line[colon + 1] === SPACE ? colon + 2 : colon + 1
    if (nameEnd === 4 && line.readUInt32BE(0) === DATA) {
      const value = line.subarray(from)
      data.push(value)
      dataBytes += value.length + 1
      return
    }
    const name = nameEnd > 5 ? '' : line.toString('latin1', 0, nameEnd)
    if (name === 'event') {
      event = line.toString('utf8', from)
    } else if (name === 'id') {
      if (line.indexOf(0, from) !== -1) return
      eventId = lastEventId = line.toString('utf8', from)
    } else if (name === 'retry') {
      const digits = line.toString('latin1', from)
      if (DIGITS.test(digits) && Number.isSafeInteger(Number(digits))) retryMs = eventRetryMs = Number(digits)
    }
  }

  /** How many bytes at the head of the stream belong to its byte order mark; what only looked like one is text. */
  function skipBom(chunk: Buffer): number {
    let at = 0
    while (bomMatched < BOM.length && at < chunk.length) {
      if (chunk[at] !== BOM[bomMatched]) {
        if (bomMatched > at) {
          lineParts.push(BOM.subarray(0, bomMatched - at))
          lineBytes += bomMatched - at
        }
        bomMatched = BOM.length
        return 0
      }
      at++
      bomMatched++
    }
    return at
  }

  function push(chunk: Buffer): SsePush {
    const events: SseEvent[] = []
    if (broken) return { events, fault }
    let at = bomMatched < BOM.length ? skipBom(chunk) : 0
    let cr = chunk.indexOf(CR, at)
    while (at < chunk.length) {
      if (afterCr) {
        afterCr = false
        if (chunk[at] === LF) {
          at++
          continue
        }
      }
      if (cr !== -1 && cr < at) cr = chunk.indexOf(CR, at)
      const lf = chunk.indexOf(LF, at)
      const end = cr === -1 ? lf : lf === -1 ? cr : Math.min(cr, lf)
      const stop = end === -1 ? chunk.length : end
      if (lineBytes + (stop - at) > maxEventBytes) {
        broken = true
        return { events, fault }
      }
      if (end === -1) {
        lineParts.push(chunk.subarray(at))
        lineBytes += chunk.length - at
        break
      }
      if (lineBytes > 0) {
        lineParts.push(chunk.subarray(at, end))
        field(Buffer.concat(lineParts))
        lineParts = []
        lineBytes = 0
      } else if (end === at) {
        dispatch(events)
      } else {
        field(chunk.subarray(at, end))
      }
      if (dataBytes > maxEventBytes) {
        broken = true
        return { events, fault }
      }
      afterCr = end === cr
      at = end + 1
    }
    return { events, fault: undefined }
  }

  return { push, lastEventId: () => lastEventId, retryMs: () => retryMs }
}

function joinLines(lines: readonly Buffer[], bytesWithEnds: number): Buffer {
  const whole = Buffer.allocUnsafe(bytesWithEnds - 1)
  let at = 0
  for (const [index, line] of lines.entries()) {
    if (index > 0) whole[at++] = LF
    at += line.copy(whole, at)
  }
  return whole
}

/** What a stream of events begins with. */
export const SSE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  // nginx must not hold events back (S26 basic/transports/streamable-http, Receiving Messages).
  'x-accel-buffering': 'no',
}

/** A comment: clients ignore it (S26 basic/transports/streamable-http, Receiving Messages). */
export const SSE_KEEP_ALIVE: WireText = ':\n\n'

/**
 * One event, with the blank line that ends it. `eventId` '' for none, `name` '' for `message`; both are our own, without
 * line ends. JSON may hold raw line ends between its tokens: each line of `text` becomes a `data` line.
 */
export function sseText(text: WireText, eventId = '', name = ''): WireText {
  const head = `${name === '' ? '' : `event: ${name}\n`}${eventId === '' ? '' : `id: ${eventId}\n`}`
  return `${head}data: ${text.includes('\n') || text.includes('\r') ? text.replace(/\r\n|\r|\n/g, '\ndata: ') : text}\n\n`
}

/** An event without data whose id lets the client resume from the start (S25 basic/transports, priming event). */
export function ssePrime(eventId: string, retryMs: number): WireText {
  return `id: ${eventId}\nretry: ${retryMs}\ndata: \n\n`
}
