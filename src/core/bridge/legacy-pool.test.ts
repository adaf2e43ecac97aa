import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createStaticCredentials } from '../../adapters/memory/credentials.ts'
import { configOf, http } from '../../../test/fixtures/upstream/support.ts'
import type { ServerSnapshot, StdioServer } from '../gateway/snapshot.ts'
import type { LegacyChannel, OpenLegacy } from '../upstream/channel.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { createLegacyPool } from './legacy-pool.ts'

const stdio: StdioServer = { transport: 'stdio', command: 'x', args: [], env: {}, cwd: undefined }

function open(config: ServerSnapshot) {
  const opened: OpenLegacy[] = []
  const ignore = (): void => undefined
  const pool = createLegacyPool({
    clock: createManualClock(),
    self: { name: 'p', version: '1' },
    credentials: createStaticCredentials(),
    onSharedMessage: ignore,
    onSharedClosed: ignore,
    onOwnMessage: ignore,
    onOwnLost: ignore,
  })
  // Of an upstream only this is asked for here.
  const upstream = {
    id: config.id,
    config,
    openLegacy(request: OpenLegacy) {
      opened.push(request)
      return Promise.resolve({ close: () => Promise.resolve() } as unknown as LegacyChannel)
    },
  } as unknown as Upstream
  return { pool, upstream, owners: () => opened.map(({ ownerKey }) => ownerKey) }
}

describe('a shared legacy session', () => {
  it('of a child for all is one, and counts against nobody', async () => {
    const { pool, upstream, owners } = open(configOf(stdio, { share: 'all' }))
    expect(await pool.shared(upstream, 'alice')).toBe(await pool.shared(upstream, 'bob'))
    expect(owners()).toEqual([''])
  })

  it.each([configOf(stdio, { share: 'principal' }), configOf(stdio, { share: 'session' }), configOf(http('http://x'))])(
    'elsewhere is one for each owner, and counts against that owner',
    async (config) => {
      const { pool, upstream, owners } = open(config)
      const alices = await pool.shared(upstream, 'alice')
      expect(await pool.shared(upstream, 'alice')).toBe(alices)
      expect(await pool.shared(upstream, 'bob')).not.toBe(alices)
      expect(owners()).toEqual(['alice', 'bob'])
    },
  )
})
