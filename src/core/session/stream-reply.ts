/**
 * The reply to a POST on a 2025-03-26 … 2025-11-25 session. It answers with JSON where nothing came before the response,
 * otherwise with a stream that outlives its connection: a client that went away has not cancelled, and resumes with
 * `Last-Event-ID` (2025-11-25, Transports, Resumability and Redelivery).
 */

import type { WireText } from '../../protocol/json.ts'
import type { HttpResponse } from '../gateway/http-exchange.ts'
import { beginAnswer } from '../gateway/begun-answer.ts'
import type { BegunAnswer } from '../gateway/begun-answer.ts'
import { bodyLength, wholeText } from '../gateway/reply.ts'
import type { FinalAnswer, Reply } from '../gateway/reply.ts'
import { createBoundedWrite } from './bounded-write.ts'
import type { BufferedEvent, EventBuffer } from './event-buffer.ts'
import { SSE_HEADERS, SSE_KEEP_ALIVE, ssePrime, sseText } from '../../protocol/sse.ts'

export interface StreamReply extends Reply {
  /** Goes on at another connection, after the events it missed. */
  resume(response: HttpResponse, missed: readonly BufferedEvent[]): void
}

export interface StreamReplyOptions {
  readonly response: HttpResponse
  readonly events: EventBuffer
  readonly sessionId: string
  readonly streamId: string
  /** Priming events and `retry` exist for 2025-11-25 clients only. */
  readonly priming: boolean
  /** The client would rather have a stream: open it at once, so that it can resume before anything was said. */
  readonly streams: boolean
  /** Called once it has ended; `resumable`: it was a stream, whose events the client may still ask for, and will where it `isAbsent`. */
  readonly onDone: (resumable: boolean, isAbsent: boolean) => void
}

/** What a primed client is told to wait before it comes back, unless the upstream says otherwise. */
export const RETRY_MS = 1_000

export function createStreamReply(options: StreamReplyOptions): StreamReply {
  const { events, sessionId, streamId, priming } = options
  let response: HttpResponse | undefined
  let writeOut: ((text: WireText) => boolean) | undefined
  let onDrain: (() => void) | undefined
  let streaming = false
  let written = 0
  let begun: BegunAnswer | undefined

  const attach = (next: HttpResponse): void => {
    response = next
    writeOut = undefined
    next.onGone(() => {
      if (response === next) response = undefined
      // Whoever waits for this connection to drain would wait for ever: events now only go to the buffer.
      drained()
    })
  }
  const drained = (): void => {
    const run = onDrain
    onDrain = undefined
    run?.()
  }
  const write = (text: WireText): boolean => {
    written += text.length
    if (response === undefined) return true
    writeOut ??= createBoundedWrite(response)
    return writeOut(text)
  }
  const open = (retryMs: number): void => {
    if (streaming) return
    streaming = true
    response?.head(200, SSE_HEADERS)
    if (priming) write(ssePrime(events.append(sessionId, streamId, ''), retryMs))
  }
  const leave = (): void => {
    const leaving = response
    response = undefined
    leaving?.end()
  }

  attach(options.response)
  if (options.streams) open(RETRY_MS)
  return {
    begin() {
      if (streaming || response === undefined) return undefined
      begun = beginAnswer(() => response)
      return begun
    },
    hasBegun: () => begun !== undefined,
    isHeard: () => response !== undefined,
    send(text) {
      if (begun !== undefined) return true
      open(RETRY_MS)
      return write(sseText(text, events.append(sessionId, streamId, text)))
    },
    onDrain(run) {
      onDrain = run
      if (response === undefined) drained()
      else response.onDrain(drained)
    },
    suspend(retryMs) {
      if (!priming || begun !== undefined) return
      open(retryMs)
      leave()
      drained()
    },
    keepAlive() {
      if (begun !== undefined) return
      open(RETRY_MS)
      write(SSE_KEEP_ALIVE)
    },
    resume(next, missed) {
      leave()
      attach(next)
      next.head(200, SSE_HEADERS)
      streaming = true
      for (const { eventId, text } of missed) if (text !== '') write(sseText(text, eventId))
      // Last: what waited for the old connection goes on behind what was missed.
      drained()
    },
    finish(answer: FinalAnswer | undefined) {
      const isAbsent = response === undefined
      if (begun !== undefined) written += begun.close()
      else if (!streaming) {
        if (answer === undefined) response?.answer(200, SSE_HEADERS, '')
        else response?.answer(answer.status, answer.headers, answer.text, answer.tail)
        written += answer === undefined ? 0 : bodyLength(answer)
      } else {
        if (answer !== undefined) {
          const text = wholeText(answer)
          write(sseText(text, events.append(sessionId, streamId, text)))
        }
        leave()
      }
      // Written is not received: what the stream said is kept until the client names its last event, or it expires.
      options.onDone(streaming, isAbsent)
      return written
    },
  }
}
