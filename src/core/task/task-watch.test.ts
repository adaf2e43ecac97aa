import { describe, expect, it } from 'vitest'
import { newTask } from '../../../test/contracts/task-store.contract.ts'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createHints } from '../../adapters/memory/hints.ts'
import { createTaskStore } from '../../adapters/memory/task-store.ts'
import type { TaskChange } from './task-watch.ts'
import { openTaskWatch } from './task-watch.ts'
import { createTasks } from './tasks.ts'

function play() {
  const clock = createManualClock(1_700_000_000_000)
  const store = createTaskStore(clock)
  const tasks = createTasks({ store, clock, hints: createHints(), bounds: () => ({ live: 999, total: 999, bytes: 1e9 }) })
  return { clock, store, tasks, watch: openTaskWatch(store, tasks) }
}

const said = (changes: readonly TaskChange[]): string[] => changes.map((change) => (change.kind === 'gone' ? `${change.id} gone` : `${change.task.id} ${change.task.phase}`))

describe('who watches tasks', () => {
  it('is told first of all that wait, then only of what has changed', async () => {
    const { store, tasks, watch } = play()
    await store.create(newTask('a'))
    await store.create(newTask('b'))
    await tasks.cancel('alice', 'b')
    expect(said(await watch.look())).toEqual(['b cancelled', 'a queued'])
    expect(await watch.look()).toEqual([])
    await tasks.cancel('alice', 'a')
    await store.create(newTask('c'))
    expect(said(await watch.look())).toEqual(['a cancelled', 'c queued'])
    expect(await watch.look()).toEqual([])
  })

  it('learns of what nobody said: changes and ends without a hint, and what was removed', async () => {
    const { store, watch } = play()
    for (const id of ['a', 'b', 'c']) await store.create(newTask(id))
    await watch.look()
    const { tasks: [a] } = await store.claim({ holder: 'r', count: 1, perOwner: 1, rooms: new Map(), leaseMs: 1_000, gone: [] })
    expect(said(await watch.look())).toEqual([`${a?.id} running`])
    await store.drop('c', 1_000)
    expect(said(await watch.look())).toEqual(['c gone'])
  })

  it('misses nothing by a look that failed', async () => {
    const { store, tasks } = play()
    let isAway = false
    const shaky = { ...store, find: (id: string) => (isAway ? Promise.reject(new Error('away')) : store.find(id)) }
    const watch = openTaskWatch(shaky, tasks)
    await store.create(newTask('a'))
    await store.create(newTask('b'))
    await watch.look()
    await tasks.cancel('alice', 'a')
    isAway = true
    await expect(watch.look()).rejects.toThrow('away')
    isAway = false
    expect(said(await watch.look())).toEqual(['a cancelled'])
  })

  it('follows 200 that wait, and hears of the others when they change', async () => {
    const { store, tasks, watch, clock } = play()
    for (let at = 0; at < 205; at += 1) {
      clock.advance(1)
      await store.create(newTask(`t${at}`))
    }
    expect(await watch.look()).toHaveLength(200)
    await tasks.cancel('alice', 't204')
    expect(said(await watch.look())).toEqual(['t204 cancelled'])
  })

  it('is told nothing more, and costs nothing, once it is closed', async () => {
    const { store, tasks, watch } = play()
    await store.create(newTask('a'))
    await store.create(newTask('b'))
    await watch.look()
    watch.close()
    await tasks.cancel('alice', 'b')
    // It looks for what it was told of, and has not heard of it.
    expect(said(await watch.look())).toEqual(['b cancelled'])
  })
})
