// Reads HTTP/1.1 replies from a socket, one request in flight at a time: Content-Length, chunked, or until close.
// Only good for the benchmark's own loopback peers: it trusts them not to attack it.

/** One whole reply. `body` is a view that the next `push` overwrites. */
export type Reply = {
  readonly status: number
  readonly body: Buffer
  readonly isEventStream: boolean
  readonly closes: boolean
  readonly head: string
}

export type ReplyReader = {
  /** Takes received bytes; the reply once it is whole, else null. Throws an Error on bytes that are no HTTP reply. */
  push(bytes: Buffer): Reply | null
  /** The connection ended: the reply that was delimited by the end, else null. */
  end(): Reply | null
}

type Head = { text: string; status: number; isEventStream: boolean; closes: boolean; framing: 'length' | 'chunked' | 'close'; lengthBytes: number }

const HEAD_END = Buffer.from('\r\n\r\n')

/** A reader for one connection. */
export function createReplyReader(): ReplyReader {
  let buffer = Buffer.allocUnsafe(16_384)
  let used = 0
  let head: Head | null = null
  let bodyStart = 0
  let bodyEnd = 0
  let cursor = 0

  const append = (bytes: Buffer): void => {
    if (used + bytes.length > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, used + bytes.length))
      buffer.copy(larger, 0, 0, used)
      buffer = larger
    }
    bytes.copy(buffer, used)
    used += bytes.length
  }
  const finish = (whole: Head, end: number): Reply => {
    const reply = { status: whole.status, body: buffer.subarray(bodyStart, end), isEventStream: whole.isEventStream, closes: whole.closes, head: whole.text }
    used = 0
    head = null
    return reply
  }
  /** Moves the data of every complete chunk together, in place; true at the last chunk. */
  const unchunk = (): boolean => {
    for (;;) {
      const lineEnd = buffer.subarray(0, used).indexOf('\r\n', cursor)
      if (lineEnd < 0) return false
      const sizeBytes = Number.parseInt(buffer.toString('latin1', cursor, lineEnd), 16)
      if (Number.isNaN(sizeBytes)) throw new Error('malformed chunk size')
      const end = lineEnd + 2 + sizeBytes + 2
      if (end > used) return false
      if (sizeBytes === 0) return true
      buffer.copyWithin(bodyEnd, lineEnd + 2, end - 2)
      bodyEnd += sizeBytes
      cursor = end
    }
  }
  return {
    push(bytes) {
      append(bytes)
      if (head === null) {
        const headEnd = buffer.subarray(0, used).indexOf(HEAD_END)
        if (headEnd < 0) return null
        head = readHead(buffer.toString('latin1', 0, headEnd))
        bodyStart = headEnd + 4
        bodyEnd = bodyStart
        cursor = bodyStart
      }
      if (head.framing === 'length') return used - bodyStart >= head.lengthBytes ? finish(head, bodyStart + head.lengthBytes) : null
      if (head.framing === 'chunked') return unchunk() ? finish(head, bodyEnd) : null
      return null
    },
    end() {
      return head?.framing === 'close' ? finish(head, used) : null
    },
  }
}

function readHead(text: string): Head {
  if (!text.startsWith('HTTP/1.')) throw new Error(`not an HTTP reply: ${text.slice(0, 40)}`)
  const lower = text.toLowerCase()
  const lengthAt = lower.indexOf('\r\ncontent-length:')
  const status = Number(text.slice(9, 12))
  const chunked = lower.includes('\r\ntransfer-encoding: chunked')
  const bodiless = status === 204 || status === 304
  return {
    text,
    status,
    isEventStream: lower.includes('\r\ncontent-type: text/event-stream'),
    closes: lower.includes('\r\nconnection: close'),
    framing: chunked ? 'chunked' : lengthAt >= 0 || bodiless ? 'length' : 'close',
    lengthBytes: lengthAt >= 0 ? Number.parseInt(lower.slice(lengthAt + 17), 10) : 0,
  }
}

/** The JSON-RPC messages of a reply: its JSON body, or the data of its events. Throws where they are no JSON. */
export function messagesOf(reply: Reply): unknown[] {
  const text = reply.body.toString('utf8')
  if (!reply.isEventStream) return [JSON.parse(text)]
  return text.split(/\r?\n\r?\n/).flatMap((event) => {
    const data = event.split(/\r?\n/).flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trimStart()] : []))
    return data.join('') === '' ? [] : [JSON.parse(data.join('\n'))]
  })
}

/** The value of a header field in a reply's head, or null. `name` in lower case. */
export function headerOf(head: string, name: string): string | null {
  const line = head.split('\r\n').find((each) => each.toLowerCase().startsWith(`${name}:`))
  return line === undefined ? null : line.slice(name.length + 1).trim()
}
