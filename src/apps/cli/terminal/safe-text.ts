/**
 * What others wrote (names, descriptions, results, questions of servers), made safe for a terminal: no escape sequence, no
 * control character, nothing that hides or reorders text. Such characters are shown as `\uXXXX`, not dropped.
 */

import { visible } from '../../gateway/visible-text.ts'

/** Several lines: `\n` stays, a tab becomes spaces. */
export function safeText(text: string): string {
  return text.replaceAll(/\r\n?/g, '\n').replaceAll('\t', '    ').split('\n').map(visible).join('\n')
}

/** One line: runs of white space become one space. For descriptions. */
export function safeLine(text: string): string {
  return visible(text.replaceAll(/\s+/g, ' ').trim())
}

/** One line in which even a line break is shown: for names, URIs and whatever else must be exact. */
export function safeName(text: string): string {
  return visible(text)
}
