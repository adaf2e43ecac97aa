/**
 * Port: what a session's streams sent, so that a client can resume after a dropped connection (2025-11-25, Transports,
 * Resumability and Redelivery). Bounded by count, bytes and age; what fell out is told apart from what never was.
 */

export interface BufferedEvent {
  readonly eventId: string
  /** JSON-RPC text (latin1 view of UTF-8); '' for a priming event. */
  readonly text: string
}

export type Replay =
  | { readonly kind: 'events'; readonly streamId: string; readonly events: readonly BufferedEvent[] }
  /** The stream was known, but events after the given one are gone. */
  | { readonly kind: 'expired'; readonly streamId: string }
  | { readonly kind: 'unknown' }

export interface EventBuffer {
  /** Keeps the event and gives it an id that is unique in its session and names its stream. Synchronous: it is hot. */
  append(sessionId: string, streamId: string, text: string): string
  /** All events of that event's stream after it, in order. */
  replayAfter(sessionId: string, eventId: string): Replay
  /** All that is kept of the session, in order: for the replica that takes it up. */
  all(sessionId: string): readonly (BufferedEvent & { readonly streamId: string })[]
  /** What another had kept, under the ids that it had; only before anything was appended. */
  restore(sessionId: string, events: readonly (BufferedEvent & { readonly streamId: string })[]): void
  /** Forgets a stream once its last event was delivered. */
  dropStream(sessionId: string, streamId: string): void
  dropSession(sessionId: string): void
}
