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
  const members = [...(node.members ?? new Map())]
  const kept = members.map(([key]) => !remove.includes(key))
  let lastKeptEnd: number | undefined
  let runStart = -1
  for (const [index, [key, { keyStart, value }]] of members.entries()) {
    if (kept[index] === false) {
      if (runStart < 0) runStart = index
      if (index === members.length - 1) {
        const first = members[runStart]
        const start = lastKeptEnd ?? first?.[1].keyStart ?? keyStart
        splices.push({ start, end: value.end, text: '' })
      }
      continue
    }
    const removedFrom = members[runStart]
    if (removedFrom !== undefined) splices.push({ start: removedFrom[1].keyStart, end: keyStart, text: '' })
    runStart = -1
    lastKeptEnd = value.end
    const replacement = set[key]
    if (replacement !== undefined) splices.push({ start: value.start, end: value.end, text: replacement })
  }
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
  for (const [key, value] of Object.entries(set)) {
    if (node.members?.has(key) === true && !remove.includes(key)) continue
    added += `${lastKeptEnd === undefined && added === '' ? '' : ','}${asciiJson(key)}:${value}`
  }
  if (added === '') return
  const at = lastKeptEnd ?? node.start + 1
  splices.push({ start: at, end: at, text: added })
}
