import { describe, expect, it } from 'vitest'
import { LiveMap } from './live-map.ts'

describe('LiveMap', () => {
  it('holds what was set until it is deleted', () => {
    const map = new LiveMap<string, { n: number }>()
    map.set('a', { n: 1 })
    map.set('b', { n: 2 })
    map.set('a', { n: 3 })
    expect([map.size, map.get('a'), map.has('b')]).toEqual([2, { n: 3 }, true])
    expect([map.delete('a'), map.delete('a'), map.get('a'), map.size]).toEqual([true, false, undefined, 1])
    expect(map.values()).toEqual([{ n: 2 }])
  })

  it('can lose members while it is walked through', () => {
    const map = new LiveMap<number, { n: number }>()
    for (let n = 0; n < 100; n += 1) map.set(n, { n })
    for (const { n } of map.values()) map.delete(n)
    expect([map.size, map.values()]).toEqual([0, []])
  })

  it('keeps nothing of what left, whatever tables it went through', async () => {
    if (globalThis.gc === undefined) return
    const map = new LiveMap<number, object>()
    const left: WeakRef<object>[] = []
    for (let n = 0; n < 10_000; n += 1) {
      const value = {}
      left.push(new WeakRef(value))
      map.set(n, value)
      if (n >= 64) map.delete(n - 64)
    }
    await new Promise((resolve) => setTimeout(resolve, 0))
    globalThis.gc()
    expect(left.filter((ref) => ref.deref() !== undefined).length).toBeLessThanOrEqual(64)
  })
})
