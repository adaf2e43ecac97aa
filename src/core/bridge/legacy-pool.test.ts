import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createStaticCredentials } from '../../adapters/memory/credentials.ts'
import { configOf, http } from '../../../test/fixtures/upstream/support.ts'
import { createLiveSession, forgetOwn } from '../session/live-session.ts'
import type { ServerSnapshot, StdioServer } from '../gateway/snapshot.ts'
import type { LegacyChannel, OpenLegacy } from '../upstream/channel.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { createLegacyPool } from './legacy-pool.ts'

const stdio: StdioServer = { transport: 'stdio', command: 'x', args: [], env: {}, cwd: undefined }

function open(config: ServerSnapshot) {
  const opened: OpenLegacy[] = []
  const closed: string[] = []
  const ignore = (): void => undefined
  const pool = createLegacyPool({
    clock: createManualClock(),
    self: { name: 'p', version: '1' },
    credentials: createStaticCredentials(),
    taskSessions: { keep: () => false, mayYield: () => false },
    onSharedMessage: ignore,
    onSharedOpened: ignore,
    onSharedClosed: () => void closed.push('shared'),
    onOwnMessage: ignore,
    standingOf: () => undefined,
    endStanding: () => Promise.resolve(),
    hasKeptTasks: () => Promise.resolve(false),
    onOwnOpened: () => undefined,
    onOwnLost: () => void closed.push('own'),
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
  return { pool, upstream, opened, closed, owners: () => opened.map(({ ownerKey }) => ownerKey) }
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

function createLive() {
  const data = {
    id: 's', bindingKey: 'b', ownerKey: 'alice', endpoint: '', revision: '2025-11-25', clientInfo: '{}', clientCapabilities: '{}',
    createdAtMs: 0, lastUsedAtMs: 0, initialized: true, logLevel: '', subscriptions: {}, tasks: {},
  } as const
  return createLiveSession({ ...data, subscriptions: {}, tasks: {}, holds: [], atServers: {} }, 'h')
}

const GONE = { gone: true, detail: 'gone' }

describe('a session that the server forgot, and that was opened again', () => {
  it('takes nothing of its shared successor with it when it ends', async () => {
    const { pool, upstream, opened, closed } = open(configOf(http('http://x')))
    pool.forget(await pool.shared(upstream, 'alice'))
    const successor = await pool.shared(upstream, 'alice')
    opened[0]?.listener.onClosed(GONE)
    expect(await pool.shared(upstream, 'alice')).toBe(successor)
    expect([opened.length, closed]).toEqual([2, []])
    opened[1]?.listener.onClosed(GONE)
    expect(await pool.shared(upstream, 'alice')).not.toBe(successor)
    expect(closed).toEqual(['shared'])
  })

  it('takes nothing of its client\'s own successor with it when it ends', async () => {
    const { pool, upstream, opened, closed } = open(configOf(http('http://x')))
    const session = createLive()
    await pool.own(session, upstream, {})
    forgetOwn(session, upstream.id)
    const successor = await pool.own(session, upstream, {})
    opened[0]?.listener.onClosed(GONE)
    expect(await pool.own(session, upstream, {})).toBe(successor)
    expect([opened.length, closed]).toEqual([2, []])
    opened[1]?.listener.onClosed(GONE)
    expect(closed).toEqual(['own'])
  })
})
