/** A task as a row: what is searched for or compared stands in columns, the rest as JSON. */

import { heldBytes, isOverPhase, TASK_PHASES } from '../../core/task/stored-task.ts'
import type { StoredTask, TaskOrigin, TaskProgress } from '../../core/task/stored-task.ts'
import { numberOf, textOf } from './sql-database.ts'
import type { SqlRow, SqlValue } from './sql-database.ts'

/** In `progress`: the rest has columns of its own, because claiming counts. */
type WrittenProgress = Omit<TaskProgress, 'attempts' | 'isResuming'>

/** What changes, in the order of `changedValues`. */
export const CHANGED = {
  id: 'TEXT', version: 'BIGINT', phase: 'TEXT', is_over: 'BIGINT', epoch: 'BIGINT', holder: 'TEXT', run_at_ms: 'BIGINT', is_dispatched: 'BIGINT', updated_at_ms: 'BIGINT', expires_at_ms: 'BIGINT',
  attempts: 'BIGINT', is_resuming: 'BIGINT', held_bytes: 'BIGINT', progress: 'TEXT', result: 'TEXT',
} as const

export function changedValues(task: StoredTask): readonly SqlValue[] {
  return [
    task.id, task.version, task.phase, isOverPhase(task.phase) ? 1 : 0, task.epoch, task.holder, task.runAtMs, task.isDispatched ? 1 : 0, task.updatedAtMs, task.expiresAtMs,
    task.progress.attempts, task.progress.isResuming ? 1 : 0, heldBytes(task), progressText(task.progress), task.resultText,
  ]
}

export function progressText({ attempts: _attempts, isResuming: _isResuming, ...progress }: TaskProgress): string {
  return JSON.stringify(progress satisfies WrittenProgress)
}

export function taskOf(row: SqlRow): StoredTask {
  const progress: WrittenProgress = JSON.parse(textOf(row, 'progress'))
  const origin: TaskOrigin = JSON.parse(textOf(row, 'origin'))
  return {
    id: textOf(row, 'id'),
    origin,
    idempotency: row['idem_key'] === null ? undefined : { key: textOf(row, 'idem_key'), digest: textOf(row, 'idem_digest') },
    phase: TASK_PHASES.find((phase) => phase === row['phase']) ?? 'dead',
    version: numberOf(row, 'version'),
    epoch: numberOf(row, 'epoch'),
    holder: textOf(row, 'holder'),
    leaseUntilMs: numberOf(row, 'lease_until_ms'),
    runAtMs: numberOf(row, 'run_at_ms'),
    isDispatched: numberOf(row, 'is_dispatched') === 1,
    createdAtMs: numberOf(row, 'created_at_ms'),
    updatedAtMs: numberOf(row, 'updated_at_ms'),
    deadlineAtMs: numberOf(row, 'deadline_at_ms'),
    expiresAtMs: numberOf(row, 'expires_at_ms'),
    resultText: textOf(row, 'result'),
    progress: { ...progress, attempts: numberOf(row, 'attempts'), isResuming: numberOf(row, 'is_resuming') === 1 },
  }
}
