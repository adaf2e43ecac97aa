/**
 * Stage 8 for everything that an upstream server answers: one call, sent in the upstream's words, its stream passed back
 * in the client's, its response the outcome. Sent again only where guarantee 1 allows.
 */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import type { InputCapability } from '../../protocol/capability.ts'
import { PortolanError } from '../../protocol/error.ts'
import { ASKING_METHODS } from '../../protocol/input-required.ts'
import { splice } from '../../protocol/splice.ts'
import { legacyTaskOf } from '../../protocol/task.ts'
import type { ReadTask } from '../../protocol/task.ts'
import { translateUpstreamError } from '../../protocol/upstream-error.ts'
import type { WireErrorObject } from '../../protocol/error.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import { finish, refusalOf } from '../gateway/finish.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { deliver, forgetOwn, rememberTask } from '../session/live-session.ts'
import type { CallControl, CallHandler, Channel, ChannelFailure, LongResponse } from '../upstream/channel.ts'
import { ask, failureError } from '../upstream/request.ts'
import { clientResponse, readError } from './client-response.ts'
import type { ResponseLook } from './client-response.ts'
import { relatedTask, responseLook } from './call-look.ts'
import { takeNotice } from './call-notice.ts'
import { gatherInput } from './gather-input.ts'
import type { GatheredInput, InputRounds } from './gather-input.ts'
import { setLogLevel } from './input-pool.ts'
import { isSafe } from './repetition.ts'
import { AFRESH, readParkedState } from './own-state.ts'
import { visitOutcome } from './url-visit.ts'
import type { Leased } from './input-pool.ts'
import { longResponse } from './long-response.ts'
import { renewedHeaders } from './param-headers.ts'
import type { ParkableCall } from './parked-calls.ts'
import { modernCapabilities } from './party.ts'
import type { Source } from './party.ts'
import { passNotification, passRequest } from './server-message.ts'
import type { ServerSide } from './server-message.ts'
import { awaitTask } from './task-await.ts'
import { demandsTask, followTask } from './task-follow.ts'
import { createdTask } from './task-for-modern.ts'
import { planTask, withTasksDeclared } from './task-support.ts'
import type { TaskPlan } from './task-support.ts'
import { clientToken, upstreamHeaders, upstreamRequest } from './upstream-request.ts'

interface Call {
  readonly context: GatewayContext
  readonly source: Source
  /** The client's request that is being served; another one for each round of input that a modern client gives. */
  exchange: Exchange
  message: Message
  route: Route
  look: ResponseLook
  attempts: number
  /** Where the server may ask the client: the call outlives its exchange. */
  parkable: ParkableCall | undefined
  control: CallControl | undefined
  /** Of a legacy client, for a modern server that asked for it. */
  input: GatheredInput | undefined
  rounds: InputRounds | undefined
  plan: TaskPlan
  /** Under which the server reports progress; '' for none. */
  token: string
  take: TakeResult | undefined
}

/** Takes what a modern server answered to a legacy client's call that may have become a task. */
export type TakeResult = (message: Message) => Outcome | Promise<Outcome>

/** At most one repetition, whatever the reason. */
const MAX_ATTEMPTS = 2

/**
 * Sends the exchange's request to its upstream; the exchange finishes when the upstream has answered or failed. `take`: the
 * call may become a task there, and whoever asked for that gets the result as the server wrote it.
 */
export function carryCall(context: GatewayContext, exchange: Exchange, source: Source, take?: TakeResult): void | Promise<void> {
  const { message, route } = exchange
  if (message === undefined || route === undefined) throw new PortolanError('internal')
  if (exchange.era === 'modern' && isTakenUp(context, exchange, route, source)) return undefined
  const look = responseLook(context, exchange, message, route, source)
  const plan = planTask(context, exchange, route, source)
  return start({ context, source, exchange, message, route, look, attempts: 0, parkable: undefined, control: undefined, input: undefined, rounds: undefined, plan, token: '', take })
}

/**
 * Whatever the server speaks by now. Throws `outcome_unknown` for a call that waited for this input and is lost
 * (guarantee 1), `invalid_request_state` for a state that cannot be this one's.
 */
function isTakenUp(context: GatewayContext, exchange: Exchange, route: Route, source: Source): boolean {
  const { requestState } = route
  if (requestState === undefined || requestState === AFRESH) return false
  const parked = readParkedState(requestState)
  if (parked === undefined) {
    // A state of the server's own, from when it spoke another era, names nothing in this one.
    if (source.era === 'legacy') throw new PortolanError('invalid_request_state')
    return false
  }
  if (context.parked.resume(exchange, parked)) return true
  if (isSafe({ context, message: exchange.message, route, source })) return false
  throw new PortolanError('outcome_unknown', { message: 'The call that waited for this input is lost. It may or may not have run.' })
}

function start(call: Call): void | Promise<void> {
  const { source, message } = call
  if (source.lease !== undefined && ASKING_METHODS.has(message.method)) return source.lease().then((leased) => sendParkable(call, leased, source.input))
  const channel = source.channel()
  if (channel instanceof Promise) return channel.then((ready) => send(call, ready))
  return send(call, channel)
}

/** Its server may ask for input: it has a session for itself until it is over (bridge-rulings §3, §4). */
async function sendParkable(call: Call, leased: Leased, input: ReadonlySet<InputCapability>): Promise<void> {
  const { context } = call
  await setLogLevel(context, leased, call.message)
  if (call.exchange.outcome !== undefined) return leased.release()
  const parkable = context.parked.open({
    exchange: call.exchange,
    upstream: call.route.upstream,
    leased,
    input,
    adopt: (exchange) => adopt(call, parkable, exchange),
    abort: (reason) => call.control?.abort(reason),
    resumeStream: () => call.control?.resume(),
    seal: (state) => call.look.sealState(state),
  })
  call.parkable = parkable
  leased.onMessage = (message) => void takeNotice(call, leased.channel, message, true)
  try {
    send(call, leased.channel)
  } catch (error) {
    parkable.close()
    throw error
  }
}

/** A retry brought the input: the rest of the call is its. */
function adopt(call: Call, parkable: ParkableCall, exchange: Exchange): void {
  const { context, source } = call
  const { message, route } = exchange
  if (message === undefined || route === undefined) throw new PortolanError('internal')
  Object.assign(call, { exchange, message, route, look: responseLook(context, exchange, message, route, source) })
  exchange.carriage = controlOf(call, parkable)
}

/** Giving up the exchange gives up the call. */
function controlOf(call: Call, parkable: ParkableCall): CallControl {
  return {
    abort(reason) {
      call.control?.abort(reason)
      parkable.close(true)
    },
    resume: () => call.control?.resume(),
  }
}

function send(call: Call, channel: Channel): void {
  const { context, exchange, message, route } = call
  if (exchange.outcome !== undefined) return
  call.attempts += 1
  const idText = channel.nextId()
  call.token = clientToken(message) === '' ? '' : idText
  const declared = exchange.session === undefined || !ASKING_METHODS.has(message.method) ? '{}' : modernCapabilities(exchange.session)
  const text = upstreamRequest(message, {
    idText,
    route,
    clientEra: exchange.era,
    upstreamEra: channel.era,
    upstreamRevision: channel.revision,
    selfText: call.look.selfText,
    logLevel: exchange.session?.data.logLevel ?? '',
    relatedTask: relatedTask(context, exchange, route, message),
    clientCapabilities: call.take === undefined ? declared : withTasksDeclared(declared),
    input: call.input,
    becomesTask: call.plan !== 'none',
  })
  const control = channel.send({
    text,
    idText,
    method: message.method,
    progressToken: call.token,
    headers: channel.transport === 'stdio' ? [] : channel.era === 'modern' ? upstreamHeaders(message, route, exchange.credential) : exchange.credential,
    handler: handlerFor(call, channel, idText),
  })
  call.control = control
  exchange.carriage = call.parkable === undefined ? control : controlOf(call, call.parkable)
}

function handlerFor(call: Call, channel: Channel, idText: IdText): CallHandler {
  return {
    onMessage: (message) => takeNotice(call, channel, message),
    onSuspended: (retryMs) => call.exchange.reply.suspend(retryMs),
    onResponse(message) {
      const task = call.plan === 'none' ? undefined : legacyTaskOf(message)
      if (task === undefined) whenServed(call, () => settle(call, channel, message), message.text.length)
      else if (call.plan === 'await') follow(call, channel, task.taskId)
      else whenBack(call, () => become(call, channel, message, task))
    },
    onLong: () => (call.parkable === undefined ? long(call, channel, idText) : undefined),
    onFailure: (failure) => whenServed(call, () => fail(call, channel, failure)),
  }
}

/** The client cannot take a task: it waits for the result, and is asked as in any other call. */
function follow(call: Call, channel: Channel, taskId: string): void {
  const { context, exchange, parkable, token } = call
  call.plan = 'none'
  const headers = channel.transport === 'stdio' ? [] : exchange.credential
  call.control = awaitTask(context.deps, { channel, taskId, token, headers, handler: handlerFor(call, channel, ''), idleMs: call.route.upstream.config.requestIdleTimeoutMs, onAlive: () => (call.exchange.lastActivityTicks = context.deps.clock.ticksMs()) })
  if (parkable === undefined && exchange.outcome === undefined) exchange.carriage = call.control
}

/** The client takes the task; the session in which it was made goes on for it. */
function become(call: Call, channel: Channel, message: Message, task: ReadTask): void {
  const { context, exchange, parkable, token, look } = call
  const leased = parkable?.handOver()
  try {
    if (exchange.outcome !== undefined) return leased?.release(true)
    finish(context, exchange, createdTask(context, { exchange, route: call.route, look, channel, leased, input: call.source.input, token }, message, task))
  } catch (error) {
    void ask(channel, 'tasks/cancel', { taskId: asciiJson(task.taskId) }, context.deps)
      .catch(() => undefined)
      .then(() => leased?.release(true))
    // It runs: what says "try again" would have it run twice (guarantee 1).
    const isCrowded = error instanceof PortolanError && error.code === 'overloaded'
    finish(context, exchange, refusalOf(context, isCrowded ? new PortolanError('outcome_unknown', { message: CROWDED }) : error))
  }
}

const CROWDED = 'Too many tasks of this client go on. This one was cancelled: it may or may not have run.'

function whenBack({ parkable }: Call, run: () => void): void {
  if (parkable === undefined) run()
  else parkable.settle(run)
}

/** A call that is parked ends when its client is back. */
function whenServed(call: Call, end: () => void, heldBytes = 0): void {
  const { parkable } = call
  if (parkable === undefined) return end()
  const endCall = (): void => {
    parkable.close()
    end()
  }
  parkable.settle(endCall, heldBytes)
}

function long(call: Call, channel: Channel, idText: IdText): LongResponse | undefined {
  const { context, exchange, look } = call
  if (exchange.outcome !== undefined || channel.era !== look.upstreamEra) return undefined
  return longResponse({
    look,
    idText,
    reply: exchange.reply,
    onBegun: () => (call.attempts = MAX_ATTEMPTS),
    onCaughtUp: () => exchange.carriage?.resume(),
    onPiece: () => (exchange.lastActivityTicks = context.deps.clock.ticksMs()),
    onDone: (outcome) => void finish(context, exchange, outcome),
  })
}

function settle(call: Call, channel: Channel, message: Message): void {
  const { context, exchange, look } = call
  if (exchange.outcome !== undefined) return
  try {
    if (message.kind === 'error') return settleError(call, channel, message)
    if (asksForInput(call, channel, message)) return askClient(call, channel, message)
    if (exchange.era === 'legacy' && isUnasked(call, channel, message)) throw new PortolanError('upstream_malformed', { cause: 'a task that nobody asked for' })
    if (call.take !== undefined) return finishWhen(context, exchange, call.take(message))
    const outcome = clientResponse(message, look)
    indexTask(call, outcome.kind, message)
    finish(context, exchange, outcome)
  } catch (error) {
    finish(context, exchange, refusalOf(context, error))
  }
}

function finishWhen(context: GatewayContext, exchange: Exchange, outcome: Outcome | Promise<Outcome>): void {
  if (!(outcome instanceof Promise)) return void finish(context, exchange, outcome)
  outcome.then((ready) => finish(context, exchange, ready), (error: unknown) => finish(context, exchange, refusalOf(context, error)))
}

/** Servers must not make tasks of calls that declare no tasks (ext-tasks, Capability Negotiation). */
function isUnasked({ take }: Call, channel: Channel, { text, body }: Message): boolean {
  return take === undefined && channel.era === 'modern' && readString(text, member(body, 'resultType')) === 'task'
}

/** Only where the eras differ: a modern client is asked by the result itself. */
function asksForInput({ exchange }: Call, channel: Channel, { text, body }: Message): boolean {
  return exchange.era === 'legacy' && channel.era === 'modern' && readString(text, member(body, 'resultType')) === 'input_required'
}

/** Bridge-rulings §4, Input, L→M. Each round is a request of its own: what may be repeated is decided anew. */
function askClient(call: Call, channel: Channel, message: Message): void {
  const { context, exchange, route } = call
  const { session } = exchange
  if (session === undefined) throw new PortolanError('input_refused')
  const rounds = (call.rounds ??= { count: 0, consented: new Set() })
  gatherInput({ context, exchange, session, upstream: route.upstream, channel, rounds }, message)
    .then((input) => {
      call.input = input
      call.attempts = 0
      return start(call)
    })
    .catch((error: unknown) => finish(context, exchange, refusalOf(context, error)))
}

function settleError(call: Call, channel: Channel, message: Message): void {
  const { context, exchange, look, route } = call
  const error = readError(message)
  if (call.take === undefined && call.attempts < MAX_ATTEMPTS && demandsTask(exchange, route, error as WireErrorObject, look.method)) {
    return again(call, () => undefined, () => void (call.take = followTask(context, exchange, route, look)))
  }
  const verdict = translateUpstreamError(error as WireErrorObject, { from: channel.era, to: exchange.era, method: look.method })
  switch (verdict.kind) {
    case 'relay': {
      const same = verdict.error.code === error.code
      const code = member(message.body, 'code')
      const id = member(message.root, 'id')
      const changes = id === undefined ? [] : [{ node: id, text: look.clientIdText }]
      if (!same && code !== undefined) changes.push({ node: code, text: String(verdict.error.code) })
      finish(context, exchange, { kind: 'answered', text: splice(message.text, changes), status: verdict.error.status, failed: true })
      return
    }
    case 'headers_refused':
      return again(
        call,
        () => finish(context, exchange, refusalOf(context, new PortolanError('upstream_malformed', { cause: 'headers refused' }))),
        () => renewHeaders(call),
      )
    case 'version_refused':
      route.upstream.forgetProfile()
      return again(call, () => finish(context, exchange, refusalOf(context, new PortolanError('upstream_unavailable'))))
    case 'url_elicitation':
      finish(context, exchange, visitOutcome({ idText: call.message.idText, input: call.source.input, seal: look.sealState }, error.data))
  }
}

/** Refused before execution: the tool's headers changed, so ask for its list and make them anew (bridge-rulings §2). */
async function renewHeaders(call: Call): Promise<void> {
  const { context, exchange, route, source } = call
  context.catalog.invalidate(route.upstream, ['tools'])
  const tools = await context.catalog.list(source, 'tools')
  const rules = tools.byKey.get(route.subject)?.headerRules ?? []
  call.route = { ...route, paramHeaders: renewedHeaders(exchange, route, rules) }
}

function again(call: Call, otherwise: () => void, first: () => void | Promise<void> = () => undefined): void {
  if (call.attempts >= MAX_ATTEMPTS) return otherwise()
  void Promise.resolve()
    .then(first)
    .then(() => start(call))
    .catch((error: unknown) => finish(call.context, call.exchange, refusalOf(call.context, error)))
}

/** Guarantee 1: unsent or refused before execution, again; sent, only what is declared harmless to repeat. */
function fail(call: Call, channel: Channel, failure: ChannelFailure): void {
  const { context, exchange, route } = call
  if (exchange.outcome !== undefined) return
  const safe = isSafe(call)
  const mayRepeat = !failure.sent || safe
  const lasting = failure.reason === 'unreachable' || failure.reason === 'overloaded' || failure.reason === 'oversized'
  const refuse = (): void => {
    context.deps.log({
      level: 'warn',
      event: 'upstream_call_failed',
      fields: { upstream: route.upstream.id, reason: failure.reason, sent: failure.sent, detail: failure.detail },
    })
    finish(context, exchange, { kind: 'refused', error: failureError(failure, safe) })
  }
  if (!mayRepeat || lasting) return refuse()
  if (failure.reason === 'session_gone' && channel.era === 'legacy') dropSession(call, channel)
  again(call, refuse)
}

/** Not closed: other calls that are in flight there may still be answered. */
function dropSession({ context, exchange, route }: Call, channel: Channel): void {
  if (exchange.session === undefined) context.inputPool.forget(channel)
  else forgetOwn(exchange.session, route.upstream.id)
  if ('initializeResult' in channel) context.pool.forget(channel as Parameters<typeof context.pool.forget>[0])
}

/** The owner's own index: `tasks/list` is answered from it (bridge-rulings §4, Tasks). */
function indexTask({ exchange, route }: Call, kind: string, message: Message): void {
  const { session } = exchange
  if (kind !== 'task' || session === undefined) return
  const taskId = readString(message.text, member(member(message.body, 'task'), 'taskId'))
  if (taskId !== undefined) rememberTask(session, route.upstream.id, taskId)
}

/** For messages of an own session outside any call: used by the pool's listener. */
export function deliverOwn(side: ServerSide, message: Message, send = deliver): void {
  const text = message.kind === 'request' ? passRequest(side, message) : passNotification(side, message)
  if (text !== undefined) send(side.session, text)
}
