import { describe, expect, it } from 'vitest'
import { readInitializeParams, writeInitializeResult } from './initialize.ts'

const info = { name: 'x', version: '1', title: 'X' }

describe('initialize from a client', () => {
  it('is read whole, an unknown version included', () => {
    const parts = { protocolVersion: '2099-01-01', capabilities: { roots: {}, odd: 1 }, clientInfo: info }
    expect(readInitializeParams({ ...parts, extra: 1 })).toEqual({ ok: true, value: parts })
  })

  it.each([
    [undefined, undefined], [{}, 'protocolVersion'], [{ protocolVersion: 1 }, 'protocolVersion'],
    [{ protocolVersion: '2025-11-25' }, 'capabilities'], [{ protocolVersion: '2025-11-25', capabilities: {} }, 'clientInfo'],
    [{ protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x' } }, 'clientInfo'],
  ])('%j is refused', (params, key) => {
    expect(readInitializeParams(params)).toMatchObject({ ok: false, fault: { reason: 'wrong_type', key } })
  })
})

describe('the answer', () => {
  it('is written in the words of the specification', () => {
    expect(writeInitializeResult({ revision: '2025-11-25', capabilities: {}, serverInfo: info })).toEqual({
      protocolVersion: '2025-11-25',
      capabilities: {},
      serverInfo: info,
    })
    const parts = { revision: '2025-06-18', capabilities: { tools: {} }, serverInfo: info, instructions: 'Ask.' } as const
    expect(writeInitializeResult(parts)).toMatchObject({ protocolVersion: '2025-06-18', instructions: 'Ask.' })
  })
})
