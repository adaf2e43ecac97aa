import { it } from 'vitest'
import { createManualClock } from '../../src/adapters/memory/clock.ts'
import { createTaskStore } from '../../src/adapters/memory/task-store.ts'
import { checkTasks } from '../task-model.ts'

it('10,000 random lives of tasks are what a simple model says', { timeout: 900_000 }, async () => {
  await checkTasks(10_000, async () => {
    const clock = createManualClock(1_700_000_000_000)
    const store = createTaskStore(clock)
    return { store, second: async () => store, pass: async (ms) => clock.advance(ms) }
  })
})
