/**
 * The GET stream of a legacy HTTP session (2025-03-26 … 2025-11-25, Listening for Messages): opened at need, taken up
 * again with `Last-Event-ID` and back-off for as long as the session lives.
 */
import { PortolanError } from '../../protocol/error.ts'
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
  /** The server does not know the session. */
  onGone(): void
}

export interface EventStream {
  /** Resolves when it is open or the server has none (405); rejects with `upstream_unavailable`. */
  open(): Promise<void>
  close(): void
}

const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000

export function createEventStream(options: EventStreamOptions): EventStream {
  const { egress, clock, random, url, connectTimeoutMs, eventBytes } = options
  let control: EgressControl | undefined
  let opening: Promise<void> | undefined
  let stopTimer: (() => void) | undefined
  let isClosed = false
  let tries = 0
  let lastEventId = ''
  let retryMs: number | undefined

  function reconnectLater(): void {
    if (isClosed) return
    const backoffMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(tries, 10))
    // The server's own `retry` is a least time (2025-11-25: the client MUST respect it).
    const delayMs = tries === 0 && retryMs !== undefined ? retryMs : Math.max(retryMs ?? 0, backoffMs * (0.5 + random.fraction() / 2))
    tries += 1
    stopTimer = clock.after(delayMs, () => void connect(() => undefined, reconnectLater))
  }

  function connect(onOpen: () => void, onError: (detail: string) => void): void {
    if (isClosed) return
    let parser: SseParser | undefined
    let refused = 0
    const headers: HeaderPairs = [
      ...options.headers().filter(([name]) => name !== 'content-type' && name !== 'accept'),
      ['accept', 'text/event-stream'],
      ...(lastEventId === '' ? [] : ([[HEADER.lastEventId, lastEventId]] as const)),
    ]
    function ended(detail: string): void {
      control = undefined
      if (isClosed) return
      if (parser !== undefined) return reconnectLater()
      if (refused === 404) {
        isClosed = true
        onOpen()
        options.onGone()
      } else if (refused === 409) {
        // Another holder's stream is open still; servers of the TypeScript SDK have one for a session.
        onOpen()
        reconnectLater()
      } else if (refused >= 400 && refused < 500 && refused !== 408 && refused !== 429) {
        // 405 by the specification; 400 and others come from servers that never heard of this stream.
        onOpen()
      } else {
        onError(detail)
      }
    }
    control = egress.send({ method: 'GET', url, headers, connectTimeoutMs }, {
      onHead(status, header) {
        if (status === 200 && isMediaType(header('content-type') ?? '', 'text/event-stream')) {
          parser = createSseParser({ maxEventBytes: eventBytes })
          onOpen()
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
        if (fault !== undefined) {
          control?.abort()
          ended('an event beyond the limit')
        }
      },
      onEnd: () => ended('the stream was refused'),
      onFailure: (failure) => ended(failure.detail),
    })
  }

  return {
    open() {
      opening ??= new Promise<void>((resolve, reject) => {
        connect(resolve, (detail) => {
          opening = undefined
          reject(new PortolanError('upstream_unavailable', { cause: detail }))
        })
      })
      return opening
    },
    close() {
      isClosed = true
      stopTimer?.()
      control?.abort()
    },
  }
}
