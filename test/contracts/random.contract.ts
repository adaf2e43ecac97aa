/** What every Random must do. */
import { describe, expect, it } from 'vitest'
import type { Random } from '../../src/core/random.ts'

export function testRandom(name: string, open: () => Random): void {
  describe(`Random contract: ${name}`, () => {
    it('gives fractions from 0 up to but not including 1, all over', () => {
      const random = open()
      const fractions = Array.from({ length: 5_000 }, () => random.fraction())
      expect(fractions.every((fraction) => fraction >= 0 && fraction < 1)).toBe(true)
      for (let tenth = 0; tenth < 10; tenth++) {
        const within = fractions.filter((fraction) => Math.floor(fraction * 10) === tenth).length
        expect(within).toBeGreaterThan(350)
      }
    })

    it('gives ids of at least 128 bits in url-safe characters, no hyphen first, no two alike', () => {
      const random = open()
      const ids = Array.from({ length: 2_000 }, () => random.id())
      for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{21,}$/)
      expect(new Set(ids).size).toBe(ids.length)
    })
  })
}
