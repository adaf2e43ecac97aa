import { describe, expect, it } from 'vitest'
import { createOverlap } from './overlap.ts'

const [before, after] = [{}, {}]

describe('two listens at once', () => {
  it('tell each change once, whoever says it first', () => {
    const overlap = createOverlap()
    overlap.begin()
    overlap.restart()
    expect([overlap.isNews(before, 'a'), overlap.isNews(after, 'a')]).toEqual([true, false])
    expect([overlap.isNews(after, 'b'), overlap.isNews(before, 'b')]).toEqual([true, false])
  })

  it('tell a second change of the same thing, however soon it comes', () => {
    const overlap = createOverlap()
    overlap.begin()
    expect(overlap.isNews(before, 'a')).toBe(true)
    overlap.restart()
    expect([overlap.isNews(after, 'a'), overlap.isNews(after, 'a')]).toEqual([true, true])
    expect([overlap.isNews(before, 'a'), overlap.isNews(before, 'a')]).toEqual([false, false])
  })

  it('remember nothing once one is left', () => {
    const overlap = createOverlap()
    overlap.begin()
    expect(overlap.isNews(before, 'a')).toBe(true)
    overlap.end()
    expect([overlap.isNews(after, 'a'), overlap.isNews(after, 'a')]).toEqual([true, true])
    overlap.begin()
    expect(overlap.isNews(after, 'a')).toBe(true)
  })
})
