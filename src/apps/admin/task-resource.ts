/** Tasks as operators see them, in the API and on the command line: one line of a list, and all of one. */

import type { StoredTask, TaskFailure, TaskPhase } from '../../core/task/stored-task.ts'
import { utf8Of } from '../../protocol/json.ts'

/** One line of a list. Holds neither arguments nor results. */
export interface TaskRow {
  readonly id: string
  readonly phase: TaskPhase
  /** The server's id. */
  readonly server: string
  readonly tool: string
  /** Of the principal, for people. */
  readonly owner: string
  readonly attempts: number
  readonly message: string
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

/** One task in full; `request` and `result` only where they were asked for. */
export interface TaskDetail extends TaskRow {
  readonly endpoint: string
  readonly epoch: number
  readonly isDispatched: boolean
  readonly isRepeatable: boolean
  readonly maxAttempts: number
  /** The server's own id of it; '' for a task of Portolan's. */
  readonly serverTask: string
  readonly deadlineAtMs: number
  readonly expiresAtMs: number
  readonly requestBytes: number
  readonly resultBytes: number
  /** Keys of what it waits for. */
  readonly asks: readonly string[]
  readonly failures: readonly TaskFailure[]
  readonly request?: string
  readonly result?: string
}

export function rowOf({ id, phase, origin, progress, createdAtMs, updatedAtMs, runAtMs, holder }: StoredTask): TaskRow {
  const { upstreamId, tool, label } = origin
  const { attempts, statusMessage, retriedAs } = progress
  return { id, phase, server: upstreamId, tool, owner: label, attempts, message: statusMessage, createdAtMs, updatedAtMs, nextAtMs: phase === 'queued' ? runAtMs : 0, holder, retriedAs }
}

/** `withContent`: what its owner sent and got, too. */
export function detailOf(task: StoredTask, withContent: boolean): TaskDetail {
  const { origin, progress, epoch, isDispatched, deadlineAtMs, expiresAtMs, resultText } = task
  const { endpoint, terms, requestText } = origin
  return {
    ...rowOf(task), endpoint, epoch, isDispatched, isRepeatable: terms.isRepeatable, maxAttempts: terms.maxAttempts, serverTask: origin.adopted?.taskId ?? '', deadlineAtMs, expiresAtMs,
    requestBytes: requestText.length, resultBytes: resultText.length, asks: Object.keys(progress.questions), failures: progress.failures,
    ...(withContent ? { request: utf8Of(requestText), result: utf8Of(resultText) } : {}),
  }
}
