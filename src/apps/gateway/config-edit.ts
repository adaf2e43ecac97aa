/**
 * Changes one member of a configuration's text and nothing else: comments, line ends, indentation, trailing commas, the byte
 * order mark and the order of everything stay. What is added and then removed leaves the bytes as they were, except white
 * space inside braces that held nothing else. jsonc-parser's own `modify` drops comments beside what it removes.
 */

import { applyEdits, findNodeAtLocation, parseTree } from 'jsonc-parser'
import type { Edit, Node } from 'jsonc-parser'
import { isDeepStrictEqual } from 'node:util'
import type { JsonValue } from '../../protocol/json-value.ts'
import { layoutOf, lineIndent, render } from './config-edit-layout.ts'
import type { Layout } from './config-edit-layout.ts'
import { parseJsonc } from './config-jsonc.ts'

/** Keys of objects and indexes of lists. */
export type EditPath = readonly (string | number)[]

/** The text cannot be edited so; a bug, or a file that `parseJsonc` reads in another way. Nothing is written then. */
export class EditError extends Error {
  override readonly name = 'EditError'
}

const BYTE_ORDER_MARK = '\ufeff'

/** Puts `value` at `path`: replaces what is there, else adds it last, making the objects on the way. Throws EditError. */
export function setAt(source: string, path: EditPath, value: JsonValue): string {
  return edited(source, (text, root) => {
    const layout = layoutOf(text, root)
    const existing = nodeAt(root, path)
    if (existing !== undefined) return replacement(text, existing, value, layout)
    let depth = path.length - 1
    while (nodeAt(root, path.slice(0, depth)) === undefined) depth -= 1
    const container = nodeAt(root, path.slice(0, depth))
    if (container === undefined || !isContainer(container)) throw new EditError(`${path.slice(0, depth).join('.')} holds no members`)
    const rest = path.slice(depth + 1).toReversed()
    const wrapped = rest.reduce<JsonValue>((inner, key) => (typeof key === 'number' ? [inner] : { [key]: inner }), value)
    return insertion(text, container, path[depth] ?? 0, wrapped, layout)
  })
}

/** Takes the member or item at `path` out; comments beside it stay, those inside it go with it. No such member: the text as it is. */
export function removeAt(source: string, path: EditPath): string {
  return edited(source, (text, root) => {
    const node = nodeAt(root, path)
    const member = node?.parent?.type === 'property' ? node.parent : node
    const container = member?.parent
    return member === undefined || container === undefined ? [] : removal(text, container, member)
  })
}

/** Gives the member at `path` another name, in its place. */
export function renameAt(source: string, path: EditPath, name: string): string {
  return edited(source, (_text, root) => {
    const key = nodeAt(root, path)?.parent?.children?.[0]
    if (key?.type !== 'string') throw new EditError(`${path.join('.')} has no name`)
    return [{ offset: key.offset, length: key.length, content: JSON.stringify(name) }]
  })
}

function edited(source: string, edit: (text: string, root: Node) => Edit[]): string {
  const mark = source.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : ''
  const text = source.slice(mark.length)
  const root = parseTree(text, [], { allowTrailingComma: true })
  // Two readers must see the same file: jsonc-parser mends what parseJsonc refuses.
  const read = parseJsonc(text)
  if (root === undefined || read.value === undefined || !isDeepStrictEqual(plain(read.value), plain(valueOf(root)))) {
    throw new EditError('The file cannot be read without doubt')
  }
  return mark + applyEdits(text, edit(text, root))
}

function plain(value: JsonValue): unknown {
  return JSON.parse(JSON.stringify(value))
}

function valueOf(node: Node): JsonValue {
  if (node.type === 'array') return (node.children ?? []).map(valueOf)
  if (node.type !== 'object') return node.value as JsonValue
  const entries = (node.children ?? []).map(({ children }): [string, JsonValue] => [String(children?.[0]?.value), children?.[1] === undefined ? null : valueOf(children[1])])
  return Object.fromEntries(entries)
}

function nodeAt(root: Node, path: EditPath): Node | undefined {
  return findNodeAtLocation(root, [...path])
}

function isContainer(node: Node): boolean {
  return node.type === 'object' || node.type === 'array'
}

const endOf = ({ offset, length }: Node): number => offset + length

function replacement(text: string, node: Node, value: JsonValue, layout: Layout): Edit[] {
  if (isDeepStrictEqual(plain(valueOf(node)), plain(value))) return []
  const start = node.parent?.type === 'property' ? node.parent.offset : node.offset
  const wasShort = isContainer(node) && !text.slice(node.offset, endOf(node)).includes('\n')
  return [{ offset: node.offset, length: node.length, content: render(value, layout, lineIndent(text, start) ?? '', wasShort) }]
}

/** White space and comments, one at a time. A line comment ends before its line break. */
const TRIVIA = /[ \t\r\n]+|\/\/[^\n]*?(?=\r?\n|$)|\/\*[^]*?\*\//y

interface Trivium {
  readonly text: string
  readonly start: number
}

function triviaFrom(text: string, start: number): Trivium[] {
  const found: Trivium[] = []
  TRIVIA.lastIndex = start
  for (let match = TRIVIA.exec(text); match !== null; match = TRIVIA.exec(text)) found.push({ text: match[0], start: match.index })
  return found
}

const isSpace = ({ text }: Trivium): boolean => /^\s/.test(text)

/** Where the comma after a member stands, comments skipped; undefined for none. */
function commaAfter(text: string, node: Node): number | undefined {
  const last = triviaFrom(text, endOf(node)).at(-1)
  const at = last === undefined ? endOf(node) : last.start + last.text.length
  return text[at] === ',' ? at : undefined
}

function insertion(text: string, container: Node, key: string | number, value: JsonValue, layout: Layout): Edit[] {
  const close = endOf(container) - 1
  const siblings = container.children ?? []
  const last = siblings.at(-1)
  const comma = last === undefined ? undefined : commaAfter(text, last)
  const tailStart = last === undefined ? container.offset + 1 : comma === undefined ? endOf(last) : comma + 1
  const item = (indent: string): string => itemText(text, container, key, value, layout, indent)
  const inner = innerIndent(text, container, layout)
  const tail = triviaFrom(text, tailStart)
  if (last === undefined && tail.every(isSpace)) return [emptyFilled(text, container, item, layout, inner)]
  const at = lineEndIn(tail, last === undefined)
  const separator = last !== undefined && comma === undefined ? [{ offset: endOf(last), length: 0, content: ',' }] : []
  if (at !== undefined) return [...separator, { offset: at, length: 0, content: layout.lineEnd + inner + item(inner) + (comma === undefined ? '' : ',') }]
  if (last === undefined) return [{ offset: endOfTrivia(tail, close), length: 0, content: layout.gap + item(inner) }]
  const gap = gapBetween(text, siblings, layout)
  if (comma === undefined) return [{ offset: endOf(last), length: 0, content: `,${gap}${item(inner)}` }]
  return [{ offset: comma + 1, length: 0, content: `${gap}${item(inner)},` }]
}

/** `{}` becomes an object over several lines, unless the whole file is one line. */
function emptyFilled(text: string, container: Node, item: (indent: string) => string, layout: Layout, inner: string): Edit {
  const { offset, length } = container
  const start = container.parent?.type === 'property' ? container.parent.offset : offset
  const outer = lineIndent(text, start) ?? inner.slice(layout.indent.length)
  const content = layout.isOneLine ? layout.gap + item(inner) + layout.gap : layout.lineEnd + inner + item(inner) + layout.lineEnd + outer
  return { offset: offset + 1, length: length - 2, content }
}

/** Where the line of the last member ends, its comments included; without members, that of the last comment. */
function lineEndIn(tail: readonly Trivium[], ofLast: boolean): number | undefined {
  let found: number | undefined
  for (const { text, start } of tail) {
    if (!/^\s/.test(text)) {
      if (ofLast) found = undefined
      continue
    }
    const at = text.search(/\r?\n/)
    if (at >= 0 && found === undefined) found = start + at
  }
  return found
}

/** After the last comment. */
function endOfTrivia(tail: readonly Trivium[], close: number): number {
  const comment = tail.findLast((trivium) => !isSpace(trivium))
  return comment === undefined ? close : comment.start + comment.text.length
}

function innerIndent(text: string, container: Node, layout: Layout): string {
  for (const child of (container.children ?? []).toReversed()) {
    const own = lineIndent(text, child.offset)
    if (own !== undefined && text.lastIndexOf('\n', child.offset) > container.offset) return own
  }
  const lineStart = text.lastIndexOf('\n', container.offset) + 1
  return (/^[ \t]*/.exec(text.slice(lineStart))?.[0] ?? '') + layout.indent
}

function itemText(text: string, container: Node, key: string | number, value: JsonValue, layout: Layout, indent: string): string {
  const model = container.children?.at(-1)
  const sibling = model?.type === 'property' ? model.children?.[1] : model
  const isShort = sibling !== undefined && (sibling.children?.length ?? 0) > 0 && !text.slice(sibling.offset, endOf(sibling)).includes('\n')
  const rendered = render(value, layout, indent, isShort)
  return container.type === 'array' ? rendered : `${JSON.stringify(String(key))}:${layout.gap}${rendered}`
}

function gapBetween(text: string, siblings: readonly Node[], layout: Layout): string {
  const [first, second] = siblings
  if (first === undefined || second === undefined) return layout.gap
  return /\s/.test(text[second.offset - 1] ?? '') ? ' ' : ''
}

function removal(text: string, container: Node, member: Node): Edit[] {
  const siblings = container.children ?? []
  const previous = siblings[siblings.indexOf(member) - 1]
  const own = commaAfter(text, member)
  const foreign = own === undefined && previous !== undefined ? commaAfter(text, previous) : undefined
  const cuts = [cutOf(text, member, own, siblings.at(-1) === member)]
  if (own !== undefined && own >= (cuts[0]?.end ?? 0)) cuts.push({ start: own, end: own + 1 })
  if (foreign !== undefined && foreign < (cuts[0]?.start ?? 0)) cuts.push({ start: foreign, end: foreign + 1 })
  const edits = cuts.map(({ start, end }) => ({ offset: start, length: end - start, content: '' }))
  return siblings.length === 1 ? emptied(text, container, edits) : edits
}

/** Braces around nothing are closed up. */
function emptied(text: string, container: Node, edits: readonly Edit[]): Edit[] {
  const inside = applyEdits(text, [...edits]).slice(container.offset + 1)
  const left = /^\s*[}\]]/.test(inside)
  return left ? [{ offset: container.offset + 1, length: container.length - 2, content: '' }] : [...edits]
}

interface Cut {
  readonly start: number
  readonly end: number
}

/** The member, its comma where nothing stands between them, and the white space that it leaves without purpose. */
function cutOf(text: string, member: Node, comma: number | undefined, isLast: boolean): Cut {
  const isAdjacent = comma !== undefined && /^\s*$/.test(text.slice(endOf(member), comma))
  const end = isAdjacent ? comma + 1 : endOf(member)
  const before = /[ \t\r\n]*$/.exec(text.slice(0, member.offset))?.[0] ?? ''
  const after = /^[ \t]*/.exec(text.slice(end))?.[0] ?? ''
  const rest = text.slice(end + after.length)
  const endsLine = /^\r?\n/.test(rest)
  const lineBreak = /\r?\n[^\n]*$/.exec(before)?.[0]
  if (lineBreak !== undefined) {
    // The line break before goes, the one after stays: it may be the end of a line comment's line.
    if (endsLine) return { start: member.offset - lineBreak.length, end: end + after.length }
    return { start: member.offset, end: end + after.length }
  }
  if (endsLine) return { start: member.offset - before.length, end: end + after.length }
  return isLast ? { start: member.offset - before.length, end } : { start: member.offset, end: end + after.length }
}
