/** What must happen to exchanges that nobody moves: time limits, and signs of life on quiet streams. One timer for all. */

import { PortolanError } from '../../protocol/error.ts'
import type { LeftSessions } from '../bridge/left-sessions.ts'
import type { GatewayContext } from './context.ts'
import { endStreams } from './drain.ts'
import type { Exchange } from './exchange.ts'
import { finish } from './finish.ts'

const SWEEP_MS = 1_000
/** Below the idle limits of common proxies (60 s) and clients. */
const KEEP_ALIVE_MS = 15_000
const SESSION_SWEEP_MS = 30_000

/** Starts sweeping; returns a function that stops it. */
export function startSweep(context: GatewayContext, left: LeftSessions): () => void {
  const { clock } = context.deps
  let sessionsAt = clock.ticksMs() + SESSION_SWEEP_MS
  let keepAliveAt = clock.ticksMs() + KEEP_ALIVE_MS
  let cancel = (): void => {}
  const sweep = (): void => {
    const now = clock.ticksMs()
    // Clients open them again at once, on connections that they have still.
    if (context.draining) endStreams(context)
    for (const exchange of context.inFlight.values()) sweepExchange(context, exchange, now)
    if (now >= keepAliveAt) {
      keepAliveAt = now + KEEP_ALIVE_MS
      for (const session of context.sessions.all()) for (const stream of session.streams) stream.keepAlive()
    }
    if (now >= sessionsAt) {
      sessionsAt = now + SESSION_SWEEP_MS
      context.sessions.sweep()
      left.sweep()
    }
    cancel = clock.after(SWEEP_MS, sweep)
  }
  cancel = clock.after(SWEEP_MS, sweep)
  return () => cancel()
}

function sweepExchange(context: GatewayContext, exchange: Exchange, now: number): void {
  const isListen = exchange.message?.method === 'subscriptions/listen'
  const quietMs = now - exchange.lastActivityTicks
  if (isListen || exchange.carriage !== undefined) {
    const beats = Math.floor(quietMs / KEEP_ALIVE_MS)
    if (beats > 0 && Math.floor((quietMs - SWEEP_MS) / KEEP_ALIVE_MS) < beats) exchange.reply.keepAlive()
  }
  if (isListen || exchange.route === undefined) return
  const { requestIdleTimeoutMs, requestTotalTimeoutMs } = exchange.route.upstream.config
  // In line, or while its server is started: nobody is silent who was not asked. All of it counts for the total.
  if (exchange.carriage === undefined) exchange.lastActivityTicks = now
  const isOver = now - exchange.startedTicks >= requestTotalTimeoutMs
  const { requestStateMs } = exchange.snapshot.limits
  if (!isOver && (exchange.carriage === undefined || quietMs < (exchange.awaitsInput ? requestStateMs : requestIdleTimeoutMs))) return
  const awaitsInput = exchange.awaitsInput || isAsked(exchange)
  if (!isOver && awaitsInput && quietMs < requestStateMs) return
  exchange.carriage?.abort('timeout')
  finish(context, exchange, { kind: 'refused', error: new PortolanError(awaitsInput ? 'input_refused' : 'upstream_timeout') })
}

/** Its server has asked this client something that is not answered: the silence is the client's. */
export function isAsked({ session, route }: Exchange): boolean {
  for (const { upstream } of session?.pending.values() ?? []) if (upstream === route?.upstream) return true
  return false
}
