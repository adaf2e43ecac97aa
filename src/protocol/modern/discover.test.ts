import { describe, expect, it } from 'vitest'
import { readDiscoverResult, writeDiscoverResult } from './discover.ts'

const serverInfo = { name: 'portolan', version: '0.1.0' }

describe('server/discover', () => {
  it('is answered with modern revisions only, and says who answers', () => {
    const parts = { capabilities: { tools: {} }, serverInfo, instructions: 'Ask.', ttlMs: 5, cacheScope: 'private' } as const
    expect(writeDiscoverResult(parts)).toEqual({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {} },
      instructions: 'Ask.',
      ttlMs: 5,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
    })
  })

  it('is read from an upstream, versions that we do not know included', () => {
    const result = {
      supportedVersions: ['2027-01-01', 5, '2026-07-28'],
      capabilities: { odd: 1 },
      _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
    }
    expect(readDiscoverResult(result)).toEqual({
      ok: true,
      value: { supportedVersions: ['2027-01-01', '2026-07-28'], capabilities: { odd: 1 }, serverInfo, instructions: undefined },
    })
    expect(readDiscoverResult({ supportedVersions: [], capabilities: {} })).toMatchObject(
      { ok: true, value: { serverInfo: undefined } },
    )
  })

  it.each([
    [undefined, undefined], [{}, 'supportedVersions'], [{ supportedVersions: 'x' }, 'supportedVersions'],
    [{ supportedVersions: [] }, 'capabilities'],
  ])(
    '%j is not the answer of a modern server',
    (result, key) => expect(readDiscoverResult(result)).toMatchObject({ ok: false, fault: { reason: 'wrong_type', key } }),
  )
})
