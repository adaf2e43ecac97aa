/** How a call at a server ends: its answer is the client's, or it is sent again where guarantee 1 allows, or it has failed. */

import { member, readString } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import { splice } from '../../protocol/splice.ts'
import { TASK_METHODS, isOver, legacyTaskOf, readLegacyTask } from '../../protocol/task.ts'
import type { ReadTask } from '../../protocol/task.ts'
import { NO_TOOL_HEADERS } from '../../protocol/tool-header.ts'
import { translateUpstreamError } from '../../protocol/upstream-error.ts'
import type { WireErrorObject } from '../../protocol/error.ts'
import { finish, refusalOf } from '../gateway/finish.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { forgetOwn, rememberTask } from '../session/live-session.ts'
import type { Channel, ChannelFailure } from '../upstream/channel.ts'
import { failureError } from '../upstream/request.ts'
import { cancelMade, madeOf } from './abandoned-calls.ts'
import { answerForServer, keptFirst } from './adopted-relay.ts'
import { MAX_ATTEMPTS } from './call-state.ts'
import type { Call } from './call-state.ts'
import { clientResponse, readError } from './client-response.ts'
import { gatherInput } from './gather-input.ts'
import { isSafe } from './repetition.ts'
import { visitOutcome } from './url-visit.ts'
import { renewedHeaders } from './param-headers.ts'
import { demandsTask, followTask } from './task-follow.ts'
import { createdTask } from './task-for-modern.ts'

/** The server answered. */
export function settle(call: Call, channel: Channel, message: Message): void {
  const { context, exchange, look } = call
  if (exchange.outcome !== undefined) return void cancelMade(madeOf(call), channel, message)
  try {
    if (message.kind === 'error') return settleError(call, channel, message)
    if (asksForInput(call, channel, message)) return askClient(call, channel, message)
    if (exchange.era === 'legacy' && isUnasked(call, channel, message)) throw new PortolanError('upstream_malformed', { cause: 'a task that nobody asked for' })
    if (call.take !== undefined) return finishWhen(call, call.take(message))
    const outcome = clientResponse(message, look)
    noteTask(call, channel, outcome.kind, message)
    finishWhen(call, keptFirst(call, channel, message, outcome) ?? outcome, outcome.kind === 'task' ? () => void cancelMade(madeOf(call), channel, message) : undefined)
  } catch (error) {
    finish(context, exchange, refusalOf(context, error))
  }
}

/** `otherwise`: its client had gone by then. */
function finishWhen({ context, exchange }: Call, outcome: Outcome | Promise<Outcome>, otherwise?: () => void): void {
  if (!(outcome instanceof Promise)) return void finish(context, exchange, outcome)
  outcome.then((ready) => void (finish(context, exchange, ready) || otherwise?.()), (error: unknown) => finish(context, exchange, refusalOf(context, error)))
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
      return call.start(call)
    })
    .catch((error: unknown) => finish(context, exchange, refusalOf(context, error)))
}

function settleError(call: Call, channel: Channel, message: Message): void {
  const { context, exchange, look, route } = call
  const error = readError(message)
  if (call.take === undefined && call.attempts < MAX_ATTEMPTS && demandsTask(exchange, route, error as WireErrorObject, look.method)) {
    return again(call, () => undefined, () => void (call.take = followTask(context, exchange, route, look)))
  }
  const kept = answerForServer(call, error.code)
  if (kept !== undefined) return finishWhen(call, kept)
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
  const headers = tools.byKey.get(route.subject)?.headers ?? NO_TOOL_HEADERS
  call.route = { ...route, paramHeaders: renewedHeaders(exchange, route, headers) }
}

function again(call: Call, otherwise: () => void, first: () => void | Promise<void> = () => undefined): void {
  if (call.attempts >= MAX_ATTEMPTS) return otherwise()
  void Promise.resolve()
    .then(first)
    .then(() => call.start(call))
    .catch((error: unknown) => finish(call.context, call.exchange, refusalOf(call.context, error)))
}

/** The server did not answer. Guarantee 1: unsent or refused before execution, again; sent, only what is declared harmless to repeat. */
export function fail(call: Call, channel: Channel, failure: ChannelFailure): void {
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
  again(call, refuse, () => {
    // Until it is sent again no server has it.
    if (!failure.sent) exchange.carriage = undefined
  })
}

/** Not closed: other calls that are in flight there may still be answered. The first to find it gone opens its successor for all. */
function dropSession({ context, exchange: { session }, route }: Call, channel: Channel): void {
  if (session === undefined) context.inputPool.forget(channel)
  else if (session.opened.get(route.upstream.id)?.channel === channel) forgetOwn(session, route.upstream.id)
  context.pool.forget(channel)
}

/** The owner's own index, from which `tasks/list` is answered, and where each task is to be asked for (bridge-rulings §4, Tasks). */
function noteTask({ context, exchange, route, look }: Call, channel: Channel, kind: string, message: Message): void {
  const { session } = exchange
  if (session === undefined || channel.era !== 'legacy') return
  const { ownerKey } = session.data
  const upstreamId = route.upstream.id
  const taskId = kind === 'task' ? readString(message.text, member(member(message.body, 'task'), 'taskId')) : undefined
  if (taskId !== undefined) {
    rememberTask(session, upstreamId, taskId)
    // Whoever ends the session after this process must know that a task goes on in it.
    void context.sessions.changed(session)
    if (session.opened.get(upstreamId)?.channel === channel) context.taskSessions.note({ ownerKey, upstreamId, taskId }, channel, legacyTaskOf(message)?.state.ttlMs ?? null)
  } else if (TASK_METHODS.has(look.method) && isTaskOver(look.method, message)) {
    context.taskSessions.ended({ ownerKey, upstreamId, taskId: route.subject }, look.method !== 'tasks/get')
  }
}

function isTaskOver(method: string, message: Message): boolean {
  if (method === 'tasks/result') return true
  const task = readLegacyTask(message)
  return task !== undefined && isOver(task.state.status)
}

/** The client takes the task; the session in which it was made goes on for it. */
export function become(call: Call, channel: Channel, message: Message, task: ReadTask): void {
  const { context, exchange, parkable, token, look } = call
  const leased = parkable?.handOver()
  const cancel = (): Promise<void> => cancelMade(madeOf(call), channel, message)
  try {
    if (exchange.outcome !== undefined) return void cancel().then(() => leased?.release(true))
    finishWhen(call, createdTask(context, { exchange, route: call.route, look, channel, leased, input: call.source.input, token }, message, task), () => void cancel())
  } catch (error) {
    void cancel().then(() => leased?.release(true))
    // It runs: what says "try again" would have it run twice (guarantee 1).
    const isCrowded = error instanceof PortolanError && error.code === 'overloaded'
    finish(context, exchange, refusalOf(context, isCrowded ? new PortolanError('outcome_unknown', { message: CROWDED }) : error))
  }
}

const CROWDED = 'Too many tasks of this client go on. This one was cancelled: it may or may not have run.'
