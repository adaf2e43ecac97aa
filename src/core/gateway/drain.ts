/** The end of a gateway that others outlive: streams end gracefully, calls finish, sessions are handed over. */

import { PortolanError } from '../../protocol/error.ts'
import type { GatewayContext } from './context.ts'
import { finish } from './finish.ts'
import { endListen } from './pipe.ts'

/** Whoever still may opens them anew. */
export function endStreams(context: GatewayContext): void {
  for (const exchange of context.inFlight.values()) {
    if (exchange.isRelayed && exchange.http?.verb === 'GET') finish(context, exchange, { kind: 'ended' })
    else if (exchange.message?.method === 'subscriptions/listen') endListen(context, exchange)
  }
  for (const session of context.sessions.all()) for (const stream of Array.from(session.streams)) stream.end()
}

/** Sessions are handed over as soon as none of their calls is in flight, those of the rest at the end. */
export async function drain(context: GatewayContext, graceMs: number): Promise<void> {
  context.draining = true
  endStreams(context)
  const deadline = context.deps.clock.ticksMs() + graceMs
  const attemptsEnded = context.owned?.runner.drain(graceMs)
  await handOverIdle(context)
  while (context.inFlight.size > 0 && context.deps.clock.ticksMs() < deadline) {
    await new Promise<void>((resolve) => context.deps.clock.after(20, resolve))
    endStreams(context)
    await handOverIdle(context)
  }
  for (const exchange of context.inFlight.values()) {
    exchange.carriage?.abort('shutting down')
    finish(context, exchange, { kind: 'refused', error: new PortolanError('draining', { retryAfterSec: 1 }) })
  }
  await handOverIdle(context)
  await attemptsEnded
}

const HANDOVERS_AT_ONCE = 64

/** Only where somebody can take them: a replica without others goes on with its own until it ends. */
async function handOverIdle(context: GatewayContext): Promise<void> {
  if (context.membership === undefined) return
  const idle = Array.from(context.sessions.all()).filter(({ inFlight }) => inFlight.size === 0)
  for (let from = 0; from < idle.length; from += HANDOVERS_AT_ONCE) {
    await Promise.all(idle.slice(from, from + HANDOVERS_AT_ONCE).map((session) => context.sessions.handOver(session)))
  }
}
