/**
 * A session on the replica that serves it: its stored data and the attachment that cannot move. Everything here can be
 * lost; `data` is what another replica needs to go on.
 */

import type { IdText, Message } from '../../protocol/message.ts'
import { LiveMap } from '../live-map.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { Channel, LegacyChannel } from '../upstream/channel.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { SessionStream } from './session-stream.ts'
import type { Session } from './session.ts'
import type { StreamReply } from './stream-reply.ts'

/** A server's request that was passed on to the client and waits for its answer. */
export interface PendingRequest {
  /** Undefined only where a call or a task waits for the answer. */
  readonly channel: Channel | undefined
  readonly upstream: Upstream
  /** The id and progress token as the server wrote them. */
  readonly upstreamIdText: IdText
  readonly upstreamToken: string
  readonly method: string
  /** Set where a call waits for the answer, and not the server itself. */
  readonly gather?: {
    answer(message: Message): void
    /** Nobody will answer any more. */
    giveUp(): void
  }
}

/** A session's own channel to one upstream server. */
export interface OwnChannel {
  readonly upstream: Upstream
  readonly channel: LegacyChannel
}

export interface LiveSession {
  readonly data: Session
  /** What the client holds: the sealed id. '' on stdio. */
  readonly handle: string
  /** Under which this replica owns it; 0 where there are no others. */
  epoch: number
  /** Of the membership when the ownership was seen last. */
  generation: number
  /** Another replica, or an earlier process, had it before: what is not known here may have been there. */
  readonly isTakenUp: boolean
  /** Until its client is told what it may have missed on the way: resolves when its resources are listened to here. */
  takenUp: Promise<unknown> | undefined
  /** The client's own requests in flight, by its ids. */
  readonly inFlight: LiveMap<IdText, Exchange>
  /** By the id under which the client got it. */
  readonly pending: LiveMap<IdText, PendingRequest>
  /** POST streams that can be resumed, by stream id. */
  readonly replies: LiveMap<string, StreamReply>
  /** Of streams that have ended, which request was theirs: the newest only. */
  readonly answered: Map<string, IdText>
  /** Newest last. */
  readonly streams: SessionStream[]
  /** There was one: its client opens another when that breaks. */
  hasListened: boolean
  readonly own: LiveMap<string, Promise<OwnChannel>>
  /** Those of `own` that are open: used without waiting. */
  readonly opened: LiveMap<string, OwnChannel>
  /** Upstreams whose state for this session was lost: the next call to them must say so. */
  readonly lost: Set<string>
  /** Tasks that this client hosts for servers (2025-11-25): task id -> upstream id. */
  readonly hostedTasks: Map<string, string>
  /** Run when the session ends. */
  readonly onEnded: Set<() => void>
  readonly backlog: WireText[]
  nextRequestId: number
  /** It ends when its calls in flight have: new requests are refused as those of an ended one. */
  leaving: boolean
  ended: boolean
  /** It has ended here alone: another replica has it, or is to. */
  isLeft: boolean
}

/** The session's own channel to this upstream is gone, or of no more use. False where there was none. */
export function forgetOwn(session: LiveSession, upstreamId: string): boolean {
  session.opened.delete(upstreamId)
  return session.own.delete(upstreamId)
}

/** Messages kept for a session without an open stream; the oldest give way. */
const BACKLOG_LENGTH = 256
const BACKLOG_BYTES = 4 * 1024 * 1024
const ANSWERED_LENGTH = 64
const ANSWERED_ID_LENGTH = 256

/** Of one server's tasks the newest are known to `tasks/list`; of those that the client hosts, the newest get its word. */
const TASKS_LENGTH = 1_000

/** Of one who owns it alone, and always did. */
const UNSHARED = { epoch: 0, generation: 0, isTakenUp: false }

export function createLiveSession(data: Session, handle: string, owned: Pick<LiveSession, 'epoch' | 'generation' | 'isTakenUp'> = UNSHARED): LiveSession {
  return {
    data,
    handle,
    epoch: owned.epoch,
    generation: owned.generation,
    isTakenUp: owned.isTakenUp,
    takenUp: undefined,
    inFlight: new LiveMap(),
    pending: new LiveMap(),
    replies: new LiveMap(),
    answered: new Map(),
    streams: [],
    hasListened: false,
    own: new LiveMap(),
    opened: new LiveMap(),
    lost: new Set(),
    hostedTasks: new Map(),
    onEnded: new Set(),
    backlog: [],
    nextRequestId: 1,
    leaving: false,
    ended: false,
    isLeft: false,
  }
}

/** Remembers whose stream this was, for a client that comes back after its events have expired. */
export function rememberAnswered(session: LiveSession, streamId: string, idText: IdText): void {
  if (idText.length > ANSWERED_ID_LENGTH) return
  session.answered.set(streamId, idText)
  if (session.answered.size <= ANSWERED_LENGTH) return
  for (const oldest of session.answered.keys()) return void session.answered.delete(oldest)
}

/** Adds a task that a call of this session became. */
export function rememberTask({ data }: LiveSession, upstreamId: string, taskId: string): void {
  const known = Object.hasOwn(data.tasks, upstreamId) ? (data.tasks[upstreamId] ?? []) : []
  data.tasks[upstreamId] = [...known.filter((one) => one !== taskId), taskId].slice(-TASKS_LENGTH)
}

/** It is listed from where it is kept. */
export function forgetTask({ data }: LiveSession, upstreamId: string, taskId: string): void {
  const known = Object.hasOwn(data.tasks, upstreamId) ? (data.tasks[upstreamId] ?? []) : []
  data.tasks[upstreamId] = known.filter((one) => one !== taskId)
}

/** Adds a task that the client hosts for a server. */
export function rememberHostedTask({ hostedTasks }: LiveSession, upstreamId: string, taskId: string): void {
  hostedTasks.delete(taskId)
  hostedTasks.set(taskId, upstreamId)
  if (hostedTasks.size <= TASKS_LENGTH) return
  for (const oldest of hostedTasks.keys()) return void hostedTasks.delete(oldest)
}

/**
 * Sends what belongs to no call. One message goes to exactly one stream, the newest (2025-11-25, Transports, Multiple
 * Connections); without one it waits, bounded.
 */
export function deliver(session: LiveSession, text: WireText): boolean {
  const stream = session.streams.at(-1)
  if (stream !== undefined) return stream.write(text)
  session.backlog.push(text)
  let bytes = session.backlog.reduce((sum, one) => sum + one.length, 0)
  while (session.backlog.length > BACKLOG_LENGTH || (bytes > BACKLOG_BYTES && session.backlog.length > 1)) {
    bytes -= session.backlog.shift()?.length ?? 0
  }
  return true
}

/** Makes `stream` the newest, and sends what waited for one. Returns a function that takes it away again. */
export function addStream(session: LiveSession, stream: SessionStream): () => void {
  session.hasListened = true
  session.streams.push(stream)
  for (const text of session.backlog.splice(0)) stream.write(text)
  return () => {
    const index = session.streams.indexOf(stream)
    if (index >= 0) session.streams.splice(index, 1)
  }
}

/**
 * Where to send a server's message that names no call: on the one call's stream if there is just one in flight, else
 * on the session's stream, else on the newest call's. A call whose client went away is heard by nobody while the session's stream is.
 */
export function deliverUnattributed(session: LiveSession, text: WireText): boolean {
  const { calls, heard } = callsOf(session)
  const [one] = calls.length === 1 ? heard : []
  const chosen = one ?? (session.streams.length === 0 ? (heard.at(-1) ?? calls.at(-1)) : undefined)
  return chosen === undefined ? deliver(session, text) : chosen.reply.send(text)
}

/**
 * What belongs to no call: on the session's stream, or waiting for the next one of a client that listens. On that of a call that somebody hears only
 * where the client never had another. Kept for a call whose client went away, it would be for nobody who does not come back for just that call.
 */
export function deliverOfNoCall(session: LiveSession, text: WireText): boolean {
  const call = session.streams.length === 0 && !session.hasListened ? callsOf(session).heard.at(-1) : undefined
  return call === undefined ? deliver(session, text) : call.reply.send(text)
}

function callsOf({ inFlight }: LiveSession): { readonly calls: readonly Exchange[]; readonly heard: readonly Exchange[] } {
  const calls = inFlight.values().filter((exchange) => exchange.carriage !== undefined && exchange.reply.hasBegun?.() !== true)
  return { calls, heard: calls.filter(({ reply }) => reply.isHeard?.() !== false) }
}
