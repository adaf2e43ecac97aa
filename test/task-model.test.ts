import { describe, it } from 'vitest'
import { createManualClock } from '../src/adapters/memory/clock.ts'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { checkTasks } from './task-model.ts'

const RUNS = 300

describe('tasks, whatever happens to them in whatever order', () => {
  it('are what a simple model says, in memory', { timeout: 60_000 }, async () => {
    await checkTasks(RUNS, async () => {
      const clock = createManualClock(1_700_000_000_000)
      const store = createTaskStore(clock)
      return { store, second: async () => store, pass: async (ms) => clock.advance(ms) }
    })
  })
})
