/**
 * Reads JSON with what clients' files also hold: comments, trailing commas and a byte order mark. Strict otherwise, so that
 * nobody's typing error is guessed at. A repeated key is reported, not silently lost: two servers of one name are a mistake.
 */

import type { JsonValue } from '../../protocol/json-value.ts'
import { pathText } from './config-problem.ts'
import type { ConfigProblem } from './config-problem.ts'

export interface JsoncText {
  /** Undefined where the text is no JSON at all; then `problems` says where it breaks. */
  readonly value: JsonValue | undefined
  readonly problems: readonly ConfigProblem[]
}

const MAX_DEPTH = 64
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const STRING = /"(?:[^"\\]|\\[^])*"/y
const WORD = /true|false|null/y
const SPACE = /(?:[ \t\r\n]|\/\/[^\n]*|\/\*[^]*?\*\/)*/y

class SyntaxStop extends Error {
  readonly at: number
  constructor(message: string, at: number) {
    super(message)
    this.at = at
  }
}

interface Reader {
  readonly text: string
  readonly problems: ConfigProblem[]
  readonly keys: PropertyKey[]
  at: number
}

/** Never throws. */
export function parseJsonc(source: string): JsoncText {
  const text = source.startsWith('\ufeff') ? source.slice(1) : source
  const reader: Reader = { text, problems: [], keys: [], at: 0 }
  try {
    skipSpace(reader)
    const value = readValue(reader)
    skipSpace(reader)
    if (reader.at < text.length) throw new SyntaxStop('unexpected text after the end of the value', reader.at)
    return { value, problems: reader.problems }
  } catch (error) {
    if (!(error instanceof SyntaxStop)) throw error
    const problem = { path: place(text, error.at), problem: error.message, fix: 'Mend the JSON there' }
    return { value: undefined, problems: [...reader.problems, problem] }
  }
}

function place(text: string, at: number): string {
  const before = text.slice(0, at).split('\n')
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}

function skipSpace(reader: Reader): void {
  match(reader, SPACE)
  if (reader.text.startsWith('/*', reader.at)) throw new SyntaxStop('this comment never ends', reader.at)
}

function match(reader: Reader, pattern: RegExp): string | undefined {
  pattern.lastIndex = reader.at
  const found = pattern.exec(reader.text)?.[0]
  if (found !== undefined) reader.at += found.length
  return found
}

function readValue(reader: Reader): JsonValue {
  if (reader.keys.length > MAX_DEPTH) throw new SyntaxStop(`nested deeper than ${MAX_DEPTH} levels`, reader.at)
  const first = reader.text[reader.at]
  if (first === '{') return readObject(reader)
  if (first === '[') return readArray(reader)
  if (first === '"') return readString(reader)
  const word = match(reader, WORD) ?? match(reader, NUMBER)
  if (word === undefined) throw unexpected(reader, 'a value')
  const value: JsonValue = JSON.parse(word)
  return value
}

function readString(reader: Reader): string {
  const start = reader.at
  const token = match(reader, STRING)
  if (token === undefined) throw new SyntaxStop('this string is not closed', start)
  try {
    const value: string = JSON.parse(token)
    return value
  } catch {
    throw new SyntaxStop('this string is not closed, or holds a line break or a wrong escape', start)
  }
}

function readObject(reader: Reader): JsonValue {
  const members: Record<string, JsonValue> = {}
  reader.at += 1
  skipSpace(reader)
  while (reader.text[reader.at] !== '}') {
    if (reader.text[reader.at] !== '"') throw unexpected(reader, 'a name in double quotes, or }')
    const key = readString(reader)
    reader.keys.push(key)
    if (Object.hasOwn(members, key)) reader.problems.push(repeated(reader.keys))
    skipSpace(reader)
    if (reader.text[reader.at] !== ':') throw unexpected(reader, 'a colon')
    reader.at += 1
    skipSpace(reader)
    // defineProperty, because assigning to `__proto__` would change the object's prototype instead.
    Object.defineProperty(members, key, { value: readValue(reader), enumerable: true, configurable: true, writable: true })
    reader.keys.pop()
    skipSeparator(reader, '}')
  }
  reader.at += 1
  return members
}

function readArray(reader: Reader): JsonValue {
  const items: JsonValue[] = []
  reader.at += 1
  skipSpace(reader)
  while (reader.text[reader.at] !== ']') {
    reader.keys.push(items.length)
    items.push(readValue(reader))
    reader.keys.pop()
    skipSeparator(reader, ']')
  }
  reader.at += 1
  return items
}

function skipSeparator(reader: Reader, close: '}' | ']'): void {
  skipSpace(reader)
  if (reader.text[reader.at] === close) return
  if (reader.text[reader.at] !== ',') throw unexpected(reader, `a comma or ${close}`)
  reader.at += 1
  skipSpace(reader)
}

function repeated(keys: readonly PropertyKey[]): ConfigProblem {
  return { path: pathText(keys), problem: 'the same name is given twice', fix: 'Remove one of them, or rename it' }
}

function unexpected(reader: Reader, expected: string): SyntaxStop {
  const found = reader.text[reader.at]
  return new SyntaxStop(`expected ${expected}, found ${found === undefined ? 'the end of the file' : JSON.stringify(found)}`, reader.at)
}
