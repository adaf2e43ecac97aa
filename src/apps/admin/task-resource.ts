/**
 * Tasks as operators see them, in the API and on the command line: one line of a list, and all of one. What users, or servers in their
 * words, said is content, and there only where it was asked for: an error's text may quote arguments, and whoever knows a server's id of a task
 * may ask servers for it that check nothing else.
 */

import type { StoredTask, TaskFailure, TaskPhase } from '../../core/task/stored-task.ts'
import { utf8Of } from '../../protocol/json.ts'
import { askedQuestions } from './asked-question.ts'
import type { AskedQuestion } from './asked-question.ts'

/** One line of a list. */
export interface TaskRow {
  readonly id: string
  readonly phase: TaskPhase
  /** The server's id. */
  readonly server: string
  readonly tool: string
  /** Of the principal, for people. */
  readonly owner: string
  readonly attempts: number
  /** Why the last attempt that failed did; '' for none. */
  readonly reason: TaskFailure['reason'] | ''
  /** Content: what its owner sees as the status message. */
  readonly message?: string
  readonly createdAtMs: number
  readonly updatedAtMs: number
  /** Not tried before; 0 where it is not queued. */
  readonly nextAtMs: number
  /** The replica that tries it; '' for none. */
  readonly holder: string
  readonly retriedAs: string
}

export interface TaskList {
  readonly tasks: readonly TaskRow[]
  /** For the next page; not there for the last one. */
  readonly next?: string
}

/** One task in full. */
export interface TaskDetail extends TaskRow {
  readonly endpoint: string
  readonly epoch: number
  readonly isDispatched: boolean
  readonly isRepeatable: boolean
  readonly maxAttempts: number
  /** Its server made it: it is followed there, and never tried. */
  readonly isOfServer: boolean
  readonly deadlineAtMs: number
  readonly expiresAtMs: number
  readonly requestBytes: number
  readonly resultBytes: number
  /** Keys of what it waits for. */
  readonly asks: readonly string[]
  /** Content: the same, with what is asked. */
  readonly questions?: readonly AskedQuestion[]
  readonly failures: readonly FailureRow[]
  /** Content: the server's own id of it; '' for a task of Portolan's. */
  readonly serverTask?: string
  /** Content. */
  readonly request?: string
  /** Content. */
  readonly result?: string
}

/** `message` is content. */
export type FailureRow = Omit<TaskFailure, 'message'> & Partial<Pick<TaskFailure, 'message'>>

export function rowOf({ id, phase, origin, progress, createdAtMs, updatedAtMs, runAtMs, holder }: StoredTask, withContent = false): TaskRow {
  const { upstreamId, tool, label } = origin
  const { attempts, statusMessage, failures, retriedAs } = progress
  return {
    id, phase, server: upstreamId, tool, owner: label, attempts, reason: failures.at(-1)?.reason ?? '', ...(withContent ? { message: statusMessage } : {}),
    createdAtMs, updatedAtMs, nextAtMs: phase === 'queued' ? runAtMs : 0, holder, retriedAs,
  }
}

export function detailOf(task: StoredTask, withContent: boolean): TaskDetail {
  const { origin, progress, epoch, isDispatched, deadlineAtMs, expiresAtMs, resultText } = task
  const { endpoint, terms, requestText, adopted } = origin
  const serverTask = adopted?.taskId ?? ''
  return {
    ...rowOf(task, withContent), endpoint, epoch, isDispatched, isRepeatable: terms.isRepeatable, maxAttempts: terms.maxAttempts, isOfServer: serverTask !== '', deadlineAtMs, expiresAtMs,
    requestBytes: requestText.length, resultBytes: resultText.length, asks: Object.keys(progress.questions),
    failures: progress.failures.map(({ message, ...failure }) => (withContent ? { ...failure, message } : failure)),
    ...(withContent ? { questions: askedQuestions(progress.questions), serverTask, request: utf8Of(requestText), result: utf8Of(resultText) } : {}),
  }
}
