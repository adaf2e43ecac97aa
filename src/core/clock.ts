/** Time, as core sees it: nothing in core reads the system clock or sets a timer by itself. */

export interface Clock {
  /** Milliseconds since the epoch; may jump. For records and expiries that outlive the process. */
  nowMs(): number
  /** Monotonic milliseconds with fractions; only differences mean anything. For durations. */
  ticksMs(): number
  /** Calls `run` once after `delayMs`. The timer never keeps the process alive. Returns a function that cancels it. */
  after(delayMs: number, run: () => void): () => void
}
