/** A legacy client's notifications and responses: each goes to the upstream session it belongs to. */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { HOP_META, META } from '../../protocol/meta.ts'
import { claimsRevision } from '../../protocol/modern/request-meta.ts'
import { HEADER, encodeHeaderValue } from '../../protocol/header.ts'
import { LATEST_MODERN } from '../../protocol/revision.ts'
import { splice } from '../../protocol/splice.ts'
import type { Change } from '../../protocol/splice.ts'
import { PortolanError } from '../../protocol/error.ts'
import { openTask } from '../bridge/handles.ts'
import { sourceOf } from '../bridge/party.ts'
import { handleScope } from '../catalog/endpoint-scope.ts'
import { rememberHostedTask } from '../session/live-session.ts'
import type { LiveSession, PendingRequest } from '../session/live-session.ts'
import type { Channel } from '../upstream/channel.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange, Route } from './exchange.ts'
import { finish } from './finish.ts'
import type { Outcome } from './outcome.ts'

const ACCEPTED: Outcome = { kind: 'accepted', status: 202 }

/** Never fails for what it does not know: notifications have no answer. */
export function takeNotification(context: GatewayContext, exchange: Exchange, message: Message): Outcome {
  const { session, route } = exchange
  if (route !== undefined) void passOn(context, exchange, route, message).catch((error: unknown) => warn(context, error))
  if (session === undefined) return ACCEPTED
  switch (message.method) {
    case 'notifications/initialized':
      session.data.initialized = true
      void context.sessions.changed(session)
      return ACCEPTED
    case 'notifications/cancelled':
      cancelCall(context, session, message)
      return ACCEPTED
    case 'notifications/progress':
      passProgress(session, message)
      return ACCEPTED
    case 'notifications/tasks/status':
      passToHost(session, message)
      return ACCEPTED
    case 'notifications/roots/list_changed':
      // It concerns every server.
      for (const own of session.own.values()) void own.then(({ channel }) => channel.notify(message.text)).catch(() => undefined)
      return ACCEPTED
    default:
      return ACCEPTED
  }
}

/** What nobody knows, to the server that this client's calls go to, in its era (guarantee 8). Rejects with PortolanError. */
async function passOn(context: GatewayContext, exchange: Exchange, { upstream }: Route, message: Message): Promise<void> {
  const { era, principal, session, revision = LATEST_MODERN, credential } = exchange
  if (principal === undefined) throw new PortolanError('internal')
  const source = await sourceOf(context, { era, revision, principal, session, message }, upstream)
  const channel = await source.channel()
  const text = forHop(context, message, channel)
  const mirrored = encodeHeaderValue(message.method)
  if (channel.era === 'legacy' || channel.transport === 'stdio') return channel.notify(text)
  // What cannot stand in a header is no method of a modern server over HTTP.
  if (mirrored === message.method) await channel.notify(text, [[HEADER.method, mirrored], ...credential])
}

/** What it says of its own hop is made anew, and means nothing to a session (bridge-rulings §2). */
function forHop({ selfText }: GatewayContext, { text, body }: Message, channel: Channel): WireText {
  const meta = member(body, '_meta')
  if (meta?.members === undefined || !claimsRevision(meta)) return text
  if (channel.era === 'legacy') return splice(text, [{ node: meta, remove: HOP_META }])
  return splice(text, [{ node: meta, set: { [META.protocolVersion]: asciiJson(channel.revision), [META.clientInfo]: selfText } }])
}

/** The answer to a server's request; one that nobody waits for any more is accepted and dropped. */
export function takeResponse(context: GatewayContext, exchange: Exchange, message: Message): Outcome {
  const { session } = exchange
  if (session === undefined) throw new PortolanError('session_required')
  const pending = session.pending.get(message.idText)
  if (pending === undefined) return ACCEPTED
  session.pending.delete(message.idText)
  // The server's silence begins now, for whichever of the calls it had asked.
  const ticks = context.deps.clock.ticksMs()
  for (const call of session.inFlight.values()) if (call.route?.upstream === pending.upstream) call.lastActivityTicks = ticks
  if (pending.gather !== undefined) {
    pending.gather.answer(message)
    return ACCEPTED
  }
  noteHostedTask(session, pending, message)
  const id = member(message.root, 'id')
  const changes: Change[] = id === undefined ? [] : [{ node: id, text: pending.upstreamIdText }]
  relateTask(changes, context, exchange, pending, message)
  if (pending.channel !== undefined) notify(context, pending.channel, splice(message.text, changes))
  return ACCEPTED
}

/**
 * The task that the answer belongs to: one that this client hosts for this server goes as it is, a handle of ours as the
 * server's own id; what is neither must not reach the server, and is left out.
 */
function relateTask(changes: Change[], context: GatewayContext, exchange: Exchange, pending: PendingRequest, message: Message): void {
  const { principal, session } = exchange
  const meta = member(message.body, '_meta')
  const related = member(meta, META.relatedTask)
  if (meta === undefined || related === undefined) return
  const node = member(related, 'taskId')
  const handle = readString(message.text, node)
  if (handle !== undefined && session?.hostedTasks.get(handle) === pending.upstream.id) return
  const task = handle === undefined || principal === undefined ? undefined : openTask(context.deps.keyring, principal, handle, handleScope(context, exchange.endpoint))
  if (node !== undefined && task?.upstreamId === pending.upstream.id) changes.push({ node, text: asciiJson(task.taskId) })
  else changes.push({ node: meta, remove: [META.relatedTask] })
}

/** Ends a call for its client: nothing more is sent for it, and its upstream is told (2025-11-25, Cancellation). */
export function cancelCall(context: GatewayContext, session: Pick<LiveSession, 'inFlight'>, message: Message): void {
  const node = member(message.body, 'requestId')
  const call = node === undefined ? undefined : session.inFlight.get(message.text.slice(node.start, node.end))
  if (call === undefined || call.message?.method === 'initialize') return
  const reason = readString(message.text, member(message.body, 'reason')) ?? 'cancelled by the client'
  call.carriage?.abort(reason.slice(0, 256))
  finish(context, call, { kind: 'cancelled', reason })
}

/** A client's progress on a server's request: the token is the id under which the client got it. */
function passProgress(session: LiveSession, message: Message): void {
  const node = member(message.body, META.progressToken)
  if (node === undefined) return
  const pending = session.pending.get(message.text.slice(node.start, node.end))
  if (pending === undefined || pending.upstreamToken === '') return
  void pending.channel?.notify(splice(message.text, [{ node, text: pending.upstreamToken }])).catch(() => undefined)
}

/** A client-hosted task's status goes to the server whose request it runs (2025-11-25, Tasks). */
function passToHost(session: LiveSession, message: Message): void {
  const taskId = readString(message.text, member(message.body, 'taskId'))
  const upstreamId = taskId === undefined ? undefined : session.hostedTasks.get(taskId)
  const own = upstreamId === undefined ? undefined : session.own.get(upstreamId)
  void own?.then(({ channel }) => channel.notify(message.text)).catch(() => undefined)
}

function noteHostedTask(session: LiveSession, pending: PendingRequest, message: Message): void {
  const taskId = readString(message.text, member(member(message.body, 'task'), 'taskId'))
  if (taskId !== undefined) rememberHostedTask(session, pending.upstream.id, taskId)
}

function notify(context: GatewayContext, channel: Channel, text: WireText): void {
  channel.notify(text).catch((error: unknown) => warn(context, error))
}

function warn({ deps }: GatewayContext, error: unknown): void {
  deps.log({ level: 'warn', event: 'upstream_notify_failed', fields: { detail: String(error) } })
}
