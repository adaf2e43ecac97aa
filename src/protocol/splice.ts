/** Changes to a scanned message, as splices into its text: what no change names leaves byte for byte as it came. */

import { asciiJson } from './json.ts'
import type { JsonNode, WireText } from './json.ts'

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
    else addMemberSplices(splices, change)
  }
  splices.sort((a, b) => a.start - b.start || a.end - b.end)
  let result = ''
  let from = 0
  for (const { start, end, text: replacement } of splices) {
    result += text.slice(from, start) + replacement
    from = end
  }
  return result + text.slice(from)
}

function addMemberSplices(splices: Splice[], { node, set = {}, remove = [] }: MembersChange): void {
  let lastKeptEnd: number | undefined
  let runStart = -1
  let lastRemovedEnd = -1
  for (const [key, { keyStart, value }] of node.members ?? []) {
    if (remove.includes(key)) {
      if (runStart < 0) runStart = keyStart
      lastRemovedEnd = value.end
      continue
    }
    if (runStart >= 0) splices.push({ start: runStart, end: keyStart, text: '' })
    runStart = -1
    lastKeptEnd = value.end
    const replacement = Object.hasOwn(set, key) ? set[key] : undefined
    if (replacement !== undefined) splices.push({ start: value.start, end: value.end, text: replacement })
  }
  if (runStart >= 0) splices.push({ start: lastKeptEnd ?? runStart, end: lastRemovedEnd, text: '' })
  addNewMembers(splices, node, set, remove, lastKeptEnd)
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
