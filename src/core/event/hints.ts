/** Port: tiny, lossy wake-ups between replicas. A lost hint costs latency, never an answer: a poll stands behind each. */

export interface Hint {
  readonly topic: string
  readonly revision: string
}

/**
 * The revision of the hint that every subscriber gets, whatever its topic, where hints may have been lost: everything may
 * have changed. It is never a duplicate of an earlier one.
 */
export const MISSED = ''

export interface Hints {
  /**
   * Wakes subscribers here and at every replica, this one's without the wire. Hints that wait for the wire are coalesced: the
   * latest revision of a topic counts. Ids and revisions only, never content.
   */
  publish(hint: Hint): void
  /** Returns a function that unsubscribes. */
  subscribe(topic: string, onHint: (hint: Hint) => void): () => void
}
