import { describe, expect, it } from 'vitest'
import { createSerialSaves } from './serial-saves.ts'

describe('saves of one thing', () => {
  it('follow each other, and those that wait are one', async () => {
    const order: string[] = []
    const ends: (() => void)[] = []
    const what = { value: 1 }
    const { save } = createSerialSaves(async ({ value }: { value: number }) => {
      order.push(`begin ${value}`)
      await new Promise<void>((resolve) => ends.push(resolve))
      order.push(`end ${value}`)
    })
    const first = save(what)
    what.value = 2
    const second = save(what)
    what.value = 3
    const third = save(what)
    expect(third).toBe(second)
    ends.shift()?.()
    await first
    await new Promise((resolve) => setImmediate(resolve))
    ends.shift()?.()
    await third
    expect(order).toEqual(['begin 1', 'end 1', 'begin 3', 'end 3'])
  })

  it('of another wait for none of them', () => {
    let count = 0
    const { save } = createSerialSaves(() => {
      count += 1
      return new Promise<void>(() => undefined)
    })
    void save({})
    void save({})
    expect(count).toBe(2)
  })

  it('are settled when the last one that waits is done', async () => {
    const ends: (() => void)[] = []
    const saves = createSerialSaves(() => new Promise<void>((resolve) => ends.push(resolve)))
    await saves.settled()
    const what = {}
    void saves.save(what)
    void saves.save(what)
    let isSettled = false
    const settled = saves.settled().then(() => (isSettled = true))
    ends.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
    expect([isSettled, ends.length]).toEqual([false, 1])
    ends.shift()?.()
    await settled
  })
})
