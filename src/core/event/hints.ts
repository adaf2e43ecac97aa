/** Port: tiny, lossy wake-ups between replicas. A lost hint costs latency, never an answer. */

export interface Hint {
  readonly topic: string
  readonly revision: string
}

export interface Hints {
  publish(hint: Hint): void
  /** Returns a function that unsubscribes. */
  subscribe(topic: string, onHint: (hint: Hint) => void): () => void
}
