/**
 * Passes over JSON values, strictly (RFC 8259), allocating nothing: what the scanner does with all that no plan opens.
 */

import type { JsonFault, JsonKind, WireText } from './json.ts'

/** Where a scan is. */
export interface Cursor {
  readonly text: WireText
  readonly maxDepth: number
  at: number
}

/** Ends a scan from whatever depth; never leaves `scanJson`. */
export class ScanStop extends Error {
  readonly fault: JsonFault
  constructor(fault: JsonFault) {
    super(fault.reason)
    this.fault = fault
  }
}

const SPACE = 0x20
const QUOTE = 0x22
export const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
export const OPEN_BRACE = 0x7b
export const CLOSE_BRACE = 0x7d
export const OPEN_BRACKET = 0x5b
export const CLOSE_BRACKET = 0x5d

/** Ends the scan with a fault. */
export function stop(reason: JsonFault['reason'], at: number, key?: string): never {
  throw new ScanStop(key === undefined ? { reason, at } : { reason, at, key })
}

/** To the next character that is no white space. */
export function skipSpace(cursor: Cursor): void {
  const { text } = cursor
  let { at } = cursor
  if (text.charCodeAt(at) > SPACE) return
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break
    at += 1
  }
  cursor.at = at
}

/** Over one value; says which kind it was. */
export function skipValue(cursor: Cursor, depth: number): JsonKind {
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
export function endsAfterValue(cursor: Cursor, close: number): boolean {
  const { text } = cursor
  if (!(text.charCodeAt(cursor.at) > SPACE)) skipSpace(cursor)
  const code = text.charCodeAt(cursor.at)
  cursor.at += 1
  if (code === close) return true
  if (code !== COMMA) stop('syntax', cursor.at - 1)
  if (!(text.charCodeAt(cursor.at) > SPACE)) skipSpace(cursor)
  return false
}

/** Over the colon after a key. */
export function skipColon(cursor: Cursor): void {
  const { text } = cursor
  if (text.charCodeAt(cursor.at) !== COLON) skipSpace(cursor)
  if (text.charCodeAt(cursor.at) !== COLON) stop('syntax', cursor.at)
  cursor.at += 1
  if (!(text.charCodeAt(cursor.at) > SPACE)) skipSpace(cursor)
}

/** Strings longer than this are searched and checked in native code: 50 KB cost 20 us so, 90 us a character at a time. */
const LONG_STRING = 96

/** Over one string, its quotes included. True where it is known to stand for itself: plain ASCII, without escapes. */
export function skipString(cursor: Cursor): boolean {
  const { text } = cursor
  const start = cursor.at
  if (text.charCodeAt(start) !== QUOTE) stop('syntax', start)
  const limit = start + LONG_STRING
  let isPlain = true
  for (let at = start + 1; at < limit; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      cursor.at = at + 1
      return isPlain
    }
    if (code >= 0x20 && code < 0x80 && code !== BACKSLASH) continue
    isPlain = false
    if (code === BACKSLASH) at = skipEscape(text, at)
    // NaN (the end of the text) is not >= 0x20 either.
    else if (!(code >= 0x20)) stop('syntax', at)
  }
  cursor.at = skipLongString(text, start)
  return false
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
