import { describe, expect, it } from 'vitest'
import { createTextQueue } from './text-queue.ts'

describe('a text queue', () => {
  it('gives what was pushed in order, then the end', async () => {
    const queue = createTextQueue(100)
    void queue.push('a')
    void queue.push('b')
    queue.end()
    void queue.push('late')
    const got: string[] = []
    for await (const text of queue) got.push(text)
    expect(got).toEqual(['a', 'b'])
  })

  it('lets the writer wait while more is unread than there is room for, and no longer than to the end', async () => {
    const queue = createTextQueue(10)
    let admitted = 0
    void queue.push('x'.repeat(10)).then(() => admitted++)
    void queue.push('y').then(() => admitted++)
    void queue.push('z').then(() => admitted++)
    await Promise.resolve()
    expect(admitted).toBe(1)
    expect(queue.isFull()).toBe(true)
    const reader = queue[Symbol.asyncIterator]()
    expect(await reader.next()).toEqual({ done: false, value: 'x'.repeat(10) })
    await Promise.resolve()
    expect(admitted).toBe(3)
    expect(queue.isFull()).toBe(false)
    const waits = queue.push('w'.repeat(11))
    queue.end()
    await waits
    expect(await reader.next()).toEqual({ done: false, value: 'y' })
  })

  it('tells an error once, after what was pushed before it', async () => {
    const queue = createTextQueue(10)
    void queue.push('a')
    queue.end(new Error('lost'))
    const reader = queue[Symbol.asyncIterator]()
    expect((await reader.next()).value).toBe('a')
    await expect(reader.next()).rejects.toThrow('lost')
    expect((await reader.next()).done).toBe(true)
  })

  it('ends a reader that waits, and throws away what is unread, when it is closed', async () => {
    const queue = createTextQueue(10)
    const reader = queue[Symbol.asyncIterator]()
    const waiting = reader.next()
    queue.close()
    expect((await waiting).done).toBe(true)
    const full = createTextQueue(0)
    const waits = full.push('a')
    full.close()
    await waits
    expect((await full[Symbol.asyncIterator]().next()).done).toBe(true)
  })

  it('tells when its reader leaves early, and not when it read to the end', async () => {
    let left = 0
    for (const early of [true, false]) {
      const queue = createTextQueue(10, () => left++)
      void queue.push('a')
      queue.end()
      for await (const text of queue) if (early && text === 'a') break
    }
    expect(left).toBe(1)
  })
})
