/** What a session's streams said, on its way to another replica and back. */

import { parseMessage } from '../../protocol/message.ts'
import type { EventBuffer } from './event-buffer.ts'
import type { KeptEvent } from './event-store.ts'
import type { LiveSession } from './live-session.ts'

/** The stream of what waits for a stream: it has no id that a client could name. */
const BACKLOG = 'backlog'

/** Everything that a client may still ask for, and what nobody was told. */
export function keptOf({ data, backlog }: LiveSession, events: EventBuffer): KeptEvent[] {
  const waiting = backlog.map((text, index) => ({ streamId: BACKLOG, eventId: `${BACKLOG}_${data.lastUsedAtMs}_${index + 1}`, text, isFinal: false }))
  return [...eventsOf(data.id, events), ...waiting]
}

/** Of all streams, or of one. */
export function eventsOf(sessionId: string, events: EventBuffer, streamId?: string): KeptEvent[] {
  const own = events.all(sessionId)
  const meant = streamId === undefined ? own : own.filter((event) => event.streamId === streamId)
  return meant.map((event) => ({ ...event, isFinal: isResponse(event.text) }))
}

/** A POST stream ends with it. */
export function isResponse(text: string): boolean {
  if (text === '') return false
  const scan = parseMessage(text)
  return scan.ok && (scan.value.kind === 'result' || scan.value.kind === 'error')
}

export function restoreEvents({ data, backlog }: LiveSession, events: EventBuffer, kept: readonly KeptEvent[]): void {
  events.restore(data.id, kept.filter(({ streamId }) => streamId !== BACKLOG))
  backlog.push(...kept.filter(({ streamId }) => streamId === BACKLOG).map(({ text }) => text))
}
