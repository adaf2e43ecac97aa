import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cutText, foldText, padText, textWidth } from './text-width.ts'

const TEXT = fc.array(fc.constantFrom('a', 'ž', ' ', '  ', '日', '👨‍👩‍👧', '👍🏽', 'e\u0301', 'word', '-', '\n', 'ส', '🇨🇿'), { maxLength: 60 }).map((parts) => parts.join(''))

describe('the columns of a text', () => {
  it('are one for letters, two for wide characters and emoji, none for marks', () => {
    const widths: readonly (readonly [text: string, columns: number])[] = [
      ['', 0], ['abc', 3], ['žluť', 4], ['Ж', 1], ['日本', 4], ['ｆｕｌｌ', 8], ['한', 2], ['👍', 2], ['👍🏽', 2], ['👨‍👩‍👧', 2], ['🇨🇿', 2], ['❤️', 2], ['❤', 1], ['1️⃣', 2], ['1', 1],
      ['e\u0301', 1], ['\u0301', 0], ['สวัสดี', 4], ['…', 1], ['━', 1],
    ]
    for (const [text, columns] of widths) expect([text, textWidth(text)]).toEqual([text, columns])
  })

  it('are kept to by folding, which loses nothing but spaces', () => {
    fc.assert(fc.property(TEXT, fc.integer({ min: 2, max: 20 }), (text, columns) => {
      const lines = foldText(text, columns)
      for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(columns)
      expect(lines.join('').replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''))
    }))
  })

  it('are kept to by cutting, with a sign that something was cut', () => {
    fc.assert(fc.property(TEXT.map((text) => text.replaceAll('\n', '')), fc.integer({ min: 0, max: 20 }), (text, columns) => {
      const cut = cutText(text, columns)
      expect(textWidth(cut)).toBeLessThanOrEqual(columns)
      expect(cut === text || cut.endsWith('…') || columns === 0).toBe(true)
    }))
  })

  it('are filled by padding', () => {
    expect([padText('日', 4), padText('日', 4, 'right'), padText('long', 2)]).toEqual(['日  ', '  日', 'long'])
  })

  it('break lines at spaces where there are some, and keep those at the start', () => {
    expect(foldText('one two three', 8)).toEqual(['one two', 'three'])
    expect(foldText('  indented words', 10)).toEqual(['  indented', 'words'])
    expect(foldText('a\n\nb', 10)).toEqual(['a', '', 'b'])
  })

  it('are counted in time that grows with the text, not with its square', () => {
    const beganAtMs = performance.now()
    foldText('ก'.repeat(200_000), 40)
    expect(performance.now() - beganAtMs).toBeLessThan(5_000)
  })
})
