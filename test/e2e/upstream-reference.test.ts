/** Upstreams against the reference server, which speaks both eras over both transports. */
import { afterEach, describe, expect, it } from 'vitest'
import { createSpawner } from '../../src/adapters/child-process/spawner.ts'
import { createEgress } from '../../src/adapters/undici/egress.ts'
import type { ServerSnapshot } from '../../src/core/gateway/snapshot.ts'
import type { Channel } from '../../src/core/upstream/channel.ts'
import { createUpstream } from '../../src/core/upstream/create-upstream.ts'
import { call, configOf, depsOf, http, start, until } from '../fixtures/upstream/support.ts'
import { REFERENCE_SERVER_COMMAND, startReferenceServer } from '../reference-server-process.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

function open(target: ServerSnapshot['target']) {
  const egress = createEgress({ env: {} })
  const spawner = createSpawner()
  const upstream = createUpstream(configOf(target), { ...depsOf({ egress, spawner }), probeTimeoutMs: 3_000, requestTimeoutMs: 20_000 })
  closers.push(() => egress.close(), () => spawner.close(), () => upstream.close())
  return upstream
}

const META =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}'

async function exerciseModern(channel: Channel): Promise<void> {
  const tools = await call(channel, 'tools/list', { params: `{${META}}`, headers: [['mcp-method', 'tools/list']] })
  expect(tools.response?.kind).toBe('result')
  const listen = start(channel, 'subscriptions/listen', {
    params: `{"notifications":{"toolsListChanged":true},${META}}`,
    headers: [['mcp-method', 'subscriptions/listen']],
  })
  await until(() => listen.messages.length > 0)
  expect(listen.messages[0]?.method).toBe('notifications/subscriptions/acknowledged')
  listen.control.abort('enough')
  const unknown = await call(channel, 'no/such', { params: `{${META}}`, headers: [['mcp-method', 'no/such']] })
  expect(unknown.response?.kind).toBe('error')
}

describe.each(['stdio', 'http'] as const)('the reference server over %s', (transport) => {
  it('is found to speak both eras, and works in both', async () => {
    let target: ServerSnapshot['target'] = { transport: 'stdio', ...REFERENCE_SERVER_COMMAND, env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined }
    if (transport === 'http') {
      const server = await startReferenceServer()
      closers.push(() => server.stop())
      target = http(server.url)
    }
    const upstream = open(target)
    const { legacy, modern } = await upstream.profile()
    expect([legacy?.revision, modern?.revision]).toEqual(['2025-11-25', '2026-07-28'])
    expect(modern?.serverInfo).toContain('"name"')
    await exerciseModern(await upstream.modern())
    const session = await upstream.openLegacy({
      clientInfo: '{"name":"c","version":"1"}',
      capabilities: '{}',
      revision: '2025-06-18',
      ownerKey: 'a',
      shared: false,
      listener: { onMessage: () => undefined, onClosed: () => undefined },
      headers: [],
    })
    expect(session.revision).toBe('2025-06-18')
    expect((await call(session, 'tools/list')).response?.kind).toBe('result')
  })
})
