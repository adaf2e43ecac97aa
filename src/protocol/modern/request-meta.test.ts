import { describe, expect, it } from 'vitest'
import { member, toWireText } from '../json.ts'
import type { JsonNode } from '../json.ts'
import { parseMessage } from '../message.ts'
import { claimedRevision, claimsRevision, describeMetaFault, ownRequestMeta, requestMetaFault } from './request-meta.ts'
import type { MetaFault } from './request-meta.ts'

const VERSION = 'io.modelcontextprotocol/protocolVersion'
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
const INFO = 'io.modelcontextprotocol/clientInfo'
const LEVEL = 'io.modelcontextprotocol/logLevel'
const LEAST = { [VERSION]: '2026-07-28', [CAPABILITIES]: {} }

/** `_meta` as the data path opens it. */
function opened(metaText: string): { readonly text: string; readonly meta: JsonNode | undefined } {
  const text = toWireText(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":${metaText}}}`)
  const scan = parseMessage(text)
  return { text, meta: member(scan.ok ? scan.value.body : expect.fail(scan.fault.detail), '_meta') }
}

function faultOf(metaText: string): MetaFault | undefined {
  const { text, meta } = opened(metaText)
  return requestMetaFault(text, meta)
}

describe('the metadata of a modern request', () => {
  it('needs a version and capabilities, and nothing else', () => {
    expect(faultOf(JSON.stringify(LEAST))).toBeUndefined()
  })

  it('may hold a version that we do not speak, and unknown keys', () => {
    const clientInfo = { name: 'c', version: '1', title: 'C', icons: [] }
    const meta = { [VERSION]: '1900-01-01', [CAPABILITIES]: { odd: 1 }, [INFO]: clientInfo, [LEVEL]: 'debug', progressToken: 0, x: 1 }
    expect(faultOf(JSON.stringify(meta))).toBeUndefined()
    const { text, meta: node } = opened(JSON.stringify(meta))
    expect(claimedRevision(text, node)).toBe('1900-01-01')
  })

  it.each([
    ['null', 'missing', VERSION],
    ['[]', 'missing', VERSION],
    ['{}', 'missing', VERSION],
    [JSON.stringify({ [VERSION]: 20260728, [CAPABILITIES]: {} }), 'wrong_type', VERSION],
    [JSON.stringify({ [VERSION]: '2026-07-28' }), 'missing', CAPABILITIES],
    [JSON.stringify({ [VERSION]: '2026-07-28', [CAPABILITIES]: [] }), 'wrong_type', CAPABILITIES],
    [JSON.stringify({ ...LEAST, [INFO]: { name: 'c' } }), 'wrong_type', INFO],
    [JSON.stringify({ ...LEAST, [INFO]: { name: 'c', version: 1 } }), 'wrong_type', INFO],
    [JSON.stringify({ ...LEAST, [INFO]: { name: null, version: '1' } }), 'wrong_type', INFO],
    [JSON.stringify({ ...LEAST, [INFO]: 'c' }), 'wrong_type', INFO],
    [JSON.stringify({ ...LEAST, [INFO]: null }), 'wrong_type', INFO],
    [JSON.stringify({ ...LEAST, [LEVEL]: 'verbose' }), 'wrong_type', LEVEL],
    [JSON.stringify({ ...LEAST, [LEVEL]: 3 }), 'wrong_type', LEVEL],
    [JSON.stringify({ ...LEAST, progressToken: 1.5 }), 'wrong_type', 'progressToken'],
    [JSON.stringify({ ...LEAST, progressToken: null }), 'wrong_type', 'progressToken'],
    [JSON.stringify({ ...LEAST, progressToken: [1] }), 'wrong_type', 'progressToken'],
  ])('%s is refused', (metaText, reason, key) => {
    expect(faultOf(metaText)).toMatchObject({ reason, key })
  })

  it.each(['0', '-7', '12345678901234567890', '1.0', '1e3', '""', '"a"'])('takes %s for a progress token', (token) => {
    expect(faultOf(`${JSON.stringify(LEAST).slice(0, -1)},"progressToken":${token}}`)).toBeUndefined()
  })

  it.each(['1.5', '1e-1', '1e999'])('takes %s for none', (token) => {
    expect(faultOf(`${JSON.stringify(LEAST).slice(0, -1)},"progressToken":${token}}`)).toMatchObject({ key: 'progressToken' })
  })

  it('is claimed by the version key alone, whatever its value', () => {
    expect(claimsRevision(opened(JSON.stringify(LEAST)).meta)).toBe(true)
    expect(claimsRevision(opened(JSON.stringify({ [VERSION]: 5 })).meta)).toBe(true)
    expect([claimsRevision(opened('{}').meta), claimsRevision(undefined), claimsRevision(opened('[]').meta)]).toEqual([false, false, false])
  })

  it('says what is wrong in one sentence', () => {
    expect(describeMetaFault({ reason: 'missing', key: VERSION, expected: 'a string' })).toBe(
      "Invalid params: params._meta['io.modelcontextprotocol/protocolVersion'] is required: a string",
    )
    expect(describeMetaFault({ reason: 'wrong_type', key: 'progressToken', expected: 'a string or an integer' })).toBe(
      "Invalid params: params._meta['progressToken'] must be a string or an integer",
    )
  })

  it('is written as it is read', () => {
    const meta = ownRequestMeta('2026-07-28', { name: 'pörtolan', version: '0' })
    expect(JSON.parse(meta)).toEqual({ ...LEAST, [INFO]: { name: 'pörtolan', version: '0' } })
    expect(meta).toMatch(/^[\x20-\x7e]+$/)
    expect(faultOf(meta)).toBeUndefined()
  })
})
