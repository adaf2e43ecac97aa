/** What clients ask to be told of: counted at the server, told once, and not lost with a stream or a server (bridge-rulings §4, Subscriptions). */
import { describe, expect, it } from 'vitest'
import type { StdioServer } from '../src/core/gateway/snapshot.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Actor } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import { getRequest, legacy, messageOf, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Stream } from './mcp-client.ts'

type Json = Record<string, unknown>
const path = '/a/mcp'
const UPDATED = 'notifications/resources/updated'
const TOOLS = 'notifications/tools/list_changed'
const ONE = 'test://one'
const TWO = 'test://two'

let lastId = 0

/** Listens; resolves once that is acknowledged. */
async function listen(rig: Rig, uris: readonly string[], lists = false): Promise<Stream> {
  const notifications = { resourceSubscriptions: uris, ...(lists ? { toolsListChanged: true } : {}) }
  const stream = closeAfter(await openStream(rig.port, modernRequest('subscriptions/listen', { notifications }, { path, id: (lastId += 1) })))
  expect((await stream.count(1))[0]).toMatchObject({ method: 'notifications/subscriptions/acknowledged', params: { notifications: { resourceSubscriptions: uris } } })
  return stream
}

/** What came after the acknowledgement: of an update its URI, else its method. */
const heard = (stream: Stream): unknown[] => stream.messages().slice(1).map(({ method, params }) => (method === UPDATED ? (params as Json)['uri'] : method))
const asked = ({ requests }: Actor, method: string): unknown[] => requests.filter(({ json }) => json.method === method).map(({ json }) => json.params?.['uri'])
const filters = ({ requests }: Actor): unknown[] =>
  requests.filter(({ json }) => json.method === 'subscriptions/listen').map(({ json }) => (json.params?.['notifications'] as Json | undefined)?.['resourceSubscriptions'])

async function play(era: 'legacy' | 'modern'): Promise<{ rig: Rig; actor: Actor }> {
  const actor = closeAfter(await startActor([era]))
  return { actor, rig: await startRig({ servers: { a: http(actor.url) } }) }
}

describe('clients that watch the same resource', () => {
  it('are one subscription at a legacy server: the first subscribes, the last unsubscribes', async () => {
    const { rig, actor } = await play('legacy')
    const [first, second] = [await listen(rig, [ONE]), await listen(rig, [ONE, TWO])]
    expect(asked(actor, 'resources/subscribe')).toEqual([ONE, TWO])
    first.drop()
    await until(() => rig.gateway.status().inFlight === 1)
    actor.announce(UPDATED, { uri: ONE })
    await second.count(2)
    expect(asked(actor, 'resources/unsubscribe')).toEqual([])
    second.drop()
    await until(() => asked(actor, 'resources/unsubscribe').length === 2)
    expect([heard(second), asked(actor, 'resources/subscribe').length]).toEqual([[ONE], 2])
  })

  it('have a new listen at a modern server, whose acknowledgement is awaited before the old one ends; what both say is told once', async () => {
    const { rig, actor } = await play('modern')
    const first = await listen(rig, [ONE], true)
    await until(() => filters(actor).length === 2)
    await until(() => actor.streamCount === 1)
    const opening = listen(rig, [TWO])
    await until(() => actor.streamCount === 2)
    actor.announce(UPDATED, { uri: ONE })
    actor.announce(TOOLS)
    const second = await opening
    await until(() => actor.streamCount === 1)
    expect(filters(actor).at(-1)).toEqual([ONE, TWO])
    actor.announce(UPDATED, { uri: TWO })
    await second.count(2)
    await first.count(3)
    expect([heard(first), heard(second)]).toEqual([[ONE, TOOLS], [TWO]])
  })

  it('are heard all the while that a modern server takes to acknowledge the new listen', async () => {
    let acknowledged: Promise<unknown> = Promise.resolve()
    const actor = closeAfter(await startActor(['modern'], {}, { acknowledges: () => acknowledged }))
    const rig = await startRig({ servers: { a: http(actor.url) } })
    const first = await listen(rig, [ONE])
    const { promise, resolve } = Promise.withResolvers<void>()
    acknowledged = promise
    const opening = listen(rig, [TWO])
    await until(() => actor.streamCount === 2)
    // Longer than two listens overlap.
    await sleep(500)
    expect(actor.streamCount).toBe(2)
    resolve()
    await opening
    await until(() => actor.streamCount === 1)
    expect(heard(first)).toEqual([])
  })
})

/** A legacy child that dies when it is told to, and says who it is. */
const CHILD = `
  const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
  const capabilities = { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true } }
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method, params } = JSON.parse(line)
    if (method === 'initialize') say({ id, result: { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'child', version: '1' } } })
    else if (method === 'tools/call' && params.name === 'die') process.exit(1)
    else if (id !== undefined) say({ id, result: { pid: process.pid, tools: [{ name: 'die', inputSchema: { type: 'object' } }] } })
  })
`
const child: StdioServer = { transport: 'stdio', command: process.execPath, args: ['-e', CHILD], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined }

describe('a watch that broke', () => {
  it('has all that was asked for told as changed once it stands again, by a modern server', async () => {
    const { rig, actor } = await play('modern')
    const stream = await listen(rig, [ONE], true)
    const session = await openSession(rig.port, { path })
    await legacy(rig.port, session, 'resources/subscribe', { uri: TWO }, { path })
    const get = closeAfter(await openStream(rig.port, getRequest(session, {}, path)))
    await until(() => actor.streamCount === 1 && JSON.stringify(filters(actor).at(-1)) === JSON.stringify([ONE, TWO]))
    actor.cut()
    await stream.count(3)
    expect(new Set(heard(stream))).toEqual(new Set([ONE, TOOLS]))
    await until(() => get.messages().some(({ method, params }) => method === UPDATED && (params as Json)['uri'] === TWO))
    expect(get.messages().map(({ method }) => method)).toContain(TOOLS)
    expect(actor.streamCount).toBe(1)
  })

  it('has all that was asked for told as changed once it stands again, by a legacy child', async () => {
    const rig = await startRig({ servers: { a: child }, server: { era: 'legacy' } })
    const stream = await listen(rig, [ONE], true)
    expect(messageOf(await modern(rig.port, 'tools/call', { name: 'die' }, { path }))).toHaveProperty('error')
    await stream.count(3)
    expect(new Set(heard(stream))).toEqual(new Set([ONE, TOOLS]))
    // The second time its child is not started again at once: nobody asks for it but the watch.
    await modern(rig.port, 'tools/call', { name: 'die' }, { path })
    await stream.count(5)
    expect(new Set(heard(stream).slice(2))).toEqual(new Set([ONE, TOOLS]))
  })

  it('is not broken by the idle time of a child that somebody watches', async () => {
    const rig = await startRig({ servers: { a: child }, server: { era: 'legacy' }, limits: { childIdleMs: 150 } })
    const stream = await listen(rig, [ONE], true)
    const pid = async (): Promise<unknown> => (messageOf(await modern(rig.port, 'completion/complete', { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' } }, { path }))['result'] as Json)['pid']
    const before = await pid()
    await sleep(700)
    expect([await pid(), heard(stream)]).toEqual([before, []])
    stream.drop()
    await until(() => rig.gateway.status().servers[0]?.children === 0)
  })
})

describe('a listen that Portolan ends', () => {
  it('ends with its result over HTTP', async () => {
    const { rig } = await play('modern')
    const stream = await listen(rig, [ONE])
    void rig.gateway.drain(1_000)
    await until(() => stream.ended)
    expect(stream.messages().at(-1)).toMatchObject({ id: lastId, result: { _meta: { 'io.modelcontextprotocol/subscriptionId': lastId } } })
  })

  it('is cancelled on stdio, then answered', async () => {
    const { rig } = await play('modern')
    const lines: Json[] = []
    const pipe = rig.gateway.stdio({ write: (text) => lines.push(JSON.parse(text) as Json) > 0, onDrain: () => undefined, keepAlive: () => undefined, end: () => undefined }, 'a')
    pipe.take(modernRequest('subscriptions/listen', { notifications: { resourceSubscriptions: [ONE] } }, { id: 7 }).body)
    await until(() => lines.length === 1)
    await rig.gateway.drain(1_000)
    expect(lines.slice(1)).toMatchObject([{ method: 'notifications/cancelled', params: { requestId: 7 } }, { id: 7, result: {} }])
    pipe.close()
  })
})

describe('a legacy server that asks outside any call', () => {
  it.each([['nobody can be asked', {}], ['the client can be asked', { roots: {} }]])('gets an error where %s, never an empty list of roots', async (_what, capabilities) => {
    const { rig, actor } = await play('legacy')
    const meta = { 'io.modelcontextprotocol/clientCapabilities': capabilities }
    const stream = closeAfter(await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, { path, meta })))
    await stream.count(1)
    await modern(rig.port, 'tools/call', { name: 'echo', arguments: {} }, { path, meta })
    await until(() => actor.streamCount > 0)
    actor.announce('roots/list', {}, 'q')
    const answers = (): Json[] => actor.requests.map(({ json }) => json as unknown as Json).filter(({ id, method }) => id === 'q' && method === undefined)
    await until(() => answers().length > 0)
    for (const answer of answers()) expect(answer).toMatchObject({ error: { code: -32_601 } })
  })
})

describe('what does not cross', () => {
  it('a legacy client\'s changed roots to a modern server, and the end of a visit to a legacy client', async () => {
    const actor = closeAfter(await startActor(['modern'], {
      tell(call) {
        call.send({ method: 'notifications/elicitation/complete', params: { elicitationId: 'e' } })
        call.answer()
      },
    }))
    const rig = await startRig({ servers: { a: http(actor.url) } })
    const session = await openSession(rig.port, { path, capabilities: { roots: { listChanged: true }, elicitation: { url: {} } } })
    const before = actor.requests.length
    await legacy(rig.port, session, '', {}, { path, body: '{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}' })
    const answer = await legacy(rig.port, session, 'tools/call', { name: 'tell' }, { path })
    expect(answer.text).not.toContain('elicitation/complete')
    expect(actor.requests.slice(before).map(({ json }) => json.method)).not.toContain('notifications/roots/list_changed')
  })
})
