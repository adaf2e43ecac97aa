import { describe, expect, it } from 'vitest'
import { toWireText, utf8Of } from '../../protocol/json.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import type { Route } from '../gateway/exchange.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { clientToken, upstreamHeaders, upstreamRequest } from './upstream-request.ts'
import type { RequestLook } from './upstream-request.ts'

const VERSION = '"io.modelcontextprotocol/protocolVersion":"2026-07-28"'
const SELF = '"io.modelcontextprotocol/clientInfo":{"name":"portolan","version":"0"}'
const CLIENT = '"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}'
const CAPABILITIES = '"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}'

function message(text: string): Message {
  const scan = parseMessage(toWireText(text))
  return scan.ok ? scan.value : expect.fail(scan.fault.detail)
}

// Nothing here asks the upstream itself.
const route = (more: Partial<Route> = {}): Route => ({
  upstream: {} as Upstream, subject: 'a', marked: false, paramHeaders: [], requestState: undefined, ...more,
})

const LOOK: Omit<RequestLook, 'clientEra' | 'upstreamEra' | 'route'> = {
  idText: '42',
  upstreamRevision: '2026-07-28',
  selfText: '{"name":"portolan","version":"0"}',
  logLevel: '',
  relatedTask: undefined, clientCapabilities: '{}', input: undefined,
}
const CELLS = {
  'modern to modern': { clientEra: 'modern', upstreamEra: 'modern' },
  'legacy to legacy': { clientEra: 'legacy', upstreamEra: 'legacy' },
  'legacy to modern': { clientEra: 'legacy', upstreamEra: 'modern' },
  'modern to legacy': { clientEra: 'modern', upstreamEra: 'legacy' },
} as const
type Cell = keyof typeof CELLS

function params(cell: Cell, method: string, given: string | undefined, routed: Partial<Route> = {}, look: Partial<RequestLook> = {}): string {
  const request = message(`{"jsonrpc":"2.0","id":"c","method":"${method}"${given === undefined ? '' : `,"params":${given}`}}`)
  const text = utf8Of(upstreamRequest(request, { ...LOOK, ...CELLS[cell], route: route(routed), ...look }))
  const head = `{"jsonrpc":"2.0","id":42,"method":"${method}"`
  expect(text.startsWith(head) && text.endsWith('}')).toBe(true)
  return text.slice(head.length, -1).replace(/^,"params":/, '')
}

const ARGUMENTS = '"arguments":{ "n":12345678901234567890, "n":1.0, "ä":"\\u00e4" }'

describe('a request in the cell', () => {
  it('modern to modern says who relays it; capabilities, log level and the client\'s own metadata stay', () => {
    const given = `{"name":"a",${ARGUMENTS},"_meta":{${VERSION},${CLIENT},${CAPABILITIES},"io.modelcontextprotocol/logLevel":"info","progressToken":"p","traceparent":"t","x":[1.0]}}`
    expect(params('modern to modern', 'tools/call', given)).toBe(
      `{"name":"a",${ARGUMENTS},"_meta":{${VERSION},${SELF},${CAPABILITIES},"io.modelcontextprotocol/logLevel":"info","progressToken":42,"traceparent":"t","x":[1.0]}}`,
    )
  })

  it('modern to modern carries the upstream\'s own request state', () => {
    const given = `{"name":"a","inputResponses":{"k":{}},"requestState":"sealed","_meta":{${VERSION},${CAPABILITIES}}}`
    expect(params('modern to modern', 'tools/call', given, { requestState: 'ö' })).toBe(
      `{"name":"a","inputResponses":{"k":{}},"requestState":"\\u00f6","_meta":{${VERSION},${CAPABILITIES},${SELF}}}`,
    )
  })

  it('legacy to legacy is the same bytes under our id', () => {
    const given = `{ "name":"a",${ARGUMENTS},"task":{"ttl":1},"_meta":{"x":1.0} }`
    expect(params('legacy to legacy', 'tools/call', given)).toBe(given)
    expect(params('legacy to legacy', 'x/unknown', undefined)).toBe('')
    expect(params('legacy to legacy', 'tools/call', '{"name":"a","_meta":{"progressToken":7}}')).toBe('{"name":"a","_meta":{"progressToken":42}}')
  })

  it('legacy to modern is stamped with metadata, and asks for no task', () => {
    const stamp = `{${VERSION},${SELF},"io.modelcontextprotocol/clientCapabilities":{}}`
    expect(params('legacy to modern', 'tools/call', `{"name":"a",${ARGUMENTS},"task":{"ttl":1}}`)).toBe(`{"name":"a",${ARGUMENTS},"_meta":${stamp}}`)
    expect(params('legacy to modern', 'x/unknown', undefined)).toBe(`{"_meta":${stamp}}`)
    expect(params('legacy to modern', 'x/unknown', '{}')).toBe(`{"_meta":${stamp}}`)
    expect(params('legacy to modern', 'x/unknown', '{"_meta":null}')).toBe(`{"_meta":${stamp}}`)
    expect(params('legacy to modern', 'x/unknown', '{"_meta":{"progressToken":"p","y":1}}')).toBe(
      `{"_meta":{"progressToken":42,"y":1,${VERSION},${SELF},"io.modelcontextprotocol/clientCapabilities":{}}}`,
    )
  })

  it('legacy to modern carries the session\'s log level once it was set', () => {
    expect(params('legacy to modern', 'x/y', '{}', {}, { logLevel: 'warning' })).toContain('"io.modelcontextprotocol/logLevel":"warning"')
    expect(params('legacy to modern', 'x/y', '{}')).not.toContain('logLevel')
    expect(params('legacy to legacy', 'x/y', '{}', {}, { logLevel: 'warning' })).toBe('{}')
  })

  it('modern to legacy loses what the legacy wire does not have, and nothing else', () => {
    const given = `{"name":"a",${ARGUMENTS},"inputResponses":{},"requestState":"s","_meta":{${VERSION},${CLIENT},${CAPABILITIES},"io.modelcontextprotocol/logLevel":"info","progressToken":"p","x":1.0}}`
    expect(params('modern to legacy', 'tools/call', given, { requestState: 'own' })).toBe(`{"name":"a",${ARGUMENTS},"_meta":{"progressToken":42,"x":1.0}}`)
    expect(params('modern to legacy', 'x/y', `{"_meta":{${VERSION},${CAPABILITIES}}}`)).toBe('{"_meta":{}}')
  })

  it.each(Object.keys(CELLS) as Cell[])('%s names the related task as the upstream does', (cell) => {
    const meta = '{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"sealed"},"z":1}}'
    expect(params(cell, 'x/y', meta, {}, { relatedTask: 'own' })).toContain('"io.modelcontextprotocol/related-task":{"taskId":"own"}')
    expect(params(cell, 'x/y', meta)).toContain('"taskId":"sealed"')
  })
})

describe('what a request is about', () => {
  const legacy = (method: string, given: string, routed: Partial<Route>): string => params('legacy to legacy', method, given, routed)

  it.each([
    ['tools/call', '{"name":"s__a","uri":"u"}', 'a', '{"name":"a","uri":"u"}'],
    ['prompts/get', '{"name":"s__a"}', 'ä', '{"name":"\\u00e4"}'],
    ['resources/read', '{"name":"n","uri":"s+file:///a"}', 'file:///a', '{"name":"n","uri":"file:///a"}'],
    ['resources/subscribe', '{"uri":"s+file:///a"}', 'file:///a', '{"uri":"file:///a"}'],
    ['completion/complete', '{"ref":{"type":"ref/prompt","name":"s__a"}}', 'a', '{"ref":{"type":"ref/prompt","name":"a"}}'],
    ['completion/complete', '{"ref":{"type":"ref/resource","name":"n","uri":"s+a:{b}"}}', 'a:{b}', '{"ref":{"type":"ref/resource","name":"n","uri":"a:{b}"}}'],
    ['x/unknown', '{"name":"n","uri":"u"}', '', '{"name":"n","uri":"u"}'],
  ])('%s %s on /mcp is about %s', (method, given, subject, expected) => {
    expect(legacy(method, given, { subject, marked: true })).toBe(expected)
    expect(legacy(method, given, { subject, marked: false })).toBe(given)
  })

  it.each(['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/update'])('%s is about the upstream\'s own task everywhere', (method) => {
    for (const marked of [true, false]) expect(legacy(method, '{"taskId":"sealed"}', { subject: 'own', marked })).toBe('{"taskId":"own"}')
  })

  it('is left alone where no table knows the method, whatever it is called', () => {
    expect(legacy('tasks/archive', '{"taskId":"sealed"}', { subject: '' })).toBe('{"taskId":"sealed"}')
  })
})

describe('the progress token', () => {
  it.each([['"p"', '"p"'], ['7', '7'], ['"\\u0061"', '"\\u0061"']])('%s is kept as written', (written, expected) => {
    expect(clientToken(message(`{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"progressToken":${written}}}}`))).toBe(expected)
  })

  it('is empty where the client asked for no progress', () => {
    expect(clientToken(message('{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{}}}'))).toBe('')
    expect(clientToken(message('{"jsonrpc":"2.0","id":1,"method":"a"}'))).toBe('')
  })
})

describe('the headers for a modern upstream', () => {
  const request = (method: string): Message => message(`{"jsonrpc":"2.0","id":1,"method":"${method}"}`)

  it('mirror the upstream\'s own name, then arguments and credentials', () => {
    const routed = route({ subject: 'ä', paramHeaders: [['mcp-param-x', '1']] })
    expect(upstreamHeaders(request('tools/call'), routed, [['authorization', 'Bearer b']])).toEqual([
      ['mcp-method', 'tools/call'], ['mcp-name', '=?base64?w6Q=?='], ['mcp-param-x', '1'], ['authorization', 'Bearer b'],
    ])
  })

  it('name nothing where the method names nothing', () => {
    expect(upstreamHeaders(request('x/unknown'), route({ subject: '' }), [])).toEqual([['mcp-method', 'x/unknown']])
    expect(upstreamHeaders(request('completion/complete'), route(), [])).toEqual([['mcp-method', 'completion/complete']])
  })
})
