/**
 * Ctrl-C (SIGINT) and SIGTERM: the first aborts what runs, so that the server is told; the second ends the process at once.
 * The terminal is restored either way.
 */

import type { Terminal } from './terminal.ts'

export interface Interrupt {
  readonly signal: AbortSignal
  /** 130 after SIGINT, 143 after SIGTERM; undefined before. Set it as `process.exitCode` when the call has ended. */
  readonly exitCode: () => number | undefined
  /** No longer listens: the default of the signals is back. */
  readonly close: () => void
}

export function createInterrupt(_terminal: Terminal): Interrupt {
  return { signal: new AbortController().signal, exitCode: () => undefined, close: () => {} }
}
