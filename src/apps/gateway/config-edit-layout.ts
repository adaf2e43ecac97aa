/** How a configuration file is written (line ends, indentation, short objects on one line), and new values in the same hand. */

import type { Node } from 'jsonc-parser'
import type { JsonValue } from '../../protocol/json-value.ts'
import { isJsonObject } from '../../protocol/json-value.ts'

export interface Layout {
  readonly lineEnd: '\n' | '\r\n'
  /** One level of indentation. */
  readonly indent: string
  /** Between a colon and its value, and after a comma on one line: '' in minified files. */
  readonly gap: '' | ' '
  /** The file has no line break inside its value. */
  readonly isOneLine: boolean
  /** Lists of plain values stand on one line, as people write them; programs put each item on its own. */
  readonly listsOnOneLine: boolean
}

const MAX_LINE_CHARS = 100

/** Reads the hand of a file off its text and its tree. */
export function layoutOf(text: string, root: Node): Layout {
  const value = text.slice(root.offset, root.offset + root.length)
  const lists = [...listsIn(root)]
  return {
    lineEnd: /\r?\n/.exec(text)?.[0] === '\r\n' ? '\r\n' : '\n',
    indent: indentOf(text, root) ?? '  ',
    gap: gapOf(text, root),
    isOneLine: (root.children?.length ?? 0) > 0 && !value.includes('\n'),
    listsOnOneLine: lists.length === 0 || lists.some((list) => !text.slice(list.offset, list.offset + list.length).includes('\n')),
  }
}

/** The white space before `offset` on its line; undefined where something else stands there. */
export function lineIndent(text: string, offset: number): string | undefined {
  const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset)
  return /^[ \t]*$/.test(line) ? line : undefined
}

function indentOf(text: string, node: Node): string | undefined {
  const first = node.children?.[0]
  if (first === undefined) return undefined
  const own = lineIndent(text, first.offset)
  const outer = /^[ \t]*/.exec(text.slice(text.lastIndexOf('\n', node.offset - 1) + 1))?.[0] ?? ''
  if (own !== undefined && own.length > outer.length && own.startsWith(outer)) return own.slice(outer.length)
  for (const child of node.children ?? []) {
    const value = child.type === 'property' ? child.children?.[1] : child
    const found = value === undefined ? undefined : indentOf(text, value)
    if (found !== undefined) return found
  }
  return undefined
}

function gapOf(text: string, root: Node): '' | ' ' {
  const value = root.children?.[0]?.children?.[1]
  return value !== undefined && text[value.offset - 1] === ':' ? '' : ' '
}

function* listsIn(node: Node): Generator<Node> {
  if (node.type === 'array' && (node.children?.length ?? 0) > 1 && node.children?.every(({ type }) => type !== 'object' && type !== 'array') === true) yield node
  for (const child of node.children ?? []) yield* listsIn(child)
}

/** `value` as JSON text whose first line stands at indentation `outer`. `short`: on one line where it fits. */
export function render(value: JsonValue, layout: Layout, outer: string, short: boolean): string {
  const line = oneLine(value, layout.gap)
  if (layout.isOneLine || typeof value !== 'object' || value === null || line.length <= 2) return line
  const fits = outer.length + line.length <= MAX_LINE_CHARS
  if (fits && (short || (Array.isArray(value) && layout.listsOnOneLine && value.every((item) => typeof item !== 'object')))) return line
  const inner = outer + layout.indent
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}']
  const items = isJsonObject(value)
    ? Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${layout.gap}${render(item, layout, inner, short)}`)
    : value.map((item) => render(item, layout, inner, short))
  const lineEnd = layout.lineEnd + inner
  return `${open}${lineEnd}${items.join(`,${lineEnd}`)}${layout.lineEnd}${outer}${close}`
}

function oneLine(value: JsonValue, gap: '' | ' '): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (isJsonObject(value)) {
    const members = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${gap}${oneLine(item, gap)}`)
    return members.length === 0 ? '{}' : `{${gap}${members.join(`,${gap}`)}${gap}}`
  }
  return `[${value.map((item) => oneLine(item, gap)).join(`,${gap}`)}]`
}
