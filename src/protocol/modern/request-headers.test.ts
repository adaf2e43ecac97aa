import { describe, expect, it } from 'vitest'
import { toWireText } from '../json.ts'
import { parseMessage } from '../message.ts'
import type { Message } from '../message.ts'
import { describeMirrorFault, mirrorFault, mirrorHeaders, versionHeaderFault } from './request-headers.ts'

const SENT = { 'mcp-method': 'tools/call', 'mcp-name': '=?base64?RsO8Z2UgaGluenU=?=' }

function request(method: string, params: unknown): Message {
  const scan = parseMessage(toWireText(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })))
  return scan.ok ? scan.value : expect.fail(scan.fault.detail)
}

const call = request('tools/call', { name: 'Füge hinzu' })

function check(message: Message, headers: { readonly [name: string]: string }): string {
  const fault = mirrorFault(message, (name) => headers[name])
  return fault === undefined ? 'ok' : `${fault.header} ${fault.sent ?? 'missing'}`
}

describe('mirrored headers', () => {
  it('are written for the body', () => {
    expect(Object.fromEntries(mirrorHeaders('tools/call', 'Füge hinzu'))).toEqual(SENT)
    expect(mirrorHeaders('tools/list', '')).toEqual([['mcp-method', 'tools/list']])
    expect(mirrorHeaders('x/unknown', 'a')).toEqual([['mcp-method', 'x/unknown']])
    expect(mirrorHeaders('tasks/get', 't1')).toEqual([['mcp-method', 'tasks/get'], ['mcp-name', 't1']])
  })

  it('agree with the body that they were written for', () => {
    expect(check(call, SENT)).toBe('ok')
    expect(check(request('tools/list', {}), { ...SENT, 'mcp-method': 'tools/list' })).toBe('ok')
    expect(check(request('tools/call', { name: 'a' }), { ...SENT, 'mcp-name': 'a' })).toBe('ok')
    expect(check(request('resources/read', { uri: 'a:b', name: 'c' }), { 'mcp-method': 'resources/read', 'mcp-name': 'a:b' })).toBe('ok')
  })

  it.each([
    ['mcp-method', undefined, 'mcp-method missing'],
    ['mcp-method', 'Tools/Call', 'mcp-method Tools/Call'],
    ['mcp-method', '=?base64?dG9vbHMvY2FsbA==?=', 'mcp-method =?base64?dG9vbHMvY2FsbA==?='],
    ['mcp-name', undefined, 'mcp-name missing'],
    ['mcp-name', 'other', 'mcp-name other'],
    ['mcp-name', 'F\xfcge hinzu', 'mcp-name F\xfcge hinzu'],
    ['mcp-name', '=?base64?RsO8Z2UgaGluenU?=', 'mcp-name =?base64?RsO8Z2UgaGluenU?='],
  ])('%s: %j is refused', (header, value, expected) => {
    const { [header]: _, ...others } = SENT as { [name: string]: string }
    expect(check(call, value === undefined ? others : { ...others, [header]: value })).toBe(expected)
  })

  it('may leave out the task: it is routed by its body', () => {
    const message = request('tasks/get', { taskId: 't1' })
    expect(check(message, { 'mcp-method': 'tasks/get' })).toBe('ok')
    expect(check(message, { 'mcp-method': 'tasks/get', 'mcp-name': 't2' })).toBe('mcp-name t2')
  })

  it('are not asked for a name that the body lacks: that is another fault', () => {
    expect(check(request('tools/call', { name: 5 }), { 'mcp-method': 'tools/call' })).toBe('ok')
    expect(check(request('tools/call', {}), { 'mcp-method': 'tools/call' })).toBe('ok')
  })

  it('name the revision that `_meta` names', () => {
    expect(versionHeaderFault('2026-07-28', '2026-07-28')).toBeUndefined()
    expect(versionHeaderFault(undefined, '2026-07-28')).toMatchObject({ header: 'mcp-protocol-version', sent: undefined })
    expect(versionHeaderFault('2025-11-25', '2026-07-28')).toMatchObject({ header: 'mcp-protocol-version', sent: '2025-11-25' })
  })

  it('say what is wrong in one sentence of bounded length', () => {
    expect(describeMirrorFault({ header: 'mcp-name', sent: undefined, expected: 'a' })).toBe(
      'Header mismatch: mcp-name is missing, the body says "a"',
    )
    expect(describeMirrorFault({ header: 'mcp-method', sent: 'a', expected: 'b' })).toBe(
      'Header mismatch: mcp-method is "a", the body says "b"',
    )
    expect(describeMirrorFault({ header: 'mcp-name', sent: 'a'.repeat(9_999), expected: 'b'.repeat(9_999) }).length).toBeLessThan(400)
  })
})
