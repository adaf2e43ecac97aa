/** What hostile clients and servers try: to learn, to forge, to fill the memory. */
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http, sendJson, startHttp, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { rawClient, send, statuses } from './http-rig.ts'
import type { Rig, RigOptions } from './gateway-rig.ts'
import { codeOf, getRequest, legacy, messageOf, modern, modernRequest, openSession, openStream, wireText } from './mcp-client.ts'

async function play(eras: readonly ('legacy' | 'modern')[], acts: Record<string, Act> = {}, options: RigOptions = {}): Promise<{ rig: Rig; actor: Actor }> {
  const actor = closeAfter(await startActor(eras, acts))
  return { actor, rig: await startRig({ servers: { actor: http(actor.url) }, ...options }) }
}

describe('a client that says much of itself', () => {
  const initialize = (rig: Rig, bytes: number) =>
    legacy(rig.port, '', 'initialize', {
      protocolVersion: '2025-11-25',
      capabilities: { experimental: { x: { y: 'x'.repeat(bytes) } } },
      clientInfo: { name: 'n', version: '1' },
    })

  it('has no session beyond 64 KiB of it', async () => {
    const { rig } = await play(['legacy'])
    expect(codeOf(await initialize(rig, 65_000))).toBe(0)
    const refused = await initialize(rig, 65_536)
    expect([refused.status, codeOf(refused), refused.headers['mcp-session-id']]).toEqual([200, -32_602, undefined])
    expect(rig.gateway.status().sessions).toBe(1)
  })
})

describe('a client of one pipe that writes on while its session is being opened', () => {
  it('has 16 MiB waiting at most, and learns of each request that does not wait', async () => {
    const gate = Promise.withResolvers<void>()
    const actor = closeAfter(await startActor(['legacy'], {}, { gate: gate.promise }))
    const rig = await startRig({ servers: { actor: http(actor.url) } })
    const stream = await openStream(rig.port, getRequest('', {}, '/actor/sse'))
    await until(() => stream.events.length > 0)
    const path = stream.events[0]?.data ?? ''
    const post = (body: object) => legacy(rig.port, '', '', {}, { path, body: JSON.stringify({ jsonrpc: '2.0', ...body }) })
    await post({ id: 0, method: 'initialize', params: { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'n', version: '1' } } })
    const x = 'x'.repeat(4_000_000)
    for (const id of [1, 2, 3, 4, 5, 6]) await post({ id, method: 'ping', params: { x } })
    await post({ method: 'notifications/x', params: { x } })
    const refused = await stream.count(2)
    expect(refused.map(({ id, error }) => [id, (error as { code: number }).code])).toEqual([[5, -31_017], [6, -31_017]])
    gate.resolve()
    const all = await stream.count(7)
    expect(all.slice(2).map(({ id }) => id)).toEqual([0, 1, 2, 3, 4])
    stream.drop()
    await rig.settled()
  })
})

describe('headers that mirror arguments', () => {
  const region = { type: 'object', properties: { to: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } } } }
  const playMirrored = async (): Promise<{ rig: Rig; seen(): unknown[] }> => {
    const actor = closeAfter(await startActor(['modern'], { move: ({ answer }) => answer() }, { schemas: { move: region } }))
    const rig = await startRig({ servers: { actor: { ...http(actor.url), headers: { 'mcp-param-tenant': 'ours' } } } })
    const seen = (): unknown[] =>
      actor.requests
        .filter(({ json }) => json.method === 'tools/call')
        .map(({ headers }) => [headers['mcp-param-region'], headers['mcp-param-tenant'], headers['mcp-param-other']])
    return { rig, seen }
  }
  const params = { name: 'actor__move', arguments: { to: { region: 'eu' } } }

  it('agree with them whatever parser the server has: a name that stands twice is refused', async () => {
    const { rig, seen } = await playMirrored()
    const headers = { 'mcp-param-region': 'eu' }
    expect(messageOf(await modern(rig.port, 'tools/call', params, { headers }))).toHaveProperty('result')
    const wire = modernRequest('tools/call', params, { headers })
    for (const twice of ['{"region":"us","region":"eu"}', '{"region":"us","r\\u0065gion":"eu"}']) {
      const answer = await send(rig.port, { ...wire, body: wire.body.replace('{"region":"eu"}', twice) })
      expect([answer.status, codeOf(answer)], twice).toEqual([400, -32_600])
    }
    expect(seen()).toEqual([['eu', 'ours', undefined]])
  })

  it('take nothing from what the configuration sends', async () => {
    const { rig, seen } = await playMirrored()
    const headers = { 'mcp-param-region': 'eu', 'mcp-param-tenant': 'theirs', 'mcp-param-other': 'x' }
    expect(messageOf(await modern(rig.port, 'tools/call', params, { headers }))).toHaveProperty('result')
    expect(seen()).toEqual([['eu', 'ours', 'x']])
  })

  it.each([['/mcp', 'actor__move'], ['/actor/mcp', 'move']])('are made for legacy clients, who cannot say otherwise: %s', async (path, name) => {
    const { rig, seen } = await playMirrored()
    const session = await openSession(rig.port, { path })
    const answer = await legacy(rig.port, session, 'tools/call', { ...params, name }, { path, headers: { 'mcp-param-region': 'us' } })
    expect(messageOf(answer)).toHaveProperty('result')
    expect(seen()).toEqual([['eu', 'ours', undefined]])
  })
})

describe('a client without a token', () => {
  it('makes us hold no large body', async () => {
    const { rig } = await play(['modern'])
    for (const length of ['content-length: 20000', 'transfer-encoding: chunked']) {
      const client = rawClient(rig.port)
      const wire = wireText(modernRequest('tools/list', {}, { token: '' }))
      client.write(`${wire.slice(0, wire.indexOf('\r\n\r\n')).replace(/content-length: \d+/, length)}\r\n\r\n`)
      expect(statuses(await client.until(/401/))).toEqual([401])
    }
  })
})

describe('one person\'s streams', () => {
  it('are counted together, whatever they are and of whichever session, and apart from another\'s', async () => {
    const { rig } = await play(['legacy', 'modern'], {}, { limits: { streamsPerPrincipal: 3 } })
    const [first, second] = [await openSession(rig.port), await openSession(rig.port)]
    const listen = (token: string) => modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, { token })
    const streams = [
      await openStream(rig.port, getRequest(first)),
      await openStream(rig.port, getRequest('', {}, '/sse')),
      await openStream(rig.port, listen('alice')),
    ]
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200])
    const refused = [getRequest(second), getRequest('', {}, '/sse'), listen('alice')]
    for (const wire of refused) expect((await send(rig.port, wire)).status).toBe(503)
    const bobs = await openStream(rig.port, listen('bob'))
    expect(bobs.status).toBe(200)
    streams[0]?.drop()
    await until(() => rig.gateway.status().inFlight === 3)
    const again = await openStream(rig.port, getRequest(second))
    expect(again.status).toBe(200)
    for (const stream of [...streams, bobs, again]) stream.drop()
    await rig.settled()
  })
})

describe('a server', () => {
  it('whose list never ends is left, and the others are not', async () => {
    const page = { inputSchema: {}, description: 'x'.repeat(8 * 1024 * 1024) }
    let pages = 0
    const endless = closeAfter(
      await startHttp(({ json: { id, method } }, response) => {
        const result = (value: object): void => sendJson(response, { jsonrpc: '2.0', id, result: { resultType: 'complete', ...value } })
        if (method === 'server/discover') return result({ supportedVersions: ['2026-07-28'], capabilities: { tools: {} } })
        pages += 1
        result({ tools: [{ ...page, name: `t${pages}` }], nextCursor: String(pages) })
      }),
    )
    const actor = closeAfter(await startActor(['modern']))
    const rig = await startRig({ servers: { endless: http(endless.url), actor: http(actor.url) }, server: { era: 'modern' } })
    expect(codeOf(await modern(rig.port, 'tools/list', {}, { path: '/endless/mcp' }))).toBe(-31_023)
    expect(pages).toBeLessThan(10)
    const { tools } = messageOf(await modern(rig.port, 'tools/list'))['result'] as { tools: { name: string }[] }
    expect(tools.map(({ name }) => name)).toEqual(['actor__echo'])
  }, 30_000)
})

describe('a batch', () => {
  it('holds no initialize, however deep its params', async () => {
    const { rig } = await play(['legacy'], {}, { limits: { jsonDepth: 500 } })
    const session = await openSession(rig.port, { revision: '2025-03-26' })
    const params = `{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"n","version":"1"},"x":${'['.repeat(200)}${']'.repeat(200)}}`
    const answer = await legacy(rig.port, session, '', {}, { body: `[{"jsonrpc":"2.0","id":1,"method":"initialize","params":${params}}]` })
    expect([answer.status, codeOf(answer)]).toEqual([400, -32_600])
    expect(rig.gateway.status().sessions).toBe(1)
  })
})

describe('a session that subscribes', () => {
  it('has 1,000 subscriptions at one server at most, and loses none of those made at once', async () => {
    const { rig, actor } = await play(['legacy'])
    const asked = { path: '/actor/mcp' }
    const session = await openSession(rig.port, asked)
    const subscribe = (id: number, method = 'resources/subscribe') => legacy(rig.port, session, method, { uri: `test://${id}` }, { ...asked, id })
    for (let from = 0; from < 1_000; from += 50) await Promise.all(Array.from({ length: 50 }, (_, index) => subscribe(from + index)))
    expect(codeOf(await subscribe(1_000))).toBe(-32_602)
    expect(codeOf(await subscribe(7))).toBe(0)
    expect(codeOf(await subscribe(7, 'resources/unsubscribe'))).toBe(0)
    expect(codeOf(await subscribe(1_000))).toBe(0)
    expect(codeOf(await subscribe(7))).toBe(-32_602)
    expect(actor.requests.filter(({ json }) => json.method === 'resources/subscribe').length).toBe(1_002)
  }, 30_000)
})
