/** JSON for people and programs, exact: numbers keep their digits, keys their order and repetitions. */

import { visible } from '../../gateway/visible-text.ts'
import type { Format, Screen } from './terminal.ts'

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gy
const SPACE = /\s*/y
const INDENT = '  '

/**
 * `text` indented, in colour where the screen has any, with a line break at the end; `text` itself where it is not JSON. On
 * a terminal, characters that would steer it are escaped, which means the same in JSON; elsewhere strings stay as they are.
 */
export function jsonText(screen: Screen, text: string): string {
  if (!isJson(text)) return `${screen.isTty ? visible(text) : text}\n`
  let shown = ''
  let depth = 0
  const tokens = tokensOf(text)
  const lineBreak = (): string => `\n${INDENT.repeat(depth)}`
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1]
    if (token === '{' || token === '[') {
      const isEmpty = next === '}' || next === ']'
      if (!isEmpty) depth += 1
      shown += isEmpty ? token : token + lineBreak()
    } else if (token === '}' || token === ']') {
      const before = tokens[index - 1]
      const isEmpty = before === '{' || before === '['
      if (!isEmpty) depth -= 1
      shown += isEmpty ? token : lineBreak() + token
    } else if (token === ',') shown += token + lineBreak()
    else if (token === ':') shown += ': '
    else shown += screen.paint(formatOf(token, next === ':'), screen.isTty ? visible(token) : token)
  }
  return `${shown}\n`
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function tokensOf(text: string): string[] {
  const tokens: string[] = []
  for (let at = 0; ; at = TOKEN.lastIndex) {
    SPACE.lastIndex = at
    SPACE.exec(text)
    TOKEN.lastIndex = SPACE.lastIndex
    const token = TOKEN.exec(text)?.[0]
    if (token === undefined) return tokens
    tokens.push(token)
  }
}

function formatOf(token: string, isKey: boolean): Format {
  if (token.startsWith('"')) return isKey ? 'cyan' : 'green'
  return token === 'true' || token === 'false' || token === 'null' ? 'magenta' : 'yellow'
}
