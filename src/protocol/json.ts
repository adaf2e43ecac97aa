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
  const text = JSON.stringify(value)
  return isAscii(text) && !text.includes('\u007f') ? text : text.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Any string as wire text. */
export function toWireText(text: string): WireText {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** Wire text as an ordinary string. */
export function utf8Of(text: WireText): string {
  return isAscii(text) ? text : Buffer.from(text, 'latin1').toString('utf8')
}

/** A key as it stands, whatever its value. */
export type JsonKey = Pick<JsonMember, 'keyStart' | 'keyEnd' | 'decoded'>

/** The key, decoded. */
export function nameOf(text: WireText, { decoded, keyStart, keyEnd }: JsonKey): string {
  return decoded ?? text.slice(keyStart + 1, keyEnd - 1)
}

/** Compares in place. */
export function isKey(text: WireText, { decoded, keyStart, keyEnd }: JsonKey, key: string): boolean {
  if (decoded !== undefined) return decoded === key
  return keyEnd - keyStart - 2 === key.length && text.startsWith(key, keyStart + 1)
}

/** Counts UTF-8 bytes in native code, at a tenth of what a pattern costs: as many as characters means ASCII. */
export function isAscii(text: WireText): boolean {
  return Buffer.byteLength(text, 'utf8') === text.length
}

/** The decoded string between two quotes; most need no decoding. */
export function decodeString(text: WireText, start: number, end: number): string {
  const inner = text.slice(start + 1, end - 1)
  for (let at = 0; at < inner.length; at += 1) {
    const code = inner.charCodeAt(at)
    if (code === 0x5c || code > 0x7f) {
      const decoded: unknown = JSON.parse(`"${utf8Of(inner)}"`)
      return typeof decoded === 'string' ? decoded : ''
    }
  }
  return inner
}
