/** Scans JSON into nodes: where each value that a plan names stands. */

import { JsonMembers, decodeString, isAscii, nameOf } from './json.ts'
import type { JsonKey, JsonMember, JsonNode, JsonPlan, JsonScan, WireText } from './json.ts'
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  OPEN_BRACE,
  OPEN_BRACKET,
  ScanStop,
  endsAfterValue,
  skipColon,
  skipSpace,
  skipString,
  skipValue,
  stop,
} from './json-skip.ts'
import type { Cursor } from './json-skip.ts'

/**
 * Scans one whole JSON text, strictly (RFC 8259), opening what `plan` names. A repeated key in an opened object is a
 * fault: two parsers must never see two names. Deeper than `maxDepth` is a fault before the stack is at risk.
 */
export function scanJson(text: WireText, plan: JsonPlan, maxDepth = 128): JsonScan {
  const cursor: Cursor = { text, maxDepth, at: 0 }
  try {
    skipSpace(cursor)
    const value = scanValue(cursor, tableOf(plan), 0)
    skipSpace(cursor)
    if (cursor.at !== text.length) stop('syntax', cursor.at)
    if (!isAscii(text) && !isUtf8(text)) stop('encoding', 0)
    return { ok: true, value }
  } catch (error) {
    if (error instanceof ScanStop) return { ok: false, fault: error.fault }
    throw error
  }
}

function isUtf8(text: WireText): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
    return true
  } catch {
    return false
  }
}

/** A plan as it is followed. Looking members up in plans, each an object of another shape, took a fifth of the scan of a call. */
interface PlanTable {
  readonly keys: readonly string[]
  /** Of the key at the same place; undefined stays closed. */
  readonly inner: readonly (PlanTable | undefined)[]
  readonly every: PlanTable | undefined
  readonly opensItems: boolean
}

const tables = new WeakMap<JsonPlan, PlanTable>()

function tableOf(plan: JsonPlan | undefined): PlanTable | undefined {
  if (plan === undefined) return undefined
  const known = tables.get(plan)
  if (known !== undefined) return known
  const named = Object.entries(plan).filter(([key]) => key !== '*')
  const table = { keys: named.map(([key]) => key), inner: named.map(([, inner]) => tableOf(inner)), every: tableOf(plan['*']), opensItems: '*' in plan }
  tables.set(plan, table)
  return table
}

function scanValue(cursor: Cursor, plan: PlanTable | undefined, depth: number): JsonNode {
  const start = cursor.at
  const code = cursor.text.charCodeAt(start)
  if (plan !== undefined && code === OPEN_BRACE) return scanObject(cursor, plan, depth + 1)
  if (plan !== undefined && code === OPEN_BRACKET && plan.opensItems) return scanArray(cursor, plan, depth + 1)
  const kind = skipValue(cursor, depth)
  return { kind, start, end: cursor.at, members: undefined, items: undefined }
}

const NOT_YET: JsonNode = { kind: 'null', start: 0, end: 0, members: undefined, items: undefined }

function scanObject(cursor: Cursor, plan: PlanTable, depth: number): JsonNode {
  if (depth > cursor.maxDepth) stop('depth', cursor.at)
  const { text } = cursor
  const start = cursor.at
  const list: JsonMember[] = []
  const members = new JsonMembers(text, list)
  cursor.at += 1
  skipSpace(cursor)
  if (text.charCodeAt(cursor.at) === CLOSE_BRACE) {
    cursor.at += 1
    return { kind: 'object', start, end: cursor.at, members, items: undefined }
  }
  let seen: Set<string> | undefined
  for (;;) {
    const keyStart = cursor.at
    // Nearly every key is its own name.
    const isPlain = skipString(cursor)
    const keyEnd = cursor.at
    const decoded = isPlain ? undefined : decodeString(text, keyStart, keyEnd)
    const one: { -readonly [Field in keyof JsonMember]: JsonMember[Field] } = { keyStart, keyEnd, decoded, value: NOT_YET }
    seen = refuseRepeated(text, list, seen, one)
    skipColon(cursor)
    one.value = scanValue(cursor, innerOf(text, plan, keyStart, keyEnd, decoded), depth)
    list.push(one)
    if (endsAfterValue(cursor, CLOSE_BRACE)) return { kind: 'object', start, end: cursor.at, members, items: undefined }
  }
}

/** From here on a set of strings is cheaper than comparing each key with each, and cannot be made slow. */
const MANY_KEYS = 16

/** Stops at a key that the object had already. Returns the set of keys once there are many. */
function refuseRepeated(text: WireText, list: readonly JsonMember[], seen: Set<string> | undefined, key: JsonKey): Set<string> | undefined {
  if (list.length < MANY_KEYS) {
    for (const other of list) if (isSameKey(text, other, key)) stop('duplicate_key', key.keyStart, nameOf(text, key))
    return undefined
  }
  const keys = seen ?? new Set(list.map((one) => nameOf(text, one)))
  const name = nameOf(text, key)
  if (keys.has(name)) stop('duplicate_key', key.keyStart, name)
  return keys.add(name)
}

function isSameKey(text: WireText, one: JsonKey, other: JsonKey): boolean {
  if (one.decoded !== undefined || other.decoded !== undefined) return nameOf(text, one) === nameOf(text, other)
  const length = one.keyEnd - one.keyStart
  if (length !== other.keyEnd - other.keyStart) return false
  // From the end: keys that share a prefix (`io.modelcontextprotocol/…`) differ there.
  for (let offset = length - 2; offset > 0; offset -= 1) {
    if (text.charCodeAt(one.keyStart + offset) !== text.charCodeAt(other.keyStart + offset)) return false
  }
  return true
}

/** The plan for one member: by its key, else for every member. */
function innerOf(text: WireText, { keys, inner, every }: PlanTable, keyStart: number, keyEnd: number, decoded: string | undefined): PlanTable | undefined {
  for (let at = 0; at < keys.length; at += 1) {
    const key = keys[at] ?? ''
    const named = decoded === undefined ? keyEnd - keyStart - 2 === key.length && text.startsWith(key, keyStart + 1) : decoded === key
    if (named) return inner[at]
  }
  return every
}

function scanArray(cursor: Cursor, plan: PlanTable, depth: number): JsonNode {
  if (depth > cursor.maxDepth) stop('depth', cursor.at)
  const start = cursor.at
  const items: JsonNode[] = []
  cursor.at += 1
  skipSpace(cursor)
  if (cursor.text.charCodeAt(cursor.at) === CLOSE_BRACKET) {
    cursor.at += 1
    return { kind: 'array', start, end: cursor.at, members: undefined, items }
  }
  for (;;) {
    items.push(scanValue(cursor, plan.every, depth))
    if (endsAfterValue(cursor, CLOSE_BRACKET)) return { kind: 'array', start, end: cursor.at, members: undefined, items }
  }
}
