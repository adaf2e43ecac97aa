import { expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createHints } from '../../adapters/memory/hints.ts'
import { createTaskStore } from '../../adapters/memory/task-store.ts'
import { newTask } from '../../../test/contracts/task-store.contract.ts'
import { createTasks } from './tasks.ts'

it('takes no answer for which the owner\'s tasks have no room, and takes it once there is', async () => {
  const clock = createManualClock(1_700_000_000_000)
  const store = createTaskStore(clock)
  const bounds = { live: 10, total: 10, bytes: 2_000 }
  const tasks = createTasks({ store, clock, hints: createHints(), bounds: () => bounds })
  const made = await tasks.make(newTask('t', { lease: { holder: 'r1', leaseMs: 60_000, isDispatched: false } }))
  if (made.kind !== 'made') throw new Error(made.kind)
  await tasks.move(made.task, { kind: 'ask', epoch: 1, isHeld: false, questions: { a: '{}', b: '{}' }, stateText: '' })
  const long = { a: JSON.stringify('x'.repeat(1_500)), b: JSON.stringify('x'.repeat(1_500)) }
  await expect(tasks.answer('alice', 't', long)).rejects.toMatchObject({ code: 'overloaded', retryAfterSec: 1 })
  expect(await tasks.find('alice', 't')).toMatchObject({ kind: 'found', task: { phase: 'asking', version: 2 } })
  expect((await tasks.answer('alice', 't', { a: long.a }))?.phase).toBe('asking')
  // Known at once, though it is counted once a second.
  await expect(tasks.answer('alice', 't', { b: long.b })).rejects.toMatchObject({ code: 'overloaded' })
  bounds.bytes = 5_000
  expect((await tasks.answer('alice', 't', { b: long.b }))?.phase).toBe('queued')
})
