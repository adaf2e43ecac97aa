/** How long to wait before another attempt: exponential with full jitter, and never sooner than the server asked for. */

import type { TaskTerms } from './stored-task.ts'

export interface RetryDelay {
  /** Attempts made so far, at least 1. */
  readonly attempts: number
  readonly terms: Pick<TaskTerms, 'baseDelayMs' | 'maxDelayMs'>
  /** `Retry-After` of the refusal; undefined for none. */
  readonly retryAfterMs: number | undefined
}

/** Full jitter spreads those who failed together over the whole time; `random` returns [0, 1). */
export function retryDelayMs({ attempts, terms, retryAfterMs = 0 }: RetryDelay, random: () => number): number {
  const ceilingMs = Math.min(terms.maxDelayMs, terms.baseDelayMs * 2 ** Math.min(attempts - 1, 52))
  return Math.min(MAX_RETRY_AFTER_MS, retryAfterMs) + Math.floor(random() * ceilingMs)
}

/** No server puts a task off for longer than this, whatever it says. */
export const MAX_RETRY_AFTER_MS = 60 * 60_000
