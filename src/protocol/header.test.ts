import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeHeaderValue, encodeHeaderValue, HEADER, headerStandsFor, PARAM_HEADER_PREFIX } from './header.ts'

describe('header names', () => {
  it('are as the specification has them, in lower case', () => {
    expect(HEADER).toEqual({
      protocolVersion: 'mcp-protocol-version',
      sessionId: 'mcp-session-id',
      method: 'mcp-method',
      name: 'mcp-name',
      lastEventId: 'last-event-id',
    })
    expect(PARAM_HEADER_PREFIX).toBe('mcp-param-')
  })
})

describe('encoding', () => {
  // The table in S26 basic/transports/streamable-http, Value Encoding.
  it.each([
    ['us-west1', 'us-west1'],
    ['Hello, 世界', '=?base64?SGVsbG8sIOS4lueVjA==?='],
    [' padded ', '=?base64?IHBhZGRlZCA=?='],
    ['line1\nline2', '=?base64?bGluZTEKbGluZTI=?='],
    ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
  ])('writes %j as the specification shows', (text, header) => {
    expect(encodeHeaderValue(text)).toBe(header)
    expect(decodeHeaderValue(header)).toEqual({ ok: true, value: text })
  })

  it.each(['a b', 'a\tb', 'file:///a?b=c#d', '=?base64?x', '=?BASE64?QQ==?=', 'x?=', '~', '!'])('leaves %j as it is', (text) => {
    expect(encodeHeaderValue(text)).toBe(text)
  })

  it.each([
    '', ' ', '\ta', 'a ', 'a\r\nX-Evil: 1', 'a\0', '\x7f', 'é', '=?base64??=', '=?base64?=',
  ])('never writes %j in the open', (text) => {
    expect(encodeHeaderValue(text)).toMatch(/^=\?base64\?[A-Za-z0-9+/]*={0,2}\?=$/)
    expect(decodeHeaderValue(encodeHeaderValue(text))).toEqual({ ok: true, value: text })
  })
})

describe('decoding', () => {
  it.each([
    'SGVsbG8sIOS4lueVjA==', '=?base64?SGVsbG8', '=?BASE64?SGVsbG8=?=', 'SGVsbG8=?=', '=?base64?=',
  ])('takes %j for a literal', (raw) => {
    expect(decodeHeaderValue(raw)).toEqual({ ok: true, value: raw })
  })

  it.each(['=?base64?SGVsbG8?=', '=?base64?SGVs bG8=?=', '=?base64?SGVsbG8==?=', '=?base64?SGVs-G8=?=', '=?base64?=?='])(
    'refuses %j: no canonical base64',
    (raw) => {
      expect(decodeHeaderValue(raw)).toEqual({ ok: false, fault: { reason: 'invalid_base64' } })
    },
  )

  it('refuses base64 of what is not UTF-8', () => {
    expect(decodeHeaderValue('=?base64?/w==?=')).toEqual({ ok: false, fault: { reason: 'invalid_utf8' } })
  })

  it.each(['caf\xe9', 'a\0', 'a\x7fb', '\x1b'])('refuses %j: a byte that no field value may hold', (raw) => {
    expect(decodeHeaderValue(raw)).toEqual({ ok: false, fault: { reason: 'invalid_characters' } })
  })

  it('keeps a byte order mark within the value', () => {
    expect(decodeHeaderValue('=?base64?77u/YQ==?=')).toEqual({ ok: true, value: '\u{FEFF}a' })
  })
})

describe('comparing with the body', () => {
  it('decodes before it compares', () => {
    expect(headerStandsFor('=?base64?Zm9v?=', 'foo')).toEqual({ ok: true, value: true })
    expect(headerStandsFor('foo', 'foo')).toEqual({ ok: true, value: true })
    expect(headerStandsFor('foo', 'Foo')).toEqual({ ok: true, value: false })
    expect(headerStandsFor('=?base64?Zm9?=', 'foo').ok).toBe(false)
  })

  it('holds for whatever was encoded, lone surrogates included', () => {
    const codeUnit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))
    fc.assert(fc.property(fc.string({ unit: codeUnit }), (text) => {
      const header = encodeHeaderValue(text)
      expect(header).toMatch(/^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/)
      expect(decodeHeaderValue(header)).toEqual({ ok: true, value: text.toWellFormed() })
      expect(headerStandsFor(header, text)).toEqual({ ok: true, value: true })
    }))
  })
})
