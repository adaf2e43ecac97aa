/**
 * Server-Sent Events over bytes (HTML Living Standard §9.2.5, §9.2.6): a parser for any chunking, and an encoder.
 * Data is never decoded; where one `data` line lies whole in a chunk, the event's data is a view into that chunk.
 */

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
const NO_BYTES = Buffer.alloc(0)
const NEWLINE = Buffer.from('\n')
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

/** An event to write. */
export interface SseEncoding {
  /** Without CR, LF and NUL; TypeError otherwise. */
  readonly id?: string
  /** Without CR and LF; TypeError otherwise. Left out: `message`. */
  readonly event?: string
  readonly data: Buffer | string
  /** A whole number of milliseconds. */
  readonly retryMs?: number
}

/** One event, with the blank line that ends it. Every line end within `data` (CR, LF, CRLF) arrives as LF. */
export function encodeEvent(event: SseEncoding): Buffer {
  let head = ''
  if (event.event !== undefined) head += `event: ${singleLine(event.event)}\n`
  if (event.id !== undefined) head += `id: ${singleLine(event.id)}\n`
  if (event.retryMs !== undefined) head += `retry: ${event.retryMs}\n`
  const data = typeof event.data === 'string' ? Buffer.from(event.data, 'utf8') : event.data
  if (data.indexOf(LF) === -1 && data.indexOf(CR) === -1) {
    const prefix = Buffer.from(`${head}data: `, 'utf8')
    const bytes = Buffer.allocUnsafe(prefix.length + data.length + 2)
    prefix.copy(bytes)
    data.copy(bytes, prefix.length)
    bytes[bytes.length - 2] = LF
    bytes[bytes.length - 1] = LF
    return bytes
  }
  const parts: Buffer[] = [Buffer.from(head, 'utf8')]
  for (const line of splitLines(data)) parts.push(Buffer.from('data: '), line, NEWLINE)
  parts.push(NEWLINE)
  return Buffer.concat(parts)
}

/** A keep-alive: clients ignore it (S26 basic/transports/streamable-http, Receiving Messages). */
export function encodeComment(text = ''): Buffer {
  return Buffer.from(`:${text === '' ? '' : ` ${singleLine(text)}`}\n\n`, 'utf8')
}

/** A newline in an id or a name would let its author write events of his own. */
function singleLine(text: string): string {
  if (/[\r\n\0]/.test(text)) throw new TypeError('An SSE field must not hold CR, LF or NUL')
  return text
}

function splitLines(data: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let start = 0
  let cr = data.indexOf(CR)
  let lf = data.indexOf(LF)
  while (cr !== -1 || lf !== -1) {
    const end = cr === -1 ? lf : lf === -1 ? cr : Math.min(cr, lf)
    lines.push(data.subarray(start, end))
    start = end === cr && lf === cr + 1 ? lf + 1 : end + 1
    if (cr !== -1 && cr < start) cr = data.indexOf(CR, start)
    if (lf !== -1 && lf < start) lf = data.indexOf(LF, start)
  }
  lines.push(start < data.length ? data.subarray(start) : NO_BYTES)
  return lines
}
