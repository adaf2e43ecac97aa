import { describe, expect, it } from 'vitest'
import { newTask, taskOrigin, TERMS } from '../../../test/contracts/task-store.contract.ts'
import { endEvent } from './attempt-end.ts'
import type { AttemptFailure } from './attempt-end.ts'
import { beginTask } from './new-task.ts'
import type { StoredTask, TaskTerms } from './stored-task.ts'

const task = (terms: Partial<TaskTerms> = {}, attempts = 1): StoredTask => {
  const begun = beginTask(newTask('t', { origin: taskOrigin({ terms: { ...TERMS, ...terms } }), lease: { holder: 'r', leaseMs: 1, isDispatched: true } }), 0)
  return { ...begun, progress: { ...begun.progress, attempts } }
}
const failed = (more: Partial<AttemptFailure>): AttemptFailure => ({
  kind: 'failed', errorText: '{}', message: 'm', reason: 'transport', code: undefined, mayHaveRun: false, retryAfterMs: undefined, ...more,
})
const next = (of: StoredTask, more: Partial<AttemptFailure>): string => endEvent(of, failed(more), 100, () => 0).kind

describe('the retry rule', () => {
  it('tries again what cannot have run, for the failures that the tool is configured for', () => {
    expect(next(task(), {})).toBe('retry')
    expect(next(task(), { reason: 'busy' })).toBe('retry')
    expect(next(task(), { reason: 'timeout' })).toBe('giveUp')
    expect(next(task({ retryOn: [] }), {})).toBe('giveUp')
  })

  it('never tries again what may have run, unless that is declared harmless (guarantee 1)', () => {
    expect(next(task(), { mayHaveRun: true })).toBe('giveUp')
    expect(next(task({ isRepeatable: true }), { mayHaveRun: true })).toBe('retry')
    expect(endEvent(task({ isRepeatable: true }), failed({ mayHaveRun: true }), 100, () => 0)).toMatchObject({ isAfresh: true })
  })

  it('takes an error of the server for its answer, unless its code was named', () => {
    expect(next(task(), { reason: undefined, code: -32_602 })).toBe('fail')
    expect(next(task(), { reason: 'code', code: -32_000 })).toBe('retry')
    expect(next(task({ retryCodes: [] }), { reason: 'code', code: -32_000 })).toBe('giveUp')
  })

  it('ends after the last attempt, and where the deadline would pass before the next', () => {
    expect(next(task({}, 2), {})).toBe('retry')
    expect(next(task({}, 3), {})).toBe('giveUp')
    expect(next(task(), { retryAfterMs: 29_000 })).toBe('retry')
    expect(next(task(), { retryAfterMs: 29_900 })).toBe('giveUp')
  })

  it('gives each question a key that is never used again', () => {
    const asked = { ...task(), progress: { ...task().progress, rounds: 2 } }
    expect(endEvent(asked, { kind: 'asks', isHeld: true, questions: { name: '{}' }, stateText: '"s"' }, 0, () => 0)).toMatchObject({ kind: 'ask', questions: { '3.name': '{}' } })
  })
})
