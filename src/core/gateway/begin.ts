/** Makes an exchange: from here on it will be finished, and recorded, exactly once. */

import type { Era } from '../../protocol/revision.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import type { HttpRequest } from './http-exchange.ts'
import type { Reply } from './reply.ts'

export interface Beginning {
  readonly transport: Exchange['transport']
  readonly endpoint: string
  readonly era: Era
  readonly reply: Reply
  readonly http?: HttpRequest
}

export function beginExchange(context: GatewayContext, { transport, endpoint, era, reply, http }: Beginning): Exchange {
  const { clock, snapshots } = context.deps
  const ticks = clock.ticksMs()
  const exchange: Exchange = {
    id: context.nextExchangeId(),
    receivedAtMs: clock.nowMs(),
    startedTicks: ticks,
    transport,
    endpoint,
    snapshot: snapshots.current(),
    http,
    era,
    revision: undefined,
    text: '',
    message: undefined,
    principal: undefined,
    session: undefined,
    route: undefined,
    credential: [],
    release: undefined,
    carriage: undefined,
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
