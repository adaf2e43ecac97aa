/** The way back to the client of one exchange, whatever its transport. */

import type { WireText } from '../../protocol/json.ts'

/** A final answer, rendered for an era; transports without status or headers ignore them. */
export interface FinalAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** '' for an answer without a body. */
  readonly text: WireText
  /** What follows the text, as bytes that are kept ready. */
  readonly tail?: Buffer
}

/** The answer's body in one text, for where it cannot go out as it is kept. */
export function wholeText({ text, tail }: FinalAnswer): WireText {
  return tail === undefined ? text : text + tail.toString('latin1')
}

export function bodyLength({ text, tail }: FinalAnswer): number {
  return text.length + (tail?.length ?? 0)
}

/** An answer in pieces. */
export interface AnswerWriter {
  /** False: slow; wait for the reply's `onDrain`. */
  write(text: WireText): boolean
  /** It is complete; `finish` comes next. */
  end(): void
}

export interface Reply {
  /** Sends a message ahead of the final answer, on this exchange's own stream. False: slow; wait for `onDrain`. */
  send(text: WireText): boolean
  /** Calls `run` once, when the client has caught up. */
  onDrain(run: () => void): void
  /**
   * Begins the final answer, a 200, while its end has not come; undefined where only whole messages can be sent. From then
   * on nothing else is, and `finish` breaks off what was not ended.
   */
  begin?(): AnswerWriter | undefined
  /** An answer was begun. A method: a getter in an object that each call makes doubled what collections cost. */
  hasBegun?(): boolean
  /** False: the client went away. It may come back for what was sent meanwhile, or not. */
  isHeard?(): boolean
  /** Ends the exchange's stream with this answer; undefined ends it without one. Returns the bytes written. */
  finish(answer: FinalAnswer | undefined): number
  /** The upstream suspended its stream (2025-11-25 polling): a resumable client is told to come back, others wait. */
  suspend(retryMs: number): void
  /** A quiet while went by: whatever keeps the connection open without saying anything. */
  keepAlive(): void
}
