/**
 * The GET stream of a legacy HTTP session (2025-03-26 … 2025-11-25, Listening for Messages): opened at need, taken up
 * again with `Last-Event-ID` and back-off for as long as the session lives.
 */
import { HEADER } from '../../protocol/header.ts'
import type { WireText } from '../../protocol/json.ts'
import { createSseParser } from '../../protocol/sse.ts'
import type { SseParser } from '../../protocol/sse.ts'
import type { Clock } from '../clock.ts'
import type { Random } from '../random.ts'
import type { Egress, EgressControl } from './egress.ts'
import { isMediaType } from './http-status.ts'
import type { HeaderPairs } from './header-pairs.ts'

export interface EventStreamOptions {
  readonly egress: Egress
  readonly clock: Clock
  readonly random: Random
  readonly url: string
  readonly headers: () => HeaderPairs
  readonly connectTimeoutMs: number
  readonly eventBytes: number
  onText(text: WireText): void
  /** 404: the server does not know the session; or, where none was open before, has no such stream. */
  onGone(wasOpen: boolean): void
}

export interface EventStream {
  /** Opens it, for as long as the session lives. Resolves when it is open, the server has none (405), or it is closed: what fails is tried again. */
  open(): Promise<void>
  close(): void
}

const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000
/** One that stood so long has not failed: proxies cut streams on which nothing is said. */
const STABLE_MS = 10_000
/** RFC 9110 §15.6.2: the server does not support the method. */
const NOT_IMPLEMENTED = 501

export function createEventStream(options: EventStreamOptions): EventStream {
  const { egress, clock, random, url, connectTimeoutMs, eventBytes } = options
  const settled = Promise.withResolvers<void>()
  let control: EgressControl | undefined
  let stopTimer: (() => void) | undefined
  let isBegun = false
  let isClosed = false
  let wasOpen = false
  let tries = 0
  let lastEventId = ''
  let retryMs: number | undefined

  function reconnectLater(): void {
    if (isClosed) return
    const backoffMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(tries, 10))
    // The server's own `retry` is a least time (2025-11-25: the client MUST respect it).
    const delayMs = tries === 0 && retryMs !== undefined ? retryMs : Math.max(retryMs ?? 0, backoffMs * (0.5 + random.fraction() / 2))
    tries += 1
    stopTimer = clock.after(delayMs, connect)
  }

  function connect(): void {
    if (isClosed) return
    let parser: SseParser | undefined
    let refused = 0
    let openedTicks = Number.POSITIVE_INFINITY
    const headers: HeaderPairs = [
      ...options.headers().filter(([name]) => name !== 'content-type' && name !== 'accept'),
      ['accept', 'text/event-stream'],
      ...(lastEventId === '' ? [] : ([[HEADER.lastEventId, lastEventId]] as const)),
    ]
    function ended(): void {
      control = undefined
      if (isClosed) return
      if (clock.ticksMs() - openedTicks >= STABLE_MS) tries = 0
      if (refused === 404) {
        close()
        options.onGone(wasOpen)
      } else if (parser === undefined && hasNone(refused)) {
        settled.resolve()
      } else {
        reconnectLater()
      }
    }
    control = egress.send({ method: 'GET', url, headers, connectTimeoutMs }, {
      onHead(status, header) {
        if (status === 200 && isMediaType(header('content-type') ?? '', 'text/event-stream')) {
          parser = createSseParser({ maxEventBytes: eventBytes })
          wasOpen = true
          openedTicks = clock.ticksMs()
          settled.resolve()
        } else {
          refused = status === 200 ? 405 : status
        }
      },
      onChunk(chunk) {
        if (parser === undefined) return
        const { events, fault } = parser.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
        lastEventId = parser.lastEventId() || lastEventId
        retryMs = parser.retryMs() ?? retryMs
        if (events.length > 0) tries = 0
        for (const event of events) {
          if (event.data.length > 0 && event.event === 'message' && !isClosed) options.onText(event.data.toString('latin1'))
        }
        if (fault === undefined) return
        // An event beyond the limit.
        control?.abort()
        ended()
      },
      onEnd: ended,
      onFailure: ended,
    })
  }

  function close(): void {
    isClosed = true
    stopTimer?.()
    control?.abort()
    settled.resolve()
  }

  return {
    open() {
      if (!isBegun) connect()
      isBegun = true
      return settled.promise
    },
    close,
  }
}

/**
 * 405 by the specification; 400 and others come from servers that never heard of this stream. 409 is no such answer: another holder's is
 * open still, and servers of the TypeScript SDK have one for a session.
 */
function hasNone(status: number): boolean {
  return status === NOT_IMPLEMENTED || (status >= 400 && status < 500 && status !== 408 && status !== 409 && status !== 429)
}
