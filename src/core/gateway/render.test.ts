import { describe, expect, it } from 'vitest'
import { PortolanError } from '../../protocol/error.ts'
import type { Era } from '../../protocol/revision.ts'
import type { Outcome } from './outcome.ts'
import { errorText, renderOutcome, resultText } from './render.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const ERAS: readonly Era[] = ['legacy', 'modern']
const TEXT = '{"jsonrpc":"2.0","id":1,"result":{}}'

describe('an outcome that is the same in both eras', () => {
  const rows: readonly (readonly [Outcome, object | undefined])[] = [
    [{ kind: 'answered', text: TEXT, status: 200, failed: false }, { status: 200, headers: JSON_TYPE, text: TEXT }],
    [{ kind: 'answered', text: TEXT, status: 404, failed: true }, { status: 404, headers: JSON_TYPE, text: TEXT }],
    [{ kind: 'opened', text: TEXT, headers: { 'mcp-session-id': 's' } }, { status: 200, headers: { ...JSON_TYPE, 'mcp-session-id': 's' }, text: TEXT }],
    [{ kind: 'inputRequired', text: TEXT }, { status: 200, headers: JSON_TYPE, text: TEXT }],
    [{ kind: 'task', text: TEXT }, { status: 200, headers: JSON_TYPE, text: TEXT }],
    [{ kind: 'accepted', status: 202 }, { status: 202, headers: {}, text: '' }],
    [{ kind: 'accepted', status: 200 }, { status: 200, headers: {}, text: '' }],
    [{ kind: 'ended' }, undefined],
    [{ kind: 'cancelled', reason: 'r' }, undefined],
    [{ kind: 'disconnected' }, undefined],
    [
      { kind: 'challenge', error: new PortolanError('unauthorized'), challenge: 'Bearer realm="ä"' },
      {
        status: 401,
        headers: { ...JSON_TYPE, 'www-authenticate': 'Bearer realm="\xc3\xa4"' },
        text: '{"jsonrpc":"2.0","id":1,"error":{"code":-31001,"message":"Unauthorized"}}',
      },
    ],
    [
      { kind: 'stepUp', scopes: ['a', 'b'], challenge: 'Bearer error="insufficient_scope", scope="a b"' },
      {
        status: 403,
        headers: { ...JSON_TYPE, 'www-authenticate': 'Bearer error="insufficient_scope", scope="a b"' },
        text: '{"jsonrpc":"2.0","id":1,"error":{"code":-31003,"message":"More scopes are needed","data":{"scopes":["a","b"]}}}',
      },
    ],
    [
      { kind: 'approval', url: 'https://p/x' },
      {
        status: 403,
        headers: JSON_TYPE,
        text: '{"jsonrpc":"2.0","id":1,"error":{"code":-31002,"message":"Approval is needed first","data":{"url":"https://p/x"}}}',
      },
    ],
    [
      { kind: 'refused', error: new PortolanError('overloaded', { retryAfterSec: 3 }) },
      { status: 503, headers: { ...JSON_TYPE, 'retry-after': '3' }, text: '{"jsonrpc":"2.0","id":1,"error":{"code":-31017,"message":"Overloaded"}}' },
    ],
    [
      { kind: 'refused', error: new PortolanError('invalid_params', { message: 'ä', data: { x: 1 } }) },
      { status: 200, headers: JSON_TYPE, text: '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"\\u00e4","data":{"x":1}}}' },
    ],
  ]

  it.each(rows)('%j', (outcome, expected) => {
    for (const era of ERAS) expect(renderOutcome(outcome, era, '1')).toEqual(expected)
  })
})

describe('a refusal that differs by era', () => {
  it.each([
    ['method_not_found', 200, -32601, 404, -32601],
    ['resource_not_found', 200, -32002, 200, -32602],
    ['header_mismatch', 400, -32600, 400, -32020],
    ['missing_capability', 200, -32600, 400, -32021],
    ['unsupported_version', 400, -32000, 400, -32022],
    ['session_not_found', 404, -32001, 404, -31015],
    ['session_required', 400, -32000, 400, -31014],
    ['upstream_unavailable', 200, -31020, 503, -31020],
  ] as const)('%s: %d %d to legacy, %d %d to modern clients', (code, legacyStatus, legacyCode, modernStatus, modernCode) => {
    const outcome: Outcome = { kind: 'refused', error: new PortolanError(code) }
    const [legacy, modern] = ERAS.map((era) => renderOutcome(outcome, era, '"x"'))
    expect([legacy?.status, legacy?.text]).toEqual([legacyStatus, expect.stringContaining(`"id":"x","error":{"code":${legacyCode},`)])
    expect([modern?.status, modern?.text]).toEqual([modernStatus, expect.stringContaining(`"id":"x","error":{"code":${modernCode},`)])
  })
})

describe('texts', () => {
  it('an error without an id has a null one for legacy clients and none for modern ones', () => {
    const error = new PortolanError('parse_error')
    expect(errorText(error, 'legacy', '')).toBe('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}')
    expect(errorText(error, 'modern', '')).toBe('{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"}}')
  })

  it('what is no error of ours leaves without its text', () => {
    expect(errorText(new Error('secret'), 'modern', '1')).toBe('{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error"}}')
    expect(errorText('secret', 'legacy', '1')).not.toContain('secret')
  })

  it('a result stands in its response as it is', () => {
    expect(resultText('"\\u0061"', '{ "x":1.0 }')).toBe('{"jsonrpc":"2.0","id":"\\u0061","result":{ "x":1.0 }}')
  })
})
