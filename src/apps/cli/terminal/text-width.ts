/**
 * How many columns a text takes in a terminal, and cutting and folding by that. Texts are without escape sequences
 * (`safe-text.ts`): colours are added afterwards.
 */

const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' })
/** ASCII, and letters of Latin, Greek and Cyrillic without marks of their own: a column each. */
const PLAIN = /^[\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u052f]*$/
const EMOJI = /^(?:\p{Emoji_Presentation}|\p{Emoji}.*\uFE0F|\p{Regional_Indicator}{2})/su
/** Marks alone, and what is never seen. */
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{DI}\p{Cc}]*$/u

/** East_Asian_Width Wide and Fullwidth (Unicode Standard Annex 11), first and last code points; emoji are found by property. */
const WIDE: readonly (readonly [first: number, last: number])[] = [
  [0x1100, 0x115f], [0x2329, 0x232a], [0x2e80, 0x303e], [0x3041, 0x33ff], [0x3400, 0x4dbf], [0x4e00, 0x9fff], [0xa000, 0xa4cf],
  [0xa960, 0xa97f], [0xac00, 0xd7a3], [0xf900, 0xfaff], [0xfe10, 0xfe19], [0xfe30, 0xfe6f], [0xff00, 0xff60], [0xffe0, 0xffe6],
  [0x16fe0, 0x18dff], [0x1aff0, 0x1b2ff], [0x1f200, 0x1f2ff], [0x20000, 0x3fffd],
]

/** Columns of `text`, one line. */
export function textWidth(text: string): number {
  if (PLAIN.test(text)) return text.length
  let columns = 0
  for (const { segment } of GRAPHEMES.segment(text)) columns += graphemeWidth(segment)
  return columns
}

function graphemeWidth(grapheme: string): number {
  if (NO_WIDTH.test(grapheme)) return 0
  if (EMOJI.test(grapheme)) return 2
  const code = grapheme.codePointAt(0) ?? 0
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1
}

/** `text` in at most `columns` columns, with an ellipsis where something was cut. */
export function cutText(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text
  if (columns < 1) return ''
  return `${headOf(text, columns - 1)}…`
}

/** `text` with spaces up to `columns`. */
export function padText(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const spaces = ' '.repeat(Math.max(0, columns - textWidth(text)))
  return align === 'right' ? spaces + text : text + spaces
}

/** `text` in lines of at most `columns` columns, broken at spaces where there are some, else anywhere. Its own line breaks stay. */
export function foldText(text: string, columns: number): string[] {
  return text.split('\n').flatMap((line) => foldLine(line, Math.max(2, columns)))
}

/** One pass: a server may send a megabyte without a space. */
function foldLine(line: string, columns: number): string[] {
  if (textWidth(line) <= columns) return [line]
  const lines: string[] = []
  let current = ''
  let used = 0
  const flush = (): void => {
    if (current !== '') lines.push(current)
    current = ''
    used = 0
  }
  for (const word of line.match(/\s*\S+/gu) ?? []) {
    const width = textWidth(word)
    if (used + width <= columns) {
      current += word
      used += width
      continue
    }
    flush()
    for (const { segment } of GRAPHEMES.segment(lines.length === 0 ? word : word.trimStart())) {
      const segmentWidth = graphemeWidth(segment)
      if (used + segmentWidth > columns) flush()
      current += segment
      used += segmentWidth
    }
  }
  flush()
  return lines
}

/** As many whole graphemes as fit. */
function headOf(text: string, columns: number): string {
  let head = ''
  let used = 0
  for (const { segment } of GRAPHEMES.segment(text)) {
    used += graphemeWidth(segment)
    if (used > columns) break
    head += segment
  }
  return head
}
