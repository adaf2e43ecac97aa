/** What a server announces to one replica reaches every listener of every replica, once (bridge-rulings §4, Subscriptions; design §5). */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter } from './gateway-rig.ts'
import { loneServer } from './lone-server.ts'
import type { HttpServer, StdioServer } from '../src/core/gateway/snapshot.ts'
import { getRequest, legacy, messageOf, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Stream } from './mcp-client.ts'
import { startReplicas, startTwo } from './replica-rig.ts'
import type { ReplicaRig } from './replica-rig.ts'

const announcer: StdioServer = {
  transport: 'stdio', command: process.execPath, args: [fileURLToPath(new URL('fixtures/upstream/announcer.mjs', import.meta.url))], env: {}, cwd: undefined,
}
const CHANGED = 'notifications/tools/list_changed'
const UPDATED = 'notifications/resources/updated'
const path = '/files/mcp'
const times = (stream: Stream, method: string): number => stream.messages().filter((one) => one['method'] === method).length

/** A legacy client with a GET stream at each of the first two replicas, and a modern one that listens at the third. */
async function listeners([a, b, c]: readonly ReplicaRig[], uri: string): Promise<Stream[]> {
  const streams: Stream[] = []
  for (const replica of [a, b]) {
    if (replica === undefined) throw new Error('three were started')
    const session = await openSession(replica.port, { path })
    streams.push(await openStream(replica.port, getRequest(session, {}, path)))
    expect((await legacy(replica.port, session, 'resources/subscribe', { uri }, { path })).status).toBe(200)
  }
  const listen = modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true, resourceSubscriptions: [uri] } }, { path })
  const stream = await openStream(c?.port ?? 0, listen)
  await stream.count(1)
  return [...streams, stream]
}

async function play(server: HttpServer | StdioServer): Promise<readonly ReplicaRig[]> {
  return (await startReplicas(3, { servers: { files: server }, server: { era: 'legacy' } })).all
}

describe('what one child of a server announces', () => {
  it('is told once to every client of every replica', async () => {
    const all = await play(announcer)
    const streams = await listeners(all, 'test://one')
    const touch = (args: object): Promise<unknown> => modern(all[0]?.port ?? 0, 'tools/call', { name: 'touch', arguments: args }, { path })
    await touch({ uri: 'test://one' })
    await until(() => streams.every((stream) => times(stream, UPDATED) === 1))
    await touch({})
    await until(() => streams.every((stream) => times(stream, CHANGED) === 1))
    await touch({ uri: 'test://other' })
    await touch({ uri: 'test://one' })
    await until(() => streams.every((stream) => times(stream, UPDATED) === 2))
    await sleep(100)
    expect(streams.map((stream) => [times(stream, CHANGED), times(stream, UPDATED)])).toEqual([[1, 2], [1, 2], [1, 2]])
    await Promise.all(streams.map((stream) => stream.close()))
  })

  it('is told to a session that another replica had, which was lost', async () => {
    const all = await play(announcer)
    const [a, b, c] = all as [ReplicaRig, ReplicaRig, ReplicaRig]
    const session = await openSession(a.port, { path })
    expect((await legacy(a.port, session, 'resources/subscribe', { uri: 'test://one' }, { path })).status).toBe(200)
    await a.kill()
    const stream = await openStream(b.port, getRequest(session, {}, path))
    // That it may have changed: from then on the child of b is subscribed.
    await until(() => times(stream, UPDATED) === 1)
    await modern(c.port, 'tools/call', { name: 'touch', arguments: { uri: 'test://one' } }, { path })
    await until(() => times(stream, UPDATED) === 2)
    await stream.close()
  })
})

describe.each(['legacy', 'modern'] as const)('what a %s child of another replica announces only where it is asked', (era) => {
  const tool = ({ port }: ReplicaRig, name: string, args: object = {}) => modern(port, 'tools/call', { name, arguments: args }, { path })
  const subscribed = async (replica: ReplicaRig): Promise<unknown> => JSON.stringify(messageOf(await tool(replica, 'subscribed')))

  it('is told to whoever listens to it anywhere, once for each child, for as long as somebody does', async () => {
    const lone = closeAfter(loneServer(era))
    const { all } = await startReplicas(3, { servers: { files: lone.server }, server: { era } })
    const [a, b, c] = all as [ReplicaRig, ReplicaRig, ReplicaRig]
    for (const replica of all) await tool(replica, 'subscribed')
    const listen = modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true, resourceSubscriptions: ['test://one'] } }, { path })
    const stream = await openStream(a.port, listen)
    await stream.count(1)
    for (const other of [b, c]) await expect.poll(() => subscribed(other), { timeout: 5_000 }).toContain('test://one')
    for (const replica of all) await tool(replica, 'touch', { uri: 'test://one' })
    await until(() => times(stream, UPDATED) >= 3)
    for (const other of [b, c]) await tool(other, 'touch')
    await until(() => times(stream, CHANGED) >= 2)
    await tool(b, 'touch', { uri: 'test://other' })
    await sleep(150)
    expect([times(stream, UPDATED), times(stream, CHANGED)]).toEqual([3, 2])
    await stream.close()
    for (const other of [b, c]) await expect.poll(() => subscribed(other), { timeout: 5_000 }).not.toContain('test://one')
  })
})

describe('what a server over HTTP announces to each of its sessions', () => {
  it('is told once to every client of every replica', async () => {
    const actor = closeAfter(await startActor(['legacy']))
    const streams = await listeners(await play(http(actor.url)), 'test://one')
    await until(() => actor.streamCount >= 3)
    await sleep(100)
    actor.announce(UPDATED, { uri: 'test://one' })
    actor.announce(CHANGED)
    await until(() => streams.every((stream) => times(stream, UPDATED) >= 1 && times(stream, CHANGED) >= 1))
    await sleep(150)
    expect(streams.map((stream) => [times(stream, CHANGED), times(stream, UPDATED)])).toEqual([[1, 1], [1, 1], [1, 1]])
    await Promise.all(streams.map((stream) => stream.close()))
  })
})

describe('a session on its way to another replica', () => {
  it.each([
    ['a drain', ({ gateway }: ReplicaRig) => gateway.drain(1_000)],
    ['a crash', (replica: ReplicaRig) => replica.kill()],
  ])('is told once that what it listens to may have changed, after %s, and misses nothing from then on', async (_what, end) => {
    const actor = closeAfter(await startActor(['legacy']))
    const [a, b] = await startTwo({ servers: { files: http(actor.url) } })
    const session = await openSession(a.port, { path })
    expect((await legacy(a.port, session, 'resources/subscribe', { uri: 'test://one' }, { path })).status).toBe(200)
    const before = await openStream(b.port, getRequest(session, {}, path))
    await until(() => actor.streamCount > 0)
    await end(a)
    actor.announce(UPDATED, { uri: 'test://one' })
    const stream = await openStream(b.port, getRequest(session, { 'last-event-id': before.events.at(-1)?.id ?? '' }, path))
    await until(() => times(stream, UPDATED) === 1)
    actor.announce(UPDATED, { uri: 'test://one' })
    actor.announce(CHANGED)
    await until(() => times(stream, UPDATED) === 2 && times(stream, CHANGED) === 2)
    const again = await openStream(b.port, getRequest(session, {}, path))
    await sleep(100)
    expect([...stream.messages().map(({ method }) => method), ...again.messages()]).toEqual([CHANGED, ...['prompts', 'resources'].map((noun) => `notifications/${noun}/list_changed`), UPDATED, UPDATED, CHANGED])
    for (const each of [before, stream, again]) each.drop()
  })
})

describe('a list that is kept', () => {
  it('is asked for again at every replica once one of them heard that it changed', async () => {
    const actor = closeAfter(await startActor(['modern'], {}, { lists: { 'tools/list': { tools: [], ttlMs: 600_000, cacheScope: 'public' } } }))
    const [a, b] = await startTwo({ servers: { files: http(actor.url) } })
    const listed = (): number => actor.requests.filter(({ json }) => json.method === 'tools/list').length
    const stream = await openStream(a.port, modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, { path }))
    await stream.count(1)
    await until(() => actor.streamCount > 0)
    await modern(b.port, 'tools/list', {}, { path })
    await modern(b.port, 'tools/list', {}, { path })
    const before = listed()
    actor.announce(CHANGED)
    await until(() => times(stream, CHANGED) === 1)
    await sleep(100)
    await modern(b.port, 'tools/list', {}, { path })
    expect(listed()).toBe(before + 1)
    await stream.close()
  })
})
