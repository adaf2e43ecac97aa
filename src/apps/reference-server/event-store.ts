// The events of one session's streams, so that a client that lost a stream can resume it (2025-11-25, transports,
// resumability). Bounded: the oldest events go first, and resuming from one that is gone is refused.
import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server'

type StoredEvent = { readonly streamId: string; readonly message: JSONRPCMessage }

/** An event store that keeps the last `maxEventCount` events. Ids grow, and are unique within the session. */
export function createEventStore(maxEventCount: number): EventStore {
  // A Map keeps the order of insertion, which is the order in which events were sent.
  const events = new Map<string, StoredEvent>()
  let lastNumber = 0
  return {
    storeEvent: async (streamId, message) => {
      lastNumber += 1
      const eventId = String(lastNumber)
      events.set(eventId, { streamId, message })
      for (const oldest of events.keys()) {
        if (events.size <= maxEventCount) break
        events.delete(oldest)
      }
      return eventId
    },
    getStreamIdForEventId: async (eventId) => events.get(eventId)?.streamId,
    replayEventsAfter: async (lastEventId, { send }) => {
      const streamId = events.get(lastEventId)?.streamId
      if (streamId === undefined) throw new Error('The event is unknown or too old')
      // What is stored while this loop waits is replayed too: the new stream gets nothing directly until the replay is over.
      for (const [eventId, event] of events) {
        if (event.streamId === streamId && Number(eventId) > Number(lastEventId) && carriesMessage(event.message)) {
          await send(eventId, event.message)
        }
      }
      return streamId
    },
  }
}

/** False for the event that opens a stream: it has an id, but no message. */
function carriesMessage(message: JSONRPCMessage): boolean {
  return Object.keys(message).length > 0
}
