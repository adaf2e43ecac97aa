import { describe, expect, it } from 'vitest'
import { ADOPTED, newTask, taskOrigin } from '../../../test/contracts/task-store.contract.ts'
import type { TaskState } from '../../protocol/task.ts'
import { boundedMessage, boundedQuestions, boundedSaid, isKeepable } from './bounded-said.ts'
import { beginTask } from './new-task.ts'
import { heldBytes } from './stored-task.ts'
import { moveTask } from './task-state.ts'
import type { TaskEvent } from './task-state.ts'

const SAID: TaskState = {
  status: 'working', statusMessage: 'on it', createdAt: '2026-01-01T00:00:00Z', lastUpdatedAt: '2026-01-01T00:00:01Z', ttlMs: 5, pollIntervalMs: 7, other: { priority: 'low' },
}
const TALKATIVE: TaskState = { ...SAID, statusMessage: 'm'.repeat(1_000_000), lastUpdatedAt: 't'.repeat(1_000_000), other: { more: 'o'.repeat(1_000_000) } }
const MANY = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`q${at}`, '{}']))

describe('what is kept of what a server says of a task', () => {
  it('is all of it where it is short', () => {
    expect(boundedSaid(SAID)).toEqual(SAID)
    expect(boundedSaid({ ...SAID, statusMessage: undefined })).toEqual({ ...SAID, statusMessage: undefined })
    expect(boundedQuestions({ a: '{}', b: '{}' })).toEqual({ a: '{}', b: '{}' })
    expect(boundedMessage('m'.repeat(4_096))).toBe('m'.repeat(4_096))
  })

  it('is a message that is cut where people see it, once and for all', () => {
    const cut = boundedMessage('m'.repeat(10_000))
    expect(cut).toHaveLength(4_096)
    expect(cut).toMatch(/^m+ … \[cut: 10000 characters in all\]$/)
    expect(boundedMessage(cut)).toBe(cut)
    expect(boundedMessage(`m${'😀'.repeat(5_000)}`).isWellFormed()).toBe(true)
    expect(boundedMessage('😀'.repeat(5_000)).isWellFormed()).toBe(true)
  })

  it('is no member of its own that is too long, and no time that is none', () => {
    expect(boundedSaid(TALKATIVE)).toEqual({ ...SAID, statusMessage: expect.stringMatching(/^m+ … \[cut: 1000000 characters in all\]$/), lastUpdatedAt: SAID.createdAt, other: {} })
    expect(boundedSaid({ ...SAID, createdAt: 'c'.repeat(65) }).createdAt).toBe('c'.repeat(64))
  })

  it('is as many questions as one task may have open, by keys that are whole', () => {
    expect(Object.keys(boundedQuestions(MANY))).toEqual(Array.from({ length: 64 }, (_, at) => `q${at}`))
    expect(boundedQuestions({ ['k'.repeat(257)]: '{}', ['k'.repeat(256)]: '1' })).toEqual({ ['k'.repeat(256)]: '1' })
  })

  it('is nothing of a task whose id, or time, could only be kept in part', () => {
    expect(isKeepable('i'.repeat(4_096), { createdAt: 'c'.repeat(64) })).toBe(true)
    expect(isKeepable('i'.repeat(4_097), SAID)).toBe(false)
    expect(isKeepable('i', { createdAt: 'c'.repeat(65) })).toBe(false)
  })

  it('makes no row large, whatever happens to its task', () => {
    const begun = beginTask({ ...newTask('t', { origin: taskOrigin({ adopted: ADOPTED, requestText: '' }) }), lease: { holder: 'r', leaseMs: 100, isDispatched: false } }, 0)
    const message = 'm'.repeat(1_000_000)
    const failure = { attempt: 1, atMs: 1, reason: 'transport', message } as const
    const events: readonly TaskEvent[] = [
      { kind: 'note', epoch: 1, statusMessage: message, heard: { said: TALKATIVE, questions: MANY } },
      { kind: 'complete', epoch: 1, resultText: '', said: TALKATIVE },
      { kind: 'fail', epoch: 1, errorText: '', message, said: TALKATIVE },
      { kind: 'cancel', said: TALKATIVE },
      { kind: 'giveUp', epoch: 1, errorText: '', failure },
      { kind: 'retry', epoch: 1, delayMs: 0, failure, isAfresh: true },
    ]
    for (const event of events) {
      const moved = moveTask(begun, event, 5)
      expect(moved.ok && JSON.stringify(moved.value).length, event.kind).toBeLessThan(16_000)
      expect(moved.ok && heldBytes(moved.value), event.kind).toBeLessThan(8_000)
    }
  })
})
