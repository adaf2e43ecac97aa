/**
 * Port: what a session's streams sent, kept where another replica finds it. Written when a client is disconnected, when a
 * replica drains, and for final responses that nobody got; not for every event: those wait in the `EventBuffer` of the owner.
 * Every method rejects with `state_unavailable` where the store cannot be reached.
 */

export interface KeptEvent {
  readonly streamId: string
  /** Unique in its session. */
  readonly eventId: string
  /** JSON-RPC text (latin1 view of UTF-8); '' for a priming event. */
  readonly text: string
  /** The stream ends with it. */
  readonly isFinal: boolean
}

/** What is kept of one session at most: the oldest events go, whichever stream they are of. */
export interface KeptBounds {
  readonly events: number
  readonly bytes: number
}

export interface EventStore {
  /** Adds to what is kept, in this order, all or none; an event that is there already stays as it was. They live `lifetimeMs`. */
  keep(sessionId: string, events: readonly KeptEvent[], lifetimeMs: number, bounds: KeptBounds): Promise<void>
  /**
   * These in place of all that is kept of the session, at once: where it fails, everything is as it was. False, and nothing is
   * done, where the session is stored with another epoch, or no more: another has claimed it, and keeps events of its own, or it was ended.
   */
  replace(sessionId: string, epoch: number, events: readonly KeptEvent[], lifetimeMs: number): Promise<boolean>
  /** All that is kept, in the order of keeping. */
  load(sessionId: string): Promise<readonly KeptEvent[]>
  dropSession(sessionId: string): Promise<void>
}
