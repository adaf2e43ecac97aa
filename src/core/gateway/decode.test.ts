import { describe, expect, it } from 'vitest'
import { toWireText } from '../../protocol/json.ts'
import { toWire } from '../../protocol/error.ts'
import { decodeHttp, decodeLine, headerFault } from './decode.ts'
import type { Decoded } from './decode.ts'

const MODERN = '2026-07-28'
const META = { 'io.modelcontextprotocol/protocolVersion': MODERN, 'io.modelcontextprotocol/clientCapabilities': {} }

type Headers = { readonly [lowerCaseName: string]: string }

function text(value: unknown): string {
  return toWireText(JSON.stringify(value))
}

function post(value: unknown, headers: Headers = {}): Decoded {
  return decodeHttp(typeof value === 'string' ? toWireText(value) : text(value), (name) => headers[name], 128)
}

/** `modern ok`, or era, HTTP status and JSON-RPC code of the refusal. */
function verdict(decoded: Decoded): string {
  if (decoded.ok) return `${decoded.era} ok`
  const { status, code } = toWire(decoded.error, decoded.era)
  return `${decoded.era} ${status} ${code}`
}

const call = (meta?: unknown): unknown => ({
  jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'a', ...(meta === undefined ? {} : { _meta: meta }) },
})
const initialize = (params: object = {}): unknown => ({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
const version = (sent: string): Headers => ({ 'mcp-protocol-version': sent })

describe('which era a POST is of (bridge-rulings §1)', () => {
  it('modern, where `_meta` carries a protocol version that the header agrees with', () => {
    const decoded = post(call(META), version(MODERN))
    expect(verdict(decoded)).toBe('modern ok')
    expect(decoded).toMatchObject({ revision: MODERN, message: { method: 'tools/call', idText: '1' } })
  })

  it('modern by `_meta` even for initialize and with a session id', () => {
    expect(verdict(post(initialize({ _meta: META }), version(MODERN)))).toBe('modern ok')
    expect(verdict(post(call(META), { ...version(MODERN), 'mcp-session-id': 's' }))).toBe('modern ok')
  })

  it('legacy, where it is initialize without one, whatever the header', () => {
    expect(verdict(post(initialize()))).toBe('legacy ok')
    expect(verdict(post(initialize(), version(MODERN)))).toBe('legacy ok')
    expect(verdict(post(initialize(), version('2025-11-25')))).toBe('legacy ok')
  })

  it('legacy, where it names a session', () => {
    expect(verdict(post(call(), { 'mcp-session-id': 's' }))).toBe('legacy ok')
    expect(verdict(post(call(), { 'mcp-session-id': 's', ...version(MODERN) }))).toBe('legacy ok')
  })

  it('legacy, where no header names a modern revision: the session is asked for later', () => {
    expect(verdict(post(call()))).toBe('legacy ok')
    expect(verdict(post(call(), version('2025-06-18')))).toBe('legacy ok')
    expect(verdict(post(call(), version('nonsense')))).toBe('legacy ok')
    expect(post(call())).toMatchObject({ revision: undefined })
  })

  it('a modern header but no `_meta` is 400, −32602', () => {
    expect(verdict(post(call(), version(MODERN)))).toBe('modern 400 -32602')
    expect(verdict(post(call({}), version(MODERN)))).toBe('modern 400 -32602')
    expect(verdict(post(call({ 'io.modelcontextprotocol/clientCapabilities': {} }), version(MODERN)))).toBe('modern 400 -32602')
  })

  it('`_meta` with the header missing or different is 400, −32020', () => {
    expect(verdict(post(call(META)))).toBe('modern 400 -32020')
    expect(verdict(post(call(META), version('2025-11-25')))).toBe('modern 400 -32020')
    expect(verdict(post(call({ ...META, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' }), version(MODERN)))).toBe('modern 400 -32020')
  })

  it.each(['2099-01-01', '1900-01-01', '2025-11-25', ''])('header and `_meta` equal but of no modern revision that we speak, %j, is 400, −32022 with the supported list', (unknown) => {
    const decoded = post(call({ ...META, 'io.modelcontextprotocol/protocolVersion': unknown }), version(unknown))
    expect(verdict(decoded)).toBe('modern 400 -32022')
    expect(decoded).toMatchObject({ error: { data: { supported: [MODERN], requested: unknown } }, idText: '1' })
  })

  it('the version named in a refusal is bounded', () => {
    const long = '9'.repeat(9_999)
    expect(post(call({ ...META, 'io.modelcontextprotocol/protocolVersion': long }), version(long))).toMatchObject({ error: { data: { requested: '9'.repeat(64) } } })
  })
})

describe('the metadata of a modern request', () => {
  const meta = (more: object): string => verdict(post(call({ ...META, ...more }), version(MODERN)))

  it('clientInfo is optional', () => {
    expect(meta({})).toBe('modern ok')
    expect(meta({ 'io.modelcontextprotocol/clientInfo': { name: 'c', version: '1' } })).toBe('modern ok')
  })

  it.each([
    { 'io.modelcontextprotocol/clientInfo': 'c' },
    { 'io.modelcontextprotocol/clientInfo': { name: 'c' } },
    { 'io.modelcontextprotocol/clientInfo': { name: 1, version: '1' } },
    { 'io.modelcontextprotocol/clientCapabilities': 'none' },
    { 'io.modelcontextprotocol/clientCapabilities': [] },
    { 'io.modelcontextprotocol/logLevel': 'loud' },
    { progressToken: 1.5 },
    { progressToken: null },
  ])('%j is 400, −32602', (more) => expect(meta(more)).toBe('modern 400 -32602'))

  it('is what the request lacks, where it has a version and no capabilities', () => {
    expect(verdict(post(call({ 'io.modelcontextprotocol/protocolVersion': MODERN }), version(MODERN)))).toBe('modern 400 -32602')
    expect(verdict(post(call({ 'io.modelcontextprotocol/protocolVersion': 5 }), version(MODERN)))).toBe('modern 400 -32602')
  })
})

describe('what is no request', () => {
  const notification = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }

  it('a modern notification needs no metadata over HTTP', () => {
    expect(verdict(post(notification, version(MODERN)))).toBe('modern ok')
    expect(verdict(post({ ...notification, params: { _meta: { 'io.modelcontextprotocol/protocolVersion': MODERN } } }, version(MODERN)))).toBe('modern ok')
  })

  it('a legacy notification or response belongs to a session', () => {
    expect(verdict(post(notification, { 'mcp-session-id': 's' }))).toBe('legacy ok')
    expect(verdict(post({ jsonrpc: '2.0', id: 1, result: {} }, { 'mcp-session-id': 's' }))).toBe('legacy ok')
  })

  it('a modern client sends no responses', () => {
    expect(verdict(post({ jsonrpc: '2.0', id: 1, result: {} }, version(MODERN)))).toBe('modern 400 -32600')
    expect(verdict(post({ jsonrpc: '2.0', id: 1, result: { _meta: META } }, version(MODERN)))).toBe('modern 400 -32600')
    expect(verdict(post({ jsonrpc: '2.0', id: 1, error: { code: 1, message: '' } }, version(MODERN)))).toBe('modern 400 -32600')
  })
})

describe('what is not even a message', () => {
  it.each([
    ['{', '400 -32700'], ['', '400 -32700'], ['\ufeff{}', '400 -32700'],
    ['{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}', '400 -32600'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"x","name":"y"}}', '400 -32600'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"a":1,"a":1}}}', '400 -32600'],
    ['{"jsonrpc":"2.0","id":null,"method":"a"}', '400 -32600'],
    ['[]', '400 -32600'],
  ])('%j is %s, in the shape of the era that the header names', (body, expected) => {
    expect(verdict(post(body))).toBe(`legacy ${expected}`)
    expect(verdict(post(body, version(MODERN)))).toBe(`modern ${expected}`)
  })

  it('too deep and not UTF-8 are parse errors', () => {
    expect(verdict(post(`{"a":${'['.repeat(200)}${']'.repeat(200)}}`))).toBe('legacy 400 -32700')
    expect(verdict(decodeHttp('{"a":"\xff"}', () => undefined, 128))).toBe('legacy 400 -32700')
  })

  it('is refused under its id where that could be read', () => {
    expect(post('{"jsonrpc":"1.0","id":"x","method":"a"}')).toMatchObject({ ok: false, idText: '"x"' })
    expect(post('{')).toMatchObject({ ok: false, idText: '' })
  })
})

describe('a line of a stdio client', () => {
  it('is modern where it is a request that says so', () => {
    expect(verdict(decodeLine(text(call(META)), 128))).toBe('modern ok')
    expect(verdict(decodeLine(text(call({ ...META, progressToken: 1.5 })), 128))).toBe('modern 400 -32602')
    expect(verdict(decodeLine(text(call({ ...META, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' })), 128))).toBe('modern 400 -32022')
  })

  it('is legacy otherwise', () => {
    expect(verdict(decodeLine(text(initialize()), 128))).toBe('legacy ok')
    expect(verdict(decodeLine(text(call()), 128))).toBe('legacy ok')
    expect(verdict(decodeLine(text({ jsonrpc: '2.0', id: 1, result: { _meta: META } }), 128))).toBe('legacy ok')
    expect(verdict(decodeLine('{', 128))).toBe('legacy 400 -32700')
  })
})

describe('the routing headers', () => {
  it('are refused as a header mismatch of the modern era', () => {
    const decoded = post(call(META), version(MODERN))
    const message = decoded.message ?? expect.fail()
    const headers: Headers = { 'mcp-method': 'tools/call', 'mcp-name': 'a' }
    expect(headerFault(message, (name) => headers[name])).toBeUndefined()
    const fault = headerFault(message, (name) => (name === 'mcp-name' ? 'b' : headers[name]))
    expect(toWire(fault, 'modern')).toEqual({ status: 400, code: -32020, message: 'Header mismatch: mcp-name is "b", the body says "a"' })
  })
})
