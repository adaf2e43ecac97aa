/**
 * Bars for progress notifications, one line for each operation, at the bottom of standard error; gone when done. Where
 * standard error is no terminal: nothing, or plain lines (`isVerbose`), at most one a second for each operation.
 */

import type { Terminal } from './terminal.ts'

/** What `notifications/progress` carries. */
export interface ProgressReport {
  readonly progress: number
  readonly total?: number | undefined
  readonly message?: string | undefined
}

export interface ProgressBar {
  readonly report: (report: ProgressReport) => void
  /** Takes the line away. */
  readonly done: () => void
}

export interface ProgressOptions {
  /** Plain lines where nothing can be drawn. */
  readonly isVerbose?: boolean
  readonly nowMs?: () => number
}

export interface Progress {
  /** A line that says `label` from now on (a spinner until the first report). */
  readonly start: (label: string) => ProgressBar
  /** Takes all lines away. */
  readonly close: () => void
}

export function createProgress(_terminal: Terminal, _options: ProgressOptions = {}): Progress {
  return { start: () => ({ report: () => {}, done: () => {} }), close: () => {} }
}
