/** HTTP+SSE of 2024-11-05: a GET opens the stream and names where to post; every answer comes down the stream. */

import { PortolanError } from '../../protocol/error.ts'
import type { Principal } from '../auth/principal.ts'
import type { Views } from '../catalog/view.ts'
import { carryExchange } from '../replica/carry-exchange.ts'
import type { Carried } from '../replica/serve-exchange.ts'
import { createSseStream } from '../session/session-stream.ts'
import { SSE_HEADERS, sseText } from '../../protocol/sse.ts'
import { beginExchange } from './begin.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { finish } from './finish.ts'
import type { HttpRequest, HttpResponse } from './http-exchange.ts'
import { createHttpReply } from './http-reply.ts'
import { createPipe } from './pipe.ts'
import type { Pipe } from './pipe.ts'
import { authenticateOnly } from './stages.ts'
import { admitStream } from './streams.ts'

export interface SseEntry {
  handle(endpoint: string, request: HttpRequest, response: HttpResponse, carried?: Carried): void
}

interface OpenPipe {
  readonly pipe: Pipe
  readonly endpoint: string
  readonly bindingKey: string
}

export function createSseEntry(context: GatewayContext, views: Views): SseEntry {
  const pipes = new Map<string, OpenPipe>()

  const open = (exchange: Exchange, principal: Principal, request: HttpRequest, response: HttpResponse): void => {
    admitStream(context, exchange)
    const id = context.deps.random.id()
    // Whichever replica a message comes to, it must know where the pipe is.
    const handle = context.deps.keyring.seal('stream', principal.bindingKey, JSON.stringify([context.deps.peers.replicaId, id]))
    response.head(200, SSE_HEADERS)
    exchange.reply = { ...exchange.reply, finish: () => (response.end(), 0) }
    const stream = createSseStream(response)
    const pipe = createPipe(context, views, {
      transport: 'sse',
      endpoint: exchange.endpoint,
      principal,
      stream: { ...stream, end: () => finish(context, exchange, { kind: 'ended' }) },
    })
    pipes.set(id, { pipe, endpoint: exchange.endpoint, bindingKey: principal.bindingKey })
    exchange.onFinished.push(() => {
      pipes.delete(id)
      pipe.close()
    })
    response.write(sseText(`${request.path}?sessionId=${handle}`, '', 'endpoint'))
  }

  const post = async (exchange: Exchange, principal: Principal, request: HttpRequest): Promise<void> => {
    const [replicaId, id] = openPipe(context, principal, request.query.get('sessionId') ?? '')
    const isHere = replicaId === context.deps.peers.replicaId
    const found = isHere ? pipes.get(id) : undefined
    // A foreign handle is indistinguishable from an unknown one (guarantee 3).
    if (isHere && (found === undefined || found.bindingKey !== principal.bindingKey || found.endpoint !== exchange.endpoint)) {
      throw new PortolanError('session_not_found')
    }
    const body = await request.body()
    if (!body.ok) {
      if (body.fault.reason === 'disconnected') finish(context, exchange, { kind: 'disconnected' })
      else throw new PortolanError(body.fault.reason === 'too_large' ? 'body_too_large' : 'request_timeout')
      return
    }
    exchange.text = body.value
    if (found === undefined) return postElsewhere(context, exchange, replicaId)
    finish(context, exchange, { kind: 'accepted', status: 202 })
    found.pipe.take(body.value)
  }

  const serve = async (exchange: Exchange, request: HttpRequest, response: HttpResponse): Promise<void> => {
    const stopped = await authenticateOnly(context, exchange)
    const { principal } = exchange
    if (stopped !== undefined || principal === undefined) {
      if (stopped !== undefined) finish(context, exchange, stopped)
      return
    }
    if (exchange.outcome !== undefined) return
    if (request.verb === 'GET') open(exchange, principal, request, response)
    else if (request.verb === 'POST') await post(exchange, principal, request)
    else throw new PortolanError('method_not_allowed')
  }

  return {
    handle(endpoint, request, response, carried) {
      const reply = createHttpReply(response)
      const exchange = beginExchange(context, { transport: 'sse', endpoint, era: 'legacy', reply, http: request, response, carried })
      response.onGone(() => finish(context, exchange, { kind: 'disconnected' }))
      serve(exchange, request, response).catch((error: unknown) => {
        const refusal = error instanceof PortolanError ? error : new PortolanError('internal')
        finish(context, exchange, { kind: 'refused', error: refusal })
      })
    },
  }
}

/** Where the pipe is, and its name there. Throws `session_not_found` for what was not sealed for this client. */
function openPipe({ deps }: GatewayContext, { bindingKey }: Principal, handle: string): readonly [replicaId: string, id: string] {
  const plain = deps.keyring.open('stream', bindingKey, handle)
  if (plain === undefined) throw new PortolanError('session_not_found')
  const [replicaId = '', id = ''] = JSON.parse(plain) as readonly string[]
  return [replicaId, id]
}

/** A pipe cannot move: with its replica it is gone. */
async function postElsewhere(context: GatewayContext, exchange: Exchange, replicaId: string): Promise<void> {
  if (exchange.carried !== undefined || (await carryExchange(context, exchange, replicaId)) === 'undelivered') throw new PortolanError('session_not_found')
}
