/** What a server says before it answers a call, in the words of the call's client. */

import { member, readString } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { isMethod } from '../../protocol/method.ts'
import { META, isLogLevel, reachesLogLevel } from '../../protocol/meta.ts'
import { PortolanError } from '../../protocol/error.ts'
import { splice } from '../../protocol/splice.ts'
import { unrelated } from '../../protocol/task.ts'
import { virtualAt } from '../catalog/endpoint-scope.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import { finish } from '../gateway/finish.ts'
import type { Channel } from '../upstream/channel.ts'
import { refuseRequest } from '../upstream/refuse-request.ts'
import type { ResponseLook } from './client-response.ts'
import { MAX_ASKED } from './server-question.ts'
import type { ParkableCall } from './parked-calls.ts'
import { passNotification, passRequest } from './server-message.ts'
import { clientToken } from './upstream-request.ts'
import type { ServerSide } from './server-message.ts'

/** As much of a call as its messages need. */
export interface NoticedCall {
  readonly context: GatewayContext
  readonly exchange: Exchange
  readonly message: Message
  readonly route: Route
  readonly look: ResponseLook
  readonly parkable: ParkableCall | undefined
  /** Requests of its server that nobody is asked. */
  refusals: number
}

/** False: the client is slow. What comes while nobody is served is dropped. `isAnnounced`: who watches the server knows of it. */
export function takeNotice(call: NoticedCall, channel: Channel, message: Message, isAnnounced = false): boolean {
  const { context, exchange, parkable } = call
  exchange.lastActivityTicks = context.deps.clock.ticksMs()
  if (message.kind === 'request') return answerServer(call, channel, message)
  if (message.method === 'notifications/progress') return pass(call, progressText(wordsFor(exchange, channel, message), clientToken(call.message)))
  if (parkable !== undefined && message.method === 'notifications/cancelled') withdraw(parkable, message)
  if (!isAnnounced) context.watches.announce(call.route.upstream, channel.era, message)
  return pass(call, notificationText(call, channel, wordsFor(exchange, channel, message)))
}

/** A task that Portolan waits for is none of a modern client's (`task-await.ts`). */
function wordsFor({ era }: Exchange, channel: Channel, message: Message): Message {
  return era === 'modern' && channel.era === 'legacy' ? unrelated(message) : message
}

function withdraw(parkable: ParkableCall, { text, body }: Message): void {
  const id = member(body, 'requestId')
  if (id !== undefined) parkable.withdraw(text.slice(id.start, id.end))
}

function pass({ context, exchange }: NoticedCall, text: WireText | undefined): boolean {
  if (text === undefined || exchange.outcome !== undefined || exchange.reply.send(text)) return true
  exchange.reply.onDrain(() => {
    // Until now the client was slow, and its server not asked for more.
    exchange.lastActivityTicks = context.deps.clock.ticksMs()
    exchange.carriage?.resume()
  })
  return false
}

function answerServer(call: NoticedCall, channel: Channel, message: Message): boolean {
  const { exchange, parkable } = call
  const isPing = message.method === 'ping'
  if (!isPing && exchange.era === 'legacy' && channel.era === 'legacy' && exchange.session !== undefined) {
    return pass(call, passRequest(serverSide(call, channel), message))
  }
  if (!isPing && parkable !== undefined) parkable.ask(message)
  else if (!isPing && (call.refusals += 1) > MAX_ASKED) giveUp(call)
  else refuseRequest(channel, message)
  return true
}

/** Who asks without end would have us answer without end. */
function giveUp({ context, exchange }: NoticedCall): void {
  const { carriage } = exchange
  finish(context, exchange, { kind: 'refused', error: new PortolanError('upstream_malformed', { cause: 'asks without end' }) })
  carriage?.abort('too many requests')
}

/** Progress goes only to who gave a token, under the token as given (bridge-rulings §4, Progress). */
function progressText(message: Message, token: WireText): WireText | undefined {
  const node = member(message.body, META.progressToken)
  return node === undefined || token === '' ? undefined : splice(message.text, [{ node, text: token }])
}

/** Undefined where it is none of the client's business. */
function notificationText(call: NoticedCall, channel: Channel, message: Message): WireText | undefined {
  const { exchange } = call
  if (exchange.era === 'legacy') {
    if (channel.era === 'legacy' && exchange.session !== undefined) return passNotification(serverSide(call, channel), message)
    return message.method === 'notifications/message' || !isMethod(message.method) ? message.text : undefined
  }
  // What no revision has is the two ends' business (design §7, guarantee 8).
  if (channel.era === 'modern' || !isMethod(message.method)) return message.text
  if (message.method !== 'notifications/message') return undefined
  return wantsLog(call.message, message) ? message.text : undefined
}

/** A modern request gets log messages only at the level that it asked for (S26 server/utilities/logging). */
function wantsLog(request: Message, log: Message): boolean {
  const minimum = readString(request.text, member(member(request.body, '_meta'), META.logLevel))
  const level = readString(log.text, member(log.body, 'level'))
  return isLogLevel(minimum) && isLogLevel(level) && reachesLogLevel(level, minimum)
}

function serverSide(call: NoticedCall, channel: Channel): ServerSide {
  const { session } = call.exchange
  if (session === undefined) throw new PortolanError('internal')
  const { upstream, scope = '' } = call.route
  return { session, upstream, channel, slug: call.look.slug, sealTask: call.look.sealTask, virtual: virtualAt(call.context, scope) }
}
