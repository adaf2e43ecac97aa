/** Virtual servers (decision 0008) over time: what is watched, what handles are good for, and what a reload changes. */
import { describe, expect, it } from 'vitest'
import type { Actor } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, getRequest, legacy, legacyRequest, messageOf, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Stream } from './mcp-client.ts'
import { ERAS, TASKS, build, clientAt, held, namesOf, startNamed, virtual } from './virtual-rig.ts'
import type { Built, Era } from './virtual-rig.ts'

const streams = { accept: 'text/event-stream, application/json' }
const docs = virtual('docs', { use: [{ server: 'files', tools: [], prompts: [], resources: ['doc://*', '!doc://b'], templates: [] }] })
const tools = virtual('tools', { use: [{ server: 'files', prompts: [], resources: [], templates: [], tools: ['hold', 'begin', 'ask', 'read'] }, { server: 'other', tools: ['search'], prompts: [], resources: [], templates: [] }] })
const told = (stream: Stream): unknown[] => stream.messages().map(({ method, params }) => (params as { uri?: string } | undefined)?.uri ?? method)
const UPDATED = 'notifications/resources/updated'
const changed = (noun: string): string => `notifications/${noun}/list_changed`

const result = (answer: Answer): Record<string, unknown> => (messageOf(answer)['result'] ?? {}) as Record<string, unknown>

/** Announces until it arrives: streams to the server open when they like. */
async function announced(actor: Actor, streamCount: number, announce: () => void, stream: Stream, count: number): Promise<void> {
  await until(() => actor.streamCount >= streamCount)
  announce()
  await stream.count(count)
  await sleep(40)
}

/** Whatever a client of this era hears of at the endpoint, having asked for everything. */
async function listenAt({ rig }: Built, era: Era, path: string, uris: readonly string[], capabilities = {}): Promise<Stream> {
  if (era === 'modern') {
    const notifications = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true, resourceSubscriptions: uris }
    const stream = await openStream(rig.port, modernRequest('subscriptions/listen', { notifications }, { path }))
    await stream.count(1)
    return stream
  }
  const session = await openSession(rig.port, { path, capabilities })
  const stream = await openStream(rig.port, getRequest(session, {}, path))
  for (const uri of uris) await legacy(rig.port, session, 'resources/subscribe', { uri }, { path })
  return stream
}

describe.each(ERAS)('a %s client that listens at a virtual server', (era) => {
  /** Its acknowledgement. */
  const first = era === 'modern' ? 1 : 0
  /** Of a legacy server one for what is shared, one for what is watched. */
  const streamsThere = era === 'modern' ? 1 : 2

  it('hears of lists that are shown, and of resources that are picked, and of nothing else', async () => {
    const [actor, other] = [await startNamed([era]), await startNamed([era])]
    const built = await build({ files: http(actor.url), other: http(other.url) }, [docs, tools])
    const stream = await listenAt(built, era, '/docs/mcp', ['doc://a', 'doc://b', 'log://x'])
    if (era === 'modern') {
      expect(stream.messages()[0]?.['params']).toMatchObject({ notifications: { resourcesListChanged: true, resourceSubscriptions: ['doc://a'] } })
      expect(JSON.stringify(stream.messages()[0])).not.toContain('toolsListChanged')
    }
    const announce = (): void => {
      for (const noun of ['tools', 'prompts']) actor.announce(changed(noun))
      for (const uri of ['doc://b', 'log://x', 'doc://a']) actor.announce(UPDATED, { uri })
      actor.announce(changed('resources'))
    }
    await announced(actor, streamsThere, announce, stream, first + 2)
    expect(told(stream).slice(first).toSorted()).toEqual(['doc://a', changed('resources')].toSorted())
    expect(other.requests.length, 'a server that it does not use').toBe(0)
    stream.drop()
  })

  it('is told when a reload has made the virtual server another', async () => {
    const actor = await startNamed([era])
    const built = await build({ files: http(actor.url) }, [docs, virtual('same', { use: [{ server: 'files' }] })])
    const stream = await listenAt(built, era, '/docs/mcp', [])
    const same = await listenAt(built, era, '/same/mcp', [])
    built.replace([virtual('docs', { use: [{ server: 'files', tools: ['read'] }] }), virtual('same', { use: [{ server: 'files' }] })])
    await stream.count(first + 1)
    await sleep(40)
    expect(told(stream).slice(first)).toContain(changed('resources'))
    expect(told(same).slice(first)).toEqual([])
    for (const one of [stream, same]) one.drop()
  })

  it('hears of the lists of a server that a reload added to its virtual server', async () => {
    const [actor, other] = [await startNamed(['modern']), await startNamed(['modern'])]
    const built = await build({ files: http(actor.url), other: http(other.url) }, [docs])
    const stream = await listenAt(built, era, '/docs/mcp', [])
    built.replace([virtual('docs', { use: [...docs.use, { server: 'other', tools: [] }] })])
    await until(() => other.streamCount > 0)
    await stream.count(first + 1)
    await sleep(40)
    const before = told(stream).length
    other.announce(changed('tools'))
    other.announce(changed('resources'))
    await stream.count(before + 1)
    await sleep(40)
    expect(new Set(told(stream).slice(before))).toEqual(new Set([changed('resources')]))
    stream.drop()
  })

  it('hears nothing more of a resource that a reload hid', async () => {
    const actor = await startNamed([era])
    const built = await build({ files: http(actor.url) }, [docs])
    const stream = await listenAt(built, era, '/docs/mcp', ['doc://a'])
    await announced(actor, streamsThere, () => actor.announce(UPDATED, { uri: 'doc://a' }), stream, first + 1)
    expect(told(stream).slice(first)).toEqual(['doc://a'])
    built.replace([virtual('docs', { use: docs.use, resources: { 'doc://a': { hide: true } } })])
    await stream.count(first + 2)
    const before = told(stream).length
    actor.announce(UPDATED, { uri: 'doc://a' })
    await sleep(60)
    expect(told(stream).slice(before)).toEqual([])
    stream.drop()
  })
})

it('a legacy client hears of a modern server no lists that are not shown', async () => {
  const actor = await startNamed(['modern'])
  const built = await build({ files: http(actor.url) }, [docs])
  const stream = await listenAt(built, 'legacy', '/docs/mcp', ['doc://a'])
  const announce = (): void => {
    for (const noun of ['tools', 'prompts', 'resources']) actor.announce(changed(noun))
    for (const uri of ['log://x', 'doc://a']) actor.announce(UPDATED, { uri })
  }
  await announced(actor, 1, announce, stream, 2)
  expect([...new Set(told(stream))].toSorted()).toEqual(['doc://a', changed('resources')].toSorted())
  stream.drop()
})

describe('a legacy session that may be asked for input', () => {
  it('has sessions of its own at the servers of its virtual server, and nowhere else', async () => {
    const [actor, other, third] = [await startNamed(['legacy']), await startNamed(['legacy']), await startNamed(['legacy'])]
    const built = await build({ files: http(actor.url), other: http(other.url), third: http(third.url) }, [tools])
    const client = await clientAt(built, 'legacy', '/tools/mcp', { capabilities: { roots: {} } })
    await client.result('tools/list')
    await client.result('tools/call', { name: 'read' })
    expect(actor.requests.filter(({ json }) => json.method === 'initialize').some(({ json }) => 'roots' in ((json.params?.['capabilities'] ?? {}) as object))).toBe(true)
    expect(third.requests).toEqual([])
  })

  it('hears on its own channel only of lists that are shown', async () => {
    const actor = await startNamed(['legacy'])
    const built = await build({ files: http(actor.url) }, [docs])
    const path = '/docs/mcp'
    const session = await openSession(built.rig.port, { path, capabilities: { roots: {} } })
    const stream = await openStream(built.rig.port, getRequest(session, {}, path))
    await legacy(built.rig.port, session, 'resources/subscribe', { uri: 'doc://a' }, { path })
    await until(() => actor.streamCount >= 1)
    actor.announce(changed('tools'))
    actor.announce(changed('prompts'))
    for (const uri of ['log://x', 'doc://b', 'doc://a', 'doc://a/part']) actor.announce(UPDATED, { uri })
    actor.announce(changed('resources'))
    await until(() => told(stream).includes(changed('resources')))
    await sleep(40)
    expect([...new Set(told(stream))]).toEqual(['doc://a', 'doc://a/part', changed('resources')])
    stream.drop()
  })

  it('tells its servers of changed roots, and nothing that no revision defines', async () => {
    const actor = await startNamed(['legacy'])
    const built = await build({ files: http(actor.url) }, [virtual('v', { use: [{ server: 'files' }] })])
    const notifyAt = async (path: string): Promise<void> => {
      const client = await clientAt(built, 'legacy', path, { capabilities: { roots: {} } })
      await client.result('tools/call', { name: 'read' })
      for (const method of ['vendor/notification', 'notifications/roots/list_changed']) await client.ask('', {}, { body: JSON.stringify({ jsonrpc: '2.0', method }) })
    }
    const heard = (method: string): number => actor.requests.filter(({ json }) => json.method === method).length
    await notifyAt('/v/mcp')
    await until(() => heard('notifications/roots/list_changed') === 1)
    expect(heard('vendor/notification')).toBe(0)
    await notifyAt('/files/mcp')
    await until(() => heard('vendor/notification') === 1)
  })

  it('answers what a server of it asks in the middle of a call', async () => {
    const actor = await startNamed(['legacy'])
    const built = await build({ files: http(actor.url) }, [virtual('tools', { use: [{ server: 'files' }], tools: { hold: { name: 'wait' } } })])
    const path = '/tools/mcp'
    const session = await openSession(built.rig.port, { path, capabilities: { roots: {} } })
    const stream = await openStream(built.rig.port, legacyRequest(session, 'tools/call', { name: 'wait' }, { path, headers: streams }))
    await until(() => held.length === 1)
    held[0]?.send({ id: 'q', method: 'roots/list' })
    await until(() => stream.messages().some(({ method }) => method === 'roots/list'))
    const asked = stream.messages().find(({ method }) => method === 'roots/list')
    await legacy(built.rig.port, session, '', {}, { path, body: JSON.stringify({ jsonrpc: '2.0', id: asked?.['id'], result: { roots: [] } }) })
    await until(() => actor.requests.some(({ json }) => json.id === ('q' as unknown)))
    held[0]?.answer({ done: true })
    await until(() => stream.messages().some((message) => 'result' in message))
    stream.drop()
  })
})

describe('a server of the other era that asks for input', () => {
  const asking = virtual('asking', { use: [{ server: 'files' }], tools: { hold: { name: 'wait', arguments: { ms: 5 } } } })
  const path = '/asking/mcp'

  it('asks a modern client of a virtual server, whose retry reaches the call that waits, and no other endpoint', async () => {
    const actor = await startNamed(['legacy'])
    const built = await build({ files: http(actor.url) }, [asking])
    const meta = { 'io.modelcontextprotocol/clientCapabilities': { roots: {} } }
    const first = modern(built.rig.port, 'tools/call', { name: 'wait', arguments: { a: 1 } }, { path, meta })
    await until(() => held.length === 1)
    held[0]?.send({ id: 'q', method: 'roots/list' })
    const { inputRequests, requestState } = result(await first)
    const inputResponses = Object.fromEntries(Object.keys(inputRequests as object).map((key) => [key, { roots: [] }]))
    const retry = (name: string, at: string, args: object): Promise<Answer> =>
      modern(built.rig.port, 'tools/call', { name, arguments: args, inputResponses, requestState }, { path: at, meta, id: 2 })
    expect(codeOf(await retry('hold', '/files/mcp', { a: 1, ms: 5 }))).toBe(-32_602)
    const second = retry('wait', path, { a: 1 })
    await until(() => actor.requests.some(({ json }) => json.id === ('q' as unknown)))
    held[0]?.answer({ done: true })
    expect(result(await second)).toMatchObject({ done: true })
    expect(held.map(({ args }) => args)).toEqual([{ a: 1, ms: 5 }])
  })

  it('asks a legacy client of a virtual server, and gets its answer with what is fixed', async () => {
    const actor = await startNamed(['modern'])
    const built = await build({ files: http(actor.url) }, [asking])
    const session = await openSession(built.rig.port, { path, capabilities: { roots: {} } })
    const stream = await openStream(built.rig.port, legacyRequest(session, 'tools/call', { name: 'wait' }, { path, headers: streams }))
    await until(() => held.length === 1)
    held[0]?.answer({ resultType: 'input_required', content: undefined, inputRequests: { r: { method: 'roots/list' } }, requestState: 's' })
    await until(() => stream.messages().some(({ method }) => method === 'roots/list'))
    const asked = stream.messages().find(({ method }) => method === 'roots/list')
    await legacy(built.rig.port, session, '', {}, { path, body: JSON.stringify({ jsonrpc: '2.0', id: asked?.['id'], result: { roots: [] } }) })
    await until(() => held.length === 2)
    expect(held[1]?.request.json.params).toMatchObject({ name: 'hold', arguments: { ms: 5 }, inputResponses: { r: { roots: [] } }, requestState: 's' })
    held[1]?.answer({ done: true })
    await until(() => stream.messages().some((message) => 'result' in message))
    stream.drop()
  })
})


describe('a handle', () => {
  const start = async (): Promise<Built> => {
    const actor = await startNamed()
    return build({ files: http(actor.url), other: http(actor.url) }, [tools, virtual('twin', { use: tools.use }), virtual('alone', { use: [{ server: 'files' }] })])
  }
  const elsewhere = ['/twin/mcp', '/alone/mcp', '/files/mcp', '/mcp']

  it('of a session is good at its virtual server only', async () => {
    const { rig } = await start()
    const session = await openSession(rig.port, { path: '/tools/mcp' })
    expect((await legacy(rig.port, session, 'ping', {}, { path: '/tools/mcp' })).status).toBe(200)
    for (const path of elsewhere) expect((await legacy(rig.port, session, 'ping', {}, { path })).status).toBe(404)
  })

  it('of a modern task is good at its virtual server only, and no other\'s is good there', async () => {
    const { rig } = await start()
    const begin = async (path: string, name: string): Promise<string> => String(result(await modern(rig.port, 'tools/call', { name }, { path, meta: TASKS }))['taskId'])
    const get = (taskId: string, path: string): Promise<Answer> => modern(rig.port, 'tasks/get', { taskId }, { path, meta: TASKS })
    const mine = await begin('/tools/mcp', 'begin')
    expect(messageOf(await get(mine, '/tools/mcp'))).toHaveProperty('result')
    for (const path of elsewhere) expect(codeOf(await get(mine, path)), path).toBe(-32_602)
    for (const foreign of [await begin('/files/mcp', 'begin'), await begin('/mcp', 'files__begin'), await begin('/alone/mcp', 'begin')]) {
      expect(codeOf(await get(foreign, '/tools/mcp'))).toBe(-32_602)
    }
  })

  it('of a legacy task, too', async () => {
    const { rig } = await start()
    const path = '/tools/mcp'
    const session = await openSession(rig.port, { path })
    const { task } = result(await legacy(rig.port, session, 'tools/call', { name: 'begin', task: {} }, { path })) as { task: { taskId: string } }
    expect(messageOf(await legacy(rig.port, session, 'tasks/get', { taskId: task.taskId }, { path }))).toHaveProperty('result')
    const listed = result(await legacy(rig.port, session, 'tasks/list', {}, { path }))['tasks'] as { taskId: string }[]
    expect(listed.map(({ taskId }) => taskId)).toEqual([task.taskId])
    for (const other of elsewhere) {
      const foreign = await openSession(rig.port, { path: other })
      expect(codeOf(await legacy(rig.port, foreign, 'tasks/get', { taskId: task.taskId }, { path: other })), other).toBe(-32_602)
    }
  })

  it('of a request state, too', async () => {
    const { rig } = await start()
    const call = (path: string, name: string, requestState?: string): Promise<Answer> =>
      modern(rig.port, 'tools/call', { name, ...(requestState === undefined ? {} : { requestState, inputResponses: {} }) }, { path })
    const mine = String(result(await call('/tools/mcp', 'ask'))['requestState'])
    expect(result(await call('/tools/mcp', 'ask', mine))).toMatchObject({ state: 'step-1' })
    for (const path of elsewhere) expect(codeOf(await call(path, path === '/mcp' ? 'files__ask' : 'ask', mine)), path).toBe(-32_602)
    const plain = String(result(await call('/files/mcp', 'ask'))['requestState'])
    expect(codeOf(await call('/tools/mcp', 'ask', plain))).toBe(-32_602)
    expect(result(await call('/mcp', 'files__ask', plain))).toMatchObject({ state: 'step-1' })
  })
})

describe.each(ERAS)('a reload, for a %s client', (era) => {
  it('adds, changes and removes virtual servers while their calls go on', async () => {
    const actor = await startNamed()
    const built = await build({ files: http(actor.url) }, [])
    const { port } = built.rig
    const path = '/job/mcp'
    expect((await (era === 'modern' ? modern(port, 'tools/list', {}, { path }) : legacy(port, '', 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } }, { path }))).status).toBe(404)
    built.replace([virtual('job', { use: [{ server: 'files', tools: ['hold', 'read'] }] })])
    const client = await clientAt(built, era, path)
    expect(namesOf((await client.result('tools/list'))['tools'])).toEqual(['read', 'hold'])
    const holding = [client.ask('tools/call', { name: 'hold' }, { id: 'one' })]
    await until(() => held.length === 1)
    built.replace([virtual('job', { use: [{ server: 'files', tools: ['hold', 'search'] }], tools: { search: { name: 'find' }, hold: { name: 'wait', arguments: { ms: 1 } } } })])
    expect(namesOf((await client.result('tools/list'))['tools'])).toEqual(['find', 'wait'])
    expect(codeOf(await client.ask('tools/call', { name: 'read' }))).toBe(-32_602)
    expect(codeOf(await client.ask('tools/call', { name: 'hold' }))).toBe(-32_602)
    holding.push(client.ask('tools/call', { name: 'wait' }, { id: 'two' }))
    await until(() => held.length === 2)
    expect(held.map(({ args }) => args)).toEqual([{}, { ms: 1 }])
    built.replace([])
    const after = await client.ask('tools/list', {}, { id: 'three' })
    expect(after.status).toBe(404)
    for (const one of held) one.answer({ done: true })
    for (const answer of await Promise.all(holding)) expect(result(answer)).toMatchObject({ done: true })
    expect(built.rig.gateway.status().virtualServers).toEqual([])
    await until(() => built.rig.gateway.status().sessions === 0)
  })
})

it('is reached over HTTP+SSE and over stdio as over HTTP', async () => {
  const actor = await startNamed()
  const built = await build({ files: http(actor.url) }, [virtual('job', { use: [{ server: 'files', tools: ['read'] }], tools: { read: { name: 'open' } } })])
  const { port } = built.rig
  const stream = await openStream(port, getRequest('', {}, '/job/sse'))
  await until(() => stream.events.length > 0)
  const path = stream.events[0]?.data ?? ''
  await legacy(port, '', 'initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 't', version: '1' } }, { path })
  await stream.count(1)
  await legacy(port, '', 'tools/list', {}, { path, id: 2 })
  const [, listed] = await stream.count(2)
  expect(namesOf((listed?.['result'] as { tools: unknown } | undefined)?.tools)).toEqual(['open'])
  stream.drop()

  const lines: string[] = []
  const pipe = built.rig.gateway.stdio({ write: (text: string) => (lines.push(text), true), onDrain: () => undefined, keepAlive: () => undefined, end: () => undefined } as never, 'job')
  pipe.take(modernRequest('tools/call', { name: 'open', arguments: { path: '/x' } }).body)
  pipe.take(modernRequest('tools/call', { name: 'search' }, { id: 2 }).body)
  await until(() => lines.length === 2)
  const answers = new Map(lines.map((line) => [(JSON.parse(line) as { id: number }).id, JSON.parse(line) as Record<string, unknown>]))
  expect(answers.get(1)).toHaveProperty('result')
  expect(answers.get(2)?.['error']).toMatchObject({ code: -32_602, message: 'Unknown tool: search' })
  pipe.close()
})
