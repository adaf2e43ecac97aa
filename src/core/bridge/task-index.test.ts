import { describe, expect, it } from 'vitest'
import type { Clock } from '../clock.ts'
import { MAX_TASK_MS, createTaskIndex } from './task-index.ts'
import type { IndexedTask } from './task-index.ts'

function manualClock(): Clock & { pass(ms: number): void } {
  let now = 0
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>()
  return {
    nowMs: () => now,
    ticksMs: () => now,
    after(delayMs, run) {
      const timer = { atMs: now + delayMs, run }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    pass(ms) {
      now += ms
      for (const timer of timers) if (timer.atMs <= now && timers.delete(timer)) timer.run()
    },
  }
}

interface Task extends IndexedTask {
  heldBytes: number
  isOver: boolean
}

const BOUNDS = { live: 2, perOwner: 3, ownerBytes: 100, total: 5, totalBytes: 150 }

function setUp(): { clock: ReturnType<typeof manualClock>; index: ReturnType<typeof createTaskIndex<Task>>; forgotten: string[]; make: (key: string, ownerKey?: string, over?: boolean, bytes?: number) => Task } {
  const clock = manualClock()
  const forgotten: string[] = []
  const index = createTaskIndex<Task>(clock, BOUNDS)
  return {
    clock, index, forgotten,
    make(key, ownerKey = 'alice', over = false, bytes = 0) {
      const task: Task = { key, ownerKey, heldBytes: bytes, isOver: over, forget: () => void forgotten.push(key) }
      index.add(task, 1_000)
      if (over) index.settled(task)
      return task
    },
  }
}

describe('the tasks that are followed', () => {
  it('are found by their owner only', () => {
    const { index, make } = setUp()
    const task = make('a')
    expect(index.get('alice', 'a')).toBe(task)
    expect(index.get('bob', 'a')).toBeUndefined()
    expect(index.of('bob')).toEqual([])
  })

  it('are forgotten when their time is up, however long their server would keep them', () => {
    const { clock, index, make, forgotten } = setUp()
    make('a')
    const long = make('b')
    index.renew(long, Number.MAX_SAFE_INTEGER)
    clock.pass(1_000)
    expect([forgotten, index.get('alice', 'a'), index.get('alice', 'b')]).toEqual([['a'], undefined, long])
    clock.pass(MAX_TASK_MS)
    expect(forgotten).toEqual(['a', 'b'])
    expect(index.of('alice')).toEqual([])
  })

  it('are refused where the owner has too many that go on, whatever others have', () => {
    const { index, make } = setUp()
    make('a')
    const second = make('b')
    expect(index.hasRoom('alice')).toBe(false)
    expect(() => make('c')).toThrow(expect.objectContaining({ code: 'overloaded' }))
    expect(index.hasRoom('bob')).toBe(true)
    make('d', 'bob')
    second.isOver = true
    expect(index.hasRoom('alice')).toBe(true)
  })

  it('give way when they have ended, the oldest of the same owner first', () => {
    const { make, forgotten } = setUp()
    make('live')
    make('a', 'alice', true)
    make('b', 'alice', true)
    make('other', 'bob', true)
    make('c', 'alice', true)
    expect(forgotten).toEqual(['a'])
  })

  it('hold results within the bytes of their owner, and of all', () => {
    const { make, forgotten } = setUp()
    make('a', 'alice', true, 60)
    make('b', 'alice', true, 60)
    expect(forgotten).toEqual(['a'])
    make('c', 'bob', true, 60)
    make('d', 'carol', true, 60)
    expect(forgotten).toEqual(['a', 'b'])
    // What is beyond all bounds alone is held all the same: its client has not seen it yet.
    make('e', 'dave', true, 1_000)
    expect(forgotten).toEqual(['a', 'b', 'c', 'd'])
  })

  it('are few in all', () => {
    const { make, forgotten } = setUp()
    for (const owner of ['a', 'b', 'c']) for (const n of [1, 2]) make(`${owner}${n}`, owner, true)
    expect(forgotten).toEqual(['a1'])
  })

  it('are all let go of in the end', () => {
    const { index, make, forgotten } = setUp()
    make('a')
    make('b', 'bob')
    index.close()
    expect(forgotten).toEqual(['a', 'b'])
  })
})
