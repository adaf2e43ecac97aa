/**
 * One attempt at a task as a call: an exchange of its own, which no client waits for. It passes the same stages and carriers as any
 * other and leaves its own record; what comes of it is told to whoever holds the task.
 */

import { member, readString, readJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { readInputRequired } from '../../protocol/input-required.ts'
import { parseMessage } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { ErrorCode } from '../../protocol/error.ts'
import { LATEST_MODERN } from '../../protocol/revision.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import { finish, refusalOf } from '../gateway/finish.ts'
import type { Outcome } from '../gateway/outcome.ts'
import type { Reply } from '../gateway/reply.ts'
import type { AttemptFailure, AttemptOutcome } from '../task/attempt-end.ts'
import type { FailureClass, StoredTask, TaskTerms } from '../task/stored-task.ts'
import { carryCall } from './call.ts'
import { errorTexts } from './error-text.ts'
import { partyOf, principalOf, sourceOf } from './party.ts'

/** Whoever takes the call's words, until somebody else does. */
export interface FlightEars {
  /** A notification of the call's own stream. False: slow, wait for `onDrain`. */
  hear(text: WireText): boolean
  onDrain(run: () => void): void
  ended(outcome: Outcome): void
}

export interface Flight {
  readonly exchange: Exchange
  /** From now on. What has ended before is told at once. */
  tell(ears: FlightEars): void
  abort(reason: string): void
  resume(): void
}

/** A request of 2026-07-28 in the name of a principal. `from`: a client's exchange whose place in all lines it takes. */
export function attemptExchange(context: GatewayContext, id: string, requestText: WireText, waitMs: number, from: Pick<Exchange, 'endpoint' | 'principal'> & Partial<Exchange>): Exchange {
  const { clock, snapshots } = context.deps
  const scan = parseMessage(requestText)
  if (!scan.ok) throw new PortolanError('internal')
  const ticks = clock.ticksMs()
  const current = from.snapshot ?? snapshots.current()
  const { route, release, onFinished } = from
  from.release = undefined
  return {
    id, receivedAtMs: clock.nowMs(), startedTicks: ticks, transport: 'http', endpoint: from.endpoint,
    // Input may come as late as the task allows.
    snapshot: { ...current, limits: { ...current.limits, requestStateMs: waitMs } },
    http: undefined, response: undefined, carried: undefined, isRelayed: false, era: 'modern', revision: LATEST_MODERN, text: '', message: scan.value, principal: from.principal, session: undefined,
    route: route === undefined ? undefined : unmarked(route),
    credential: from.credential ?? [], release, carriage: undefined, becomesTask: false, awaitsInput: false, lastActivityTicks: ticks, reply: SILENT, onSession: undefined, outcome: undefined,
    // What was held for the call is given back when the call is over, not when its client has an answer.
    onFinished: onFinished?.splice(0) ?? [],
  }
}

/** Its answer is kept as the server wrote it; the request names the tool as its server does, wherever it was asked for. */
function unmarked(route: Route): Route {
  return { ...route, marked: false, renamed: route.marked || route.renamed === true }
}

/** From now on what the server asks for may be answered so late: the call is a task. */
export function allowInput(exchange: Exchange, waitMs: number): void {
  const { snapshot } = exchange
  Object.assign(exchange, { snapshot: { ...snapshot, limits: { ...snapshot.limits, requestStateMs: waitMs } } })
}

const SILENT: Reply = { send: () => true, onDrain: () => undefined, finish: () => 0, suspend: () => undefined, keepAlive: () => undefined }

export interface Launch {
  /** Stages that it has not passed yet. */
  readonly prepare?: (exchange: Exchange) => Promise<void>
  /** Before the first byte may leave; false: it must not. */
  readonly dispatch: () => Promise<boolean>
  readonly ears: FlightEars
}

/** Begins it. Never throws: what goes wrong is its outcome. */
export function launch(context: GatewayContext, exchange: Exchange, { prepare, dispatch, ears: first }: Launch): Flight {
  let ears = first
  exchange.reply = { ...SILENT, send: (text) => ears.hear(text), onDrain: (run) => ears.onDrain(run) }
  exchange.onFinished.push(() => ears.ended(exchange.outcome ?? { kind: 'disconnected' }))
  run(context, exchange, dispatch, prepare).catch((error: unknown) => finish(context, exchange, refusalOf(context, error)))
  return {
    exchange,
    tell(next) {
      ears = next
      if (exchange.outcome !== undefined) next.ended(exchange.outcome)
    },
    abort(reason) {
      exchange.carriage?.abort(reason)
      finish(context, exchange, { kind: 'cancelled', reason })
    },
    resume: () => exchange.carriage?.resume(),
  }
}

async function run(context: GatewayContext, exchange: Exchange, dispatch: Launch['dispatch'], prepare: Launch['prepare']): Promise<void> {
  await prepare?.(exchange)
  const { route } = exchange
  if (exchange.outcome !== undefined) return
  if (route === undefined) throw new PortolanError('unknown_tool')
  exchange.route = unmarked(route)
  const source = await sourceOf(context, partyOf(exchange), route.upstream)
  const mayGo = await dispatch()
  if (exchange.outcome !== undefined) return
  if (mayGo) await carryCall(context, exchange, source)
  else finish(context, exchange, { kind: 'cancelled', reason: 'the task is held elsewhere' })
}

/** Why a call failed, and whether it may have run: by what the client would have been told (guarantee 1). */
const FAILURES: Readonly<Partial<Record<ErrorCode, { readonly reason: FailureClass; readonly mayHaveRun: boolean }>>> = {
  upstream_unavailable: { reason: 'transport', mayHaveRun: false },
  state_unavailable: { reason: 'transport', mayHaveRun: false },
  overloaded: { reason: 'busy', mayHaveRun: false },
  rate_limited: { reason: 'busy', mayHaveRun: false },
  draining: { reason: 'busy', mayHaveRun: false },
  outcome_unknown: { reason: 'transport', mayHaveRun: true },
  upstream_timeout: { reason: 'timeout', mayHaveRun: true },
}

/** What became of the attempt; undefined where it was given up by us. */
export function attemptOutcome(outcome: Outcome, terms: TaskTerms): AttemptOutcome | undefined {
  switch (outcome.kind) {
    case 'answered':
      return answeredOutcome(outcome.text, terms)
    case 'inputRequired': {
      const read = readInputRequired(outcome.text)
      if (!read.ok) return refusedOutcome(new PortolanError('upstream_malformed'))
      const { requests, stateText = '' } = read.value
      const questions = requests.map(({ key, method, paramsText }) => [key, `{"method":"${method}","params":${paramsText}}`] as const)
      return { kind: 'asks', isHeld: false, questions: Object.fromEntries(questions), stateText }
    }
    case 'refused':
      return refusedOutcome(outcome.error)
    case 'challenge':
      return refusedOutcome(outcome.error)
    case 'stepUp':
    case 'approval':
      return refusedOutcome(new PortolanError('forbidden'))
    case 'cancelled':
    case 'disconnected':
      return undefined
    default:
      return refusedOutcome(new PortolanError('upstream_malformed', { cause: outcome.kind }))
  }
}

function answeredOutcome(text: WireText, { retryCodes }: TaskTerms): AttemptOutcome {
  const scan = parseMessage(text)
  if (!scan.ok || scan.value.body === undefined) return refusedOutcome(new PortolanError('upstream_malformed'))
  const { kind, body } = scan.value
  const bodyText = text.slice(body.start, body.end)
  if (kind === 'result') return { kind: 'completed', resultText: bodyText }
  const codeNode = member(body, 'code')
  const code = codeNode === undefined ? undefined : Number(readJson(text, codeNode))
  const isWanted = code !== undefined && retryCodes.includes(code)
  // Who names a code says that the server has not done what it refuses so.
  return { kind: 'failed', errorText: bodyText, message: readString(text, member(body, 'message')) ?? 'The server answered with an error', reason: isWanted ? 'code' : undefined, code, mayHaveRun: false, retryAfterMs: undefined }
}

export function refusedOutcome(error: PortolanError): AttemptFailure {
  const failure = FAILURES[error.code]
  const { retryAfterSec } = error
  return {
    kind: 'failed', ...errorTexts(error), reason: failure?.reason, code: undefined, mayHaveRun: failure?.mayHaveRun ?? false,
    retryAfterMs: retryAfterSec === undefined ? undefined : retryAfterSec * 1_000,
  }
}

/** Of a claimed task: who asked, and where. */
export function askedBy({ origin }: StoredTask): Pick<Exchange, 'endpoint' | 'principal'> {
  return { endpoint: origin.endpoint, principal: principalOf(origin) }
}
