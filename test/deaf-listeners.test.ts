/** Who listens hears its server once that can be heard, though nobody calls. */
import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { Snapshot } from '../src/core/gateway/snapshot.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Actor } from './fixtures/upstream/actor.ts'
import { configOf, event, http, sendJson, sleep, sse, startHttp, until } from './fixtures/upstream/support.ts'
import type { TestServer } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { getRequest, legacy, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Stream } from './mcp-client.ts'

type Json = Record<string, unknown>
const UPDATED = 'notifications/resources/updated'
const ONE = 'test://one'
const TOOLS = 'notifications/tools/list_changed'

const times = (stream: Stream, wanted: string): number => stream.messages().filter(({ method }) => method === wanted).length

/** What is announced now reaches the stream. */
async function hears(stream: Stream, method: string, announce: () => void): Promise<void> {
  const before = times(stream, method)
  announce()
  await until(() => times(stream, method) > before)
}

describe.each([['legacy'], ['modern']] as const)('a client that listens before a %s server is there', (era) => {
  it.each([['legacy'], ['modern']] as const)('in the %s way hears it once it is', async (client) => {
    const actor = closeAfter(await startActor([era]))
    const rig = await startRig({ servers: { a: http(actor.url), b: http(actor.url) } })
    actor.refuse(true)
    const stream = closeAfter(client === 'modern'
      ? await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }))
      : await openStream(rig.port, getRequest(await openSession(rig.port))))
    if (client === 'modern') await stream.count(1)
    actor.refuse(false)
    await until(() => actor.streamCount > 0)
    await hears(stream, TOOLS, () => actor.announce(TOOLS))
  })
})

it.each([['legacy'], ['modern']] as const)('clients of both eras that listen before a %s server is there share one stream of it', async (era) => {
  const actor = closeAfter(await startActor([era]))
  const rig = await startRig({ servers: { a: http(actor.url) } })
  actor.refuse(true)
  const streams = [
    closeAfter(await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }))),
    closeAfter(await openStream(rig.port, getRequest(await openSession(rig.port)))),
  ]
  await streams[0]?.count(1)
  actor.refuse(false)
  await until(() => streams.every((stream) => times(stream, TOOLS) > 0))
  await until(() => actor.streamCount > 0)
  await sleep(300)
  expect(actor.streamCount).toBe(1)
  const before = streams.map((stream) => times(stream, TOOLS))
  actor.announce(TOOLS)
  await until(() => streams.every((stream, index) => times(stream, TOOLS) > (before[index] ?? 0)))
  await sleep(50)
  expect(streams.map((stream, index) => times(stream, TOOLS) - (before[index] ?? 0))).toEqual([1, 1])
})

describe('a legacy server that answers 404 to who asks for a stream', () => {
  interface Session {
    readonly sessionId: string
    /** It does not know a session any more once it has opened it. */
    readonly isLost?: boolean
  }
  async function play({ sessionId, isLost = false }: Session): Promise<{ server: TestServer; stream: Stream }> {
    const server = closeAfter(await startHttp(({ method, json }, response) => {
      if (method !== 'POST' || (isLost && json.method === 'ping')) return void response.writeHead(404).end()
      if (json.id === undefined) return void response.writeHead(202).end()
      if (JSON.stringify(json.params?.['_meta'] ?? {}).includes('protocolVersion')) return sendJson(response, { jsonrpc: '2.0', id: json.id, error: { code: -32_600, message: 'not this era' } }, 400)
      const result = json.method === 'initialize' ? { protocolVersion: '2025-11-25', capabilities: { tools: { listChanged: true } }, serverInfo: { name: 's', version: '1' } } : { tools: [] }
      sendJson(response, { jsonrpc: '2.0', id: json.id, result }, 200, sessionId === '' ? {} : { 'mcp-session-id': sessionId })
    }))
    const rig = await startRig({ servers: { a: http(server.url) } })
    const stream = closeAfter(await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })))
    await stream.count(1)
    await until(() => server.requests.some(({ method }) => method === 'GET'))
    await sleep(300)
    return { server, stream }
  }
  const opened = ({ requests }: TestServer): number => requests.filter(({ json }) => json.method === 'initialize').length

  it.each([['session'], ['']])('keeps its session with who listens, whether it gives an id or not (%j)', async (sessionId) => {
    const { server, stream } = await play({ sessionId })
    expect([times(stream, TOOLS), server.requests.filter(({ method }) => method === 'GET').length]).toEqual([0, 1])
  })

  it('is not asked for one session after the other where it loses each at once', async () => {
    const { server } = await play({ sessionId: 'session', isLost: true })
    const before = opened(server)
    await until(() => opened(server) > before)
    expect(opened(server)).toBeLessThan(before + 3)
  })
})

describe('a session that its server has forgotten while nobody calls', () => {
  it.each([['none'], ['replayable'], ['opaque']] as const)('is opened anew for who listens, where the memory is %s', async (state) => {
    const actor = closeAfter(await startActor(['legacy']))
    const rig = await startRig({ servers: { a: http(actor.url), b: http(actor.url) }, server: { state } })
    const session = await openSession(rig.port)
    const stream = closeAfter(await openStream(rig.port, getRequest(session)))
    await legacy(rig.port, session, 'resources/subscribe', { uri: `a+${ONE}` })
    const [id = ''] = actor.requests.filter(({ json }) => json.method === 'resources/subscribe').map(({ headers }) => String(headers['mcp-session-id']))
    await until(() => actor.requests.some(({ method, headers }) => method === 'GET' && headers['mcp-session-id'] === id))
    actor.forget(id)
    actor.cut()
    await until(() => actor.requests.filter(({ json }) => json.method === 'resources/subscribe').length === 2)
    await until(() => times(stream, UPDATED) > 0)
    expect(stream.messages().filter(({ method }) => method === UPDATED).map(({ params }) => (params as Json)['uri'])).toEqual([`a+${ONE}`])
    await hears(stream, UPDATED, () => actor.announce(UPDATED, { uri: ONE }))
  })
})

it('a client that only has its stream open hears a server that has forgotten its session', async () => {
  const actor = closeAfter(await startActor(['legacy']))
  const rig = await startRig({ servers: { a: http(actor.url), b: http(actor.url) } })
  const session = await openSession(rig.port)
  await legacy(rig.port, session, 'tools/call', { name: 'a__echo', arguments: {} })
  const stream = closeAfter(await openStream(rig.port, getRequest(session)))
  const ofCall = (): string => String(actor.requests.find(({ json }) => json.method === 'tools/call')?.headers['mcp-session-id'])
  await until(() => actor.requests.some(({ method, headers }) => method === 'GET' && headers['mcp-session-id'] === ofCall()))
  actor.forget(ofCall())
  actor.cut()
  await until(() => times(stream, TOOLS) > 0)
})

it('a subscription at a server that a reload replaced goes on at its successor', async () => {
  const [first, second] = [closeAfter(await startActor(['legacy'])), closeAfter(await startActor(['legacy']))]
  const at = (digest: string, actor: Actor): Snapshot => ({
    digest, servers: [configOf(http(actor.url), { id: 'a', name: 'a', state: 'replayable' })], separator: '__', pageSize: 100, limits: DEFAULT_LIMITS, virtualServers: [],
  })
  const source = createSnapshotSource(at('1', first))
  const rig = await startRig({ deps: { snapshots: source } })
  const session = await openSession(rig.port)
  const stream = closeAfter(await openStream(rig.port, getRequest(session)))
  await legacy(rig.port, session, 'resources/subscribe', { uri: `a+${ONE}` })
  source.replace(at('2', second))
  await until(() => second.requests.some(({ json }) => json.method === 'resources/subscribe'))
  await until(() => times(stream, UPDATED) > 0)
  await until(() => second.streamCount > 1)
  await hears(stream, UPDATED, () => second.announce(UPDATED, { uri: ONE }))
})

it('a client that opens its stream while its own session is on its way hears the server also where that cannot be opened', async () => {
  const holding: (() => void)[] = []
  const gets: ServerResponse[] = []
  const server = closeAfter(await startHttp(({ method, json }, response) => {
    if (method === 'GET') {
      sse(response)
      return void gets.push(response)
    }
    if (json.id === undefined) return void response.writeHead(202).end()
    if (json.method !== 'initialize') return sendJson(response, { jsonrpc: '2.0', id: json.id, error: { code: -32_600, message: 'not this' } }, 400)
    const result = { protocolVersion: '2025-11-25', capabilities: { tools: { listChanged: true } }, serverInfo: { name: 's', version: '1' } }
    // The client's own session declares what the client does.
    if (JSON.stringify(json.params?.['capabilities']).includes('roots')) holding.push(() => response.writeHead(503).end())
    else sendJson(response, { jsonrpc: '2.0', id: json.id, result }, 200, { 'mcp-session-id': 's' })
  }))
  const rig = await startRig({ servers: { a: http(server.url) } })
  const session = await openSession(rig.port, { capabilities: { roots: {} } })
  const calling = legacy(rig.port, session, 'tools/list')
  await until(() => holding.length > 0)
  const stream = closeAfter(await openStream(rig.port, getRequest(session)))
  await until(() => stream.events.length > 0)
  for (const fail of holding) fail()
  await calling
  await until(() => gets.length > 0)
  await hears(stream, TOOLS, () => gets.forEach((get) => event(get, { jsonrpc: '2.0', method: TOOLS })))
})

it('a client whose listen a known modern server refused at first is told, once it is heard, that all may have changed', async () => {
  const actor = closeAfter(await startActor(['modern']))
  const rig = await startRig({ servers: { a: http(actor.url) } })
  await modern(rig.port, 'tools/list')
  actor.refuse(true)
  const stream = closeAfter(await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })))
  await until(() => actor.requests.some(({ json }) => json.method === 'subscriptions/listen'))
  actor.refuse(false)
  await until(() => times(stream, TOOLS) > 0)
})
