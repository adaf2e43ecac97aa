/** Markdown made readable on a terminal, lightly: headings, emphasis, code, lists, quotes and links; the text stays in place. */

import type { Screen } from './terminal.ts'

const FENCE = /^\s*(?:```|~~~)/

/** `text` has been made safe; it comes back as it is where the screen has no colours. */
export function markdownText(screen: Screen, text: string): string {
  if (!screen.canColor) return text
  let isCode = false
  return text.split('\n').map((line) => {
    if (FENCE.test(line)) {
      isCode = !isCode
      return screen.paint('dim', line)
    }
    return isCode ? screen.paint('cyan', line) : lineText(screen, line)
  }).join('\n')
}

function lineText(screen: Screen, line: string): string {
  const heading = /^#{1,6}\s+(.*)$/.exec(line)
  if (heading !== null) return screen.paint(['bold', 'underline'], heading[1] ?? '')
  if (/^\s*(?:-{3,}|\*{3,}|_{3,})\s*$/.test(line)) return screen.paint('dim', line)
  if (/^\s*>/.test(line)) return screen.paint('dim', line)
  const item = /^(\s*)[-*+]\s+(.*)$/.exec(line)
  return item === null ? spanText(screen, line) : `${item[1] ?? ''}• ${spanText(screen, item[2] ?? '')}`
}

/** Code first: nothing is emphasized inside it. The address of a link stays in sight: a link that shows another is a trap. */
function spanText(screen: Screen, line: string): string {
  return line.split(/(`[^`]+`)/).map((part, index) => {
    if (index % 2 === 1) return screen.paint('cyan', part.slice(1, -1))
    return part
      .replaceAll(/\[([^\]]+)\]\(([^)\s]+)\)/g, (_, label: string, url: string) => `${label} (${screen.paint('underline', url)})`)
      .replaceAll(/(\*\*|__)(?=\S)(.+?)(?<=\S)\1/g, (_, _mark, bold: string) => screen.paint('bold', bold))
  }).join('')
}
