/**
 * Port: a conversation with the replica that owns what cannot move (an open upstream call, a stdio child). Texts go both
 * ways, in order and unchanged, no faster than they are read. Who asks learns whether its first text may have been acted on:
 *
 * `upstream_unavailable`  never delivered: no such replica, unreachable, nobody for the topic, refused. Ask elsewhere; with
 *                         `retryAfterSec` it is there, and has no room for more.
 * `body_too_large`        never sent: more than one text may hold.
 * `outcome_unknown`       lost after it may have been delivered. Never ask again (design §7.1).
 * any other code          the owner's answer threw it.
 */

export interface PeerAnswer {
  /**
   * The owner's texts, each one wire text (latin1 view of UTF-8). Read once; leaving the loop early is a cancel. Ends where
   * the owner's answer ended, or after `cancel`; throws a PortolanError where the owner threw or was lost.
   */
  readonly messages: AsyncIterable<string>
  /** One more text for the owner; resolves when there is room for another. Rejects where it cannot be delivered. */
  write(text: string): Promise<void>
  /** No further text follows. */
  end(): void
  /** Ends both directions at once; the owner's signal aborts. */
  cancel(): void
}

/**
 * The owner's side of one conversation. `signal` aborts when the asker cancels or is lost; `more` is what the asker writes
 * after its first text, and ends when it has ended, cancelled or was lost. A thrown PortolanError reaches the asker as it is,
 * anything else as `internal` without its text.
 */
export type PeerService = (text: string, signal: AbortSignal, more: AsyncIterable<string>) => AsyncIterable<string>

export interface PeerLink {
  readonly replicaId: string
  /** Resolves when the owner has taken the text. Rejects with `upstream_unavailable`, `body_too_large` or `outcome_unknown`. */
  send(replicaId: string, topic: string, text: string): Promise<PeerAnswer>
  /** Serves what peers send; returns a function that stops serving. Conversations in progress go on. */
  serve(topic: string, answer: PeerService): () => void
}
