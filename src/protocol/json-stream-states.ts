/** States and character tables of the JSON tokenizer (`json-stream-tokens.ts`), which has their picture. */

/** Before a value, `[` and its first item, `{` and its first key, a key after a comma, its colon; after a value. */
export const VALUE = 0
export const FIRST_ITEM = 1
export const FIRST_KEY = 2
export const KEY = 3
export const COLON = 4
export const AFTER = 5
/** Within a token. */
export const STRING = 6
export const ESCAPE = 7
export const HEX = 8
export const LITERAL = 9
/** Numbers: the state is the row of `NUMBER`. Never a state: the row of a number's first character. */
export const NUMBER_START = 10
const MINUS = 11
const ZERO = 12
const INTEGER = 13
const POINT = 14
const FRACTION = 15
const EXPONENT_MARK = 16
const EXPONENT_SIGN = 17
const EXPONENT = 18

export const QUOTE = 0x22
export const COMMA = 0x2c
export const COLON_MARK = 0x3a

/** `\"` and the like: one character after the backslash. */
export const SIMPLE_ESCAPE = tableOf('"\\/bfnrt')
export const HEX_DIGIT = tableOf('0123456789abcdefABCDEF')
/** By first character. */
export const LITERALS: Readonly<Record<number, string>> = { 0x74: 'true', 0x66: 'false', 0x6e: 'null' }

/** State × character -> the next state, 0 where the number ends. */
export const NUMBER = numberTable()

/** RFC 8259 §2. */
export const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

/** A number may end in this state. */
export const mayEnd = (state: number): boolean => state === ZERO || state === INTEGER || state === FRACTION || state === EXPONENT

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const one of characters) table[one.charCodeAt(0)] = 1
  return table
}

function numberTable(): Uint8Array {
  const table = new Uint8Array((EXPONENT + 1) * 256)
  const digits = '0123456789'
  const rows: readonly (readonly [from: readonly number[], characters: string, to: number])[] = [
    [[NUMBER_START], '-', MINUS],
    [[NUMBER_START, MINUS], '0', ZERO],
    [[NUMBER_START, MINUS], digits.slice(1), INTEGER],
    [[INTEGER], digits, INTEGER],
    [[ZERO, INTEGER], '.', POINT],
    [[POINT, FRACTION], digits, FRACTION],
    [[ZERO, INTEGER, FRACTION], 'eE', EXPONENT_MARK],
    [[EXPONENT_MARK], '+-', EXPONENT_SIGN],
    [[EXPONENT_MARK, EXPONENT_SIGN, EXPONENT], digits, EXPONENT],
  ]
  for (const [from, characters, to] of rows) {
    for (const state of from) for (const one of characters) table[state * 256 + one.charCodeAt(0)] = to
  }
  return table
}
