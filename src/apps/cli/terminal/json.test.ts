import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createVirtualScreen } from '../../../../test/terminal-rig.ts'
import { jsonText } from './json.ts'
import { createTerminal } from './terminal.ts'

const streams = { stdin: new PassThrough(), stderr: new PassThrough() }
const pipe = createTerminal({ ...streams, stdout: new PassThrough(), env: {} }).out
const tty = createTerminal({ ...streams, stdout: createVirtualScreen().stream, env: {} }).out
const plainTty = createTerminal({ ...streams, stdout: createVirtualScreen().stream, env: {}, color: false }).out

describe('JSON', () => {
  it('is indented as JSON.stringify would, for every value', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      expect(jsonText(pipe, JSON.stringify(value))).toBe(`${JSON.stringify(value, undefined, 2)}\n`)
    }))
  })

  it('keeps the digits of numbers, the order and the repetition of keys', () => {
    expect(jsonText(pipe, '{"b":12345678901234567890,"1":1.0e+2,"b":-0}')).toBe('{\n  "b": 12345678901234567890,\n  "1": 1.0e+2,\n  "b": -0\n}\n')
  })

  it('is not touched inside strings', () => {
    expect(jsonText(pipe, '["a\\",{:[\\u0041\\\\"  ,"é"]')).toBe('[\n  "a\\",{:[\\u0041\\\\",\n  "é"\n]\n')
  })

  it('has colours on a terminal, unless they are unwanted', () => {
    expect(jsonText(tty, '{"a":["b",1,null]}')).toContain('\u001b[36m"a"\u001b[39m: [\n    \u001b[32m"b"\u001b[39m,\n    \u001b[33m1\u001b[39m')
    expect(jsonText(plainTty, '{"a":[]}')).toBe('{\n  "a": []\n}\n')
  })

  it('escapes for a terminal what JSON allows in strings, and means the same', () => {
    const text = '{"a\u202e":"\u009b2J\u200b"}'
    const shown = jsonText(plainTty, text)
    expect(shown).toBe('{\n  "a\\u202e": "\\u009b2J\\u200b"\n}\n')
    expect(JSON.parse(shown)).toEqual(JSON.parse(text))
    expect(jsonText(pipe, text)).toContain('\u009b2J')
  })

  it('is left alone where it is none, and still shown safely', () => {
    expect(jsonText(pipe, '{"a":')).toBe('{"a":\n')
    expect(jsonText(plainTty, 'no\u001b[2J')).toBe('no\\u001b[2J\n')
  })
})
