/** Port: a request to the replica that owns what cannot move (an open upstream call, a stdio child). */

export interface PeerAnswer {
  /** The owner's messages in order, each one JSON-RPC text (latin1 view of UTF-8); ends with the final one. */
  readonly messages: AsyncIterable<string>
  cancel(): void
}

export interface PeerLink {
  readonly replicaId: string
  /** Rejects with `upstream_unavailable` where no such replica answers. */
  send(replicaId: string, topic: string, text: string): Promise<PeerAnswer>
  /** Serves what peers send; returns a function that stops serving. */
  serve(topic: string, answer: (text: string, signal: AbortSignal) => AsyncIterable<string>): () => void
}
