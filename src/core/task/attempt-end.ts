/**
 * What becomes of a task when an attempt has ended: the retry rule. The tool's configuration says which failures are worth another
 * attempt; guarantee 1 says which may have one at all.
 */

import type { WireText } from '../../protocol/json.ts'
import type { TaskState } from '../../protocol/task.ts'
import { retryDelayMs } from './retry-delay.ts'
import type { FailureClass, StoredTask, TaskFailure } from './stored-task.ts'
import type { TaskEvent } from './task-state.ts'

export type AttemptOutcome =
  | { readonly kind: 'completed'; readonly resultText: WireText; readonly said?: TaskState }
  /** By the server's own keys. `isHeld`: the call waits open at this replica, or what it needs does. */
  | { readonly kind: 'asks'; readonly isHeld: boolean; readonly questions: Readonly<Record<string, WireText>>; readonly stateText: WireText }
  | AttemptFailure
  /** An adopted one, at its server. */
  | { readonly kind: 'cancelled'; readonly said: TaskState }
  /** It was not begun, and has not failed either: this replica stops. */
  | { readonly kind: 'unbegun' }

export interface AttemptFailure {
  readonly kind: 'failed'
  /** As the client would have been answered: a JSON-RPC error object. */
  readonly errorText: WireText
  readonly message: string
  /** Undefined: the server refused, or the request cannot be served; another attempt would fare no better. */
  readonly reason: FailureClass | undefined
  /** The server's own code; undefined where the failure is not its answer. */
  readonly code: number | undefined
  /** False only where the call cannot have been executed, or the server said that it was not. */
  readonly mayHaveRun: boolean
  readonly retryAfterMs: number | undefined
  /** Of an adopted one: the last words of its server. */
  readonly said?: TaskState
}

/** `nowMs` is the store's; `random` returns [0, 1). */
export function endEvent(task: StoredTask, outcome: AttemptOutcome, nowMs: number, random: () => number): TaskEvent {
  const { epoch, progress } = task
  switch (outcome.kind) {
    case 'completed':
      return { kind: 'complete', epoch, resultText: outcome.resultText, said: outcome.said }
    case 'asks':
      return { kind: 'ask', epoch, isHeld: outcome.isHeld, questions: keyed(outcome.questions, progress.rounds + 1), stateText: outcome.stateText }
    case 'cancelled':
      return { kind: 'cancel', said: outcome.said }
    case 'unbegun':
      return { kind: 'release', epoch }
    case 'failed':
      return failedEvent(task, outcome, nowMs, random)
  }
}

function failedEvent(task: StoredTask, outcome: AttemptFailure, nowMs: number, random: () => number): TaskEvent {
  const { epoch, origin: { terms }, progress } = task
  const { errorText, message, reason, mayHaveRun, retryAfterMs } = outcome
  if (reason === undefined) return { kind: 'fail', epoch, errorText, message, said: outcome.said }
  const failure: TaskFailure = { attempt: progress.attempts, atMs: nowMs, reason, message }
  const delayMs = retryDelayMs({ attempts: progress.attempts, terms, retryAfterMs }, random)
  const isLeft = progress.attempts < terms.maxAttempts && nowMs + delayMs < task.deadlineAtMs
  if (!isLeft || !isWanted(task, outcome) || (mayHaveRun && !terms.isRepeatable)) return { kind: 'giveUp', epoch, errorText, failure }
  return { kind: 'retry', epoch, delayMs, failure, isAfresh: mayHaveRun }
}

function isWanted({ origin: { terms } }: StoredTask, { reason, code }: AttemptFailure): boolean {
  return reason !== undefined && (reason === 'code' ? code !== undefined && terms.retryCodes.includes(code) : terms.retryOn.includes(reason))
}

/** A key is used once in a task's life, whatever its server does in the next round (ext-tasks, Task Update Requests). */
function keyed(questions: Readonly<Record<string, WireText>>, round: number): Record<string, WireText> {
  return Object.fromEntries(Object.entries(questions).map(([key, text]) => [`${round}.${key}`, text]))
}

/** The server's own key again. */
export function serverKey(key: string): string {
  return key.slice(key.indexOf('.') + 1)
}
