/** Servers and clients that would have input across eras hold too much, run twice, or lose what is someone else's. */
import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { Snapshot } from '../src/core/gateway/snapshot.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { configOf, event, http, sendJson, sleep, sse, startHttp, until } from './fixtures/upstream/support.ts'
import type { Request, TestServer } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, legacy, legacyRequest, messageOf, modern, openSession, openStream } from './mcp-client.ts'

type Json = Record<string, unknown>
const FORM = { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: {} } }
const CAPABILITIES = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {}, url: {} } } }
const accept = { action: 'accept', content: {} }

function ask(rig: Rig, more: object = {}, id = 1): Promise<Answer> {
  return modern(rig.port, 'tools/call', { name: 'ask', arguments: {}, ...more }, { path: '/a/mcp', meta: CAPABILITIES, id })
}

const resultOf = (answer: Answer): Json => (messageOf(answer)['result'] ?? {}) as Json

/** Comes back with an answer to every question. */
function retry(rig: Rig, round: Answer): Promise<Answer> {
  const { inputRequests, requestState } = resultOf(round)
  const inputResponses = Object.fromEntries(Object.keys(inputRequests as object).map((key) => [key, accept]))
  return ask(rig, { inputResponses, requestState }, 2)
}

const received = ({ requests }: Pick<Actor, 'requests'>, method: string | undefined): Json[] =>
  requests.map(({ json }) => json as unknown as Json).filter((one) => one['method'] === method)
const refusals = (actor: Actor): number => received(actor, undefined).filter(({ error }) => error !== undefined).length
const calls = (actor: Pick<Actor, 'requests'>): number => received(actor, 'tools/call').length

async function play(act: Act): Promise<{ rig: Rig; actor: Actor }> {
  const actor = closeAfter(await startActor(['legacy'], { ask: act }))
  return { actor, rig: await startRig({ servers: { a: http(actor.url) } }) }
}

describe('a legacy server that asks too much', () => {
  it('has 64 questions open at most, and an error for the others', async () => {
    const { rig, actor } = await play(({ send }) => {
      for (let n = 0; n < 100; n += 1) send({ id: `q${n}`, method: 'elicitation/create', params: FORM })
    })
    const first = await ask(rig)
    expect(Object.keys(resultOf(first)['inputRequests'] as object)).toHaveLength(64)
    await until(() => refusals(actor) === 36)
  })

  it('without end is not answered without end: its call is given up', async () => {
    const { rig, actor } = await play(({ send }) => {
      send({ id: 'first', method: 'elicitation/create', params: FORM })
      setTimeout(() => {
        for (let n = 0; n < 5_000; n += 1) send({ id: `q${n}`, method: 'elicitation/create', params: FORM })
      }, 200)
    })
    const first = await ask(rig)
    await until(() => received(actor, 'notifications/cancelled').length === 1)
    expect(codeOf(await retry(rig, first))).toBe(-31_024)
    expect(refusals(actor)).toBeLessThan(2_000)
    expect(calls(actor)).toBe(1)
  })

  it('cannot have answers kept without bound for clients that do not come back', async () => {
    const { rig, actor } = await play(({ send, answer }) => {
      send({ id: 'q', method: 'elicitation/create', params: FORM })
      setTimeout(() => answer({ content: [{ type: 'text', text: 'x'.repeat(14 * 1024 * 1024) }] }), 150)
    })
    const rounds: Answer[] = []
    for (let n = 0; n < 6; n += 1) {
      rounds.push(await ask(rig, {}, n))
      await sleep(250)
    }
    expect(calls(actor)).toBe(6)
    const answers = await Promise.all(rounds.map((round) => retry(rig, round)))
    expect(answers.filter((answer) => codeOf(answer) === -31_024).length).toBeGreaterThanOrEqual(2)
    expect(answers.filter((answer) => Array.isArray(resultOf(answer)['content'])).length).toBeGreaterThanOrEqual(3)
    expect(calls(actor)).toBe(6)
    // What was taken makes room again.
    const later = await ask(rig, {}, 9)
    await sleep(250)
    expect(codeOf(await retry(rig, later))).toBe(0)
  })
})

function snapshotOf(digest: string, url: string): Snapshot {
  return { digest, servers: [configOf(http(url), { id: 'a', name: 'a' })], separator: '__', pageSize: 100, limits: DEFAULT_LIMITS, virtualServers: [] }
}

describe('a server that speaks another era by the time of the retry', () => {
  async function upgrade(act: Act): Promise<{ rig: Rig; old: Actor; successor: Actor; reload(): void }> {
    const old = closeAfter(await startActor(['legacy'], { ask: act }))
    const successor = closeAfter(await startActor(['modern'], { ask: ({ answer }) => answer({ from: 'successor' }) }))
    const snapshots = createSnapshotSource(snapshotOf('1', old.url))
    const rig = await startRig({ deps: { snapshots } })
    return { rig, old, successor, reload: () => snapshots.replace(snapshotOf('2', successor.url)) }
  }

  it('does not run the call again: its answer comes from where it waits', async () => {
    const { rig, old, successor, reload } = await upgrade(({ send, answer }) => {
      send({ id: 'q', method: 'elicitation/create', params: FORM })
      void until(() => received(old, undefined).some(({ id }) => id === 'q')).then(() => answer({ from: 'old' }))
    })
    const first = await ask(rig)
    reload()
    await modern(rig.port, 'tools/list', {}, { path: '/a/mcp', meta: CAPABILITIES })
    expect(resultOf(await retry(rig, first))).toMatchObject({ from: 'old' })
    expect(codeOf(await retry(rig, first))).toBe(-31_024)
    expect([calls(old), calls(successor)]).toEqual([1, 0])
  })

  it('gets a call afresh, without a state that it never made', async () => {
    const data = { elicitations: [{ mode: 'url', message: 'Go', url: 'https://a.example/x', elicitationId: 'e' }] }
    const { rig, successor, reload } = await upgrade(({ id, response }) => sendJson(response, { jsonrpc: '2.0', id, error: { code: -32_042, message: 'visit', data } }))
    const first = await ask(rig)
    reload()
    expect(resultOf(await retry(rig, first))).toMatchObject({ from: 'successor' })
    const [call] = received(successor, 'tools/call')
    expect(call?.['params']).not.toHaveProperty('requestState')
    expect(call?.['params']).not.toHaveProperty('inputResponses')
  })
})

type Serve = (request: Request, done: () => void, response: ServerResponse) => void

/** A legacy server without GET streams; it can forget its sessions, and takes its time for the handshake. */
async function startSessions(): Promise<TestServer & { forget(): void; opened: number; openMs: number; answer: Serve }> {
  const sessions = new Set<string>()
  const server = closeAfter(
    await startHttp((request, response) => {
      const { id, method, params } = request.json
      if (request.method !== 'POST') return void response.writeHead(request.method === 'DELETE' ? 200 : 405).end()
      if (JSON.stringify(params?.['_meta'] ?? {}).includes('protocolVersion')) return sendJson(response, { jsonrpc: '2.0', id, error: { code: -32_600, message: 'no' } }, 400)
      if (method === 'initialize') {
        const session = `session-${(all.opened += 1)}`
        sessions.add(session)
        const result = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } }
        return void setTimeout(() => sendJson(response, { jsonrpc: '2.0', id, result }, 200, { 'mcp-session-id': session }), all.openMs)
      }
      if (!sessions.has(String(request.headers['mcp-session-id']))) return void response.writeHead(404).end()
      if (id === undefined || method === undefined) return void response.writeHead(202).end()
      if (method === 'tools/list') return sendJson(response, { jsonrpc: '2.0', id, result: { tools: [{ name: 'ask', inputSchema: { type: 'object' } }] } })
      all.answer(request, () => sendJson(response, { jsonrpc: '2.0', id, result: { content: [], ok: true } }), response)
    }),
  )
  const answer: Serve = (_request, done) => done()
  const all = { ...server, opened: 0, openMs: 0, forget: () => sessions.clear(), answer }
  return all
}

describe('sessions for one call each', () => {
  it('are 32 at most for one client, however many it wants at once', async () => {
    const server = await startSessions()
    const held: (() => void)[] = []
    server.answer = (_request, done) => void held.push(done)
    const rig = await startRig({ servers: { a: http(server.url) } })
    await modern(rig.port, 'tools/list', {}, { path: '/a/mcp', meta: CAPABILITIES })
    const answers = Promise.all(Array.from({ length: 50 }, (_, n) => ask(rig, {}, n)))
    await until(() => held.length >= 31)
    await sleep(300)
    expect(held.length).toBeLessThanOrEqual(32)
    for (const done of held) done()
    const codes = (await answers).map((answer) => codeOf(answer))
    expect(codes.filter((code) => code === 0).length).toBe(held.length)
  })

  it('that the server has forgotten all at once cost no call', async () => {
    const server = await startSessions()
    const rig = await startRig({ servers: { a: http(server.url) } })
    await Promise.all([1, 2, 3, 4].map((id) => ask(rig, {}, id)))
    server.forget()
    for (const id of [5, 6, 7]) expect(resultOf(await ask(rig, {}, id))).toMatchObject({ ok: true })
  })

  it('outlive a reload that comes while they are opened', async () => {
    const server = await startSessions()
    server.answer = (_request, _done, response) => {
      sse(response)
      event(response, { jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: FORM })
    }
    const successor = closeAfter(await startActor(['legacy'], { ask: ({ answer }) => answer() }))
    const snapshots = createSnapshotSource(snapshotOf('1', server.url))
    const rig = await startRig({ deps: { snapshots } })
    await modern(rig.port, 'tools/list', {}, { path: '/a/mcp', meta: CAPABILITIES })
    const before = server.opened
    server.openMs = 300
    server.forget()
    const first = ask(rig)
    await until(() => server.opened > before)
    snapshots.replace(snapshotOf('2', successor.url))
    expect(resultOf(await first)['resultType']).toBe('input_required')
    await sleep(300)
    expect(rig.gateway.status().leaving).toBe(1)
    expect(received(server, 'notifications/cancelled')).toEqual([])
  })
})

describe('a legacy client with too many open questions', () => {
  it('is told which ones of a call that was given up need no answer', async () => {
    const inputRequests = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`q${n}`, { method: 'elicitation/create', params: FORM }]))
    const actor = closeAfter(await startActor(['modern'], { ask: ({ answer }) => answer({ resultType: 'input_required', content: undefined, inputRequests }) }))
    const rig = await startRig({ servers: { a: http(actor.url) } })
    const session = await openSession(rig.port, { path: '/a/mcp', capabilities: { elicitation: {} } })
    const streams = []
    for (let id = 1; id <= 5; id += 1) {
      const stream = await openStream(rig.port, legacyRequest(session, 'tools/call', { name: 'ask' }, { path: '/a/mcp', id }))
      streams.push(closeAfter(stream))
      await stream.count(64)
    }
    const [first] = streams
    await until(() => first?.ended === true)
    const cancelled = (first?.messages() ?? []).filter(({ method }) => method === 'notifications/cancelled')
    expect(cancelled).toHaveLength(64)
    await legacy(rig.port, session, '', {}, { path: '/a/mcp', body: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}' })
  })
})

describe('a modern server that would have a legacy client host a task', () => {
  it('gets no task: nobody told it of any', async () => {
    const inputRequests = { q: { method: 'elicitation/create', params: { ...FORM, task: {} } } }
    const actor = closeAfter(await startActor(['modern'], { ask: ({ answer }) => answer({ resultType: 'input_required', content: undefined, inputRequests }) }))
    const rig = await startRig({ servers: { a: http(actor.url) } })
    const capabilities = { elicitation: {}, tasks: { requests: { elicitation: { create: {} } } } }
    const session = await openSession(rig.port, { path: '/a/mcp', capabilities })
    expect(codeOf(await legacy(rig.port, session, 'tools/call', { name: 'ask' }, { path: '/a/mcp' }))).toBe(-31_022)
  })
})
