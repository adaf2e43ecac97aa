import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createSpawner } from '../../adapters/child-process/spawner.ts'
import { createEgress } from '../../adapters/undici/egress.ts'
import { call, configOf, depsOf, event, http, start, startHttp, until } from '../../../test/fixtures/upstream/support.ts'
import type { Request } from '../../../test/fixtures/upstream/support.ts'
import type { Message } from '../../protocol/message.ts'
import { createUpstream } from './create-upstream.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** A server of 2024-11-05: GET /mcp streams, POST /messages is answered there. */
async function setUp(
  serve: (request: Request, stream: ServerResponse) => void,
  endpointOf: (url: URL) => string = () => '/messages?id=1',
  status = 202,
) {
  let stream: ServerResponse | undefined
  const server = await startHttp((request, response) => {
    if (request.method === 'GET') {
      stream = response.writeHead(200, { 'content-type': 'text/event-stream' })
      stream.write(`event: endpoint\ndata: ${endpointOf(new URL(server.url))}\n\n`)
    } else if (request.url !== '/messages?id=1' || stream === undefined) {
      response.writeHead(404).end('Cannot POST')
    } else if (request.json.method === 'initialize') {
      response.writeHead(202).end('Accepted')
      const result = { protocolVersion: '2024-11-05', capabilities: { tools: {} }, serverInfo: { name: 'old', version: '1' } }
      event(stream, { jsonrpc: '2.0', id: request.json.id, result }, 'event: message\n')
    } else {
      response.writeHead(request.json.method === 'notifications/initialized' ? 202 : status).end('Accepted')
      serve(request, stream)
    }
  })
  const egress = createEgress({ env: {} })
  const upstream = createUpstream(configOf(http(server.url)), depsOf({ egress, spawner: createSpawner() }))
  closers.push(() => server.close(), () => egress.close(), () => upstream.close())
  const heard: Message[] = []
  const closed: string[] = []
  const session = () =>
    upstream.openLegacy({
      clientInfo: '{"name":"c","version":"1"}',
      capabilities: '{}',
      revision: '2025-11-25',
      ownerKey: 'a',
      shared: false,
      listener: { onMessage: (message) => void heard.push(message), onClosed: ({ detail }) => void closed.push(detail) },
      headers: [],
    })
  return { server, upstream, session, heard, closed, end: () => stream?.destroy() }
}

describe('a server of 2024-11-05 over HTTP+SSE', () => {
  it('is found where Streamable HTTP is refused, and answers on its stream', async () => {
    const { upstream, session, heard } = await setUp(({ json }, stream) => {
      if (json.id === undefined) return
      event(stream, { jsonrpc: '2.0', method: 'notifications/message', params: {} }, 'event: message\n')
      event(stream, { jsonrpc: '2.0', id: json.id, result: {} })
    })
    expect((await upstream.profile()).legacy).toMatchObject({ revision: '2024-11-05', serverInfo: '{"name":"old","version":"1"}' })
    const channel = await session()
    expect((await call(channel, 'tools/call')).response?.kind).toBe('result')
    expect(heard.map(({ method }) => method)).toEqual(['notifications/message'])
    await channel.openStream()
  })

  it('is refused when its endpoint is at another origin', async () => {
    const { upstream, server } = await setUp(() => undefined, ({ port }) => `http://localhost:${port}/messages?id=1`)
    await expect(upstream.profile()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(server.requests.some(({ url }) => url.startsWith('/messages'))).toBe(false)
  })

  it('fails the calls in flight, and the session, when the stream ends', async () => {
    const { session, closed, end, server } = await setUp(() => undefined)
    const channel = await session()
    const started = start(channel, 'tools/call')
    await until(() => server.requests.some(({ json }) => json.method === 'tools/call'))
    end()
    expect((await started.outcome).failure).toMatchObject({ reason: 'closed', sent: true })
    expect([closed.length, channel.closed]).toEqual([1, true])
  })

  it('fails a call whose POST is refused', async () => {
    const { session } = await setUp(() => undefined, () => '/messages?id=1', 503)
    expect((await call(await session(), 'tools/call')).failure).toMatchObject({ reason: 'overloaded', sent: false })
  })

  it('is told of a cancellation', async () => {
    const { session, server } = await setUp(() => undefined)
    const started = start(await session(), 'tools/call')
    await until(() => server.requests.some(({ json }) => json.method === 'tools/call'))
    started.control.abort('enough')
    await until(() => server.requests.some(({ json }) => json.method === 'notifications/cancelled'))
    expect(server.requests.at(-1)?.json.params).toEqual({ requestId: Number(started.idText), reason: 'enough' })
  })

  it('hears which calls are cancelled before its session ends', async () => {
    const order: string[] = []
    const { session, server } = await setUp(({ json }, stream) => {
      if (json.method === 'tools/call') stream.on('close', () => order.push('end'))
      if (json.method === 'notifications/cancelled') order.push('cancelled')
    })
    const channel = await session()
    const started = start(channel, 'tools/call')
    await until(() => server.requests.some(({ json }) => json.method === 'tools/call'))
    started.control.abort('enough')
    await channel.close()
    await until(() => order.length === 2)
    expect(order).toEqual(['cancelled', 'end'])
  })

  it.each([
    ['a response that is none', (id: unknown) => ({ jsonrpc: '2.0', id, result: 7 })],
    ['an array, which no server of this revision may send', (id: unknown) => [{ jsonrpc: '2.0', method: 'notifications/message', params: {} }, { jsonrpc: '2.0', id, result: {} }]],
  ])('fails the call that it answers with %s', async (_what, answer) => {
    const { session } = await setUp(({ json }, stream) => {
      if (json.method === 'tools/call') event(stream, answer(json.id), 'event: message\n')
    })
    expect((await call(await session(), 'tools/call')).failure).toMatchObject({ reason: 'malformed', sent: true })
  })
})
