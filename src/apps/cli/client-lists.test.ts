import { describe, expect, it } from 'vitest'
import { firstSentence } from './client-lists.ts'

describe('a description in a list', () => {
  it.each([
    ['Reads a file. Fails where there is none.', 'Reads a file'],
    ['Version 1.5 of the tool. More.', 'Version 1.5 of the tool'],
    ['No full stop', 'No full stop'],
    ['Really? Yes.', 'Really?'],
    ['', ''],
  ])('is its first sentence: %s', (text, shown) => {
    expect(firstSentence(text)).toBe(shown)
  })

  it('is cut between words where that is long', () => {
    const shown = firstSentence('word '.repeat(100))
    expect(shown).toMatch(/word…$/)
    expect(shown.length).toBeLessThanOrEqual(120)
  })
})
