/**
 * Stage 8 for everything that an upstream server answers: one call, sent in the upstream's words, its stream passed back
 * in the client's, its response the outcome.
 */

import type { IdText, Message } from '../../protocol/message.ts'
import type { InputCapability } from '../../protocol/capability.ts'
import { PortolanError } from '../../protocol/error.ts'
import { ASKING_METHODS } from '../../protocol/input-required.ts'
import { legacyTaskOf } from '../../protocol/task.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import { finish } from '../gateway/finish.ts'
import type { CallControl, CallHandler, Channel, LongResponse } from '../upstream/channel.ts'
import { refuseRequest } from '../upstream/refuse-request.ts'
import { cancelMade, madeOf, mayBecomeTask } from './abandoned-calls.ts'
import { become, fail, settle } from './call-end.ts'
import { relatedTask, responseLook } from './call-look.ts'
import { takeNotice } from './call-notice.ts'
import { MAX_ATTEMPTS } from './call-state.ts'
import type { Call, TakeResult } from './call-state.ts'
import { setLogLevel } from './input-pool.ts'
import type { Leased } from './input-pool.ts'
import { classOfSession, declaring } from './extension-class.ts'
import { longResponse } from './long-response.ts'
import { madeIn } from './made-in.ts'
import { AFRESH, readParkedState } from './own-state.ts'
import type { ParkableCall } from './parked-calls.ts'
import { modernCapabilities } from './party.ts'
import type { Source } from './party.ts'
import { isSafe } from './repetition.ts'
import { awaitTask } from './task-await.ts'
import { planTask, withTasksDeclared } from './task-support.ts'
import { clientToken, upstreamHeaders, upstreamRequest } from './upstream-request.ts'

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
  return start({ context, source, exchange, message, route, look, attempts: 0, refusals: 0, parkable: undefined, control: undefined, input: undefined, rounds: undefined, plan, token: '', take, onLate: undefined, start })
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
  const channel = madeIn(call.context, call.exchange, source) ?? source.channel()
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
  const declared = exchange.session === undefined ? '{}' : ASKING_METHODS.has(message.method) ? modernCapabilities(exchange.session) : declaring(classOfSession(exchange.session))
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
  call.control = mayBecomeTask(call, channel) ? heardLate(call, channel, control) : control
  exchange.carriage = call.parkable === undefined ? call.control : controlOf(call, call.parkable)
}

/** Whoever gives it up leaves no task at its server. */
function heardLate(call: Call, channel: Channel, control: CallControl): CallControl {
  const heard: CallControl = {
    abort(reason) {
      if (call.control === heard) call.context.abandoned.add(call, channel, control, reason)
    },
    resume: () => control.resume(),
  }
  return heard
}

function handlerFor(call: Call, channel: Channel, idText: IdText): CallHandler {
  return {
    onMessage: (message) => (call.onLate === undefined ? takeNotice(call, channel, message) : refuseLate(channel, message)),
    onSuspended: (retryMs) => call.exchange.reply.suspend(retryMs),
    onResponse(message) {
      if (call.onLate !== undefined) return call.onLate(message)
      call.control = undefined
      const task = call.plan === 'none' ? undefined : legacyTaskOf(message)
      if (task === undefined) whenServed(call, () => settle(call, channel, message), message.text.length)
      else if (call.plan === 'await') follow(call, channel, task.taskId)
      else whenBack(call, channel, message, () => become(call, channel, message, task))
    },
    onLong: () => (call.parkable === undefined ? long(call, channel, idText) : undefined),
    onFailure(failure) {
      if (call.onLate !== undefined) return call.onLate(undefined)
      call.control = undefined
      whenServed(call, () => fail(call, channel, failure))
    },
  }
}

/** Nobody is there who could be asked. */
function refuseLate(channel: Channel, message: Message): boolean {
  if (message.kind === 'request') refuseRequest(channel, message)
  return true
}

/** The client cannot take a task: it waits for the result, and is asked as in any other call. */
function follow(call: Call, channel: Channel, taskId: string): void {
  const { context, exchange, parkable, token } = call
  call.plan = 'none'
  const headers = channel.transport === 'stdio' ? [] : exchange.credential
  call.control = awaitTask(context.deps, { channel, taskId, token, headers, handler: handlerFor(call, channel, ''), idleMs: call.route.upstream.config.requestIdleTimeoutMs, onAlive: () => (call.exchange.lastActivityTicks = context.deps.clock.ticksMs()) })
  if (parkable === undefined && exchange.outcome === undefined) exchange.carriage = call.control
}

/** Where its client does not come back, nobody has the task that was made meanwhile. */
function whenBack(call: Call, channel: Channel, message: Message, run: () => void): void {
  const { parkable } = call
  if (parkable === undefined) return run()
  call.control = {
    abort() {
      const leased = parkable.handOver()
      void cancelMade(madeOf(call), channel, message).then(() => leased.release(true))
    },
    resume: () => undefined,
  }
  parkable.settle(() => {
    call.control = undefined
    run()
  })
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
