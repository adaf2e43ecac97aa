/**
 * Reads JSON without building it: where each value that matters stands in the text, so that a message is changed by
 * splicing and every byte that nobody touched leaves as it came (JSON.parse loses big integers, key order, duplicates).
 *
 * `WireText` is the message's bytes as a latin1 string: one character is one byte of its UTF-8. Indexing and slicing it
 * cost no native call; `Buffer.from(text, 'latin1')` gives the bytes back.
 */

/** A message's bytes, one character each (latin1 view of UTF-8). */
export type WireText = string

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null'

/** Where one value stands; `end` is exclusive. `members` and `items` exist only where the plan opened the value. */
export interface JsonNode {
  readonly kind: JsonKind
  readonly start: number
  readonly end: number
  readonly members: JsonMembers | undefined
  readonly items: readonly JsonNode[] | undefined
}

export interface JsonMember {
  readonly keyStart: number
  readonly keyEnd: number
  /** The key where reading it off the text is not enough: it holds an escape or is not ASCII. */
  readonly decoded: string | undefined
  readonly value: JsonNode
}

/**
 * The members of an opened object in their order. Keys are compared in place and not made into strings: of those of a
 * call, few are ever asked for (a Map of them cost a quarter of what the gateway does for a call).
 */
export class JsonMembers {
  readonly #text: WireText
  readonly list: readonly JsonMember[]

  constructor(text: WireText, list: readonly JsonMember[]) {
    this.#text = text
    this.list = list
  }

  get size(): number {
    return this.list.length
  }

  get(key: string): JsonMember | undefined {
    for (const one of this.list) if (isKey(this.#text, one, key)) return one
    return undefined
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  *[Symbol.iterator](): IterableIterator<readonly [key: string, member: JsonMember]> {
    for (const one of this.list) yield [nameOf(this.#text, one), one]
  }
}

/** Which values to open: by member name, `*` for every item of an array or every other member. `{}` opens one level. */
export interface JsonPlan {
  readonly [key: string]: JsonPlan
}

export interface JsonFault {
  readonly reason: 'syntax' | 'depth' | 'duplicate_key' | 'encoding'
  readonly at: number
  readonly key?: string
}

export type JsonScan =
  | { readonly ok: true; readonly value: JsonNode }
  | { readonly ok: false; readonly fault: JsonFault }

interface Cursor {
  readonly text: WireText
  readonly maxDepth: number
  at: number
}

class ScanStop extends Error {
  readonly fault: JsonFault
  constructor(fault: JsonFault) {
    super(fault.reason)
    this.fault = fault
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/**
 * Scans one whole JSON text, strictly (RFC 8259), opening what `plan` names. A repeated key in an opened object is a
 * fault: two parsers must never see two names. Deeper than `maxDepth` is a fault before the stack is at risk.
 */
export function scanJson(text: WireText, plan: JsonPlan, maxDepth = 128): JsonScan {
  const cursor: Cursor = { text, maxDepth, at: 0 }
  try {
    skipSpace(cursor)
    const value = scanValue(cursor, plan, 0)
    skipSpace(cursor)
    if (cursor.at !== text.length) stop('syntax', cursor.at)
    if (!isAscii(text) && !isUtf8(text)) stop('encoding', 0)
    return { ok: true, value }
  } catch (error) {
    if (error instanceof ScanStop) return { ok: false, fault: error.fault }
    throw error
  }
}

/** The value at `node`, decoded. Use it for small values only: it builds them. */
export function readJson(text: WireText, node: JsonNode): unknown {
  return JSON.parse(utf8Of(text.slice(node.start, node.end)))
}

/** The decoded string at `node`, or undefined where it is no string (or absent). */
export function readString(text: WireText, node: JsonNode | undefined): string | undefined {
  if (node === undefined || node.kind !== 'string') return undefined
  return decodeString(text, node.start, node.end)
}

/** The member `key` of an opened object. */
export function member(node: JsonNode | undefined, key: string): JsonNode | undefined {
  return node?.members?.get(key)?.value
}

/** JSON in plain ASCII (other characters escaped), so that it can stand in a `WireText` as it is. */
export function asciiJson(value: unknown): WireText {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Any string as wire text. */
export function toWireText(text: string): WireText {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** Wire text as an ordinary string. */
export function utf8Of(text: WireText): string {
  return isAscii(text) ? text : Buffer.from(text, 'latin1').toString('utf8')
}

function stop(reason: JsonFault['reason'], at: number, key?: string): never {
  throw new ScanStop(key === undefined ? { reason, at } : { reason, at, key })
}

/** Counts UTF-8 bytes in native code, at a tenth of what a pattern costs: as many as characters means ASCII. */
function isAscii(text: WireText): boolean {
  return Buffer.byteLength(text, 'utf8') === text.length
}

function isUtf8(text: WireText): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
    return true
  } catch {
    return false
  }
}

function isKey(text: WireText, { decoded, keyStart, keyEnd }: JsonMember, key: string): boolean {
  if (decoded !== undefined) return decoded === key
  return keyEnd - keyStart - 2 === key.length && text.startsWith(key, keyStart + 1)
}

function skipSpace(cursor: Cursor): void {
  const { text } = cursor
  let { at } = cursor
  if (text.charCodeAt(at) > 0x20) return
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break
    at += 1
  }
  cursor.at = at
}

function scanValue(cursor: Cursor, plan: JsonPlan | undefined, depth: number): JsonNode {
  const start = cursor.at
  const code = cursor.text.charCodeAt(start)
  if (plan !== undefined && code === OPEN_BRACE) return scanObject(cursor, plan, depth + 1)
  if (plan !== undefined && code === OPEN_BRACKET && '*' in plan) return scanArray(cursor, plan, depth + 1)
  const kind = skipValue(cursor, depth)
  return { kind, start, end: cursor.at, members: undefined, items: undefined }
}

function scanObject(cursor: Cursor, plan: JsonPlan, depth: number): JsonNode {
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
    skipString(cursor)
    const keyEnd = cursor.at
    const decoded = decodedKey(text, keyStart, keyEnd)
    seen = refuseRepeated(text, list, seen, { keyStart, keyEnd, decoded })
    skipColon(cursor)
    list.push({ keyStart, keyEnd, decoded, value: scanValue(cursor, planOf(text, plan, keyStart, keyEnd, decoded), depth) })
    if (endsAfterValue(cursor, CLOSE_BRACE)) return { kind: 'object', start, end: cursor.at, members, items: undefined }
  }
}

type Key = Pick<JsonMember, 'keyStart' | 'keyEnd' | 'decoded'>

/** From here on a set of strings is cheaper than comparing each key with each, and cannot be made slow. */
const MANY_KEYS = 16

/** Stops at a key that the object had already. Returns the set of keys once there are many. */
function refuseRepeated(text: WireText, list: readonly JsonMember[], seen: Set<string> | undefined, key: Key): Set<string> | undefined {
  if (list.length < MANY_KEYS) {
    for (const other of list) if (isSameKey(text, other, key)) stop('duplicate_key', key.keyStart, nameOf(text, key))
    return undefined
  }
  const keys = seen ?? new Set(list.map((one) => nameOf(text, one)))
  const name = nameOf(text, key)
  if (keys.has(name)) stop('duplicate_key', key.keyStart, name)
  return keys.add(name)
}

function nameOf(text: WireText, { decoded, keyStart, keyEnd }: Key): string {
  return decoded ?? text.slice(keyStart + 1, keyEnd - 1)
}

function isSameKey(text: WireText, one: Key, other: Key): boolean {
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
function planOf(text: WireText, plan: JsonPlan, keyStart: number, keyEnd: number, decoded: string | undefined): JsonPlan | undefined {
  for (const key in plan) {
    const named = decoded === undefined ? keyEnd - keyStart - 2 === key.length && text.startsWith(key, keyStart + 1) : decoded === key
    if (named) return plan[key]
  }
  return plan['*']
}

/** Undefined for a plain ASCII key, which is nearly every one. */
function decodedKey(text: WireText, start: number, end: number): string | undefined {
  for (let at = start + 1; at < end - 1; at += 1) {
    const code = text.charCodeAt(at)
    if (code === BACKSLASH || code > 0x7f) return decodeString(text, start, end)
  }
  return undefined
}

function scanArray(cursor: Cursor, plan: JsonPlan, depth: number): JsonNode {
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
    items.push(scanValue(cursor, plan['*'], depth))
    if (endsAfterValue(cursor, CLOSE_BRACKET)) return { kind: 'array', start, end: cursor.at, members: undefined, items }
  }
}

function skipValue(cursor: Cursor, depth: number): JsonKind {
  switch (cursor.text.charCodeAt(cursor.at)) {
    case QUOTE:
      skipString(cursor)
      return 'string'
    case OPEN_BRACE:
      skipObject(cursor, depth + 1)
      return 'object'
    case OPEN_BRACKET:
      skipArray(cursor, depth + 1)
      return 'array'
    case 0x74:
      return skipLiteral(cursor, 'true')
    case 0x66:
      return skipLiteral(cursor, 'false')
    case 0x6e:
      return skipLiteral(cursor, 'null')
    default:
      skipNumber(cursor)
      return 'number'
  }
}

function skipObject(cursor: Cursor, depth: number): void {
  if (depth > cursor.maxDepth) stop('depth', cursor.at)
  cursor.at += 1
  skipSpace(cursor)
  if (cursor.text.charCodeAt(cursor.at) === CLOSE_BRACE) {
    cursor.at += 1
    return
  }
  do {
    skipString(cursor)
    skipColon(cursor)
    skipValue(cursor, depth)
  } while (!endsAfterValue(cursor, CLOSE_BRACE))
}

function skipArray(cursor: Cursor, depth: number): void {
  if (depth > cursor.maxDepth) stop('depth', cursor.at)
  cursor.at += 1
  skipSpace(cursor)
  if (cursor.text.charCodeAt(cursor.at) === CLOSE_BRACKET) {
    cursor.at += 1
    return
  }
  do skipValue(cursor, depth)
  while (!endsAfterValue(cursor, CLOSE_BRACKET))
}

/** After a value: true at the closing mark, false after a comma (the cursor then stands at what follows). */
function endsAfterValue(cursor: Cursor, close: number): boolean {
  skipSpace(cursor)
  const code = cursor.text.charCodeAt(cursor.at)
  cursor.at += 1
  if (code === close) return true
  if (code !== COMMA) stop('syntax', cursor.at - 1)
  skipSpace(cursor)
  return false
}

function skipColon(cursor: Cursor): void {
  if (cursor.text.charCodeAt(cursor.at) !== COLON) skipSpace(cursor)
  if (cursor.text.charCodeAt(cursor.at) !== COLON) stop('syntax', cursor.at)
  cursor.at += 1
  skipSpace(cursor)
}

/** Strings longer than this are searched and checked in native code: 50 KB cost 20 us so, 90 us a character at a time. */
const LONG_STRING = 96

function skipString(cursor: Cursor): void {
  const { text } = cursor
  const start = cursor.at
  if (text.charCodeAt(start) !== QUOTE) stop('syntax', start)
  const limit = start + LONG_STRING
  for (let at = start + 1; at < limit; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      cursor.at = at + 1
      return
    }
    if (code === BACKSLASH) at = skipEscape(text, at)
    // NaN (the end of the text) is not >= 0x20 either.
    else if (!(code >= 0x20)) stop('syntax', at)
  }
  cursor.at = skipLongString(text, start)
}

function skipLongString(text: WireText, start: number): number {
  let quote = text.indexOf('"', start + 1)
  while (quote >= 0 && isEscaped(text, quote)) quote = text.indexOf('"', quote + 1)
  if (quote < 0) stop('syntax', text.length)
  try {
    JSON.parse(text.slice(start, quote + 1))
  } catch {
    stop('syntax', start)
  }
  return quote + 1
}

/** An odd run of backslashes stands before `at`. */
function isEscaped(text: WireText, at: number): boolean {
  let from = at
  while (text.charCodeAt(from - 1) === BACKSLASH) from -= 1
  return (at - from) % 2 === 1
}

function skipEscape(text: WireText, at: number): number {
  const code = text.charCodeAt(at + 1)
  if (code === 0x75) {
    if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 2, at + 6))) stop('syntax', at)
    return at + 5
  }
  if (!'"\\/bfnrt'.includes(text.charAt(at + 1)) || Number.isNaN(code)) stop('syntax', at)
  return at + 1
}

function skipLiteral(cursor: Cursor, literal: 'true' | 'false' | 'null'): JsonKind {
  if (!cursor.text.startsWith(literal, cursor.at)) stop('syntax', cursor.at)
  cursor.at += literal.length
  return literal
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

function skipDigits(text: WireText, at: number): number {
  const start = at
  while (isDigit(text.charCodeAt(at))) at += 1
  if (at === start) stop('syntax', at)
  return at
}

function skipNumber(cursor: Cursor): void {
  const { text } = cursor
  let { at } = cursor
  if (text.charCodeAt(at) === 0x2d) at += 1
  if (text.charCodeAt(at) === 0x30) at += 1
  else at = skipDigits(text, at)
  if (text.charCodeAt(at) === 0x2e) at = skipDigits(text, at + 1)
  const exponent = text.charCodeAt(at)
  if (exponent === 0x65 || exponent === 0x45) {
    const sign = text.charCodeAt(at + 1)
    at = skipDigits(text, sign === 0x2b || sign === 0x2d ? at + 2 : at + 1)
  }
  cursor.at = at
}

function decodeString(text: WireText, start: number, end: number): string {
  const inner = text.slice(start + 1, end - 1)
  for (let at = 0; at < inner.length; at += 1) {
    const code = inner.charCodeAt(at)
    if (code === BACKSLASH || code > 0x7f) {
      const decoded: unknown = JSON.parse(`"${utf8Of(inner)}"`)
      return typeof decoded === 'string' ? decoded : ''
    }
  }
  return inner
}
