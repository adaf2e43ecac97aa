/**
 * Stage 8 for everything that an upstream server answers: one call, sent in the upstream's words, its stream passed back
 * in the client's, its response the outcome. Sent again only where guarantee 1 allows.
 */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import { META, isLogLevel, reachesLogLevel } from '../../protocol/meta.ts'
import { PortolanError, toErrorObject } from '../../protocol/error.ts'
import { ASKING_METHODS } from '../../protocol/input-required.ts'
import { splice } from '../../protocol/splice.ts'
import { translateUpstreamError } from '../../protocol/upstream-error.ts'
import type { WireErrorObject } from '../../protocol/error.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import { finish, refusalOf } from '../gateway/finish.ts'
import { virtualAt } from '../catalog/endpoint-scope.ts'
import { deliver, forgetOwn, rememberTask } from '../session/live-session.ts'
import type { CallHandler, Channel, ChannelFailure, LongResponse } from '../upstream/channel.ts'
import { failureError } from '../upstream/request.ts'
import { clientResponse, readError } from './client-response.ts'
import type { ResponseLook } from './client-response.ts'
import { sealState, sealTask, openTask } from './handles.ts'
import { longResponse } from './long-response.ts'
import { gatherInput } from './gather-input.ts'
import type { GatheredInput, InputRounds } from './gather-input.ts'
import { renewedHeaders } from './param-headers.ts'
import { modernCapabilities, partyOf } from './party.ts'
import type { Source } from './party.ts'
import { passNotification, passRequest } from './server-message.ts'
import type { ServerSide } from './server-message.ts'
import { clientToken, upstreamHeaders, upstreamRequest } from './upstream-request.ts'

interface Call {
  readonly context: GatewayContext
  readonly exchange: Exchange
  readonly message: Message
  route: Route
  readonly source: Source
  readonly look: ResponseLook
  attempts: number
  /** Of a legacy client, for a modern server that asked for it. */
  input: GatheredInput | undefined
  readonly rounds: InputRounds
}

/** At most one repetition, whatever the reason. */
const MAX_ATTEMPTS = 2

/** Sends the exchange's request to its upstream; the exchange finishes when the upstream has answered or failed. */
export function carryCall(context: GatewayContext, exchange: Exchange, source: Source): void | Promise<void> {
  const { message, route } = exchange
  if (message === undefined || route === undefined) throw new PortolanError('internal')
  const call: Call = { context, exchange, message, route, source, look: responseLook(context, exchange, message, route, source), attempts: 0, input: undefined, rounds: { count: 0, consented: new Set() } }
  return start(call)
}

function start(call: Call): void | Promise<void> {
  const channel = call.source.channel()
  if (channel instanceof Promise) return channel.then((ready) => send(call, ready))
  return send(call, channel)
}

function send(call: Call, channel: Channel): void {
  const { context, exchange, message, route } = call
  if (exchange.outcome !== undefined) return
  call.attempts += 1
  const idText = channel.nextId()
  const token = clientToken(message)
  const text = upstreamRequest(message, {
    idText,
    route,
    clientEra: exchange.era,
    upstreamEra: channel.era,
    upstreamRevision: channel.revision,
    selfText: call.look.selfText,
    logLevel: exchange.session?.data.logLevel ?? '',
    relatedTask: relatedTask(context, exchange, route, message),
    clientCapabilities: exchange.session === undefined || !ASKING_METHODS.has(message.method) ? '{}' : modernCapabilities(exchange.session),
    input: call.input,
  })
  exchange.carriage = channel.send({
    text,
    idText,
    method: message.method,
    progressToken: token === '' ? '' : idText,
    headers: channel.transport === 'stdio' ? [] : channel.era === 'modern' ? upstreamHeaders(message, route, exchange.credential) : exchange.credential,
    handler: handlerFor(call, channel, token, idText),
  })
}

function handlerFor(call: Call, channel: Channel, token: WireText, idText: IdText): CallHandler {
  const { context, exchange } = call
  const pass = (text: WireText | undefined): boolean => {
    if (text === undefined || exchange.outcome !== undefined || exchange.reply.send(text)) return true
    exchange.reply.onDrain(() => exchange.carriage?.resume())
    return false
  }
  return {
    onMessage(message) {
      exchange.lastActivityTicks = context.deps.clock.ticksMs()
      if (message.kind === 'request') return answerServer(call, channel, message, pass)
      if (message.method === 'notifications/progress') return pass(progressText(message, token))
      return pass(notificationText(call, channel, message))
    },
    onSuspended: (retryMs) => exchange.reply.suspend(retryMs),
    onResponse: (message) => settle(call, channel, message),
    onLong: () => long(call, channel, idText),
    onFailure: (failure) => void fail(call, channel, failure),
  }
}

/** Progress goes only to who gave a token, under the token as given (bridge-rulings §4, Progress). */
function progressText(message: Message, token: WireText): WireText | undefined {
  const node = member(message.body, META.progressToken)
  return node === undefined || token === '' ? undefined : splice(message.text, [{ node, text: token }])
}

function notificationText(call: Call, channel: Channel, message: Message): WireText | undefined {
  const { context, exchange, route } = call
  context.watches.announce(route.upstream, channel.era, message)
  if (exchange.era === 'legacy') {
    if (channel.era === 'legacy' && exchange.session !== undefined) return passNotification(serverSide(call, channel), message)
    return message.method === 'notifications/message' ? message.text : undefined
  }
  if (channel.era === 'modern') return message.text
  if (message.method !== 'notifications/message') return undefined
  return wantsLog(call.message, message) ? message.text : undefined
}

/** A modern request gets log messages only at the level that it asked for (S26 server/utilities/logging). */
function wantsLog(request: Message, log: Message): boolean {
  const minimum = readString(request.text, member(member(request.body, '_meta'), META.logLevel))
  const level = readString(log.text, member(log.body, 'level'))
  return isLogLevel(minimum) && isLogLevel(level) && reachesLogLevel(level, minimum)
}

function answerServer(call: Call, channel: Channel, message: Message, pass: (text: WireText) => boolean): boolean {
  const { exchange } = call
  const answer = (body: WireText): boolean => {
    void channel.notify(`{"jsonrpc":"2.0","id":${message.idText},${body}}`).catch(() => undefined)
    return true
  }
  if (message.method === 'ping') return answer('"result":{}')
  if (exchange.era === 'legacy' && channel.era === 'legacy' && exchange.session !== undefined) {
    return pass(passRequest(serverSide(call, channel), message))
  }
  // Bridge-rulings §3: an error, never an empty answer, which servers would keep.
  return answer(`"error":${asciiJson(toErrorObject({ status: 200, code: -32601, message: 'The client cannot be asked here' }))}`)
}

function serverSide(call: Call, channel: Channel): ServerSide {
  const { session } = call.exchange
  if (session === undefined) throw new PortolanError('internal')
  const { upstream, scope = '' } = call.route
  return { session, upstream, channel, slug: call.look.slug, sealTask: call.look.sealTask, virtual: virtualAt(call.context, scope) }
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
    const outcome = clientResponse(message, look)
    indexTask(call, outcome.kind, message)
    finish(context, exchange, outcome)
  } catch (error) {
    finish(context, exchange, refusalOf(context, error))
  }
}

/** Only where the eras differ: a modern client is asked by the result itself. */
function asksForInput({ exchange }: Call, channel: Channel, { text, body }: Message): boolean {
  return exchange.era === 'legacy' && channel.era === 'modern' && readString(text, member(body, 'resultType')) === 'input_required'
}

/** Bridge-rulings §4, Input, L→M. Each round is a request of its own: what may be repeated is decided anew. */
function askClient(call: Call, channel: Channel, message: Message): void {
  const { context, exchange, route, rounds } = call
  const { session } = exchange
  if (session === undefined) throw new PortolanError('input_refused')
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
      finish(context, exchange, refusalOf(context, new PortolanError('unsupported', { message: 'The server asks for a visit to a URL' })))
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
  const safe = route.upstream.config.trustAnnotations && isRepeatable(call)
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

function dropSession({ context, exchange, route }: Call, channel: Channel): void {
  void channel.close().catch(() => undefined)
  if (exchange.session !== undefined) forgetOwn(exchange.session, route.upstream.id)
  if ('initializeResult' in channel) context.pool.forget(channel as Parameters<typeof context.pool.forget>[0])
}

/** Methods that change nothing by definition. What no revision defines may do anything (guarantee 1). */
const READ_ONLY: ReadonlySet<string> = new Set(['prompts/get', 'resources/read', 'completion/complete', 'tasks/get', 'tasks/result'])

function isRepeatable({ context, message, route, source }: Call): boolean {
  if (message.method !== 'tools/call') return READ_ONLY.has(message.method)
  return context.catalog.known(source, 'tools')?.byKey.get(route.subject)?.repeatable ?? false
}

function responseLook(context: GatewayContext, exchange: Exchange, message: Message, route: Route, source: Source): ResponseLook {
  const { keyring, clock } = context.deps
  const { principal, revision } = partyOf(exchange)
  return {
    clientIdText: message.idText,
    method: message.method,
    clientEra: exchange.era,
    clientRevision: revision,
    upstreamEra: source.era,
    slug: route.marked ? context.upstreams.slugOf(route.upstream) : undefined,
    selfText: context.selfText,
    sealTask: (taskId) => sealTask(keyring, principal, route.upstream.id, taskId, route.scope),
    sealState(state) {
      const binding = { upstreamId: route.upstream.id, method: message.method, subject: route.subject, scope: route.scope }
      return sealState(keyring, principal, binding, state, clock.nowMs() + exchange.snapshot.limits.requestStateMs)
    },
  }
}

/** What is no handle of this client's must not reach the server, who cannot tell whose task it would name. */
function relatedTask(context: GatewayContext, exchange: Exchange, { upstream, scope }: Route, message: Message): string | undefined {
  const related = member(member(message.body, '_meta'), META.relatedTask)
  if (related === undefined) return undefined
  const handle = readString(message.text, member(related, 'taskId'))
  const task = handle === undefined ? undefined : openTask(context.deps.keyring, partyOf(exchange).principal, handle, scope)
  if (task?.upstreamId !== upstream.id) throw new PortolanError('task_not_found')
  return task.taskId
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
