import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createHints } from '../../adapters/memory/hints.ts'
import { createTaskStore } from '../../adapters/memory/task-store.ts'
import { ADOPTED, newTask, taskOrigin } from '../../../test/contracts/task-store.contract.ts'
import { createMemoryTelemetry } from '../../adapters/memory/telemetry.ts'
import { createHintRelay } from '../event/hint-relay.ts'
import { moveTask } from './task-state.ts'
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

it('keeps servers\' tasks in half of their owner\'s room, one in place of another also where that is full', async () => {
  const clock = createManualClock(1_700_000_000_000)
  const tasks = createTasks({ store: createTaskStore(clock), clock, hints: createHints(), bounds: () => ({ live: 4, total: 100, bytes: 1e6 }) })
  const adopted = (id: string) => newTask(id, { origin: taskOrigin({ adopted: ADOPTED }), lease: { holder: 'r1', leaseMs: 60_000, isDispatched: false } })
  expect((await tasks.make(adopted('a1'))).kind).toBe('made')
  expect((await tasks.make(adopted('a2'))).kind).toBe('made')
  expect(await tasks.make(adopted('a3'))).toEqual({ kind: 'full', what: 'live' })
  expect((await tasks.make(adopted('a2'))).kind).toBe('same')
  expect((await tasks.replace(adopted('a2'))).kind).toBe('made')
  clock.advance(2_000)
  expect([(await tasks.make(newTask('t1'))).kind, (await tasks.make(newTask('t2'))).kind, (await tasks.make(newTask('t3'))).kind]).toEqual(['made', 'made', 'full'])
})

it('counts what a server says of its task', async () => {
  const clock = createManualClock(1_700_000_000_000)
  const store = createTaskStore(clock)
  const said = { ...ADOPTED.said, statusMessage: 'x'.repeat(1_000) }
  const { task } = await store.create(newTask('a', { origin: taskOrigin({ adopted: { ...ADOPTED, said } }), lease: { holder: 'r1', leaseMs: 60_000, isDispatched: false } }))
  const before = (await store.usage('alice', 9)).bytes
  expect(before).toBeGreaterThan(1_000)
  const noted = moveTask(task, { kind: 'note', epoch: 1, statusMessage: '', heard: { said, questions: {} } }, clock.nowMs())
  if (noted.ok) await store.write([noted.value])
  expect((await store.usage('alice', 9)).bytes).toBeGreaterThan(before + 1_000)
})

it('tells who watches at another replica of each of many tasks that change at once', async () => {
  const clock = createManualClock(1_700_000_000_000)
  const store = createTaskStore(clock)
  const relayOf = (from: string) => createHintRelay({ from, maxTextBytes: 7_900, telemetry: createMemoryTelemetry() })
  const [here, there] = [relayOf('here'), relayOf('there')]
  here.up(async (text) => {
    // The wire takes one text after the other.
    await turn()
    there.receive(text)
  })
  const of = (hints: typeof here) => createTasks({ store, clock, hints, bounds: () => ({ live: 100, total: 100, bytes: 1e9 }) })
  const [own, others] = [of(here), of(there)]
  const ids = Array.from({ length: 20 }, (_, at) => `t${at}`)
  const heard: string[] = []
  for (const id of ids) {
    others.watch(id, (phase) => void heard.push(`${id} ${phase}`))
    await own.make(newTask(id))
  }
  const cancelled = ids.filter((_, at) => at % 3 === 0)
  await Promise.all(cancelled.map((id) => own.cancel('alice', id)))
  for (let turns = 0; turns < 10; turns += 1) await turn()
  expect(heard.toSorted()).toEqual(cancelled.map((id) => `${id} cancelled`).toSorted())
})
