/**
 * What a legacy upstream server sends on its own — requests to the client and notifications — in the words of the legacy
 * client it is for: ids and progress tokens re-made, task ids sealed, URIs marked on `/mcp` (bridge-rulings §2, §3).
 */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { JsonNode, WireText } from '../../protocol/json.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import { splice } from '../../protocol/splice.ts'
import { covers } from '../../protocol/subscription.ts'
import type { Change } from '../../protocol/splice.ts'
import { listsChangedBy } from '../catalog/list-kind.ts'
import { markUri } from '../catalog/uri-mark.ts'
import { shownKinds } from '../catalog/virtual-server.ts'
import type { VirtualServer } from '../catalog/virtual-server.ts'
import { deliver } from '../session/live-session.ts'
import type { LiveSession, PendingRequest } from '../session/live-session.ts'
import type { Channel } from '../upstream/channel.ts'
import type { Upstream } from '../upstream/upstream.ts'

export interface ServerSide {
  readonly session: LiveSession
  readonly upstream: Upstream
  readonly channel: Channel
  /** The server's slug on `/mcp`; undefined where URIs stay. */
  readonly slug: string | undefined
  readonly sealTask: (taskId: string) => string
  /** Where the client is at one: what it does not show is none of the client's business. */
  readonly virtual?: VirtualServer | undefined
}

/** A client that answers nothing must not make its session grow: so many questions may be open, the oldest give way. */
const PENDING_LENGTH = 256

function giveUpOldest(session: LiveSession): void {
  for (const [idText, { channel, upstreamIdText, gather }] of session.pending) {
    session.pending.delete(idText)
    if (gather !== undefined) return gather.giveUp()
    const error = '{"code":-32603,"message":"The client has too many unanswered requests"}'
    void channel?.notify(`{"jsonrpc":"2.0","id":${upstreamIdText},"error":${error}}`).catch(() => undefined)
    return
  }
}

/** A question to the client: the id under which it gets it. */
export function addPending(session: LiveSession, pending: PendingRequest): IdText {
  const idText = String(session.nextRequestId)
  session.nextRequestId += 1
  if (session.pending.size >= PENDING_LENGTH) giveUpOldest(session)
  session.pending.set(idText, pending)
  return idText
}

/** The request as the client gets it; its answer will be matched by the new id. */
export function passRequest(side: ServerSide, message: Message): WireText {
  const { session, upstream, channel } = side
  const meta = member(message.body, '_meta')
  const token = member(meta, META.progressToken)
  const upstreamToken = token === undefined ? '' : message.text.slice(token.start, token.end)
  const idText = addPending(session, { channel, upstream, upstreamIdText: message.idText, upstreamToken, method: message.method })
  const id = member(message.root, 'id')
  const changes: Change[] = id === undefined ? [] : [{ node: id, text: idText }]
  if (token !== undefined) changes.push({ node: token, text: idText })
  addRelatedTask(changes, message, side)
  return splice(message.text, changes)
}

/** The notification as the client gets it; undefined where it is none of the client's business. */
export function passNotification(side: ServerSide, message: Message): WireText | undefined {
  const { text, body, method } = message
  const changes: Change[] = []
  if (side.virtual !== undefined && isUnseen(side.virtual, side, message)) return undefined
  switch (method) {
    case 'notifications/progress':
      // A token that belongs to no call of this stream: what it was for is over.
      return undefined
    case 'notifications/cancelled':
      return passCancelled(side, message)
    case 'notifications/resources/updated': {
      const uri = member(body, 'uri')
      const value = readString(text, uri)
      if (side.slug !== undefined && uri !== undefined && value !== undefined) {
        changes.push({ node: uri, text: asciiJson(markUri(side.slug, value)) })
      }
      break
    }
    case 'notifications/tasks/status':
      addTaskId(changes, text, member(body, 'taskId'), side)
      break
  }
  addRelatedTask(changes, message, side)
  return changes.length === 0 ? text : splice(text, changes)
}

/** Of lists that are not shown, and of resources that nobody here subscribed to or that are left out by now. */
function isUnseen(virtual: VirtualServer, { upstream, session }: ServerSide, { text, body, method }: Message): boolean {
  const kinds = listsChangedBy(method)
  if (kinds.length > 0) return shownKinds(virtual, upstream.name, kinds).length === 0
  if (method !== 'notifications/resources/updated') return false
  const uri = readString(text, member(body, 'uri')) ?? ''
  const isAsked = (session.data.subscriptions[upstream.id] ?? []).some((subscribed) => covers(subscribed, uri))
  return !isAsked || !virtual.hearsUri(upstream.name, uri)
}

/** The server withdraws a request that it sent: the client knows it by another id. */
function passCancelled({ session, channel }: ServerSide, message: Message): WireText | undefined {
  const requestId = member(message.body, 'requestId')
  if (requestId === undefined) return undefined
  const upstreamIdText = message.text.slice(requestId.start, requestId.end)
  for (const [idText, pending] of session.pending) {
    if (pending.channel !== channel || pending.upstreamIdText !== upstreamIdText) continue
    session.pending.delete(idText)
    return splice(message.text, [{ node: requestId, text: idText }])
  }
  return undefined
}

function addRelatedTask(changes: Change[], message: Message, side: ServerSide): void {
  const related = member(member(message.body, '_meta'), META.relatedTask)
  addTaskId(changes, message.text, member(related, 'taskId'), side)
}

function addTaskId(changes: Change[], text: WireText, node: JsonNode | undefined, side: ServerSide): void {
  const taskId = readString(text, node)
  if (node !== undefined && taskId !== undefined) changes.push({ node, text: asciiJson(side.sealTask(taskId)) })
}

/** For messages of an own session outside any call: used by the pool's listener. */
export function deliverOwn(side: ServerSide, message: Message, send = deliver): void {
  const text = message.kind === 'request' ? passRequest(side, message) : passNotification(side, message)
  if (text !== undefined) send(side.session, text)
}
