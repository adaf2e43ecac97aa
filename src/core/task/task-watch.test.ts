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

  it('is told at the next look what one found before it failed', async () => {
    const { store, tasks } = play()
    let isAway = false
    const watch = openTaskWatch({ ...store, find: (id) => (isAway && id === 'b' ? Promise.reject(new Error('away')) : store.find(id)) }, tasks)
    for (const id of ['a', 'b', 'c']) await store.create(newTask(id))
    await watch.look()
    for (const id of ['a', 'b']) await tasks.cancel('alice', id)
    isAway = true
    await expect(watch.look()).rejects.toThrow('away')
    isAway = false
    expect(said(await watch.look()).toSorted()).toEqual(['a cancelled', 'b cancelled'])
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

  it('costs few reads at each look, however many wait and have been heard of, and still tells of what nobody said', async () => {
    const { store, clock } = play()
    let reads = 0
    let hear: (id: string) => void = () => undefined
    const counting = { ...store, find: (id: string) => (reads++, store.find(id)) }
    const watch = openTaskWatch(counting, { onChange: (run) => ((hear = run), () => undefined) })
    const ids = Array.from({ length: 1_000 }, (_, at) => `t${at}`)
    for (const id of ids) {
      clock.advance(1)
      await store.create(newTask(id))
      hear(id)
    }
    const toldOf = new Set<string>()
    for (let looks = 0; looks < 5; looks += 1) {
      reads = 0
      for (const line of said(await watch.look())) toldOf.add(line)
      expect(reads).toBeLessThanOrEqual(225)
    }
    expect(toldOf.size).toBe(1_000)
    reads = 0
    expect(await watch.look()).toEqual([])
    expect(reads).toBe(25)
    await store.drop('t999', 1_000)
    const later: string[] = []
    for (let looks = 0; looks < 32; looks += 1) later.push(...said(await watch.look()))
    expect(later).toEqual(['t999 gone'])
  })

  it('learns at the next look of the end of what it follows, however many others wait, and though nobody said it', async () => {
    const { store, tasks, clock } = play()
    const watch = openTaskWatch(store, { onChange: () => () => undefined })
    for (let at = 0; at < 400; at += 1) {
      clock.advance(1)
      await store.create(newTask(`t${at}`))
    }
    await watch.look()
    for (let at = 0; at < 100; at += 1) await tasks.cancel('alice', `t${at}`)
    const lines = said(await watch.look())
    expect(lines.filter((line) => line.endsWith('cancelled'))).toHaveLength(100)
    expect(lines.filter((line) => line.endsWith('queued'))).toHaveLength(100)
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
