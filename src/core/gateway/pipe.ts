/**
 * A client that has one pipe for everything: stdio, and HTTP+SSE of 2024-11-05. Its messages become exchanges whose
 * answers all go down the pipe; a legacy client's session is the pipe itself.
 */

import { isBatch } from '../../protocol/message.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import type { WireText } from '../../protocol/json.ts'
import { LiveMap } from '../live-map.ts'
import { PortolanError } from '../../protocol/error.ts'
import { traitsOf } from '../../protocol/revision.ts'
import { listenEnded } from '../bridge/listen.ts'
import { ensureLists, partyOf } from '../bridge/party.ts'
import type { Principal } from '../auth/principal.ts'
import { upstreamsAt } from '../catalog/endpoint-scope.ts'
import type { Views } from '../catalog/view.ts'
import { addStream } from '../session/live-session.ts'
import type { LiveSession } from '../session/live-session.ts'
import { createSessionReply } from '../session/session-reply.ts'
import type { SessionStream } from '../session/session-stream.ts'
import { readBatch } from './batch.ts'
import { beginExchange } from './begin.ts'
import { cancelCall } from './client-message.ts'
import type { GatewayContext } from './context.ts'
import { decodeLine } from './decode.ts'
import type { Exchange } from './exchange.ts'
import { finish } from './finish.ts'
import { runStages } from './stages.ts'

export interface Pipe {
  /** Takes one message (or a batch of 2025-03-26) as it came. */
  take(text: WireText): void
  /** The client is gone: everything of it ends. */
  close(): void
}

/** What may wait for a session that is being opened: servers can take a minute to start. */
const WAITING_BYTES = 16 * 1024 * 1024

export interface PipeOptions {
  readonly transport: 'sse' | 'stdio'
  readonly endpoint: string
  /** Known already over HTTP; authenticated by the first stage on stdio. */
  readonly principal: Principal | undefined
  readonly stream: SessionStream
}

export function createPipe(context: GatewayContext, views: Views, options: PipeOptions): Pipe {
  const { transport, endpoint, stream } = options
  /** Modern requests: a legacy session keeps its own. */
  const inFlight = new LiveMap<IdText, Exchange>()
  let session: LiveSession | undefined
  let initializing: Promise<void> | undefined
  let waitingBytes = 0
  let isClosed = false

  const begin = (text: WireText): Exchange => {
    const exchange = beginExchange(context, { transport, endpoint, era: 'legacy', reply: createSessionReply(stream) })
    exchange.text = text
    exchange.principal = options.principal
    return exchange
  }
  const endSession = (ended: LiveSession): void => {
    // The stream is the pipe's: it goes on.
    ended.streams.length = 0
    void context.sessions.end(ended)
  }
  /** The pipe is the stream on which a session is told of changed lists, whether it asks or not. */
  const watchLists = (exchange: Exchange): void => {
    for (const upstream of upstreamsAt(context, endpoint)) void ensureLists(context, partyOf(exchange), upstream)
  }
  const startSession = (exchange: Exchange): void => {
    let done = (): void => {}
    initializing = new Promise((resolve) => (done = resolve))
    exchange.onFinished.push(() => {
      const opened = exchange.session
      if (opened !== undefined) {
        // One pipe is one session: a second handshake ends the first, and a client that left has none.
        if (session !== undefined) endSession(session)
        session = opened
        if (isClosed) endSession(opened)
        else {
          addStream(opened, stream)
          watchLists(exchange)
        }
      }
      initializing = undefined
      done()
    })
  }
  const startModern = (exchange: Exchange, message: Message): void => {
    if (inFlight.has(message.idText)) {
      finish(context, exchange, { kind: 'refused', error: new PortolanError('invalid_request', { message: 'Invalid request: this id is in flight already' }) })
      return
    }
    inFlight.set(message.idText, exchange)
    exchange.onFinished.push(() => inFlight.delete(message.idText))
    runStages(context, exchange, views)
  }
  const start = (text: WireText): void => {
    const exchange = begin(text)
    const decoded = decodeLine(text, exchange.snapshot.limits.jsonDepth)
    exchange.era = decoded.era
    exchange.message = decoded.message
    if (!decoded.ok) {
      finish(context, exchange, { kind: 'refused', error: decoded.error }, decoded.idText)
      return
    }
    exchange.revision = decoded.revision
    const { message, era } = decoded
    if (era === 'modern') return startModern(exchange, message)
    if (message.method === 'initialize') startSession(exchange)
    else if (message.method === 'notifications/cancelled' && session === undefined) {
      cancelCall(context, { inFlight }, message)
      finish(context, exchange, { kind: 'accepted', status: 202 })
      return
    }
    // Without a session there is no other era that a notification could be of.
    if (message.kind === 'notification' && session === undefined) exchange.era = 'modern'
    exchange.session = session
    if (message.method === 'notifications/cancelled') cancelCall(context, { inFlight }, message)
    runStages(context, exchange, views)
  }
  const batchOf = (text: WireText): readonly WireText[] | undefined => {
    if (session === undefined || !isBatch(text) || !traitsOf(session.data.revision).batches) return undefined
    return readBatch(text, context.deps.snapshots.current().limits.jsonDepth)
  }
  const refuseWaiting = (text: WireText): void => {
    const exchange = begin(text)
    const decoded = decodeLine(text, exchange.snapshot.limits.jsonDepth)
    exchange.era = decoded.era
    exchange.message = decoded.message
    const isRequest = decoded.message?.kind === 'request'
    const error = new PortolanError('overloaded', { retryAfterSec: 1 })
    finish(context, exchange, isRequest ? { kind: 'refused', error } : { kind: 'cancelled', reason: 'overloaded' })
  }
  /** A client may write on before it was answered; its session must exist before its next message is looked at. */
  const wait = (text: WireText, ready: Promise<void>): void => {
    if (waitingBytes + text.length > WAITING_BYTES) return refuseWaiting(text)
    waitingBytes += text.length
    void ready.then(() => {
      waitingBytes -= text.length
      take(text)
    })
  }
  const take = (text: WireText): void => {
    if (isClosed) return
    if (initializing !== undefined) return wait(text, initializing)
    for (const one of batchOf(text) ?? [text]) start(one)
  }

  return {
    take,
    close() {
      isClosed = true
      for (const exchange of inFlight.values()) {
        exchange.carriage?.abort('the client went away')
        finish(context, exchange, { kind: 'disconnected' })
      }
      if (session !== undefined) void context.sessions.end(session)
    },
  }
}

/** Before a listen's result, stdio clients are told which subscription ends (2026-07-28, Cancellation). */
export function endListen(context: GatewayContext, exchange: Exchange): void {
  const idText = exchange.message?.idText ?? ''
  if (exchange.transport === 'stdio') {
    exchange.reply.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${idText}}}`)
  }
  finish(context, exchange, listenEnded(exchange))
}
