/** A server with `placement: singleton` runs once in the whole cluster: any replica uses its child, wherever it runs (decision 0017). */
import { describe, expect, it } from 'vitest'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { ServerSnapshot, Snapshot, StdioServer } from '../src/core/gateway/snapshot.ts'
import { META } from '../src/protocol/meta.ts'
import { configOf, until } from './fixtures/upstream/support.ts'
import { closeAfter } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { loneServer } from './lone-server.ts'
import type { LoneServer } from './lone-server.ts'
import { codeOf, getRequest, legacy, legacyRequest, messageOf, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Stream } from './mcp-client.ts'
import { REFERENCE_SERVER_COMMAND } from './reference-server-process.ts'
import { startReplicas } from './replica-rig.ts'
import type { ReplicaRig } from './replica-rig.ts'

const path = '/lone/mcp'
const CHANGED = 'notifications/tools/list_changed'
const UPDATED = 'notifications/resources/updated'
const times = (stream: Stream, method: string): number => stream.messages().filter((one) => one['method'] === method).length

interface Play extends Pick<LoneServer, 'lives' | 'overlaps'> {
  readonly all: readonly ReplicaRig[]
  readonly a: ReplicaRig
  readonly b: ReplicaRig
  readonly c: ReplicaRig
}

async function play(era: 'legacy' | 'modern', server: Partial<ServerSnapshot> = {}): Promise<Play> {
  const lone = closeAfter(loneServer(era))
  const { all } = await startReplicas(3, { servers: { lone: lone.server }, server: { era, placement: 'singleton', ...server } })
  const [a, b, c] = all as [ReplicaRig, ReplicaRig, ReplicaRig]
  return { all, a, b, c, lives: lone.lives, overlaps: lone.overlaps }
}

const call = ({ port }: ReplicaRig, name: string, args: object = {}): Promise<Answer> => modern(port, 'tools/call', { name, arguments: args }, { path })
function textOf(answer: Answer): unknown {
  const { content } = (messageOf(answer)['result'] ?? { content: [] }) as { readonly content: readonly { readonly text: string }[] }
  return JSON.parse(content[0]?.text ?? 'null')
}

/** A slow call has reached the child. */
const begun = (replica: ReplicaRig): Promise<void> => expect.poll(async () => textOf(await call(replica, 'begun')), { timeout: 5_000 }).toBe(1)

describe.each(['legacy', 'modern'] as const)('a %s server of which there is one for all replicas', (era) => {
  it('is one process, whichever replicas are asked, first at once', async () => {
    const { all, lives } = await play(era)
    const answers = await Promise.all([...all, ...all].map((replica) => call(replica, 'who')))
    expect(new Set(answers.map(textOf)).size).toBe(1)
    expect(lives().map(({ pid }) => pid)).toEqual([textOf(answers[0] as Answer)])
    expect(all.map(({ gateway }) => gateway.status().servers[0]?.children).toSorted()).toEqual([0, 0, 1])
    expect(new Set(all.map(({ gateway }) => gateway.status().servers[0]?.holder)).size, 'all know where it runs').toBe(1)
  })

  it('shows its lists at each replica, on /mcp too, and takes calls under their names there', async () => {
    const { all } = await play(era)
    for (const { port } of all) {
      const list = messageOf(await modern(port, 'tools/list', {}, { path: '/mcp' }))['result'] as { readonly tools: readonly { readonly name: string }[] }
      expect(list.tools.map(({ name }) => name)).toContain('lone__who')
      expect(codeOf(await modern(port, 'tools/call', { name: 'lone__who', arguments: {} }, { path: '/mcp' }))).toBe(0)
      const session = await openSession(port, { path: '/mcp' })
      expect(codeOf(await legacy(port, session, 'tools/call', { name: 'lone__who', arguments: {} }))).toBe(0)
    }
  })

  it('has its progress told, and is told of what a client gives up, through another replica', async () => {
    const { all, a, b } = await play(era)
    await call(a, 'who')
    const remote = all.find(({ gateway }) => gateway.status().servers[0]?.children === 0) ?? b
    const stream = await openStream(remote.port, modernRequest('tools/call', { name: 'progress', arguments: {} }, { path, meta: { progressToken: 'mine' } }))
    await stream.count(4)
    expect(stream.messages().map(({ method }) => method)).toEqual([...Array.from({ length: 3 }, () => 'notifications/progress'), undefined])
    expect(stream.messages().slice(0, 3).map(({ params }) => params)).toMatchObject([1, 2, 3].map((progress) => ({ progressToken: 'mine', progress })))
    const slow = modernRequest('tools/call', { name: 'slow', arguments: { ms: 60_000 } }, { path })
    const leaving = new AbortController()
    const left = expect(fetch(`http://127.0.0.1:${remote.port}${path}`, { method: 'POST', headers: slow.headers, body: slow.body, signal: leaving.signal })).rejects.toThrow()
    await begun(a)
    leaving.abort()
    await left
    await expect.poll(async () => textOf(await call(a, 'cancelled')), { timeout: 5_000 }).toHaveLength(1)
  })

  it('tells what it announces to every listener of every replica, once', async () => {
    const { all, a, b, c } = await play(era)
    const streams: Stream[] = []
    for (const { port } of [a, b]) {
      const session = await openSession(port, { path })
      streams.push(await openStream(port, getRequest(session, {}, path)))
      expect((await legacy(port, session, 'resources/subscribe', { uri: 'test://one' }, { path })).status).toBe(200)
    }
    const listen = modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true, resourceSubscriptions: ['test://one'] } }, { path })
    const listening = await openStream(c.port, listen)
    streams.push(listening)
    await listening.count(1)
    for (const replica of all) await call(replica, 'touch', { uri: 'test://one' })
    await until(() => streams.every((stream) => times(stream, UPDATED) >= 3))
    await call(b, 'touch')
    await until(() => streams.every((stream) => times(stream, CHANGED) >= 1))
    await call(b, 'touch', { uri: 'test://other' })
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(streams.map((stream) => [times(stream, CHANGED), times(stream, UPDATED)])).toEqual([[1, 3], [1, 3], [1, 3]])
    await Promise.all(streams.map((stream) => stream.close()))
  })

  it('goes on at another replica when its own drains, without a lost call, and never runs twice', async () => {
    const { all, lives, overlaps } = await play(era)
    const first = textOf(await call(all[0] as ReplicaRig, 'who'))
    const holder = all.find(({ gateway }) => gateway.status().servers[0]?.children === 1) as ReplicaRig
    const [one, other] = all.filter((replica) => replica !== holder) as [ReplicaRig, ReplicaRig]
    const slow = call(one, 'slow', { ms: 1_000 })
    await begun(other)
    const drained = holder.gateway.drain(3_000)
    const next = await call(other, 'who')
    expect([textOf(await slow), codeOf(next)]).toEqual([first, 0])
    expect(textOf(next)).not.toBe(first)
    await drained
    expect(textOf(await call(one, 'who'))).toBe(textOf(next))
    expect([lives().length, overlaps()]).toEqual([2, []])
  })

  it('goes on at another replica when its own is lost, and never runs twice', async () => {
    const { all, lives, overlaps } = await play(era)
    const first = textOf(await call(all[0] as ReplicaRig, 'who'))
    const holder = all.find(({ gateway }) => gateway.status().servers[0]?.children === 1) as ReplicaRig
    const other = all.find((replica) => replica !== holder) as ReplicaRig
    const lost = call(other, 'slow', { ms: 60_000 })
    await begun(other)
    await holder.kill()
    expect(codeOf(await lost), 'it may have run').toBe(-31024)
    const next = await call(other, 'who')
    expect([codeOf(next), textOf(next) === first]).toEqual([0, false])
    expect([lives().length, overlaps()]).toEqual([2, []])
  })
})

describe('a client that can be asked', () => {
  it('has a child of its own beside the shared one, and is asked through its replica', async () => {
    const { all, lives } = await play('legacy')
    await call(all[0] as ReplicaRig, 'who')
    const remote = all.find(({ gateway }) => gateway.status().servers[0]?.children === 0) as ReplicaRig
    const session = await openSession(remote.port, { path, capabilities: { sampling: {} } })
    const stream = await openStream(remote.port, legacyRequest(session, 'tools/call', { name: 'ask', arguments: {} }, { path }))
    await until(() => stream.messages().some(({ method }) => method === 'sampling/createMessage'))
    const asked = stream.messages().find(({ method }) => method === 'sampling/createMessage')
    const result = { role: 'assistant', model: 'm', content: { type: 'text', text: 'yes' } }
    const reply = legacyRequest(session, '', {}, { path })
    await fetch(`http://127.0.0.1:${remote.port}${path}`, { method: 'POST', headers: reply.headers, body: JSON.stringify({ jsonrpc: '2.0', id: asked?.['id'], result }) })
    await until(() => stream.messages().some(({ result: said }) => said !== undefined))
    expect(JSON.stringify(stream.messages().at(-1))).toContain('yes')
    expect(lives()).toHaveLength(2)
    expect(all.map(({ gateway }) => gateway.status().servers[0]?.children).toSorted()).toEqual([0, 0, 2])
    await stream.close()
  })
})

describe('a modern client that can be asked', () => {
  it('is asked through any replica, and its retry finds the call at any other', async () => {
    const { all } = await play('legacy')
    await call(all[0] as ReplicaRig, 'who')
    const [one, other] = all.filter(({ gateway }) => gateway.status().servers[0]?.children === 0) as [ReplicaRig, ReplicaRig]
    const ask = ({ port }: ReplicaRig, more: object = {}) =>
      modern(port, 'tools/call', { name: 'ask', arguments: {}, ...more }, { path, meta: { [META.clientCapabilities]: { sampling: {} } } })
    const asked = messageOf(await ask(one))['result'] as { readonly resultType: string; readonly requestState: string; readonly inputRequests: object }
    expect(asked.resultType).toBe('input_required')
    const [key = ''] = Object.keys(asked.inputRequests)
    const said = { role: 'assistant', model: 'm', content: { type: 'text', text: 'yes' } }
    const answer = await ask(other, { requestState: asked.requestState, inputResponses: { [key]: said } })
    expect(JSON.stringify(textOf(answer))).toContain('yes')
  })
})

describe('what a modern one child made', () => {
  it('is found from every replica, also when the one is gone through which it was made', async () => {
    const [command = '', ...args] = [REFERENCE_SERVER_COMMAND.command, ...REFERENCE_SERVER_COMMAND.args]
    const child: StdioServer = { transport: 'stdio', command, args, env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined }
    const { all } = await startReplicas(3, { servers: { lone: child }, server: { era: 'modern', placement: 'singleton' } })
    const state = ({ port }: ReplicaRig, more: object = {}) => modern(port, 'tools/call', { name: 'test_input_required_result_state_only', arguments: {}, ...more }, { path })
    await state(all[0] as ReplicaRig)
    const [one, other] = all.filter(({ gateway }) => gateway.status().servers[0]?.children === 0) as [ReplicaRig, ReplicaRig]
    const { requestState } = messageOf(await state(one))['result'] as { readonly requestState: string }
    await one.kill()
    expect(messageOf(await state(other, { requestState }))).toMatchObject({ result: { resultType: 'complete' } })
  })
})

describe('a reload that replaces the server', () => {
  it('loses no call of another replica, and none goes to the old child afterwards', async () => {
    const lone = closeAfter(loneServer('modern'))
    const snapshotOf = (digest: string, mark: string): Snapshot => ({
      digest, separator: '__', pageSize: 100, limits: DEFAULT_LIMITS, virtualServers: [],
      servers: [configOf({ ...lone.server, env: { ...lone.server.env, MARK: mark } }, { id: 'lone', name: 'lone', era: 'modern', placement: 'singleton' })],
    })
    const source = createSnapshotSource(snapshotOf('1', 'old'))
    const { all } = await startReplicas(3, { deps: { snapshots: source } })
    const first = textOf(await call(all[0] as ReplicaRig, 'who'))
    const remote = all.find(({ gateway }) => gateway.status().servers[0]?.children === 0) as ReplicaRig
    const slow = call(remote, 'slow', { ms: 700 })
    await begun(all[0] as ReplicaRig)
    source.replace(snapshotOf('2', 'new'))
    const next = textOf(await call(remote, 'who'))
    expect([textOf(await slow), next === first]).toEqual([first, false])
    await until(() => all.every(({ gateway }) => gateway.status().leaving === 0))
    expect(new Set((await Promise.all(all.map((replica) => call(replica, 'who')))).map(textOf))).toEqual(new Set([next]))
  })
})

describe('a resource of the one child', () => {
  it('is subscribed to for as long as anybody at any replica is', async () => {
    const { a, b } = await play('legacy')
    const sessions = [await openSession(a.port, { path }), await openSession(b.port, { path })] as const
    const ask = ({ port }: ReplicaRig, session: string, method: string) => legacy(port, session, method, { uri: 'test://one' }, { path })
    await ask(a, sessions[0], 'resources/subscribe')
    await ask(b, sessions[1], 'resources/subscribe')
    expect(textOf(await call(a, 'subscribed'))).toEqual(['test://one'])
    await ask(a, sessions[0], 'resources/unsubscribe')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(textOf(await call(a, 'subscribed'))).toEqual(['test://one'])
    await ask(b, sessions[1], 'resources/unsubscribe')
    await expect.poll(async () => textOf(await call(a, 'subscribed'))).toEqual([])
  })
})

describe('without the store of leases', () => {
  it('the one child ends, is not started anywhere, and comes back when the store does', async () => {
    const { all } = await play('modern')
    const first = textOf(await call(all[0] as ReplicaRig, 'who'))
    for (const replica of all) replica.cut(true)
    await until(() => all.every(({ gateway }) => gateway.status().servers[0]?.children === 0))
    const refused = await call(all[1] as ReplicaRig, 'who')
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1'])
    for (const replica of all) replica.cut(false)
    await expect.poll(async () => codeOf(await call(all[2] as ReplicaRig, 'who')), { timeout: 10_000 }).toBe(0)
    expect(textOf(await call(all[0] as ReplicaRig, 'who'))).not.toBe(first)
  })
})
