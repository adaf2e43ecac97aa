/**
 * Tokens of JSON that arrives in pieces, cut anywhere: strict as `scanJson` (RFC 8259, bounded depth), with a boolean of
 * memory for each open bracket. UTF-8 is checked elsewhere. A listener hears only what stands directly in what it opened.
 *
 *   value ─┬─ string ⇄ escape ─ hex ──┐      key ─ string ─ colon ─ value
 *          ├─ literal ────────────────┤      after ─ `,` ─ value or key
 *          ├─ number (a table) ───────┼─ after
 *          └─ `[` first item, `{` first key … closing bracket
 */
import type { WireText } from './json.ts'
import { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, OPEN_BRACE, OPEN_BRACKET } from './json-skip.ts'
import {
  AFTER,
  COLON,
  COLON_MARK,
  COMMA,
  ESCAPE,
  FIRST_ITEM,
  FIRST_KEY,
  HEX,
  HEX_DIGIT,
  KEY,
  LITERAL,
  LITERALS,
  NUMBER,
  NUMBER_START,
  QUOTE,
  SIMPLE_ESCAPE,
  STRING,
  VALUE,
  isSpace,
  mayEnd,
} from './json-stream-states.ts'
import { StreamStop } from './json-stream-plan.ts'
import type { JsonStreamFault } from './json-stream-plan.ts'

/** Hears of tokens at its own depth. `at` is an index into the chunk; an end is exclusive. */
export interface JsonTokenListener {
  /** How many containers it has open; those within are passed over without a word. */
  readonly depth: number
  keyStarts(at: number): void
  keyEnds(at: number): void
  valueStarts(at: number, code: number): void
  /** `at` may be 0 for a number that ended with the chunk before. */
  valueEnds(at: number): void
  /** Its innermost container ends with the bracket at `at`. */
  closes(at: number): void
}

/** Where the tokenizer is between two characters. */
export interface JsonTokens {
  readonly listener: JsonTokenListener
  readonly maxDepth: number
  /** For each open container: is it an object. */
  readonly isObject: boolean[]
  state: number
  depth: number
  isKey: boolean
  literal: string
  /** Characters of the literal seen, or hex digits to come. */
  count: number
  /** Bytes before the chunk at hand. */
  offset: number
}

/** A plain run this long goes on in native code: 1,800 MB/s instead of 700. */
const LONG_RUN = 96
const WINDOW = 4_096
const NOT_PLAIN = /[^\x20-\xff]/

export function createJsonTokens(listener: JsonTokenListener, maxDepth: number): JsonTokens {
  return { listener, maxDepth, isObject: [], state: VALUE, depth: 0, isKey: false, literal: '', count: 0, offset: 0 }
}

/** Reads one chunk to its end. Throws `StreamStop`. */
export function readChunk(tokens: JsonTokens, text: WireText): void {
  let at = 0
  while (at < text.length) {
    switch (tokens.state) {
      case STRING:
        at = inString(tokens, text, at)
        break
      case AFTER:
        at = afterValue(tokens, text, at)
        break
      case VALUE:
      case FIRST_ITEM:
        at = atValue(tokens, text, at)
        break
      case KEY:
      case FIRST_KEY:
        at = atKey(tokens, text, at)
        break
      case COLON:
        at = atColon(tokens, text, at)
        break
      case ESCAPE:
        at = inEscape(tokens, text, at)
        break
      case HEX:
        at = inHex(tokens, text, at)
        break
      case LITERAL:
        at = inLiteral(tokens, text, at)
        break
      default:
        at = inNumber(tokens, text, at)
    }
  }
}

/** Nothing follows: the text must be complete. Throws `StreamStop`. */
export function readEnd(tokens: JsonTokens): void {
  if (mayEnd(tokens.state)) valueEnded(tokens, 0)
  if (tokens.depth > 0 || tokens.state !== AFTER) stop(tokens, 'syntax', 0)
}

function stop(tokens: JsonTokens, reason: JsonStreamFault['reason'], at: number): never {
  throw new StreamStop({ reason, at: tokens.offset + at })
}

function skipSpace(text: WireText, from: number): number {
  let at = from
  if (text.charCodeAt(at) > 0x20) return at
  while (isSpace(text.charCodeAt(at))) at += 1
  return at
}

function valueEnded(tokens: JsonTokens, at: number): void {
  tokens.state = AFTER
  if (tokens.depth === tokens.listener.depth) tokens.listener.valueEnds(at)
}

function atValue(tokens: JsonTokens, text: WireText, from: number): number {
  const at = skipSpace(text, from)
  if (at === text.length) return at
  const code = text.charCodeAt(at)
  if (code === CLOSE_BRACKET && tokens.state === FIRST_ITEM) return close(tokens, at)
  if (tokens.depth === tokens.listener.depth) tokens.listener.valueStarts(at, code)
  if (code === QUOTE) {
    tokens.isKey = false
    tokens.state = STRING
    return at + 1
  }
  if (code === OPEN_BRACE || code === OPEN_BRACKET) return open(tokens, at, code === OPEN_BRACE)
  const number = NUMBER[NUMBER_START * 256 + code] ?? 0
  if (number !== 0) {
    tokens.state = number
    return inNumber(tokens, text, at + 1)
  }
  const literal = LITERALS[code]
  if (literal === undefined) stop(tokens, 'syntax', at)
  tokens.state = LITERAL
  tokens.literal = literal
  tokens.count = 0
  return at
}

function open(tokens: JsonTokens, at: number, isObject: boolean): number {
  if (tokens.depth >= tokens.maxDepth) stop(tokens, 'depth', at)
  tokens.isObject[tokens.depth] = isObject
  tokens.depth += 1
  tokens.state = isObject ? FIRST_KEY : FIRST_ITEM
  return at + 1
}

function close(tokens: JsonTokens, at: number): number {
  if (tokens.depth === tokens.listener.depth) tokens.listener.closes(at)
  tokens.depth -= 1
  valueEnded(tokens, at + 1)
  return at + 1
}

function afterValue(tokens: JsonTokens, text: WireText, from: number): number {
  const at = skipSpace(text, from)
  if (at === text.length) return at
  const code = text.charCodeAt(at)
  if (tokens.depth === 0) stop(tokens, 'syntax', at)
  const isObject = tokens.isObject[tokens.depth - 1] === true
  if (code === COMMA) {
    tokens.state = isObject ? KEY : VALUE
    return at + 1
  }
  if (code !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) stop(tokens, 'syntax', at)
  return close(tokens, at)
}

function atKey(tokens: JsonTokens, text: WireText, from: number): number {
  const at = skipSpace(text, from)
  if (at === text.length) return at
  const code = text.charCodeAt(at)
  if (code === CLOSE_BRACE && tokens.state === FIRST_KEY) return close(tokens, at)
  if (code !== QUOTE) stop(tokens, 'syntax', at)
  if (tokens.depth === tokens.listener.depth) tokens.listener.keyStarts(at)
  tokens.isKey = true
  tokens.state = STRING
  return at + 1
}

function atColon(tokens: JsonTokens, text: WireText, from: number): number {
  const at = skipSpace(text, from)
  if (at === text.length) return at
  if (text.charCodeAt(at) !== COLON_MARK) stop(tokens, 'syntax', at)
  tokens.state = VALUE
  return at + 1
}

function inString(tokens: JsonTokens, text: WireText, from: number): number {
  let longAt = from + LONG_RUN
  for (let at = from; at < text.length; at += 1) {
    if (at >= longAt) {
      at = skipPlain(text, at)
      if (at === text.length) break
      longAt = at + LONG_RUN
    }
    const code = text.charCodeAt(at)
    if (code === QUOTE) return endString(tokens, at + 1)
    if (code === BACKSLASH) {
      if (at + 1 === text.length || SIMPLE_ESCAPE[text.charCodeAt(at + 1)] !== 1) {
        tokens.state = ESCAPE
        return at + 1
      }
      at += 1
    } else if (code < 0x20) stop(tokens, 'syntax', at)
  }
  return text.length
}

/** To the first character that may be a quote, a backslash or a control character: bounded windows, in native code. */
function skipPlain(text: WireText, from: number): number {
  for (let at = from; ; at += WINDOW) {
    const window = text.slice(at, at + WINDOW)
    const quote = window.indexOf('"')
    const inside = quote < 0 ? window : window.slice(0, quote)
    const backslash = inside.indexOf('\\')
    const plain = backslash < 0 ? inside : inside.slice(0, backslash)
    if (NOT_PLAIN.test(plain)) return at
    if (plain.length < WINDOW) return at + plain.length
  }
}

function endString(tokens: JsonTokens, at: number): number {
  if (!tokens.isKey) {
    valueEnded(tokens, at)
    return at
  }
  tokens.state = COLON
  if (tokens.depth === tokens.listener.depth) tokens.listener.keyEnds(at)
  return at
}

function inEscape(tokens: JsonTokens, text: WireText, at: number): number {
  const code = text.charCodeAt(at)
  if (code === 0x75) {
    tokens.state = HEX
    tokens.count = 4
  } else if (SIMPLE_ESCAPE[code] === 1) tokens.state = STRING
  else stop(tokens, 'syntax', at)
  return at + 1
}

function inHex(tokens: JsonTokens, text: WireText, at: number): number {
  if (HEX_DIGIT[text.charCodeAt(at)] !== 1) stop(tokens, 'syntax', at)
  tokens.count -= 1
  if (tokens.count === 0) tokens.state = STRING
  return at + 1
}

function inLiteral(tokens: JsonTokens, text: WireText, from: number): number {
  const { literal } = tokens
  let at = from
  while (at < text.length && tokens.count < literal.length) {
    if (text.charCodeAt(at) !== literal.charCodeAt(tokens.count)) stop(tokens, 'syntax', at)
    tokens.count += 1
    at += 1
  }
  if (tokens.count === literal.length) valueEnded(tokens, at)
  return at
}

function inNumber(tokens: JsonTokens, text: WireText, from: number): number {
  let { state } = tokens
  for (let at = from; at < text.length; at += 1) {
    const next = NUMBER[state * 256 + text.charCodeAt(at)] ?? 0
    if (next === 0) {
      if (!mayEnd(state)) stop(tokens, 'syntax', at)
      valueEnded(tokens, at)
      return at
    }
    state = next
  }
  tokens.state = state
  return text.length
}
