/**
 * Elicitation in the terminal (2025-11-25 and 2026-07-28, client/elicitation): a form or the visit of a URL. The asking
 * server is named first, declining and cancelling are always possible and distinct (Esc and Ctrl-C cancel), and nothing is
 * sent before the person has seen all of it. Nobody there to ask: `cancel`, with a line that says so.
 */

import type { Terminal } from './terminal.ts'

export type FormValue = string | number | boolean | string[]

/** An ElicitResult. */
export type ElicitAnswer =
  | { action: 'accept'; content?: Record<string, FormValue> }
  | { action: 'decline' }
  | { action: 'cancel' }

export interface Question {
  /** The server that asks, as the person knows it. */
  readonly server: string
  /** The server took the question back, or the call ended: the answer is `cancel`. */
  readonly signal?: AbortSignal
}

/** Answers `elicitation/create` of either mode; `params` are as they came from the server. */
export async function askElicitation(_terminal: Terminal, _params: unknown, _question: Question): Promise<ElicitAnswer> {
  return { action: 'cancel' }
}
