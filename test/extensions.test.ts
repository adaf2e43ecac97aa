/** Extensions between the eras (decision 0010): what each side is told of the other's, and what nobody here knows. */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Actor } from './fixtures/upstream/actor.ts'
import { http, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { send } from './http-rig.ts'
import { codeOf, legacy, legacyRequest, messageOf, modern, modernRequest } from './mcp-client.ts'
import { ERAS, build, clientAt, namesOf, virtual } from './virtual-rig.ts'
import type { Built, Client, Era } from './virtual-rig.ts'

type Json = Record<string, unknown>

const META = 'io.modelcontextprotocol'
const UI = `${META}/ui`
const SKILLS = `${META}/skills`
const TASKS = `${META}/tasks`
const VENDOR = 'com.example/tables'
const APPS = { mimeTypes: ['text/html;profile=mcp-app'] }
const RELAYED = { [UI]: APPS, [VENDOR]: { level: 2, nested: { a: [1] } } }
const DECLARED = { extensions: { ...RELAYED, [TASKS]: {} } }
const CELLS = ERAS.flatMap((client) => ERAS.map((server) => [client, server] as const))
const DECLARED_SERVER = fileURLToPath(new URL('fixtures/upstream/declared-server.mjs', import.meta.url))
const stdio = { transport: 'stdio', command: process.execPath, args: [DECLARED_SERVER], env: {}, cwd: undefined } as const

/** A client of either era that declares these capabilities wherever its era does. */
function declaring(built: Built, era: Era, capabilities: Json, path = '/one/mcp'): Promise<Client> {
  return clientAt(built, era, path, era === 'legacy' ? { capabilities } : { meta: { [`${META}/clientCapabilities`]: capabilities } })
}

/** What a server was told at each of these requests: in the request itself, or in the handshake of its session. */
function toldAt(actor: Actor, method: string): unknown[] {
  return actor.requests.filter(({ json }) => json.method === method).map(({ json: { params = {} } }) => {
    const capabilities = method === 'initialize' ? params['capabilities'] : (params['_meta'] as Json | undefined)?.[`${META}/clientCapabilities`]
    return (capabilities as Json | undefined)?.['extensions']
  })
}

const start = async (eras: readonly Era[], capabilities: object = {}): Promise<Actor> => closeAfter(await startActor(eras, {}, { capabilities }))

describe.each(CELLS)('extensions of a %s client, at a %s server', (era, serverEra) => {
  it('are declared to the server as the client wrote them; tasks are each hop\'s own', async () => {
    const actor = await start([serverEra])
    const client = await declaring(await build({ one: http(actor.url) }, []), era, DECLARED)
    await client.result('tools/call', { name: 'echo' })
    await client.result('completion/complete', { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' } })
    const expected = era === 'modern' && serverEra === 'modern' ? DECLARED.extensions : RELAYED
    if (serverEra === 'modern') expect([...toldAt(actor, 'tools/call'), ...toldAt(actor, 'completion/complete')]).toEqual([expected, expected])
    else expect(toldAt(actor, 'initialize')).toContainEqual(expected)
  })

  it('are declared for the lists that it is shown, which others do not get', async () => {
    const actor = await start([serverEra])
    const built = await build({ one: http(actor.url) }, [])
    const plain = await declaring(built, era, {})
    const declares = await declaring(built, era, DECLARED)
    for (const client of [plain, declares, plain, declares]) await client.result('tools/list')
    if (serverEra === 'modern') expect(toldAt(actor, 'tools/list')).toEqual([undefined, RELAYED])
    else expect(actor.requests.filter(({ json }) => json.method === 'tools/list')).toHaveLength(2)
  })

  it('of the server are advertised as they are, also those that nobody knows', async () => {
    const extensions = { [UI]: {}, [VENDOR]: { versions: ['1.2'] } }
    const actor = await start([serverEra], { extensions })
    expect(await advertised(await build({ one: http(actor.url) }, []), era, '/one/mcp')).toEqual(extensions)
  })

  it('whose methods nobody knows are used through it', async () => {
    const actor = closeAfter(await startActor([serverEra], { 'vendor/rows': ({ request, response }) => response.writeHead(200, { 'content-type': 'application/json' }).end(`{"jsonrpc":"2.0","id":${String(request.json.id)},"result":{"resultType":"rows","rows":[1.50],"ttlMs":7,"cacheScope":"public"}}`) }))
    const client = await declaring(await build({ one: http(actor.url) }, []), era, DECLARED)
    const answer = await client.ask('vendor/rows', { table: 't' })
    expect(answer.text).toContain('"result":{"resultType":"rows","rows":[1.50],"ttlMs":7,"cacheScope":"public"}')
  })

  it('have notifications that go the same way', async () => {
    const actor = await start([serverEra])
    const built = await build({ one: http(actor.url) }, [])
    const client = await declaring(built, era, DECLARED)
    const body = '{"jsonrpc":"2.0","method":"notifications/vendor/moved","params":{"to":[1.50],"_meta":{"traceparent":"00-1-2-01"}}}'
    const wire = era === 'legacy' ? legacyRequest(client.session, '', {}, { path: '/one/mcp', body }) : modernRequest('notifications/vendor/moved', {}, { path: '/one/mcp', body })
    expect((await send(built.rig.port, wire)).status).toBe(202)
    await until(() => actor.requests.some((request) => request.body === body))
    expect(actor.requests.find((request) => request.body === body)?.headers['mcp-method']).toBe(serverEra === 'modern' ? 'notifications/vendor/moved' : undefined)
  })
})

describe.each(ERAS)('a notification of the official client of 2026-07-28, to a %s server', (serverEra) => {
  it('says of its hop what Portolan says of it, and all else as it came', async () => {
    const actor = await start([serverEra])
    const built = await build({ one: http(actor.url) }, [])
    const hop = { [`${META}/protocolVersion`]: '2026-07-28', [`${META}/clientInfo`]: { name: 'test', version: '1' }, [`${META}/clientCapabilities`]: { extensions: RELAYED } }
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/vendor/moved', params: { to: [1], _meta: { ...hop, traceparent: '00-1-2-01' } } })
    // It sends no Mcp-Method: nothing says that notifications have one.
    expect((await send(built.rig.port, modernRequest('', {}, { path: '/one/mcp', body, headers: { 'mcp-method': '' } }))).status).toBe(202)
    await until(() => actor.requests.some(({ json }) => json.method === 'notifications/vendor/moved'))
    const seen = actor.requests.find(({ json }) => json.method === 'notifications/vendor/moved')
    const own = serverEra === 'modern' ? { ...hop, [`${META}/clientInfo`]: { name: 'portolan', version: '0.0.0' } } : {}
    expect(seen?.json.params).toEqual({ to: [1], _meta: { ...own, traceparent: '00-1-2-01' } })
  })
})

async function advertised(built: Built, era: Era, path: string): Promise<unknown> {
  const answer = era === 'legacy'
    ? await legacy(built.rig.port, '', 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } }, { path })
    : await modern(built.rig.port, 'server/discover', {}, { path })
  return ((messageOf(answer)['result'] as Json)['capabilities'] as Json)['extensions']
}

describe.each(ERAS)('of several servers, to a %s client', (era) => {
  const servers = async (): Promise<Record<string, ReturnType<typeof http>>> => {
    const one = await start(ERAS, { extensions: { [UI]: {}, [SKILLS]: { directoryRead: false }, [VENDOR]: {} } })
    const two = await start(ERAS, { extensions: { [SKILLS]: { directoryRead: true } } })
    return { one: http(one.url), two: http(two.url) }
  }

  it('those are advertised whose methods have a route, with what any of the servers can do', async () => {
    expect(await advertised(await build(await servers(), []), era, '/mcp')).toEqual({ [UI]: {}, [SKILLS]: { directoryRead: true } })
  })

  it('all are, where there is one server only', async () => {
    const { one } = await servers()
    expect(await advertised(await build({ one: one ?? http('') }, []), era, '/mcp')).toEqual({ [UI]: {}, [SKILLS]: { directoryRead: false }, [VENDOR]: {} })
  })

  it('a virtual server advertises those only whose items it shows', async () => {
    const built = await build(await servers(), [virtual('tools', { use: [{ server: 'one', resources: [], templates: [] }] }), virtual('none', { use: [{ server: 'one', tools: [], resources: ['x://*'] }] })])
    expect(await advertised(built, era, '/tools/mcp')).toEqual({ [UI]: {} })
    expect(await advertised(built, era, '/none/mcp')).toBeUndefined()
  })

  it('what nobody knows has no route: a method is refused, a notification dropped', async () => {
    const actor = await start(ERAS)
    const built = await build({ one: http(actor.url), two: http(actor.url) }, [virtual('v', { use: [{ server: 'one' }] })])
    for (const path of ['/mcp', '/v/mcp']) {
      const client = await declaring(built, era, DECLARED, path)
      expect(codeOf(await client.ask('vendor/rows'))).toBe(-32601)
      const body = '{"jsonrpc":"2.0","method":"notifications/vendor/moved"}'
      const wire = era === 'legacy' ? legacyRequest(client.session, '', {}, { path, body }) : modernRequest('notifications/vendor/moved', {}, { path, body })
      expect((await send(built.rig.port, wire)).status).toBe(202)
      await client.ask('tools/call', { name: path === '/mcp' ? 'one__echo' : 'echo' })
    }
    expect(actor.requests.filter(({ json }) => json.method?.includes('vendor'))).toEqual([])
  })
})

describe('children that several clients share', () => {
  it.each(ERAS)('are others for %s clients that declare an extension; those that declare the same share one', async (era) => {
    const built = { rig: await startRig({ servers: { one: stdio }, server: { era: 'legacy' } }) } as Built
    const ask = async (capabilities: Json): Promise<Json> => (await declaring(built, era, capabilities)).result('tools/call', { name: 'echo' })
    const plain = await ask({})
    const one = await ask({ extensions: { [VENDOR]: { b: 1, a: 2 }, [UI]: APPS } })
    const same = await ask({ extensions: { [UI]: APPS, [VENDOR]: { a: 2, b: 1 } } })
    expect([plain['declared'], one['declared']]).toEqual([{}, { extensions: { [UI]: APPS, [VENDOR]: { a: 2, b: 1 } } }])
    expect(same['pid']).toBe(one['pid'])
    expect(plain['pid']).not.toBe(one['pid'])
    expect((await ask({}))['pid']).toBe(plain['pid'])
    const lists = await Promise.all([{}, { extensions: { [UI]: APPS } }].map(async (capabilities) => (await declaring(built, era, capabilities)).result('tools/list')))
    expect(lists.map(({ tools }) => namesOf(tools))).toEqual([['echo'], ['echo', 'panel']])
  })

  it('are not as many as a client can think of: beyond four kinds nothing is declared for it', async () => {
    const built = { rig: await startRig({ servers: { one: stdio }, server: { era: 'legacy' } }) } as Built
    const declared: unknown[] = []
    for (let kind = 1; kind <= 6; kind += 1) {
      const client = await declaring(built, 'modern', { extensions: { [VENDOR]: { kind } } })
      declared.push((await client.result('tools/call', { name: 'echo' }))['declared'])
    }
    const known = [1, 2, 3, 4].map((kind) => ({ extensions: { [VENDOR]: { kind } } }))
    expect(declared).toEqual([...known, {}, {}])
  })

  it('nor are the lists that are kept of a server', async () => {
    const actor = await start(['modern'])
    const built = await build({ one: http(actor.url) }, [])
    for (const kind of [1, 2, 3, 4, 5, 6, 5, 1]) await (await declaring(built, 'modern', { extensions: { [VENDOR]: { kind } } })).result('tools/list')
    expect(toldAt(actor, 'tools/list')).toEqual([...[1, 2, 3, 4].map((kind) => ({ [VENDOR]: { kind } })), undefined])
  })

  it('leave a server its one child where the configuration allows it one', async () => {
    const built = { rig: await startRig({ servers: { one: stdio }, server: { era: 'legacy' }, limits: { childrenPerUpstream: 1 } }) } as Built
    const pids = [{}, DECLARED].map(async (capabilities) => (await (await declaring(built, 'legacy', capabilities)).result('tools/call', { name: 'echo' }))['pid'])
    expect(new Set(await Promise.all(pids)).size).toBe(1)
  })
})
