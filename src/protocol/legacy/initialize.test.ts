import { describe, expect, it } from 'vitest'
import { readInitializeParams, readInitializeResult, writeInitializeParams, writeInitializeResult } from './initialize.ts'

const info = { name: 'x', version: '1', title: 'X' }

describe('initialize from a client', () => {
  it('is read as it was written, an unknown version included', () => {
    const parts = { protocolVersion: '2099-01-01', capabilities: { roots: {}, odd: 1 }, clientInfo: info }
    expect(readInitializeParams(writeInitializeParams(parts))).toEqual({ ok: true, value: parts })
  })

  it.each([
    [undefined, undefined], [{}, 'protocolVersion'], [{ protocolVersion: 1 }, 'protocolVersion'],
    [{ protocolVersion: '2025-11-25' }, 'capabilities'], [{ protocolVersion: '2025-11-25', capabilities: {} }, 'clientInfo'],
    [{ protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x' } }, 'clientInfo'],
  ])('%j is refused', (params, key) => {
    expect(readInitializeParams(params)).toMatchObject({ ok: false, fault: { reason: 'wrong_type', key } })
  })
})

describe('the answer of an upstream', () => {
  it('is read as it was written', () => {
    const parts = { revision: '2025-06-18', capabilities: { tools: {} }, serverInfo: info, instructions: 'Ask.' } as const
    expect(readInitializeResult(writeInitializeResult(parts))).toEqual({ ok: true, value: parts })
  })

  it('is written in the words of the specification', () => {
    expect(writeInitializeResult({ revision: '2025-11-25', capabilities: {}, serverInfo: info })).toEqual({
      protocolVersion: '2025-11-25',
      capabilities: {},
      serverInfo: info,
    })
  })

  it.each(['2026-07-28', '2023-01-01', ''])('names a revision that we do not speak with a handshake: %j', (protocolVersion) => {
    const fault = { reason: 'unknown_revision', answered: protocolVersion }
    expect(readInitializeResult({ protocolVersion, capabilities: {}, serverInfo: info })).toEqual({ ok: false, fault })
  })

  it('may leave out who it is', () => {
    expect(readInitializeResult({ protocolVersion: '2024-10-07', capabilities: {}, serverInfo: { name: 'old' } })).toEqual({
      ok: true,
      value: { revision: '2024-11-05', capabilities: {}, serverInfo: { name: 'old', version: '' }, instructions: undefined },
    })
    expect(readInitializeResult({ protocolVersion: '2025-11-25', capabilities: {} })).toMatchObject({ ok: true })
  })

  it.each([
    [undefined, undefined], [{}, 'protocolVersion'], [{ protocolVersion: '2025-11-25' }, 'capabilities'],
  ])('%j is refused', (result, key) => {
    expect(readInitializeResult(result)).toMatchObject({ ok: false, fault: { reason: 'wrong_type', key } })
  })
})
