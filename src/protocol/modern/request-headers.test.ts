import { describe, expect, it } from 'vitest'
import { checkMirroredHeaders, describeMirrorFault, mirrorHeaders } from './request-headers.ts'
import type { MirroredBody } from './request-headers.ts'

const CALL: MirroredBody = { protocolVersion: '2026-07-28', method: 'tools/call', name: 'Füge hinzu' }
const LIST: MirroredBody = { protocolVersion: '2026-07-28', method: 'tools/list', name: undefined }
const SENT = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': '=?base64?RsO8Z2UgaGluenU=?=' }

function check(body: MirroredBody, headers: { readonly [name: string]: string }): string {
  const result = checkMirroredHeaders(body, (name) => headers[name])
  return result.ok ? 'ok' : `${result.fault.header} ${result.fault.reason}`
}

describe('mirrored headers', () => {
  it('are written for the body', () => {
    expect(Object.fromEntries(mirrorHeaders(CALL))).toEqual(SENT)
    expect(mirrorHeaders(LIST)).toEqual([['mcp-protocol-version', '2026-07-28'], ['mcp-method', 'tools/list']])
  })

  it('agree with the body that they were written for', () => {
    expect(check(CALL, SENT)).toBe('ok')
    expect(check(LIST, { ...SENT, 'mcp-method': 'tools/list' })).toBe('ok')
    expect(check({ ...CALL, name: 'a' }, { ...SENT, 'mcp-name': 'a' })).toBe('ok')
  })

  it.each([
    ['mcp-protocol-version', undefined, 'MCP-Protocol-Version missing'],
    ['mcp-protocol-version', '2025-11-25', 'MCP-Protocol-Version mismatch'],
    ['mcp-method', undefined, 'Mcp-Method missing'],
    ['mcp-method', 'Tools/Call', 'Mcp-Method mismatch'],
    ['mcp-method', '=?base64?dG9vbHMvY2FsbA==?=', 'Mcp-Method mismatch'],
    ['mcp-name', undefined, 'Mcp-Name missing'],
    ['mcp-name', 'other', 'Mcp-Name mismatch'],
    ['mcp-name', 'F\xfcge hinzu', 'Mcp-Name invalid_characters'],
    ['mcp-name', '=?base64?RsO8Z2UgaGluenU?=', 'Mcp-Name invalid_base64'],
  ])('%s: %j is refused', (header, value, expected) => {
    const { [header]: _, ...others } = SENT as { [name: string]: string }
    expect(check(CALL, value === undefined ? others : { ...others, [header]: value })).toBe(expected)
  })

  it('say what is wrong without repeating it', () => {
    expect(describeMirrorFault({ reason: 'missing', header: 'Mcp-Name' })).toBe('Header mismatch: Mcp-Name header is missing')
    expect(describeMirrorFault({ reason: 'mismatch', header: 'Mcp-Method' })).toBe(
      'Header mismatch: Mcp-Method header does not match the body',
    )
    expect(describeMirrorFault({ reason: 'invalid_utf8', header: 'Mcp-Name' })).toBe(
      'Header mismatch: Mcp-Name header is malformed',
    )
  })
})
