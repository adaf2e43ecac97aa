/** The GET streams of 2025-03-26 … 2025-11-25 sessions: opened anew, or taken up again with `Last-Event-ID`. */

import { PortolanError } from '../../protocol/error.ts'
import { HEADER } from '../../protocol/header.ts'
import { traitsOf } from '../../protocol/revision.ts'
import { tellMissed } from '../bridge/may-have-changed.ts'
import { ensureLists, partyOf } from '../bridge/party.ts'
import { upstreamsAt } from '../catalog/endpoint-scope.ts'
import { addStream } from '../session/live-session.ts'
import type { BufferedEvent } from '../session/event-buffer.ts'
import type { LiveSession } from '../session/live-session.ts'
import { isResponse } from '../session/kept-events.ts'
import { createGetStream } from '../session/session-stream.ts'
import { SSE_HEADERS, sseText } from '../../protocol/sse.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { finish } from './finish.ts'
import type { HttpRequest, HttpResponse } from './http-exchange.ts'
import { errorText } from './render.ts'
import { postStreamId, requestOfEvent } from './stream-id.ts'
import { admitStream } from './streams.ts'

/** The stream lives until the client leaves, the session ends, or Portolan drains. */
export function openGetStream(context: GatewayContext, exchange: Exchange, request: HttpRequest, response: HttpResponse): void {
  const { session } = exchange
  if (session === undefined) return
  const lastEventId = request.header(HEADER.lastEventId)
  if (lastEventId !== undefined && !lastEventId.startsWith(GET_STREAM)) return goOnWithAnswer(context, exchange, session, lastEventId, response)
  admitStream(context, exchange)
  const replay = lastEventId === undefined ? undefined : context.deps.events.replayAfter(session.data.id, lastEventId)
  begin(exchange, response)
  // Left since it was found: here nobody would write to it. The client comes again, to wherever the session is.
  if (session.isLeft) return void finish(context, exchange, { kind: 'ended' })
  if (replay?.kind === 'events') writeAll(response, replay.events)
  const listening = keepOpen(context, exchange, session, response, replay?.kind === 'events' ? replay.streamId : undefined)
  if (session.takenUp !== undefined || (replay !== undefined && replay.kind !== 'events')) void tellMissed(context, session, listening)
}

/** What the event ids of GET streams begin with, and those of POST streams do not. */
const GET_STREAM = 'get-'

function begin(exchange: Exchange, response: HttpResponse): void {
  response.head(200, SSE_HEADERS)
  exchange.reply = { ...exchange.reply, finish: () => (response.end(), 0) }
}

function writeAll(response: HttpResponse, events: readonly BufferedEvent[]): void {
  for (const { eventId, text } of events) if (text !== '') response.write(sseText(text, eventId))
}

/** A POST stream goes on: with its call, or with what is left of it. Such a stream ends; it never becomes a GET stream. */
function goOnWithAnswer(context: GatewayContext, exchange: Exchange, session: LiveSession, lastEventId: string, response: HttpResponse): void {
  const { events } = context.deps
  const replay = events.replayAfter(session.data.id, lastEventId)
  const reply = replay.kind === 'events' ? session.replies.get(replay.streamId) : undefined
  if (replay.kind === 'events' && reply !== undefined) {
    // This exchange was only the way to the call, whose answer the response now is.
    exchange.reply = { ...exchange.reply, finish: () => 0 }
    reply.resume(response, replay.events)
    finish(context, exchange, { kind: 'ended' })
    return
  }
  begin(exchange, response)
  if (replay.kind === 'unknown' && session.isTakenUp) endLost(lastEventId, response)
  else if (replay.kind === 'expired') endExpired(context, session, replay.streamId, response)
  else if (replay.kind === 'events') {
    writeAll(response, replay.events)
    if (session.isTakenUp && !replay.events.some(({ text }) => isResponse(text))) endLost(lastEventId, response)
    if (replay.events.length === 0) events.dropStream(session.data.id, replay.streamId)
  }
  finish(context, exchange, { kind: 'ended' })
}

/** `resumedId`: the stream that the client goes on with; undefined for a new one. Gives what resolves when servers are listened to for it. */
function keepOpen(context: GatewayContext, exchange: Exchange, session: LiveSession, response: HttpResponse, resumedId: string | undefined): readonly Promise<unknown>[] {
  const stream = createGetStream(response, context.deps.events, { sessionId: session.data.id, streamId: resumedId ?? `${GET_STREAM}${exchange.id}` })
  const isPrimed = traitsOf(session.data.revision).primingEvents
  const end = (): void => {
    // Whoever heard nothing for long names an event that is remembered still.
    if (isPrimed) stream.prime()
    finish(context, exchange, { kind: 'ended' })
  }
  if (isPrimed && resumedId === undefined) stream.prime()
  const remove = addStream(session, { ...stream, end })
  exchange.onFinished.push(remove)
  response.onGone(() => finish(context, exchange, { kind: 'disconnected' }))
  return upstreamsAt(context, session.data.endpoint).map((upstream) => {
    // Bridge-rulings §3: the upstream's own stream is needed from now on, because somebody listens.
    const listed = (): Promise<unknown> => ensureLists(context, partyOf(exchange), upstream)
    return session.own.get(upstream.id)?.then(({ channel }) => channel.openStream(), listed) ?? listed()
  })
}

/** Bridge-rulings §4, Resumption: an expired id on a POST stream is an error for that request, then the end. */
function endExpired(context: GatewayContext, session: LiveSession, streamId: string, response: HttpResponse): void {
  const call = session.inFlight.values().find((one) => postStreamId(one) === streamId)
  const idText = call?.message?.idText ?? session.answered.get(streamId)
  if (idText !== undefined) response.write(sseText(errorText(new PortolanError('event_expired'), 'legacy', idText)))
  if (call === undefined) return
  call.carriage?.abort('its events are gone')
  finish(context, call, { kind: 'cancelled', reason: 'event_expired' })
}

/** The call went with the replica that ran it, and what its stream said after that with it. */
function endLost(lastEventId: string, response: HttpResponse): void {
  const idText = requestOfEvent(lastEventId)
  const error = new PortolanError('outcome_unknown', { message: 'Outcome unknown: the replica that ran the call was lost' })
  if (idText !== undefined) response.write(sseText(errorText(error, 'legacy', idText)))
}
