import { describe, expect, it } from 'vitest'
import { writeDiscoverResult } from './discover.ts'

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
})
