/**
 * An exchange whose session, parked call or task another replica owns goes there whole, and the answer comes back piece by
 * piece. What never reached the owner, or was sent back by it, can be done elsewhere; what may have run is never sent
 * again, unless it asks for nothing that a repetition could change (guarantee 1).
 */

import { PortolanError } from '../../protocol/error.ts'
import { sseText } from '../../protocol/sse.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import { finish } from '../gateway/finish.ts'
import type { HttpResponse } from '../gateway/http-exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import type { PeerAnswer } from '../gateway/peer-link.ts'
import { mayRepeat } from '../gateway/repeatable.ts'
import { bodyLength, wholeText } from '../gateway/reply.ts'
import type { Reply } from '../gateway/reply.ts'
import { readFrame, writeRequest } from './exchange-frames.ts'
import type { AnswerFrame } from './exchange-frames.ts'

/** `done`: the exchange has ended. `undelivered`: nothing of it happened there. */
export type Carriage = 'done' | 'undelivered'

export const EXCHANGE_TOPIC = 'exchange'

/** Never rejects for what becomes of the owner; rejects for an exchange that came by no way that can be carried on. */
export async function carryExchange(context: GatewayContext, exchange: Exchange, replicaId: string): Promise<Carriage> {
  const { http, principal, response } = exchange
  if (http === undefined || response === undefined || principal === undefined) throw new PortolanError('internal')
  const { verb, path, query, remoteAddress } = http
  const text = writeRequest({
    exchangeId: exchange.id, verb, path, query: query.size === 0 ? '' : query.toString(), headers: http.headersWith(''), remoteAddress, principal, body: exchange.text,
  })
  let answer: PeerAnswer | undefined
  // No sign of life may begin an answer here that the owner's is to be: however long the request took to arrive, its quiet begins now.
  exchange.lastActivityTicks = context.deps.clock.ticksMs()
  // From here on the owner may have it, whenever that is heard of.
  exchange.carriage = { abort: () => answer?.cancel(), resume: () => undefined }
  try {
    answer = await context.deps.peers.send(replicaId, EXCHANGE_TOPIC, text)
  } catch (error) {
    if (exchange.outcome !== undefined) return 'done'
    exchange.carriage = undefined
    const code = error instanceof PortolanError ? error.code : undefined
    if (code === 'upstream_unavailable') return 'undelivered'
    return code === 'body_too_large' ? refuse(context, exchange) : failed(context, exchange)
  }
  if (exchange.outcome !== undefined) {
    answer.cancel()
    return 'done'
  }
  context.deps.telemetry.count(METRIC, NO_LABELS)
  return relay(context, exchange, response, answer)
}

const METRIC = 'portolan_peer_exchanges_total'
const NO_LABELS = {}

/** The count is there before there is something to count. */
export function startPeerMetrics({ deps: { telemetry } }: GatewayContext): void {
  telemetry.count(METRIC, NO_LABELS, 0)
}

async function relay(context: GatewayContext, exchange: Exchange, response: HttpResponse, answer: PeerAnswer): Promise<Carriage> {
  const before = exchange.reply
  const reply = createRelayReply(response)
  exchange.reply = reply
  exchange.isRelayed = true
  exchange.onFinished.push(() => {
    if (!isAnswered(exchange)) answer.cancel()
  })
  const isSentBack = await pass(context, exchange, reply, answer)
  if (exchange.outcome !== undefined) return 'done'
  if (reply.hasBegun()) return lose(context, exchange)
  exchange.reply = before
  exchange.isRelayed = false
  exchange.carriage = undefined
  return isSentBack ? 'undelivered' : failed(context, exchange)
}

/** Passes on what the owner answers; true where it has sent the exchange back. */
async function pass(context: GatewayContext, exchange: Exchange, reply: RelayReply, answer: PeerAnswer): Promise<boolean> {
  try {
    for await (const text of answer.messages) {
      const frame = readFrame(text)
      if (frame?.kind === 'moved') return true
      // The owner's last word follows its answer: to cancel what has ended would be one word more.
      if (isAnswered(exchange)) continue
      if (exchange.outcome !== undefined || frame === undefined) return false
      exchange.lastActivityTicks = context.deps.clock.ticksMs()
      const room = reply.take(frame)
      if (reply.isOver()) finish(context, exchange, { kind: 'relayed' })
      else if (room !== undefined) await room
    }
  } catch {
    // What it means is the same for every way to lose the owner.
  }
  return false
}

function isAnswered({ outcome }: Exchange): boolean {
  return outcome?.kind === 'relayed'
}

/** The owner was lost, and may have begun: elsewhere only what may be done twice. */
function failed(context: GatewayContext, exchange: Exchange): Carriage {
  return mayRepeat(exchange) ? 'undelivered' : lose(context, exchange)
}

const TOO_LARGE = 'Request body too large to be taken to the replica that has what it needs'

/** Nothing of it has left: not a call of unknown outcome. */
function refuse(context: GatewayContext, exchange: Exchange): Carriage {
  finish(context, exchange, { kind: 'refused', error: new PortolanError('body_too_large', { message: TOO_LARGE }) })
  return 'done'
}

function lose(context: GatewayContext, exchange: Exchange): Carriage {
  finish(context, exchange, lossOf(exchange))
  return 'done'
}

const LOST = 'Outcome unknown: the replica that ran the call was lost'

function lossOf({ message }: Exchange): Outcome {
  if (message === undefined || message.kind !== 'request') return { kind: 'ended' }
  return { kind: 'refused', error: new PortolanError('outcome_unknown', { message: LOST }) }
}

interface RelayReply extends Reply {
  hasBegun(): boolean
  isOver(): boolean
  /** A promise where the client is to be waited for. */
  take(frame: AnswerFrame): Promise<void> | undefined
}

/** The owner's answer on the client's connection. What ends it here, ends it in the form that was begun. */
function createRelayReply(response: HttpResponse): RelayReply {
  let begun: 'nothing' | 'stream' | 'body' = 'nothing'
  let isOver = false
  let written = 0
  let wake = (): void => {}
  response.onGone(() => wake())
  const drained = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
      response.onDrain(resolve)
    })
  return {
    hasBegun: () => begun !== 'nothing',
    isOver: () => isOver,
    take(frame) {
      switch (frame.kind) {
        case 'answer':
          isOver = true
          written += frame.text.length
          response.answer(frame.head.status, frame.head.headers, frame.text)
          return undefined
        case 'head':
          begun = frame.head.headers['content-type']?.startsWith('text/event-stream') === true ? 'stream' : 'body'
          response.head(frame.head.status, frame.head.headers)
          return undefined
        case 'piece':
          written += frame.text.length
          return response.write(frame.text) ? undefined : drained()
        case 'end':
          isOver = true
          response.end()
          return undefined
        default:
          isOver = true
          response.destroy()
          return undefined
      }
    },
    send: () => true,
    onDrain: (run) => response.onDrain(run),
    suspend() {},
    keepAlive() {},
    finish(answer) {
      if (isOver) return written
      isOver = true
      if (begun === 'body' || (begun === 'nothing' && answer === undefined)) response.destroy()
      else if (begun === 'nothing' && answer !== undefined) response.answer(answer.status, answer.headers, answer.text, answer.tail)
      else {
        if (answer !== undefined) response.write(sseText(wholeText(answer)))
        response.end()
      }
      return written + (answer === undefined ? 0 : bodyLength(answer))
    },
  }
}
