/** Virtual servers (decision 0008) before a whole gateway: what is picked is there under its new looks, what is not is nowhere. */
import { describe, expect, it } from 'vitest'
import type { Policy } from '../src/core/policy/policy.ts'
import type { Actor } from './fixtures/upstream/actor.ts'
import { http, startHttp } from './fixtures/upstream/support.ts'
import { closeAfter } from './gateway-rig.ts'
import { send } from './http-rig.ts'
import { codeOf, legacy, legacyRequest, messageOf, modern, modernRequest } from './mcp-client.ts'
import { ERAS, TOOLS, build, lost, clientAt, expectUnknown, namesOf, startNamed, virtual } from './virtual-rig.ts'
import type { Built, Client, Item } from './virtual-rig.ts'

const CELLS = ERAS.flatMap((client) => ERAS.map((server) => [client, server] as const))

describe.each(CELLS)('a virtual server, to a %s client, of one %s server', (era, serverEra) => {
  const fs = virtual('fs', {
    title: 'Files',
    description: 'What the job needs',
    use: [{ server: 'files', tools: ['*', '!hold'], prompts: ['greet'], resources: ['doc://*', '!doc://b'], templates: ['row://*'] }],
    tools: {
      read: { name: 'open_file', title: 'Open', description: 'Opens "one" – file.', annotations: { title: 'O', readOnlyHint: false }, arguments: { depth: 3 } },
      'files/search': { hide: true },
    },
    prompts: { greet: { name: 'hello', description: 'Says hello', arguments: { tone: 'warm' } } },
    resources: { 'doc://a': { name: 'first', title: 'First' } },
  })
  const start = async (): Promise<{ readonly built: Built; readonly client: Client; readonly actor: Actor }> => {
    const actor = await startNamed([serverEra])
    const built = await build({ files: http(actor.url), other: http(actor.url) }, [fs])
    return { built, actor, client: await clientAt(built, era, '/fs/mcp') }
  }
  const lastOf = (actor: Actor, method: string): Record<string, unknown> => (actor.requests.findLast(({ json }) => json.method === method)?.json.params ?? {}) as Record<string, unknown>

  it('shows what is picked, as it is described', async () => {
    const { client } = await start()
    const { tools } = await client.result('tools/list')
    expect(namesOf(tools)).toEqual(['open_file', 'write', 'begin', 'ask'])
    expect((tools as Item[])[0]).toEqual({
      ...TOOLS[0],
      name: 'open_file',
      title: 'Open',
      description: 'Opens "one" – file.',
      inputSchema: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
      annotations: { readOnlyHint: false, title: 'O' },
    })
    expect((tools as Item[])[1]).toEqual(TOOLS[1])
    expect((await client.result('prompts/list'))['prompts']).toEqual([{ name: 'hello', description: 'Says hello', arguments: [{ name: 'who', required: true }] }])
    expect((await client.result('resources/list'))['resources']).toEqual([{ uri: 'doc://a', name: 'first', title: 'First' }])
    expect(namesOf((await client.result('resources/templates/list'))['resourceTemplates'])).toEqual(['row'])
  })

  it('says who it is, and what can be used of it', async () => {
    const { built } = await start()
    const answer = era === 'legacy'
      ? await legacy(built.rig.port, '', 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } }, { path: '/fs/mcp' })
      : await modern(built.rig.port, 'server/discover', {}, { path: '/fs/mcp' })
    const { capabilities, serverInfo: legacyInfo, _meta } = messageOf(answer)['result'] as Record<string, Record<string, unknown>>
    const serverInfo = legacyInfo ?? _meta?.['io.modelcontextprotocol/serverInfo']
    expect(serverInfo).toEqual({ name: 'fs', title: 'Files', description: 'What the job needs', version: '0.0.0' })
    expect(capabilities).toMatchObject({ tools: { listChanged: true }, prompts: {}, resources: { subscribe: true }, completions: {} })
  })

  it('calls a tool by its server\'s name with what is fixed, and the client\'s own arguments as they came', async () => {
    const { client, actor } = await start()
    await client.result('tools/call', { name: 'open_file', arguments: { path: '/a', more: { x: [1] } } })
    expect(lastOf(actor, 'tools/call')).toMatchObject({ name: 'read', arguments: { path: '/a', more: { x: [1] }, depth: 3 } })
    if (serverEra === 'modern') expect(actor.requests.findLast(({ json }) => json.method === 'tools/call')?.headers['mcp-name']).toBe('read')
    for (const given of [undefined, {}]) {
      await client.result('tools/call', { name: 'open_file', ...(given === undefined ? {} : { arguments: given }) })
      expect(lastOf(actor, 'tools/call')['arguments']).toEqual({ depth: 3 })
    }
  })

  it('refuses a client\'s own value for what is fixed, and never sends it', async () => {
    const { built, client, actor } = await start()
    const before = actor.requests.filter(({ json }) => json.method === 'tools/call').length
    for (const depth of [4, 3, null]) {
      const answer = await client.ask('tools/call', { name: 'open_file', arguments: { depth } })
      expect([answer.status, codeOf(answer)]).toEqual([200, -32_602])
    }
    const escaped = { arguments: {}, name: 'open_file' }
    const asked = era === 'legacy' ? legacyRequest(client.session, 'tools/call', escaped, { path: '/fs/mcp' }) : modernRequest('tools/call', escaped, { path: '/fs/mcp' })
    const sneaky = await send(built.rig.port, { ...asked, body: asked.body.replace('"arguments":{}', '"arguments":{"dep\\u0074h":9}') })
    expect(codeOf(sneaky)).toBe(-32_602)
    const twice = await send(built.rig.port, { ...asked, body: asked.body.replace('"arguments":{}', '"arguments":{"a":1,"a":2}') })
    expect(codeOf(twice)).toBe(-32_600)
    expect(codeOf(await client.ask('tools/call', { name: 'open_file', arguments: [1] }))).toBe(-32_602)
    expect(actor.requests.filter(({ json }) => json.method === 'tools/call').length).toBe(before)
  })

  it('answers what is hidden or not picked as what never was', async () => {
    const { client, actor } = await start()
    const seen = (): number => actor.requests.filter(({ json }) => /^(tools\/call|prompts\/get|resources\/read|completion)/.test(json.method ?? '')).length
    const before = seen()
    await expectUnknown(client, 'tools/call', (name) => ({ name, arguments: {} }), ['search', 'hold', 'read', 'files__search', '__proto__'], 'nothing')
    await expectUnknown(client, 'prompts/get', (name) => ({ name }), ['secret', 'greet'], 'nothing')
    await expectUnknown(client, 'resources/read', (uri) => ({ uri }), ['doc://b', 'log://x', 'log://y', 'row://t/../x', 'row://t', 'doc://c', 'files+doc://a', 'DOC://a'], 'nothing://x')
    const ref = (type: string, key: string) => (name: string) => ({ ref: { type, [key]: name }, argument: { name: 'x', value: '' } })
    await expectUnknown(client, 'completion/complete', ref('ref/prompt', 'name'), ['secret', 'greet'], 'nothing')
    await expectUnknown(client, 'completion/complete', ref('ref/resource', 'uri'), ['log://{name}', 'doc://b'], 'no://{x}')
    if (era === 'legacy') {
      await expectUnknown(client, 'resources/subscribe', (uri) => ({ uri }), ['doc://b', 'log://x'], 'nothing://x')
    }
    for (const method of ['vendor/method', 'tools/other', 'search']) expect(codeOf(await client.ask(method))).toBe(-32_601)
    expect(seen()).toBe(before)
    expect(actor.requests.some(({ json }) => json.method === 'vendor/method')).toBe(false)
  })

  it('reads what is picked, and what fits a picked template', async () => {
    const { client, actor } = await start()
    for (const uri of ['doc://a', 'row://t/7', 'row://t/a%20b', 'row://t/a%2Fb']) {
      await client.result('resources/read', { uri })
      expect(lastOf(actor, 'resources/read')['uri']).toBe(uri)
    }
  })

  it('gets a prompt and completes its arguments with what is fixed', async () => {
    const { client, actor } = await start()
    await client.result('prompts/get', { name: 'hello', arguments: { who: 'you' } })
    expect(lastOf(actor, 'prompts/get')).toMatchObject({ name: 'greet', arguments: { who: 'you', tone: 'warm' } })
    expect(codeOf(await client.ask('prompts/get', { name: 'hello', arguments: { tone: 'cold' } }))).toBe(-32_602)
    const complete = { ref: { type: 'ref/prompt', name: 'hello' }, argument: { name: 'who', value: 'y' } }
    await client.result('completion/complete', complete)
    expect(lastOf(actor, 'completion/complete')).toMatchObject({ ref: { name: 'greet' }, argument: { name: 'who' }, context: { arguments: { tone: 'warm' } } })
    await client.result('completion/complete', { ...complete, context: { arguments: { other: '1' }, kept: 2 } })
    expect(lastOf(actor, 'completion/complete')['context']).toEqual({ arguments: { other: '1', tone: 'warm' }, kept: 2 })
    for (const bad of [{ ...complete, argument: { name: 'tone', value: '' } }, { ...complete, context: { arguments: { tone: 'x' } } }]) {
      expect(codeOf(await client.ask('completion/complete', bad))).toBe(-32_602)
    }
    await client.result('completion/complete', { ref: { type: 'ref/resource', uri: 'row://{table}/{id}' }, argument: { name: 'id', value: '' } })
  })

  it('leaves the server\'s own endpoint and /mcp as they were', async () => {
    const { built } = await start()
    expect(namesOf((await (await clientAt(built, era, '/files/mcp')).result('tools/list'))['tools'])).toContain('search')
    const all = namesOf((await (await clientAt(built, era, '/mcp')).result('tools/list'))['tools'])
    expect(all).toContain('files__read')
    expect(all.filter((name) => String(name).startsWith('fs'))).toEqual([])
  })
})

describe('a fixed argument that is mirrored into a header', () => {
  const eu = virtual('eu', { use: [{ server: 'files' }], tools: { write: { arguments: { region: 'eu' } } } })
  const calling = (args: Record<string, unknown>, headers: Record<string, string>) => [{ name: 'write', arguments: args }, { path: '/eu/mcp', headers }] as const

  it('goes to the server as the configuration says, whatever the client sends beside it', async () => {
    const actor = await startNamed(['modern'])
    const { rig } = await build({ files: http(actor.url) }, [eu])
    const { tools } = (messageOf(await modern(rig.port, 'tools/list', {}, { path: '/eu/mcp' }))['result'] ?? {}) as { tools: Item[] }
    expect(tools[1]).toMatchObject({ name: 'write', inputSchema: { properties: { team: { 'x-mcp-header': 'Team' } } } })
    expect(JSON.stringify(tools[1])).not.toContain('Region')
    const answer = await modern(rig.port, 'tools/call', ...calling({ team: 'blue' }, { 'mcp-param-team': 'blue' }))
    expect(messageOf(answer)).toHaveProperty('result')
    const { headers, json } = actor.requests.at(-1) ?? {}
    expect([headers?.['mcp-param-team'], headers?.['mcp-param-region'], json?.params?.['arguments']]).toEqual(['blue', 'eu', { team: 'blue', region: 'eu' }])
  })

  it('is not the client\'s to send as a header either', async () => {
    const actor = await startNamed(['modern'])
    const { rig } = await build({ files: http(actor.url) }, [eu])
    for (const region of ['us', 'eu']) {
      const answer = await modern(rig.port, 'tools/call', ...calling({ team: 'blue' }, { 'mcp-param-team': 'blue', 'mcp-param-region': region }))
      expect([answer.status, codeOf(answer)]).toEqual([400, -32_020])
    }
    expect(codeOf(await modern(rig.port, 'tools/call', ...calling({ team: 'blue' }, {})))).toBe(-32_020)
    expect(actor.requests.some(({ json }) => json.method === 'tools/call')).toBe(false)
  })

  it('is sent for a legacy client, too', async () => {
    const actor = await startNamed(['modern'])
    const client = await clientAt(await build({ files: http(actor.url) }, [eu]), 'legacy', '/eu/mcp')
    await client.result('tools/call', { name: 'write', arguments: { team: 'red' } })
    expect(actor.requests.at(-1)?.headers).toMatchObject({ 'mcp-param-team': 'red', 'mcp-param-region': 'eu' })
  })
})

describe.each(ERAS)('a virtual server of several servers, to a %s client', (era) => {
  const both = virtual('both', {
    use: [{ server: 'two', tools: ['read', 'write'], prompts: [], resources: ['doc://a'], templates: [] }, { server: 'one', tools: ['read', 'search'], prompts: ['greet'] }],
    tools: { 'two/write': { name: 'search' }, read: { description: 'Of both' }, 'one/read': { title: 'One' } },
  })
  const start = async (): Promise<{ readonly built: Built; readonly client: Client; readonly one: Actor; readonly two: Actor }> => {
    const [one, two] = [await startNamed(), await startNamed()]
    const built = await build({ one: http(one.url), two: http(two.url), three: http(two.url) }, [both])
    return { built, one, two, client: await clientAt(built, era, '/both/mcp') }
  }

  it('lists in the order of its use, joins names that would be the same, and says so', async () => {
    const { built, client } = await start()
    const { tools } = (await client.result('tools/list')) as { tools: Item[] }
    expect(namesOf(tools)).toEqual(['two__read', 'two__search', 'one__read', 'one__search'])
    expect(tools.map(({ description, title }) => [description, title])).toEqual([['Of both', undefined], [undefined, undefined], ['Of both', 'One'], [undefined, undefined]])
    expect(namesOf((await client.result('prompts/list'))['prompts'])).toEqual(['greet'])
    const status = built.rig.gateway.status().virtualServers
    expect(status).toMatchObject([{ name: 'both', servers: ['two', 'one'], counts: { tools: 4, prompts: 1, resources: null, templates: null } }])
    expect(status[0]?.notices).toContain('search of two is called two__search: another has the name search')
  })

  it('routes by those names', async () => {
    const { client, one, two } = await start()
    await client.result('tools/call', { name: 'two__search' })
    expect(two.requests.findLast(({ json }) => json.method === 'tools/call')?.json.params).toMatchObject({ name: 'write' })
    await client.result('tools/call', { name: 'one__search' })
    expect(one.requests.findLast(({ json }) => json.method === 'tools/call')?.json.params).toMatchObject({ name: 'search' })
    await expectUnknown(client, 'tools/call', (name) => ({ name }), ['read', 'search', 'write', 'two__write', 'one__write', 'three__read'], 'nothing')
  })

  it('marks URIs as on /mcp, and reaches only those that are picked', async () => {
    const { client, one, two } = await start()
    expect(namesOf((await client.result('resources/list'))['resources'], 'uri')).toEqual(['two+doc://a', 'one+doc://a', 'one+doc://b', 'one+log://x'])
    await client.result('resources/read', { uri: 'two+doc://a' })
    expect(two.requests.findLast(({ json }) => json.method === 'resources/read')?.json.params?.['uri']).toBe('doc://a')
    // Nothing of this server's resources is left out: it decides itself what there is.
    await client.result('resources/read', { uri: 'one+doc://unlisted' })
    expect(one.requests.findLast(({ json }) => json.method === 'resources/read')?.json.params?.['uri']).toBe('doc://unlisted')
    await expectUnknown(client, 'resources/read', (uri) => ({ uri }), ['two+doc://b', 'two+log://x', 'two+row://a/1', 'doc://a', 'three+doc://a'], 'nothing://x')
  })

  it('goes on with the others while one is down, and says which is', async () => {
    const gone = await startNamed()
    await gone.close()
    const one = await startNamed()
    const client = await clientAt(await build({ one: http(one.url), two: http(gone.url) }, [both]), era, '/both/mcp')
    expect(namesOf((await client.result('tools/list'))['tools'])).toEqual(['read', 'search'])
    expect(messageOf(await client.ask('tools/call', { name: 'nothing' }))['error']).toMatchObject({ code: -31_020, message: 'Upstream server unavailable: two' })
    expect(await client.result('tools/call', { name: 'search' })).toBeDefined()
  })

  it('has pages whose cursors are its own', async () => {
    const actor = await startNamed()
    const all = virtual('all', { use: [{ server: 'one' }] })
    const twin = virtual('twin', { use: [{ server: 'one' }] })
    const built = await build({ one: http(actor.url) }, [all, twin], { pageSize: 2 })
    const client = await clientAt(built, era, '/all/mcp')
    const { nextCursor: cursor } = await client.result('tools/list')
    expect(namesOf((await client.result('tools/list', { cursor }))['tools'])).toEqual(['search', 'hold'])
    for (const path of ['/twin/mcp', '/one/mcp', '/mcp']) expect(codeOf(await (await clientAt(built, era, path)).ask('tools/list', { cursor }))).toBe(-32_602)
  })
})

it('gives the same names to all, and to each only what policy lets them use', async () => {
  const policy: Policy = {
    classOf: ({ label }) => label,
    decide: ({ principal, upstreamId, subject }) =>
      principal.label === 'bob' && upstreamId === 'two' && subject === 'read' ? { kind: 'deny', reason: 'not for Bob' } : { kind: 'allow' },
  }
  const actor = await startNamed()
  const both = virtual('both', { use: [{ server: 'one', tools: ['read'] }, { server: 'two', tools: ['read'] }] })
  const built = await build({ one: http(actor.url), two: http(actor.url) }, [both], { deps: { policy } })
  const shown = async (token: string): Promise<unknown> => namesOf((await (await clientAt(built, 'modern', '/both/mcp', { token })).result('tools/list'))['tools'])
  expect([await shown('alice'), await shown('bob'), await shown('alice')]).toEqual([['one__read', 'two__read'], ['one__read'], ['one__read', 'two__read']])
  const bob = await clientAt(built, 'modern', '/both/mcp', { token: 'bob' })
  await expectUnknown(bob, 'tools/call', (name) => ({ name }), ['two__read', 'read'], 'nothing')
  expect(built.rig.gateway.status().virtualServers[0]?.counts.tools).toBe(2)
})

describe('an annotation that a virtual server gives', () => {
  const count = async (own: object, given: object): Promise<[number, number]> => {
    const actor = await startNamed(['modern'], { 'tools/list': { tools: [{ name: 'lose', inputSchema: { type: 'object' }, annotations: own }] } })
    const view = virtual('v', { use: [{ server: 'files' }], tools: { lose: { annotations: { ...given } } } })
    const client = await clientAt(await build({ files: http(actor.url) }, [view], { server: { trustAnnotations: true } }), 'modern', '/v/mcp')
    expect(((await client.result('tools/list'))['tools'] as Item[])[0]?.['annotations']).toEqual(given)
    const code = codeOf(await client.ask('tools/call', { name: 'lose' }))
    return [lost.length, code]
  }

  it('decides nothing about whether a call is sent again: what the server said does (guarantee 1)', async () => {
    expect(await count({ readOnlyHint: false }, { readOnlyHint: true })).toEqual([1, -31_024])
    expect((await count({ readOnlyHint: true }, { readOnlyHint: false }))[0]).toBe(2)
  })
})

describe('what a picked template lets through', () => {
  it('is not what is left out, written otherwise', async () => {
    const lists = {
      'resources/list': { resources: ['doc://a', 'doc://b', 'doc://c/d', 'doc://%C3%A9'].map((uri) => ({ uri, name: uri })) },
      'resources/templates/list': { resourceTemplates: [{ uriTemplate: 'doc://{+path}', name: 'any' }, { uriTemplate: 'doc://{name}', name: 'one' }] },
    }
    const actor = await startNamed(['modern'], lists)
    const view = virtual('v', { use: [{ server: 'files', resources: ['doc://a', 'doc://%C3%A9', '!doc://secret*'] }], resources: { 'doc://%C3%A9': { hide: true } } })
    const client = await clientAt(await build({ files: http(actor.url) }, [view]), 'modern', '/v/mcp')
    for (const uri of ['doc://a', 'doc://other', 'doc://x/y?z=1', 'doc://a%20b']) await client.result('resources/read', { uri })
    const others = ['doc://b', 'doc://%62', 'doc://b?x', 'doc://b#x', 'doc://c/d', 'doc://c%2Fd', 'doc://c%2fd', 'doc://%c3%a9', 'doc://%C3%A9', 'doc://secret1', 'doc://%73ecret1', 'doc://x/../b', 'doc://./b', 'doc://x%2F..%2Fb']
    await expectUnknown(client, 'resources/read', (uri) => ({ uri }), others, 'nothing://x')
  })
})

it('leaves out, and says so, what cannot be changed because two readers could read two things of it', async () => {
  const twice = '{"name":"twice","inputSchema":{"type":"object","properties":{"a":{"type":"string"},"a":{"type":"integer"}}}}'
  const server = closeAfter(await startHttp(({ json: { id, method } }, response) => {
    const tools = `{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[${twice},{"name":"once","inputSchema":{"type":"object"}}]}`
    const discover = '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}'
    response.writeHead(method === 'initialize' ? 400 : 200, { 'content-type': 'application/json' }).end(`{"jsonrpc":"2.0","id":${String(id)},"result":${method === 'tools/list' ? tools : discover}}`)
  }))
  const view = virtual('v', { use: [{ server: 'odd' }], tools: { twice: { arguments: { a: 1 } } } })
  const built = await build({ odd: http(server.url) }, [view], { server: { era: 'modern' } })
  const client = await clientAt(built, 'modern', '/v/mcp')
  expect(namesOf((await client.result('tools/list'))['tools'])).toEqual(['once'])
  await expectUnknown(client, 'tools/call', (name) => ({ name }), ['twice'], 'nothing')
  expect(built.rig.gateway.status().virtualServers).toMatchObject([{ counts: { tools: 1 }, notices: [expect.stringContaining('twice is left out')] }])
  expect(namesOf((await (await clientAt(built, 'modern', '/odd/mcp')).result('tools/list'))['tools'])).toEqual(['twice', 'once'])
})

describe('what a virtual server advertises', () => {
  const capabilitiesAt = async (path: string, use: Record<string, readonly string[]>): Promise<unknown> => {
    const actor = await startNamed()
    const { rig } = await build({ files: http(actor.url) }, [virtual('v', { use: [{ server: 'files', ...use }] })])
    const answer = await modern(rig.port, 'server/discover', {}, { path })
    return Object.keys((messageOf(answer)['result'] as { capabilities: object }).capabilities).toSorted()
  }

  it.each([
    [{ prompts: [], resources: [], templates: [] }, ['logging', 'tools']],
    [{ tools: [], prompts: [], resources: [] }, ['completions', 'logging', 'resources']],
    [{ tools: [], resources: [], templates: [] }, ['completions', 'logging', 'prompts']],
    [{}, ['completions', 'logging', 'prompts', 'resources', 'tools']],
  ])('is what the kinds that it shows need: %j', async (use, expected) => {
    expect(await capabilitiesAt('/v/mcp', use)).toEqual(expected)
  })
})
