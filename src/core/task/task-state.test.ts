import { describe, expect, it } from 'vitest'
import { ADOPTED, newTask, taskOrigin, TERMS } from '../../../test/contracts/task-store.contract.ts'
import { beginTask } from './new-task.ts'
import { OVER_PHASES, STATUS_OF, TASK_PHASES } from './stored-task.ts'
import type { StoredTask } from './stored-task.ts'
import { TASK_TABLE, answerEvent, moveTask, takeOver } from './task-state.ts'
import type { TaskEvent } from './task-state.ts'

const failure = { attempt: 1, atMs: 5, reason: 'transport', message: 'gone' } as const

function after(events: readonly TaskEvent[], begun: StoredTask = beginTask(newTask('t'), 0)): StoredTask {
  return events.reduce((task, event) => {
    const moved = moveTask(task, event, 1_000)
    if (!moved.ok) throw new Error(`${event.kind} in ${task.phase}: ${moved.fault.reason}`)
    return moved.value
  }, begun)
}

const claim: TaskEvent = { kind: 'claim', holder: 'r1', leaseMs: 100 }
const running = after([claim])

describe('the states of a task', () => {
  it('never leave what has ended', () => {
    for (const phase of OVER_PHASES) {
      expect(Object.values(TASK_TABLE[phase]).filter((next) => next !== phase)).toEqual([])
      expect(['completed', 'failed', 'cancelled']).toContain(STATUS_OF[phase])
    }
  })

  it('can all be reached, and all that have not ended can be cancelled and be overdue', () => {
    const reached = new Set(['queued', ...TASK_PHASES.flatMap((phase) => Object.values(TASK_TABLE[phase]))])
    expect(reached).toEqual(new Set(TASK_PHASES))
    for (const phase of ['queued', 'running', 'asking'] as const) expect(TASK_TABLE[phase]).toMatchObject({ cancel: 'cancelled', overdue: 'dead' })
  })

  it('refuse every event of a lease that has passed on', () => {
    const events: TaskEvent[] = [
      { kind: 'dispatch', epoch: 0 }, { kind: 'note', epoch: 2, statusMessage: '' }, { kind: 'ask', epoch: 0, isHeld: true, questions: {}, stateText: '' },
      { kind: 'complete', epoch: 0, resultText: '' }, { kind: 'fail', epoch: 0, errorText: '', message: '' }, { kind: 'giveUp', epoch: 0, errorText: '', failure },
      { kind: 'retry', epoch: 0, delayMs: 0, failure, isAfresh: true }, { kind: 'release', epoch: 0 },
    ]
    for (const event of events) expect(moveTask(running, event, 5)).toEqual({ ok: false, fault: { reason: 'stale' } })
  })

  it('let a lease be taken only when it is over, and a task only when it is due', () => {
    expect(moveTask(running, claim, 1_099)).toEqual({ ok: false, fault: { reason: 'not_due' } })
    expect(moveTask(running, claim, 1_100)).toMatchObject({ ok: true, value: { epoch: 2, progress: { attempts: 2 } } })
    const later = after([claim, { kind: 'retry', epoch: 1, delayMs: 50, failure, isAfresh: true }])
    expect(later).toMatchObject({ phase: 'queued', holder: '', isDispatched: false, runAtMs: 1_050, progress: { failures: [failure], statusMessage: 'Attempt 1 failed: gone' } })
    expect(moveTask(later, claim, 1_049)).toEqual({ ok: false, fault: { reason: 'not_due' } })
  })

  it('count no attempt that was never made, and none for input that continues one', () => {
    expect(after([claim, { kind: 'release', epoch: 1 }]).progress.attempts).toBe(0)
    const asked = after([claim, { kind: 'dispatch', epoch: 1 }, { kind: 'ask', epoch: 1, isHeld: true, questions: { a: '1', b: '2' }, stateText: '"s"' }])
    expect(asked).toMatchObject({ phase: 'asking', isDispatched: false, holder: 'r1' })
    const resumed = after([{ kind: 'answer', answers: { a: 'x', other: 'y' } }, { kind: 'resume', answers: { b: 'z' } }, claim], asked)
    expect(resumed).toMatchObject({ phase: 'running', epoch: 2, progress: { attempts: 1, rounds: 1, answers: { a: 'x', b: 'z' }, questions: {}, stateText: '"s"' } })
  })

  it('give an adopted one back to the replica whose child made it, and any other to anybody', () => {
    const adopted = { ...ADOPTED, child: { replicaId: 'r7', isOwn: true } }
    const released: TaskEvent[] = [claim, { kind: 'release', epoch: 1 }]
    expect(after(released, beginTask({ ...newTask('t'), origin: taskOrigin({ adopted }) }, 0)).holder).toBe('r7')
    expect(after(released).holder).toBe('')
  })

  it('let an adopted one end though nobody follows it, and no other', () => {
    for (const event of [{ kind: 'complete', epoch: 0, resultText: '{}' }, { kind: 'fail', epoch: 0, errorText: '{}', message: '' }] as const) {
      expect(moveTask(beginTask(newTask('t'), 0), event, 5)).toEqual({ ok: false, fault: { reason: 'not_now' } })
      expect(moveTask(beginTask({ ...newTask('t'), origin: taskOrigin({ adopted: ADOPTED }) }, 0), event, 5).ok).toBe(true)
    }
  })

  it('tell the last answer from the others, and ignore what answers nothing', () => {
    const asked = after([claim, { kind: 'ask', epoch: 1, isHeld: true, questions: { a: '1', b: '2' }, stateText: '' }])
    expect(answerEvent(asked, { c: 'x' })).toBeUndefined()
    expect(answerEvent(asked, { a: 'x' })?.kind).toBe('answer')
    expect(answerEvent(asked, { a: 'x', b: 'y', c: 'z' })?.kind).toBe('resume')
  })

  it('keep a result for its time to live, and for its time after the end', () => {
    expect(moveTask(running, { kind: 'complete', epoch: 1, resultText: '{}' }, 2_000)).toMatchObject({ ok: true, value: { expiresAtMs: 60_000 } })
    expect(moveTask(running, { kind: 'complete', epoch: 1, resultText: '{}' }, 55_000)).toMatchObject({ ok: true, value: { expiresAtMs: 65_000 } })
  })

  it('say how they ended, and no longer what they were about', () => {
    const told = (event: TaskEvent): string => after([claim, { kind: 'note', epoch: 1, statusMessage: 'half way' }, event]).progress.statusMessage
    expect(told({ kind: 'complete', epoch: 1, resultText: '{"content":[]}' })).toBe('Completed')
    expect(told({ kind: 'complete', epoch: 1, resultText: '{"content":[],"isError":true}' })).toBe('Completed: the tool reports an error')
    expect(told({ kind: 'complete', epoch: 1, resultText: '{"content":[{"type":"text","text":"\\"isError\\""}],"isError":false}' })).toBe('Completed')
    expect(told({ kind: 'fail', epoch: 1, errorText: '{}', message: 'no' })).toBe('no')
    expect(told({ kind: 'giveUp', epoch: 1, errorText: '{}', failure })).toBe('gone')
    expect(told({ kind: 'overdue', errorText: '{}' })).toBe('Its deadline has passed')
    expect(told({ kind: 'cancel' })).toBe('Cancelled')
  })

  it('run again after a crash only what was never sent or may run twice', () => {
    const repeatable = taskOrigin({ terms: { ...TERMS, isRepeatable: true } })
    const origin = taskOrigin()
    expect(takeOver({ isDispatched: false, origin })).toBe('run')
    expect(takeOver({ isDispatched: true, origin })).toBe('lost')
    expect(takeOver({ isDispatched: true, origin: repeatable })).toBe('run')
  })
})
