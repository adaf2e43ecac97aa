/** How an upstream server is doing, as its channels see it. */

/** What channels report. Called on every call: implementations only store. */
export interface ChannelHealth {
  /** It answered. */
  seen(): void
  /** Nobody was there. */
  unreachable(detail: string): void
  /** It said something that nobody asked for and that was dropped. */
  stray(detail: string): void
  /** It answered as no server of the channel's era does: perhaps it is another one by now. */
  estranged(detail: string): void
  /** A child that died was started again. */
  restarted(detail: string): void
  /** A line that a child wrote to stderr. */
  stderr(detail: string): void
}
