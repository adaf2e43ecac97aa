/** Changes to a scanned message, as splices into its text: what no change names leaves byte for byte as it came. */

import { asciiJson, isKey } from './json.ts'
import type { JsonMember, JsonNode, WireText } from './json.ts'

/** One replacement of `[start, end)`. */
interface Splice {
  readonly start: number
  readonly end: number
  readonly text: WireText
}

/** Puts `text` in a value's place. */
export interface ReplaceChange {
  readonly node: JsonNode
  readonly text: WireText
}

/** Sets and removes members of an opened object; values are wire text. New members come last, in the order given. */
export interface MembersChange {
  readonly node: JsonNode
  readonly set?: Readonly<Record<string, WireText>>
  readonly remove?: readonly string[]
}

export type Change = ReplaceChange | MembersChange

/** `text` with the changes made. Changes must not overlap: a value replaced or removed has no change inside it. */
export function splice(text: WireText, changes: readonly Change[]): WireText {
  const splices: Splice[] = []
  for (const change of changes) {
    if ('text' in change) splices.push({ start: change.node.start, end: change.node.end, text: change.text })
    else addMemberSplices(splices, text, change)
  }
  putInOrder(splices)
  let result = ''
  let from = 0
  for (const { start, end, text: replacement } of splices) {
    result += text.slice(from, start) + replacement
    from = end
  }
  return result + text.slice(from)
}

/** By insertion, stable: there are few, nearly in order, and `sort` copies them twice. */
function putInOrder(splices: Splice[]): void {
  for (let at = 1; at < splices.length; at += 1) {
    const one = splices[at]
    let to = at
    for (; one !== undefined && to > 0; to -= 1) {
      const before = splices[to - 1]
      if (before === undefined || before.start < one.start || (before.start === one.start && before.end <= one.end)) break
      splices[to] = before
    }
    if (one !== undefined) splices[to] = one
  }
}

const NO_MEMBERS: readonly JsonMember[] = []
const NOTHING_SET: Readonly<Record<string, WireText>> = {}
const NOTHING_REMOVED: readonly string[] = []

function addMemberSplices(splices: Splice[], text: WireText, { node, set = NOTHING_SET, remove = NOTHING_REMOVED }: MembersChange): void {
  let lastKeptEnd: number | undefined
  let runStart = -1
  let lastRemovedEnd = -1
  for (const member of node.members?.list ?? NO_MEMBERS) {
    const { keyStart, value } = member
    if (isAmong(text, member, remove)) {
      if (runStart < 0) runStart = keyStart
      lastRemovedEnd = value.end
      continue
    }
    if (runStart >= 0) splices.push({ start: runStart, end: keyStart, text: '' })
    runStart = -1
    lastKeptEnd = value.end
    const replacement = replacementOf(text, member, set)
    if (replacement !== undefined) splices.push({ start: value.start, end: value.end, text: replacement })
  }
  if (runStart >= 0) splices.push({ start: lastKeptEnd ?? runStart, end: lastRemovedEnd, text: '' })
  addNewMembers(splices, node, set, remove, lastKeptEnd)
}

function isAmong(text: WireText, member: JsonMember, keys: readonly string[]): boolean {
  for (const key of keys) if (isKey(text, member, key)) return true
  return false
}

function replacementOf(text: WireText, member: JsonMember, set: Readonly<Record<string, WireText>>): WireText | undefined {
  for (const key in set) if (isKey(text, member, key)) return set[key]
  return undefined
}

function addNewMembers(
  splices: Splice[],
  node: JsonNode,
  set: Readonly<Record<string, WireText>>,
  remove: readonly string[],
  lastKeptEnd: number | undefined,
): void {
  let added = ''
  for (const key in set) {
    if (node.members?.has(key) === true && !remove.includes(key)) continue
    added += `${lastKeptEnd === undefined && added === '' ? '' : ','}${asciiJson(key)}:${set[key] ?? 'null'}`
  }
  if (added === '') return
  const at = lastKeptEnd ?? node.start + 1
  splices.push({ start: at, end: at, text: added })
}
