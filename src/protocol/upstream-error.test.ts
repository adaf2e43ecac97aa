import { describe, expect, it } from 'vitest'
import { translateUpstreamError } from './upstream-error.ts'
import type { UpstreamErrorVerdict } from './upstream-error.ts'
import type { JsonObject } from './json-value.ts'
import type { Era } from './revision.ts'

function give(code: number, from: Era, to: Era, method = 'tools/call', data?: JsonObject): UpstreamErrorVerdict {
  const error = { code, message: 'Said by the upstream' }
  return translateUpstreamError(data === undefined ? error : { ...error, data }, { from, to, method })
}
const relayed = (code: number, status = 200) => ({ kind: 'relay', error: { code, status, message: 'Said by the upstream' } })

describe('an upstream error between eras', () => {
  it('names a missing resource as the client knows it', () => {
    expect(give(-32002, 'legacy', 'modern', 'resources/read')).toEqual(relayed(-32602))
    expect(give(-32602, 'modern', 'legacy', 'resources/read')).toEqual(relayed(-32002))
    expect(give(-32002, 'legacy', 'legacy', 'resources/read')).toEqual(relayed(-32002))
    expect(give(-32602, 'modern', 'modern', 'resources/read')).toEqual(relayed(-32602))
    expect(give(-32002, 'modern', 'modern', 'resources/read')).toEqual(relayed(-32602))
  })

  it('leaves −32602 of other methods alone', () => {
    expect(give(-32602, 'modern', 'legacy')).toEqual(relayed(-32602))
    expect(give(-32602, 'legacy', 'modern')).toEqual(relayed(-32602))
  })

  it('re-makes the HTTP status of an unknown method', () => {
    expect(give(-32601, 'modern', 'legacy')).toEqual(relayed(-32601, 200))
    expect(give(-32601, 'legacy', 'modern')).toEqual(relayed(-32601, 404))
    expect(give(-32601, 'modern', 'modern')).toEqual(relayed(-32601, 404))
  })

  it('never relays that our own headers or version were refused', () => {
    for (const to of ['legacy', 'modern'] as const) {
      expect(give(-32020, 'modern', to)).toEqual({ kind: 'headers_refused' })
      expect(give(-32022, 'modern', to)).toEqual({ kind: 'version_refused' })
    }
  })

  it('turns a missing capability into the words of the client, with its data', () => {
    const data = { requiredCapabilities: { sampling: {} } }
    expect(give(-32021, 'modern', 'legacy', 'tools/call', data)).toEqual({
      kind: 'relay',
      error: { code: -32600, status: 200, message: 'Said by the upstream', data },
    })
    expect(give(-32600, 'legacy', 'modern', 'tools/call', data)).toEqual({
      kind: 'relay',
      error: { code: -32021, status: 400, message: 'Said by the upstream', data },
    })
    expect(give(-32021, 'modern', 'modern', 'tools/call', data)).toMatchObject({ error: { code: -32021, status: 400 } })
  })

  it('hands −32042 to whoever makes an input_required of it for a modern client, and passes it to a legacy one', () => {
    expect(give(-32042, 'legacy', 'modern')).toEqual({ kind: 'url_elicitation' })
    expect(give(-32042, 'legacy', 'legacy')).toEqual(relayed(-32042))
  })

  it.each([
    -32023, -32042, -32050, -32099,
  ])('gives nobody %i from a modern upstream: it is reserved and means nothing', (code) => {
    expect(give(code, 'modern', 'modern')).toEqual(relayed(-32603))
    expect(give(code, 'modern', 'legacy')).toEqual(relayed(-32603))
  })

  it('gives modern clients no reserved or retired code of a legacy upstream', () => {
    expect(give(-32050, 'legacy', 'modern')).toEqual(relayed(-32603))
    expect(give(-32002, 'legacy', 'modern')).toEqual(relayed(-32603))
    expect(give(-32002, 'modern', 'modern')).toEqual(relayed(-32603))
  })

  it.each([-32000, -32001, -32603, -1, 0, 42, -31001])('passes %i on unchanged', (code) => {
    for (const from of ['legacy', 'modern'] as const) {
      for (const to of ['legacy', 'modern'] as const) expect(give(code, from, to)).toEqual(relayed(code))
    }
  })
})
