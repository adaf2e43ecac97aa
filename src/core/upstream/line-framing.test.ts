import { describe, expect, it } from 'vitest'
import { createLineFraming, toLine } from './line-framing.ts'

const latin1 = (text: string): string => Buffer.from(text).toString('latin1')

describe('line framing', () => {
  it('gives the same lines however the bytes are cut', () => {
    const text = 'a\n{"s":"é\u2028\u2029"}\r\n\nlast\n'
    const bytes = Buffer.from(text)
    const whole = createLineFraming(100).push(bytes)
    expect(whole).toEqual(['a', latin1('{"s":"é\u2028\u2029"}'), '', 'last'])
    for (let at = 0; at <= bytes.length; at += 1) {
      const framing = createLineFraming(100)
      expect([...(framing.push(bytes.subarray(0, at)) ?? []), ...(framing.push(bytes.subarray(at)) ?? [])]).toEqual(whole)
    }
  })

  it('takes a line as long as the limit and refuses one byte more, ended or not', () => {
    expect(createLineFraming(3).push(Buffer.from('abc\n'))).toEqual(['abc'])
    expect(createLineFraming(3).push(Buffer.from('abcd\n'))).toBeUndefined()
    expect(createLineFraming(3).push(Buffer.from('abcd'))).toBeUndefined()
  })

  it('gives nothing any more after a line beyond the limit', () => {
    const framing = createLineFraming(3)
    framing.push(Buffer.from('abcd'))
    expect(framing.push(Buffer.from('\nok\n'))).toBeUndefined()
  })

  it('writes a message as one line', () => {
    expect(toLine('{\n"a":\r\n1}')).toBe('{ "a":  1}\n')
  })
})
