import { describe, expect, it } from 'vitest'
import { ERRORS, isRetryable, PortolanError, toErrorObject, toWire } from './error.ts'

const rows = Object.entries(ERRORS)

describe('the error table', () => {
  it.each([
    ['parse_error', -32700, 400, -32700, 400],
    ['invalid_request', -32600, 400, -32600, 400],
    ['method_not_found', -32601, 200, -32601, 404],
    ['invalid_params', -32602, 200, -32602, 200],
    ['invalid_meta', -32602, 400, -32602, 400],
    ['unknown_tool', -32602, 200, -32602, 200],
    ['resource_not_found', -32002, 200, -32602, 200],
    ['header_mismatch', -32600, 400, -32020, 400],
    ['missing_capability', -32600, 200, -32021, 400],
    ['unsupported_version', -32000, 400, -32022, 400],
    ['session_not_found', -32001, 404, -31015, 404],
    ['session_required', -32000, 400, -31014, 400],
    ['unauthorized', -31001, 401, -31001, 401],
    ['forbidden_origin', -31004, 403, -31004, 403],
    ['method_not_allowed', -32000, 405, -31007, 405],
    ['body_too_large', -31010, 413, -31010, 413],
    ['overloaded', -31017, 503, -31017, 503],
    ['state_unavailable', -31028, 503, -31028, 503],
    ['owner_unreachable', -31029, 503, -31029, 503],
    ['upstream_unavailable', -31020, 200, -31020, 503],
    ['outcome_unknown', -31024, 200, -31024, 200],
    ['internal', -32603, 500, -32603, 500],
  ] as const)('%s is %i in a %i to legacy clients, %i in a %i to modern ones', (code, oldCode, oldStatus, newCode, newStatus) => {
    expect(toWire(new PortolanError(code), 'legacy')).toMatchObject({ code: oldCode, status: oldStatus })
    expect(toWire(new PortolanError(code), 'modern')).toMatchObject({ code: newCode, status: newStatus })
  })

  it('sends modern clients only codes that their revision lets us send', () => {
    for (const [, { modern }] of rows) {
      const ours = modern.code > -32000
      expect(ours || [-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022].includes(modern.code)).toBe(true)
    }
  })

  it('never sends legacy clients a code that was reserved after them', () => {
    for (const [, { legacy }] of rows) expect(legacy.code <= -32020 && legacy.code >= -32099).toBe(false)
  })

  it('gives each of our own codes one number', () => {
    const own = rows.map(([, { modern }]) => modern.code).filter((code) => code > -32000)
    expect(new Set(own).size).toBe(own.length)
    expect(own.every((code) => code >= -31099 && code <= -31000)).toBe(true)
  })

  it('says 404 to legacy clients only where the session or the endpoint is gone', () => {
    expect(rows.filter(([, { legacy }]) => legacy.status === 404).map(([code]) => code)).toEqual(
      ['session_not_found', 'unknown_server'],
    )
  })

  it('calls retryable only what refused before execution', () => {
    expect(rows.filter(([, { retryable }]) => retryable).map(([code]) => code)).toEqual([
      'request_timeout', 'rate_limited', 'too_many_sessions', 'too_many_streams', 'overloaded', 'draining',
      'state_unavailable', 'owner_unreachable', 'upstream_unavailable',
    ])
    expect(isRetryable('outcome_unknown')).toBe(false)
    expect(isRetryable('overloaded')).toBe(true)
  })
})

describe('what leaves the process', () => {
  it('is the code with its default message', () => {
    expect(toWire(new PortolanError('draining'), 'modern')).toEqual({ status: 503, code: -31018, message: 'Shutting down' })
  })

  it('carries data and Retry-After where there are some', () => {
    const error = new PortolanError('overloaded', { message: 'Busy', data: { queue: 3 }, retryAfterSec: 2, cause: 'secret' })
    expect(toWire(error, 'legacy')).toEqual({ status: 503, code: -31017, message: 'Busy', data: { queue: 3 }, retryAfterSec: 2 })
    expect(toErrorObject(toWire(error, 'legacy'))).toEqual({ code: -31017, message: 'Busy', data: { queue: 3 } })
    expect(toErrorObject(toWire(new PortolanError('draining'), 'legacy'))).toEqual({ code: -31018, message: 'Shutting down' })
  })

  it.each([
    new Error('password=hunter2'), 'text', null, undefined, { code: 'unauthorized' },
  ])('is "internal" without a word of %s', (error) => {
    expect(toWire(error, 'modern')).toEqual({ status: 500, code: -32603, message: 'Internal error' })
    expect(toWire(error, 'legacy')).toEqual({ status: 500, code: -32603, message: 'Internal error' })
  })

  it('keeps the cause for the log', () => {
    const cause = new Error('ECONNREFUSED')
    expect(new PortolanError('upstream_unavailable', { cause }).cause).toBe(cause)
  })
})
