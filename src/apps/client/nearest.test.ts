import { describe, expect, it } from 'vitest'
import { distance, nearest } from './nearest.ts'

describe('the nearest names', () => {
  it('are those that were probably meant, the nearest first', () => {
    expect(nearest('ehco', ['echo', 'add', 'each'])[0]).toBe('echo')
    expect(nearest('weather', ['get_weather', 'get_time'])).toEqual(['get_weather'])
    expect(nearest('README', ['readme'])).toEqual(['readme'])
    expect(nearest('zzzz', ['echo', 'add'])).toEqual([])
  })

  it('count a swap of neighbours as one edit', () => {
    expect(distance('ab', 'ba')).toBe(1)
    expect(distance('kitten', 'sitting')).toBe(3)
    expect(distance('', 'abc')).toBe(3)
  })
})
