/** A task as it begins, at the store's time. */

import { NO_PROGRESS } from './stored-task.ts'
import type { StoredTask } from './stored-task.ts'
import type { NewTask } from './task-store.ts'

export function beginTask({ id, origin, idempotency, lease }: NewTask, nowMs: number): StoredTask {
  const { ttlMs, deadlineMs } = origin.terms
  const isLeased = lease !== undefined
  return {
    id, origin, idempotency,
    phase: isLeased ? 'running' : 'queued',
    version: 1,
    epoch: isLeased ? 1 : 0,
    holder: lease?.holder ?? '',
    leaseUntilMs: isLeased ? nowMs + lease.leaseMs : 0,
    runAtMs: nowMs,
    isDispatched: lease?.isDispatched ?? false,
    createdAtMs: nowMs, updatedAtMs: nowMs, deadlineAtMs: nowMs + deadlineMs, expiresAtMs: nowMs + ttlMs,
    resultText: '',
    progress: isLeased ? { ...NO_PROGRESS, attempts: 1 } : NO_PROGRESS,
  }
}
