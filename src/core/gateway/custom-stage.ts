/**
 * A stage of somebody else's in the life of an exchange. It sees the exchange and may refuse it; it cannot change it, answer
 * it, hold it for ever, or keep it from being finished and recorded exactly once, whatever it does.
 */

import { ERRORS, PortolanError } from '../../protocol/error.ts'
import type { ErrorCode } from '../../protocol/error.ts'
import { readJson } from '../../protocol/json.ts'
import type { JsonValue } from '../../protocol/json-value.ts'
import type { Era, Revision } from '../../protocol/revision.ts'
import type { Principal } from '../auth/principal.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import type { Outcome } from './outcome.ts'

/** The stages that another may stand behind. What is known then: who asks, of which session, of which server, that it may. */
export type StagePlace = 'authenticate' | 'session' | 'route' | 'decide' | 'limit' | 'credential'

export interface CustomStage {
  /** For the log, where it fails. */
  readonly name: string
  /** Behind which stage; several behind the same run in the order given. Default `decide`. */
  readonly after?: StagePlace
  /** For one that answers later: beyond this the exchange is refused as `internal`. Default 10 s. */
  readonly timeoutMs?: number
  /** Runs once for each message of a client. Nothing, or a refusal. What it throws is `internal` to the client and goes to the log. */
  readonly run: (exchange: StageExchange) => StageVerdict | Promise<StageVerdict>
}

export type StageVerdict = StageRefusal | undefined | void

/** The error that the client gets, in the form of its era. */
export interface StageRefusal {
  readonly refuse: ErrorCode
  /** Instead of the code's own sentence. The client sees it: no secrets. */
  readonly message?: string
  readonly data?: JsonValue
  /** Seconds, for `Retry-After`. */
  readonly retryAfterSec?: number
}

/** An exchange, to be looked at. */
export interface StageExchange {
  /** As in the ledger and the log. */
  readonly id: string
  readonly receivedAtMs: number
  readonly transport: 'http' | 'sse' | 'stdio'
  /** '' for `/mcp`, else the name in `/<name>/mcp`. */
  readonly endpoint: string
  readonly era: Era
  readonly revision: Revision | undefined
  readonly kind: 'request' | 'notification' | 'result' | 'error'
  /** '' for an answer of the client's. */
  readonly method: string
  readonly principal: Principal | undefined
  /** Where it goes; undefined before `route`, and for what Portolan answers itself. */
  readonly server: { readonly id: string; readonly name: string } | undefined
  /** The server's own name or URI of what is asked for; '' where nothing is named. */
  readonly subject: string
  /** `params` of a request or notification, `result` or `error` of an answer. Parsed at each call; big integers lose digits. */
  body(): JsonValue | undefined
  /** A header of the HTTP request, by lower-case name; undefined on stdio. */
  header(lowerCaseName: string): string | undefined
  /** Calls `run` once when the exchange has ended, whatever happened, also where this stage refused it. */
  onFinished(run: (end: ExchangeEnd) => void): void
}

export interface ExchangeEnd {
  /** As in the ledger: `answered`, `refused`, `disconnected` … */
  readonly outcome: Outcome['kind']
  /** '' where it was no failure of Portolan's. */
  readonly errorCode: string
  readonly durationMs: number
}

const TIMEOUT_MS = 10_000

/** The stage as the table runs it. */
export function runCustomStage(stage: CustomStage, context: GatewayContext, exchange: Exchange): Outcome | undefined | Promise<Outcome | undefined> {
  const verdict = stage.run(viewOf(context, exchange))
  if (typeof verdict !== 'object' || !('then' in verdict)) return outcomeOf(stage, verdict)
  return withinTime(stage, context, Promise.resolve(verdict)).then((ready) => outcomeOf(stage, ready))
}

function withinTime(stage: CustomStage, { deps }: GatewayContext, verdict: Promise<StageVerdict>): Promise<StageVerdict> {
  const { timeoutMs = TIMEOUT_MS } = stage
  return new Promise((resolve, reject) => {
    const stopTimer = deps.clock.after(timeoutMs, () => reject(new Error(`stage ${stage.name} took longer than ${timeoutMs} ms`)))
    verdict.then(resolve, reject).finally(stopTimer)
  })
}

/** What is neither nothing nor a refusal may have been meant as one: it lets nobody through. */
function outcomeOf(stage: CustomStage, verdict: StageVerdict): Outcome | undefined {
  if (verdict === undefined) return undefined
  if (typeof verdict !== 'object' || verdict === null || !Object.hasOwn(ERRORS, verdict.refuse)) {
    throw new TypeError(`stage ${stage.name} returned what is no refusal; return nothing, or { refuse: code }`)
  }
  const { refuse, message, data, retryAfterSec } = verdict
  const error = new PortolanError(refuse, {
    ...(message === undefined ? {} : { message }),
    ...(data === undefined ? {} : { data }),
    ...(retryAfterSec === undefined ? {} : { retryAfterSec }),
  })
  return { kind: 'refused', error }
}

/** A copy: nothing of the exchange can be reached through it, and it stays as it is when the exchange has ended. */
function viewOf(context: GatewayContext, exchange: Exchange): StageExchange {
  const { message, http, route } = exchange
  return {
    id: exchange.id,
    receivedAtMs: exchange.receivedAtMs,
    transport: exchange.transport,
    endpoint: exchange.endpoint,
    era: exchange.era,
    revision: exchange.revision,
    kind: message?.kind ?? 'request',
    method: message?.method ?? '',
    principal: exchange.principal === undefined ? undefined : { ...exchange.principal },
    server: route === undefined ? undefined : { id: route.upstream.id, name: route.upstream.name },
    subject: route?.subject ?? '',
    body: () => (message?.body === undefined ? undefined : (readJson(message.text, message.body) as JsonValue)),
    header: (name) => http?.header(name),
    onFinished(run) {
      const end = (): void => {
        const { outcome } = exchange
        const durationMs = context.deps.clock.ticksMs() - exchange.startedTicks
        if (outcome !== undefined) run({ outcome: outcome.kind, errorCode: 'error' in outcome ? outcome.error.code : '', durationMs })
      }
      if (exchange.outcome === undefined) exchange.onFinished.push(end)
      else end()
    },
  }
}
