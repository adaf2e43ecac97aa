/** Tables: aligned and folded to the width for people; one line a row, two spaces between cells, for pipes. Cells are made safe here. */

import { safeLine } from './safe-text.ts'
import type { Format, Screen } from './terminal.ts'
import { foldText, padText, textWidth } from './text-width.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** Gives way when the table is too wide (several share what is missing). Default: the last column. */
  readonly isFlexible?: boolean
  /** Never folded: to be copied. */
  readonly isWhole?: boolean
  /** Left out where the table would otherwise be too wide to be one. */
  readonly isExtra?: boolean
  /** The colour of a cell, from its text. */
  readonly format?: (cell: string) => Format | undefined
}

const GAP = '  '
/** Columns that would have to be narrower are not read with pleasure: then each row becomes a paragraph. */
const NARROWEST = 16
const MAX_CELL = 2_000

/**
 * The table, with a line break at the end; `''` for no columns. Cells are others' text: control characters are shown, not
 * sent. On a terminal an empty table is its heading only: say in words that there is nothing.
 */
export function tableText(screen: Screen, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  if (columns.length === 0) return ''
  const cells = rows.map((row) => columns.map((_, index) => cellText(screen, row[index] ?? '')))
  const natural = columns.map(({ title }, index) => Math.max(textWidth(title), ...cells.map((row) => textWidth(row[index] ?? ''))))
  const widths = screen.isTty ? fitted(natural, columns, screen.width()) : natural
  if (widths === undefined) {
    const kept = columns.flatMap(({ isExtra }, index) => (isExtra === true ? [] : [index]))
    if (kept.length < columns.length) return tableText(screen, pick(columns, kept), rows.map((row) => pick(row, kept)))
    return cells.map((row) => paragraph(row, columns, screen)).join('')
  }
  const head = rowLines(columns.map(({ title }) => title), columns, widths).map((line) => screen.paint('dim', line))
  const body = cells.flatMap((row) => rowLines(row, columns, widths, screen))
  return [...head, ...body].map((line) => `${line}\n`).join('')
}

/** Nobody reads a novel in a table, and measuring it takes time. */
function cellText(screen: Screen, text: string): string {
  const isCut = screen.isTty && text.length > MAX_CELL
  return safeLine(isCut ? `${text.slice(0, MAX_CELL)}…` : text)
}

/** Takes what is too much from the flexible columns, the widest first, then from the others; undefined where that is not enough. */
function fitted(natural: readonly number[], columns: readonly Column[], available: number): number[] | undefined {
  const widths = [...natural]
  const named = columns.flatMap(({ isFlexible }, index) => (isFlexible === true ? [index] : []))
  let tooMuch = sum(widths) + GAP.length * (widths.length - 1) - available
  for (const flexible of [named.length > 0 ? named : [columns.length - 1], columns.flatMap(({ isWhole }, index) => (isWhole === true ? [] : [index]))]) {
    const indexes = [...flexible]
    while (tooMuch > 0) {
      const widest = indexes.reduce((found, index) => ((widths[index] ?? 0) > (widths[found] ?? 0) ? index : found), indexes[0] ?? 0)
      if ((widths[widest] ?? 0) <= NARROWEST) break
      widths[widest] = (widths[widest] ?? 0) - 1
      tooMuch -= 1
    }
  }
  return tooMuch > 0 ? undefined : widths
}

/** The first cell, and below it the others with their titles, but for those that say nothing. */
function paragraph([head = '', ...rest]: readonly string[], [first, ...others]: readonly Column[], screen: Screen): string {
  const width = screen.width()
  const painted = (column: Column | undefined, cell: string, line: string): string => {
    const format = column?.format?.(cell)
    return format === undefined ? line : screen.paint(format, line)
  }
  const lines = others.flatMap((column, index) => {
    const cell = rest[index] ?? ''
    if (cell === '' || cell === '-') return []
    const label = `${column.title}: `
    const [line = '', ...more] = foldText(label + cell, width - 2)
    return [`  ${screen.paint('dim', label)}${painted(column, cell, line.slice(label.length))}`, ...more.map((text) => `  ${painted(column, cell, text)}`)]
  })
  return [...foldText(head, width).map((line) => painted(first, head, screen.paint('bold', line))), ...lines].map((line) => `${line}\n`).join('')
}

function rowLines(row: readonly string[], columns: readonly Column[], widths: readonly number[], screen?: Screen): string[] {
  const folded = row.map((cell, index) => foldText(cell, widths[index] ?? 0))
  const height = Math.max(...folded.map((lines) => lines.length))
  return Array.from({ length: height }, (_, line) => {
    const last = folded.findLastIndex((lines) => (lines[line] ?? '') !== '')
    return columns.slice(0, last + 1).map(({ align, format }, index) => {
      const text = folded[index]?.[line] ?? ''
      const padded = index === last && align !== 'right' ? text : padText(text, widths[index] ?? 0, align)
      const wanted = screen === undefined ? undefined : format?.(row[index] ?? '')
      return wanted === undefined || screen === undefined ? padded : screen.paint(wanted, padded)
    }).join(GAP)
  })
}

function pick<T>(items: readonly T[], indexes: readonly number[]): T[] {
  return indexes.flatMap((index) => items.slice(index, index + 1))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
