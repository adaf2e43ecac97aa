/** Events kept in one process, for replicas that live in it. */
import type { Clock } from '../../core/clock.ts'
import type { EventStore, KeptBounds, KeptEvent } from '../../core/session/event-store.ts'
import type { SessionStore } from '../../core/session/session-store.ts'
import { createExpiringMap } from './expiring-map.ts'
import type { ExpiringMap } from './expiring-map.ts'

/** How many of the oldest sessions each `keep` looks at. */
const SWEEP_COUNT = 4

/** `stored`: whose sessions they are of. */
export function createEventStore(clock: Clock, stored: Pick<SessionStore, 'find'>): EventStore {
  const sessions = new Map<string, ExpiringMap<KeptEvent>>()

  function eventsOf(sessionId: string): ExpiringMap<KeptEvent> {
    const known = sessions.get(sessionId)
    if (known !== undefined) return known
    const events = createExpiringMap<KeptEvent>(clock)
    sessions.set(sessionId, events)
    return events
  }

  /** Of the oldest sessions, those whose events have all died leave when somebody keeps some. */
  function sweep(): void {
    let looked = 0
    for (const [id, events] of sessions) {
      if (looked++ === SWEEP_COUNT || events.values().length > 0) return
      sessions.delete(id)
    }
  }

  function add(sessionId: string, events: readonly KeptEvent[], lifetimeMs: number): ExpiringMap<KeptEvent> {
    const kept = eventsOf(sessionId)
    for (const event of events) if (kept.get(event.eventId) === undefined) kept.set(event.eventId, { ...event }, lifetimeMs)
    return kept
  }

  return {
    async keep(sessionId, events, lifetimeMs, bounds) {
      sweep()
      trim(add(sessionId, events, lifetimeMs), bounds)
    },
    async replace(sessionId, epoch, events, lifetimeMs) {
      if ((await stored.find(sessionId))?.epoch !== epoch) return false
      sessions.delete(sessionId)
      add(sessionId, events, lifetimeMs)
      return true
    },
    async load(sessionId) {
      return sessions.get(sessionId)?.values() ?? []
    },
    async dropSession(sessionId) {
      sessions.delete(sessionId)
    },
  }
}

function trim(kept: ExpiringMap<KeptEvent>, bounds: KeptBounds): void {
  let [events, bytes] = [0, 0]
  for (const { eventId, text } of kept.values().toReversed()) {
    events += 1
    bytes += text.length
    if (events > bounds.events || bytes > bounds.bytes) kept.delete(eventId)
  }
}
