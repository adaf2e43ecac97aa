import { describe, expect, it } from 'vitest'
import { ADOPTED, newTask, taskOrigin } from '../../../test/contracts/task-store.contract.ts'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createHints } from '../../adapters/memory/hints.ts'
import { createTaskStore } from '../../adapters/memory/task-store.ts'
import type { StoredTask } from '../task/stored-task.ts'
import { createTasks } from '../task/tasks.ts'
import type { Tasks } from '../task/tasks.ts'
import { keepEnd } from './adopted-relay.ts'

const clock = createManualClock(1_700_000_000_000)
const ended = { kind: 'completed', resultText: '{"content":[]}' } as const

interface Scene {
  readonly tasks: Tasks
  readonly seen: StoredTask
  remake(): Promise<void>
}

async function play(): Promise<Scene> {
  const store = createTaskStore(clock)
  const tasks = createTasks({ store, clock, hints: createHints(), bounds: () => ({ live: 9, total: 9, bytes: 1e6 }) })
  const row = newTask('t', { origin: taskOrigin({ adopted: ADOPTED }), lease: { holder: 'r1', leaseMs: 1_000, isDispatched: false } })
  const made = await tasks.make(row)
  if (made.kind !== 'made') return expect.fail(made.kind)
  const remake = async (): Promise<void> => {
    await store.drop('t', 0)
    clock.advance(5)
    await tasks.make(row)
  }
  return { tasks, seen: made.task, remake }
}

describe('how a server\'s task ended, told to whoever asked', () => {
  it('is kept also where its follower has changed since, or there is none just now', async () => {
    const { tasks, seen } = await play()
    await tasks.move(seen, { kind: 'release', epoch: 1 })
    expect(await keepEnd({ tasks }, seen, ended)).toBe(true)
    expect(await tasks.find('alice', 't')).toMatchObject({ task: { phase: 'completed', resultText: ended.resultText } })
    expect(await keepEnd({ tasks }, seen, { ...ended, resultText: '{}' })).toBe(true)
    expect(await tasks.find('alice', 't')).toMatchObject({ task: { resultText: ended.resultText } })
  })

  it('is not kept of another one that has its id by now', async () => {
    const { tasks, seen, remake } = await play()
    await remake()
    expect(await keepEnd({ tasks }, seen, ended)).toBe(false)
    expect(await tasks.find('alice', 't')).toMatchObject({ task: { phase: 'running' } })
  })
})
