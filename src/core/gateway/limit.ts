/**
 * Stage 6, in two halves: `admit` before anything is looked up or waited for, by who asks; `limit` once the server is known,
 * by what that server may have, and whether it answers at all. Each refusal is counted here, and recorded as every end is.
 */

import { PortolanError } from '../../protocol/error.ts'
import type { ErrorCode } from '../../protocol/error.ts'
import { LIMIT_NAMES, UNBOUNDED } from '../policy/limiter.ts'
import type { Admission, LimitFault, LimitName } from '../policy/limiter.ts'
import { secondsOf } from '../upstream/breaker.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import type { Outcome } from './outcome.ts'

type Verdict = Outcome | undefined

const MESSAGES: Readonly<Record<LimitName, string>> = {
  exchanges: 'Overloaded: too many requests in flight',
  principal_exchanges: 'Rate limit exceeded: too many requests of yours in flight',
  principal_rate: 'Rate limit exceeded',
  server_queue: 'Upstream server busy: too many calls wait for it',
  server_wait: 'Upstream server busy: the call waited too long for its turn',
  breaker: 'its last calls all failed',
}

const LABELS: Readonly<Record<LimitName, { readonly limit: string }>> = {
  exchanges: { limit: 'exchanges' },
  principal_exchanges: { limit: 'principal_exchanges' },
  principal_rate: { limit: 'principal_rate' },
  server_queue: { limit: 'server_queue' },
  server_wait: { limit: 'server_wait' },
  breaker: { limit: 'breaker' },
}
const METRIC = 'portolan_limited_total'

/** Has the counters of all limits begin at 0, so that the first refusal is a rise. */
export function startLimitMetrics({ deps: { telemetry } }: GatewayContext): void {
  for (const limit of LIMIT_NAMES) telemetry.count(METRIC, LABELS[limit], 0)
}

/** Requests only: a notification may cancel what is in flight, a response let it go on. */
export function admit(context: GatewayContext, exchange: Exchange): Verdict | Promise<Verdict> {
  if (exchange.message?.kind !== 'request') return undefined
  return ask(context, exchange, '')
}

/** A server's turn: open breakers refuse at once, also those who waited meanwhile. */
export function limit(context: GatewayContext, exchange: Exchange): Verdict | Promise<Verdict> {
  const { route } = exchange
  if (route === undefined || route.isOwned === true) return undefined
  const { upstream } = route
  const refusedForMs = upstream.breaker.refusedForMs()
  if (refusedForMs > 0) return refuseBroken(context, upstream, secondsOf(refusedForMs))
  const verdict = ask(context, exchange, upstream.id)
  if (verdict instanceof Promise) return verdict.then((refused) => refused ?? pass(context, exchange, upstream))
  return verdict ?? pass(context, exchange, upstream)
}

function ask(context: GatewayContext, exchange: Exchange, upstreamId: string): Verdict | Promise<Verdict> {
  const admission = context.deps.limiter.admit({ ownerKey: exchange.principal?.ownerKey ?? '', upstreamId })
  if (admission instanceof Promise) return admission.then((ready) => take(context, exchange, ready))
  if (!('admitted' in admission)) return take(context, exchange, admission)
  // Whoever goes away, is cancelled or drained gives its place up.
  exchange.onFinished.push(() => admission.leave())
  return admission.admitted.then((ready) => {
    // The server was not asked yet: its silence begins now.
    exchange.lastActivityTicks = context.deps.clock.ticksMs()
    return take(context, exchange, ready)
  })
}

function take(context: GatewayContext, exchange: Exchange, admission: Admission): Verdict {
  if (!admission.ok) return exchange.outcome === undefined ? refuse(context, admission.fault) : undefined
  if (admission === UNBOUNDED) return undefined
  if (exchange.outcome !== undefined) {
    admission.release()
    return undefined
  }
  const before = exchange.release
  exchange.release =
    before === undefined
      ? () => admission.release()
      : () => {
          before()
          admission.release()
        }
  return undefined
}

function refuse(context: GatewayContext, { reason, retryAfterSec, limit: name }: LimitFault): Verdict {
  if (name !== undefined) context.deps.telemetry.count(METRIC, LABELS[name])
  const code: ErrorCode = reason
  return { kind: 'refused', error: new PortolanError(code, { retryAfterSec, ...(name === undefined ? {} : { message: MESSAGES[name] }) }) }
}

function pass(context: GatewayContext, exchange: Exchange, upstream: Upstream): Verdict {
  if (exchange.outcome !== undefined) return undefined
  const passage = upstream.breaker.pass()
  if (!passage.ok) return refuseBroken(context, upstream, passage.retryAfterSec)
  if (passage.end !== undefined) exchange.onFinished.push(passage.end)
  return undefined
}

function refuseBroken({ deps }: GatewayContext, { name }: Upstream, retryAfterSec: number): Verdict {
  deps.telemetry.count(METRIC, LABELS.breaker)
  const error = new PortolanError('upstream_unavailable', { message: `Upstream server unavailable: ${name}: ${MESSAGES.breaker}`, cause: 'the breaker is open', retryAfterSec })
  return { kind: 'refused', error }
}

/** Failures of the way to the server, or its silence. Of children silence only: dead ones have a back-off, by who had them. */
const FAILURES: ReadonlySet<ErrorCode> = new Set(['upstream_unavailable', 'upstream_timeout', 'outcome_unknown'])
const ANSWERS: ReadonlySet<Outcome['kind']> = new Set(['answered', 'inputRequired', 'task'])

/** Tells the server's breaker how a call that was sent has ended. Called for every exchange: stores, and allocates nothing. */
export function noteCall({ carriage, route }: Exchange, outcome: Outcome): void {
  if (carriage === undefined || route === undefined) return
  if (ANSWERS.has(outcome.kind)) return route.upstream.breaker.succeeded()
  if (outcome.kind !== 'refused') return
  const { code, cause } = outcome.error
  // A status of the server's own (401, 404): the way is there, and another caller may fare better.
  const isAnswer = code === 'upstream_malformed' || code === 'upstream_oversized' || (typeof cause === 'string' && cause.startsWith('status 4'))
  if (isAnswer) route.upstream.breaker.succeeded()
  else if (FAILURES.has(code) && (code === 'upstream_timeout' || route.upstream.config.target.transport === 'http')) route.upstream.breaker.failed()
}
