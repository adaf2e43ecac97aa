/** Stage 9: ends an exchange exactly once, whatever happened, and records it. */

import { ERRORS, PortolanError } from '../../protocol/error.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import type { Outcome } from './outcome.ts'
import { renderOutcome } from './render.ts'

/** Answers, releases and records. The first outcome counts; false for every later one. */
export function finish(context: GatewayContext, exchange: Exchange, outcome: Outcome, idText?: string): boolean {
  if (exchange.outcome !== undefined) return false
  exchange.outcome = outcome
  context.inFlight.delete(exchange.id)
  const answer = renderOutcome(outcome, exchange.era, idText ?? exchange.message?.idText ?? '')
  const responseBytes = exchange.reply.finish(answer)
  exchange.release?.()
  for (const run of exchange.onFinished) run()
  record(context, exchange, outcome, answer?.status ?? 0, responseBytes)
  letGo(exchange)
  return true
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
}

/** What anything thrown becomes: an expected refusal keeps its code, all else is `internal` and goes to the log. */
export function refusalOf(context: GatewayContext, error: unknown): Outcome {
  if (error instanceof PortolanError) return { kind: 'refused', error }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  context.deps.log({ level: 'error', event: 'internal_error', fields: { detail } })
  return { kind: 'refused', error: new PortolanError('internal', { message: ERRORS.internal.message }) }
}

function record(context: GatewayContext, exchange: Exchange, outcome: Outcome, status: number, responseBytes: number): void {
  const { clock, ledger, telemetry } = context.deps
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

const labels = new Map<string, Readonly<Record<string, string>>>()

/** The same object for the same labels: whoever measures may know it by identity. */
function labelsOf(era: string, outcome: string): Readonly<Record<string, string>> {
  const key = `${era}|${outcome}`
  const known = labels.get(key)
  if (known !== undefined) return known
  const created = { era, outcome }
  labels.set(key, created)
  return created
}
