/** Stage 9: ends an exchange exactly once, whatever happened, and records it. */

import { ERRORS, PortolanError } from '../../protocol/error.ts'
import type { Era } from '../../protocol/revision.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { noteCall } from './limit.ts'
import type { Outcome } from './outcome.ts'
import { renderOutcome } from './render.ts'

/** Answers, releases and records. The first outcome counts; false for every later one. */
export function finish(context: GatewayContext, exchange: Exchange, outcome: Outcome, idText?: string): boolean {
  if (exchange.outcome !== undefined) return false
  exchange.outcome = outcome
  context.inFlight.delete(exchange.id)
  let status = 0
  let responseBytes = 0
  const isAnswered = attempt(context, () => {
    const answer = renderOutcome(outcome, exchange.era, idText ?? exchange.message?.idText ?? '')
    status = answer?.status ?? 0
    responseBytes = exchange.reply.finish(answer)
  })
  // Whoever waits for an answer that cannot be written must not wait for ever.
  if (!isAnswered) attempt(context, () => void exchange.reply.finish(undefined))
  attempt(context, () => exchange.release?.())
  for (const run of exchange.onFinished) attempt(context, run)
  if (outcome.kind !== 'relayed') attempt(context, () => record(context, exchange, isAnswered ? outcome : UNANSWERED, isAnswered ? status : 0, responseBytes))
  letGo(exchange)
  return true
}

/** What is recorded where the answer could not be written. */
const UNANSWERED: Outcome = { kind: 'refused', error: new PortolanError('internal') }

/** One step of the end. A fault of our own takes none of the others away: a permit kept is lost for good. */
function attempt(context: GatewayContext, run: () => void): boolean {
  try {
    run()
    return true
  } catch (error) {
    logFault(context, error)
    return false
  }
}

/**
 * What a finished exchange held can go, whoever still holds the exchange itself: a dead object that the collector has
 * moved aside keeps all it points to until the next full collection.
 */
function letGo(exchange: Exchange): void {
  exchange.text = ''
  exchange.message = undefined
  exchange.route = undefined
  exchange.carriage = undefined
  exchange.release = undefined
  exchange.onSession = undefined
  exchange.http = undefined
  exchange.response = undefined
}

/** What anything thrown becomes: an expected refusal keeps its code, all else is `internal` and goes to the log. */
export function refusalOf(context: GatewayContext, error: unknown): Outcome {
  if (error instanceof PortolanError) return { kind: 'refused', error }
  logFault(context, error)
  return { kind: 'refused', error: new PortolanError('internal', { message: ERRORS.internal.message }) }
}

function logFault(context: GatewayContext, error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  context.deps.log({ level: 'error', event: 'internal_error', fields: { detail } })
}

function record(context: GatewayContext, exchange: Exchange, outcome: Outcome, status: number, responseBytes: number): void {
  const { clock, ledger, telemetry } = context.deps
  noteCall(exchange, outcome)
  const durationMs = clock.ticksMs() - exchange.startedTicks
  const errorCode = 'error' in outcome ? outcome.error.code : ''
  const method = exchange.message?.method ?? ''
  ledger.append({
    exchangeId: exchange.id,
    receivedAtMs: exchange.receivedAtMs,
    durationMs,
    transport: exchange.transport,
    era: exchange.era,
    revision: exchange.revision ?? '',
    principal: exchange.principal?.label ?? '',
    endpoint: exchange.endpoint,
    method: method.slice(0, 128),
    upstreamId: exchange.route?.upstream.id ?? '',
    subject: exchange.route?.subject.slice(0, 256) ?? '',
    outcome: outcome.kind,
    status,
    errorCode,
    requestBytes: exchange.text.length,
    responseBytes,
  })
  telemetry.observeMs('portolan_exchange_duration_ms', labelsOf(exchange.era, outcome.kind), durationMs)
}

const labels: Readonly<Record<Era, Map<string, Readonly<Record<string, string>>>>> = { legacy: new Map(), modern: new Map() }

/** The same object for the same labels: whoever measures may know it by identity. */
function labelsOf(era: Era, outcome: string): Readonly<Record<string, string>> {
  const known = labels[era].get(outcome)
  if (known !== undefined) return known
  const created = { era, outcome }
  labels[era].set(outcome, created)
  return created
}
