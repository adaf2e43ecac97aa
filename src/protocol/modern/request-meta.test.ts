import { describe, expect, it } from 'vitest'
import { describeMetaFault, hasRequestMeta, readRequestMeta, writeRequestMeta } from './request-meta.ts'
import type { JsonObject } from '../json-value.ts'

const VERSION = 'io.modelcontextprotocol/protocolVersion'
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
const INFO = 'io.modelcontextprotocol/clientInfo'
const LEVEL = 'io.modelcontextprotocol/logLevel'
const LEAST: JsonObject = { [VERSION]: '2026-07-28', [CAPABILITIES]: {} }

describe('the metadata of a modern request', () => {
  it('needs a version and capabilities, and nothing else', () => {
    expect(readRequestMeta(LEAST)).toEqual({
      ok: true,
      value: {
        protocolVersion: '2026-07-28',
        clientCapabilities: {},
        clientInfo: undefined,
        logLevel: undefined,
        progressToken: undefined,
      },
    })
  })

  it('is read whole, a version that we do not speak and unknown keys included', () => {
    const clientInfo = { name: 'c', version: '1', title: 'C', icons: [] }
    const meta = {
      [VERSION]: '1900-01-01',
      [CAPABILITIES]: { roots: {}, odd: 1 },
      [INFO]: clientInfo,
      [LEVEL]: 'debug',
      progressToken: 0,
      x: 1,
    }
    expect(readRequestMeta(meta)).toEqual({
      ok: true,
      value: {
        protocolVersion: '1900-01-01',
        clientCapabilities: { roots: {}, odd: 1 },
        clientInfo,
        logLevel: 'debug',
        progressToken: 0,
      },
    })
  })

  it.each([
    [undefined, 'missing', undefined], [null, 'wrong_type', undefined], [[], 'wrong_type', undefined],
    [{}, 'missing', VERSION], [{ [VERSION]: 20260728, [CAPABILITIES]: {} }, 'wrong_type', VERSION],
    [{ [VERSION]: '2026-07-28' }, 'missing', CAPABILITIES],
    [{ [VERSION]: '2026-07-28', [CAPABILITIES]: [] }, 'wrong_type', CAPABILITIES],
    [{ ...LEAST, [CAPABILITIES]: { sampling: true } }, 'wrong_type', `${CAPABILITIES}.sampling`],
    [{ ...LEAST, [INFO]: { name: 'c' } }, 'wrong_type', INFO], [{ ...LEAST, [INFO]: 'c' }, 'wrong_type', INFO],
    [{ ...LEAST, [LEVEL]: 'verbose' }, 'wrong_type', LEVEL], [{ ...LEAST, [LEVEL]: 3 }, 'wrong_type', LEVEL],
    [{ ...LEAST, progressToken: 1.5 }, 'wrong_type', 'progressToken'],
    [{ ...LEAST, progressToken: null }, 'wrong_type', 'progressToken'],
  ])('%j is refused', (meta, reason, key) => {
    expect(readRequestMeta(meta)).toMatchObject({ ok: false, fault: { reason, key } })
  })

  it('is not inherited', () => {
    expect(hasRequestMeta(LEAST)).toBe(true)
    expect(hasRequestMeta({ [VERSION]: 5 })).toBe(true)
    expect([hasRequestMeta({}), hasRequestMeta(undefined), hasRequestMeta([])]).toEqual([false, false, false])
  })

  it('says what is wrong in one sentence', () => {
    expect(describeMetaFault({ reason: 'missing', key: VERSION, expected: 'a string' })).toBe(
      "Invalid params: params._meta['io.modelcontextprotocol/protocolVersion'] is required: a string",
    )
    expect(describeMetaFault({ reason: 'wrong_type', key: undefined, expected: 'an object' })).toBe(
      'Invalid params: params._meta must be an object',
    )
  })

  it('is written as it is read', () => {
    const parts = {
      protocolVersion: '2026-07-28',
      clientCapabilities: {},
      clientInfo: { name: 'p', version: '0' },
      logLevel: 'info',
      progressToken: 'x',
    } as const
    expect(readRequestMeta(writeRequestMeta(parts))).toEqual({ ok: true, value: parts })
    expect(writeRequestMeta({ protocolVersion: '2026-07-28', clientCapabilities: {} })).toEqual(LEAST)
  })
})
