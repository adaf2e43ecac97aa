/**
 * Sent events of one process, for resumption. Per session the oldest fall out first, whichever stream they are of: so
 * what is left of a stream is always its end, and "gone" is a comparison. Append costs the same however much is kept.
 */
import type { Clock } from '../../core/clock.ts'
import type { BufferedEvent, EventBuffer, Replay } from '../../core/session/event-buffer.ts'

export interface EventBufferOptions {
  readonly clock: Clock
  /** Per session. Read each time: they may change. */
  readonly bufferedEvents: number
  readonly bufferedEventBytes: number
  readonly bufferedEventAgeMs: number
  /** Over all sessions; beyond it a session that sends more loses its own oldest events. Default 256 MiB. */
  readonly totalBytes?: number
}

interface Kept extends BufferedEvent {
  readonly stream: Stream
  readonly number: number
  readonly atTicksMs: number
  older: Kept | undefined
  newer: Kept | undefined
  nextInStream: Kept | undefined
}

interface Stream {
  readonly id: string
  /** Of its last event. */
  lastNumber: number
  /** Its events up to this number, if there were any, are gone. */
  goneNumber: number
  oldest: Kept | undefined
  newest: Kept | undefined
}

interface Held {
  readonly streams: Map<string, Stream>
  /** Of the last event. Begins with the time: ids are never given twice, not even after the session was forgotten. */
  lastNumber: number
  lastAtTicksMs: number
  oldest: Kept | undefined
  newest: Kept | undefined
  count: number
  bytes: number
}

/** What an event costs beside its text. */
const OVERHEAD_BYTES = 128
const UNKNOWN: Replay = { kind: 'unknown' }

export function createEventBuffer(options: EventBufferOptions): EventBuffer {
  const { clock, totalBytes = 256 * 1024 * 1024 } = options
  const sessions = new Map<string, Held>()
  let allBytes = 0
  let sweeping = false

  function drop(held: Held, kept: Kept): void {
    if (kept.older === undefined) held.oldest = kept.newer
    else kept.older.newer = kept.newer
    if (kept.newer === undefined) held.newest = kept.older
    else kept.newer.older = kept.older
    held.count--
    held.bytes -= kept.text.length + OVERHEAD_BYTES
    allBytes -= kept.text.length + OVERHEAD_BYTES
  }

  function dropOldest(held: Held): void {
    const kept = held.oldest
    if (kept === undefined) return
    drop(held, kept)
    // The oldest of a session is the oldest of its stream.
    kept.stream.goneNumber = kept.number
    kept.stream.oldest = kept.nextInStream
    if (kept.nextInStream === undefined) kept.stream.newest = undefined
  }

  function trim(held: Held): void {
    const bornAfter = clock.ticksMs() - options.bufferedEventAgeMs
    while (held.oldest !== undefined && held.oldest.atTicksMs <= bornAfter) dropOldest(held)
    while (held.count > options.bufferedEvents || held.bytes > options.bufferedEventBytes) dropOldest(held)
    while (allBytes > totalBytes && held.oldest !== undefined) dropOldest(held)
    // A stream that was emptied is remembered, to tell expired from unknown; but not without bound.
    if (held.streams.size > 2 * options.bufferedEvents) forgetEmpty(held)
  }

  function forgetEmpty(held: Held): void {
    for (const [id, stream] of held.streams) if (stream.oldest === undefined) held.streams.delete(id)
  }

  /** Sessions that send nothing more would keep their events otherwise. */
  function sweepLater(): void {
    if (sweeping) return
    sweeping = true
    clock.after(Math.max(1_000, options.bufferedEventAgeMs / 4), () => {
      sweeping = false
      const idleSince = clock.ticksMs() - options.bufferedEventAgeMs
      for (const [id, held] of sessions) {
        trim(held)
        if (held.count === 0 && held.lastAtTicksMs <= idleSince) sessions.delete(id)
      }
      if (sessions.size > 0) sweepLater()
    })
  }

  function streamOf(sessionId: string, streamId: string): { held: Held; stream: Stream } {
    let held = sessions.get(sessionId)
    if (held === undefined) {
      held = openHeld(clock)
      sessions.set(sessionId, held)
    }
    let stream = held.streams.get(streamId)
    if (stream === undefined) {
      stream = { id: streamId, lastNumber: held.lastNumber, goneNumber: held.lastNumber, oldest: undefined, newest: undefined }
      held.streams.set(streamId, stream)
    }
    return { held, stream }
  }

  function add(held: Held, stream: Stream, number: number, { eventId, text }: BufferedEvent): void {
    const atTicksMs = clock.ticksMs()
    held.lastNumber = Math.max(held.lastNumber, number)
    held.lastAtTicksMs = atTicksMs
    stream.lastNumber = number
    const kept: Kept = { eventId, text, stream, number, atTicksMs, older: held.newest, newer: undefined, nextInStream: undefined }
    if (held.newest === undefined) held.oldest = kept
    else held.newest.newer = kept
    held.newest = kept
    if (stream.newest === undefined) stream.oldest = kept
    else stream.newest.nextInStream = kept
    stream.newest = kept
    held.count++
    held.bytes += text.length + OVERHEAD_BYTES
    allBytes += text.length + OVERHEAD_BYTES
    trim(held)
    sweepLater()
  }

  return {
    append(sessionId, streamId, text) {
      const { held, stream } = streamOf(sessionId, streamId)
      const eventId = `${streamId}_${held.lastNumber + 1}`
      add(held, stream, held.lastNumber + 1, { eventId, text })
      return eventId
    },
    all(sessionId) {
      const events: ReturnType<EventBuffer['all']>[number][] = []
      for (let kept = sessions.get(sessionId)?.oldest; kept !== undefined; kept = kept.newer) {
        events.push({ streamId: kept.stream.id, eventId: kept.eventId, text: kept.text })
      }
      return events
    },
    restore(sessionId, events) {
      if (sessions.has(sessionId)) return
      for (const { streamId, eventId, text } of events) {
        const number = Number(/_([1-9]\d{0,15})$/.exec(eventId)?.[1])
        if (Number.isNaN(number)) continue
        const { held, stream } = streamOf(sessionId, streamId)
        if (stream.newest === undefined) stream.goneNumber = number - 1
        add(held, stream, number, { eventId, text })
      }
    },
    replayAfter(sessionId, eventId) {
      const held = sessions.get(sessionId)
      const at = eventId.lastIndexOf('_')
      const stream = held?.streams.get(eventId.slice(0, Math.max(0, at)))
      if (held === undefined || stream === undefined || !/^[1-9]\d{0,15}$/.test(eventId.slice(at + 1))) return UNKNOWN
      const after = Number(eventId.slice(at + 1))
      if (after > stream.lastNumber) return UNKNOWN
      trim(held)
      if (after < stream.goneNumber) return { kind: 'expired', streamId: stream.id }
      return { kind: 'events', streamId: stream.id, events: eventsAfter(stream, after) }
    },
    dropStream(sessionId, streamId) {
      const held = sessions.get(sessionId)
      const stream = held?.streams.get(streamId)
      if (held === undefined || stream === undefined) return
      for (let kept = stream.oldest; kept !== undefined; kept = kept.nextInStream) drop(held, kept)
      held.streams.delete(streamId)
    },
    dropSession(sessionId) {
      const held = sessions.get(sessionId)
      if (held === undefined) return
      allBytes -= held.bytes
      sessions.delete(sessionId)
    },
  }
}

function openHeld(clock: Clock): Held {
  return {
    streams: new Map(),
    lastNumber: clock.nowMs(),
    lastAtTicksMs: clock.ticksMs(),
    oldest: undefined,
    newest: undefined,
    count: 0,
    bytes: 0,
  }
}

function eventsAfter(stream: Stream, after: number): BufferedEvent[] {
  const events: BufferedEvent[] = []
  for (let kept = stream.oldest; kept !== undefined; kept = kept.nextInStream) {
    if (kept.number > after) events.push({ eventId: kept.eventId, text: kept.text })
  }
  return events
}
