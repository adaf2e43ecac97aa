/** The long-lived ways to a legacy client: its GET streams, its HTTP+SSE stream, or the one pipe of stdio. */

import type { WireText } from '../../protocol/json.ts'
import type { HttpResponse } from '../gateway/http-exchange.ts'
import { createBoundedWrite } from './bounded-write.ts'
import type { EventBuffer } from './event-buffer.ts'
import { SSE_KEEP_ALIVE, ssePrime, sseText } from '../../protocol/sse.ts'
import { RETRY_MS } from './stream-reply.ts'

export interface SessionStream {
  /** False: the client is slow. The message is on its way all the same. */
  write(text: WireText): boolean
  keepAlive(): void
  onDrain(run: () => void): void
  end(): void
}

export interface GetStream extends SessionStream {
  /** An event of nothing but an id: what is written after it and does not arrive is asked for by it (2025-11-25, Transports, Resumability). */
  prime(): void
}

/** A GET stream of Streamable HTTP: every message is kept for resumption under `streamId`. */
export function createGetStream(
  response: HttpResponse,
  events: EventBuffer,
  ids: { readonly sessionId: string; readonly streamId: string },
): GetStream {
  const write = createBoundedWrite(response)
  return {
    prime: () => void write(ssePrime(events.append(ids.sessionId, ids.streamId, ''), RETRY_MS)),
    write: (text) => write(sseText(text, events.append(ids.sessionId, ids.streamId, text))),
    keepAlive: () => void response.write(SSE_KEEP_ALIVE),
    onDrain: (run) => response.onDrain(run),
    end: () => response.end(),
  }
}

/** The stream of HTTP+SSE (2024-11-05): everything the client is told goes here. It cannot be resumed. */
export function createSseStream(response: HttpResponse): SessionStream {
  const write = createBoundedWrite(response)
  return {
    write: (text) => write(sseText(text, '', 'message')),
    keepAlive: () => void response.write(SSE_KEEP_ALIVE),
    onDrain: (run) => response.onDrain(run),
    end: () => response.end(),
  }
}
