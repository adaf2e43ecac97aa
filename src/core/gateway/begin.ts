/** Makes an exchange: from here on it will be finished, and recorded, exactly once. */

import type { Era } from '../../protocol/revision.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import type { Carried } from '../replica/serve-exchange.ts'
import type { HttpRequest, HttpResponse } from './http-exchange.ts'
import type { Reply } from './reply.ts'

export interface Beginning {
  readonly transport: Exchange['transport']
  readonly endpoint: string
  readonly era: Era
  readonly reply: Reply
  readonly http?: HttpRequest
  readonly response?: HttpResponse
  readonly carried?: Carried | undefined
}

export function beginExchange(context: GatewayContext, { transport, endpoint, era, reply, http, response, carried }: Beginning): Exchange {
  const { clock, snapshots } = context.deps
  const ticks = clock.ticksMs()
  const exchange: Exchange = {
    id: carried?.exchangeId ?? context.nextExchangeId(),
    receivedAtMs: clock.nowMs(),
    startedTicks: ticks,
    transport,
    endpoint,
    snapshot: snapshots.current(),
    http,
    response,
    carried,
    isRelayed: false,
    era,
    revision: undefined,
    text: '',
    message: undefined,
    principal: carried?.principal,
    session: undefined,
    route: undefined,
    credential: [],
    release: undefined,
    carriage: undefined,
    becomesTask: false,
    awaitsInput: false,
    lastActivityTicks: ticks,
    reply,
    onSession: undefined,
    outcome: undefined,
    onFinished: [],
  }
  context.inFlight.set(exchange.id, exchange)
  return exchange
}
