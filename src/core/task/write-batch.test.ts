import { describe, expect, it } from 'vitest'
import { newTask } from '../../../test/contracts/task-store.contract.ts'
import { beginTask } from './new-task.ts'
import type { StoredTask } from './stored-task.ts'
import { createWriteBatch } from './write-batch.ts'

const task = (id: string, version = 2): StoredTask => ({ ...beginTask(newTask(id), 0), version })

describe('writes of many tasks', () => {
  it('go as one where they come together, each with its own outcome', async () => {
    const batches: string[][] = []
    const write = createWriteBatch(async (tasks) => (batches.push(tasks.map(({ id }) => id)), tasks.map(({ id }) => id !== 'b')))
    expect(await Promise.all([write(task('a')), write(task('b')), write(task('c'))])).toEqual([true, false, true])
    expect(batches).toEqual([['a', 'b', 'c']])
  })

  it('never hold one task twice', async () => {
    const batches: string[][] = []
    const write = createWriteBatch(async (tasks) => (batches.push(tasks.map(({ id, version }) => `${id}${version}`)), tasks.map(() => true)))
    await Promise.all([write(task('a', 2)), write(task('a', 3)), write(task('b', 2))])
    expect(batches.map((batch) => batch.toSorted())).toEqual([['a2', 'b2'], ['a3']])
  })

  it('all fail where their one write fails, and the next ones go on', async () => {
    let isDown = true
    const write = createWriteBatch(async (tasks) => {
      if (isDown) throw new Error('down')
      return tasks.map(() => true)
    })
    const both = await Promise.allSettled([write(task('a')), write(task('b'))])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    isDown = false
    expect(await write(task('a'))).toBe(true)
  })
})
