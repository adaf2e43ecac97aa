/** Stage 3½: the session that a legacy request belongs to (bridge-rulings §1), here or at the replica that owns it. */

import { PortolanError } from '../../protocol/error.ts'
import { HEADER } from '../../protocol/header.ts'
import { acceptLegacy, isRevision } from '../../protocol/revision.ts'
import { carryExchange } from '../replica/carry-exchange.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { Found } from '../session/sessions.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { finish } from './finish.ts'
import { waitForStore } from './store-wait.ts'

/** Nothing once the session is the exchange's, or once another replica has answered it. */
export function findSession(context: GatewayContext, exchange: Exchange): undefined | Promise<undefined> {
  const { message, principal, era } = exchange
  if (era !== 'legacy' || message?.method === 'initialize' || principal === undefined) return undefined
  if (exchange.session !== undefined) return take(exchange, exchange.session)
  const version = exchange.http?.header(HEADER.protocolVersion)
  // 2025-11-25, Transports, Protocol Version Header: what no revision is called is 400.
  if (version !== undefined && !isRevision(version) && acceptLegacy(version) === undefined) throw new PortolanError('unsupported_version')
  const handle = exchange.http?.header(HEADER.sessionId)
  if (handle === undefined) throw new PortolanError('session_required')
  // Wherever it is by now, it is not for this replica to claim or to serve; its store need not even answer.
  if (context.draining && exchange.carried !== undefined && !context.sessions.isHere(handle)) return sendBack(context, exchange)
  // A peer that brings it has seen it given back, whatever is known here of where it was.
  const isBrought = exchange.carried !== undefined && !context.sessions.isHere(handle)
  const found = isBrought ? context.sessions.findAgain(principal, exchange.endpoint, handle) : context.sessions.find(principal, exchange.endpoint, handle)
  if (!(found instanceof Promise)) return take(exchange, found)
  const sinceTicks = context.deps.clock.ticksMs()
  return waitForStore(context, exchange, found).then((located) => {
    if (exchange.outcome !== undefined) return undefined
    if (located === undefined || !('replicaId' in located)) return take(exchange, located)
    return carry(context, exchange, located.replicaId, sinceTicks, () => context.sessions.findAgain(principal, exchange.endpoint, handle))
  })
}

/** Until the lifetime of an owner that was lost has passed, nobody may claim what it had (design §7.9: within 5 s). */
const PATIENCE_MS = 4_500
const PAUSE_MS = 100

async function carry(context: GatewayContext, exchange: Exchange, firstId: string, sinceTicks: number, findAgain: () => Promise<Found>): Promise<undefined> {
  const { clock } = context.deps
  if (exchange.carried !== undefined) return sendBack(context, exchange)
  const untilTicks = sinceTicks + PATIENCE_MS
  for (let replicaId = firstId; ; ) {
    if ((await carryExchange(context, exchange, replicaId)) === 'done' || exchange.outcome !== undefined) return undefined
    await new Promise<void>((resolve) => clock.after(PAUSE_MS, resolve))
    const found = await waitForStore(context, exchange, findAgain())
    if (exchange.outcome !== undefined) return undefined
    if (found === undefined || !('replicaId' in found)) return take(exchange, found)
    if (clock.ticksMs() > untilTicks) throw new PortolanError('owner_unreachable', { retryAfterSec: 1 })
    replicaId = found.replicaId
  }
}

export function sendBack(context: GatewayContext, exchange: Exchange): undefined {
  exchange.carried?.moved()
  finish(context, exchange, { kind: 'relayed' })
}

function take(exchange: Exchange, session: LiveSession | undefined): undefined {
  const { message } = exchange
  if (session === undefined || session.ended || (session.leaving && message?.kind === 'request')) throw new PortolanError('session_not_found')
  exchange.session = session
  exchange.revision = session.data.revision
  exchange.onSession?.(session)
  // Before anything is waited for: it can be cancelled, and ends with its session.
  if (message?.kind === 'request' && exchange.outcome === undefined) trackCall(exchange, session)
  return undefined
}

/** A legacy client's ids are unique within its session while they are in flight (2025-11-25, Basic, Requests). */
function trackCall(exchange: Exchange, session: LiveSession): void {
  const idText = exchange.message?.idText ?? ''
  if (session.inFlight.has(idText)) throw new PortolanError('invalid_request', { message: 'Invalid request: this id is in flight already' })
  session.inFlight.set(idText, exchange)
  exchange.onFinished.push(() => session.inFlight.delete(idText))
}
