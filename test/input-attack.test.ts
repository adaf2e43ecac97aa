/** Servers and clients that would have input across eras hold too much, run twice, or lose what is someone else's. */
import { request } from 'node:http'
import type { ClientRequest, ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { Snapshot, StdioServer } from '../src/core/gateway/snapshot.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { configOf, event, http, sendJson, sleep, sse, startHttp, until } from './fixtures/upstream/support.ts'
import type { Request, TestServer } from './fixtures/upstream/support.ts'
import { startLegacyTasks } from './fixtures/upstream/task-actor.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, legacy, legacyRequest, messageOf, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { WireRequest } from './mcp-client.ts'
import { virtual } from './virtual-rig.ts'

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

  it('has no more than 64 calls wait for one client, and what became of the next one is not known', async () => {
    const { rig, actor } = await play(({ send, args }) => send({ id: `q${String(args['n'])}`, method: args['n'] === 0 ? 'roots/list' : Number(args['n']) > 32 ? 'elicitation/create' : 'sampling/createMessage', params: FORM }))
    const declared = (n: number): object => (n === 0 ? { roots: {} } : n > 32 ? { elicitation: {} } : { sampling: {} })
    const call = (n: number): Promise<Answer> =>
      modern(rig.port, 'tools/call', { name: 'ask', arguments: { n } }, { path: '/a/mcp', meta: { 'io.modelcontextprotocol/clientCapabilities': declared(n) } })
    const waiting = await Promise.all(Array.from({ length: 64 }, (_, n) => call(n + 1)))
    expect(waiting.every((round) => resultOf(round)['resultType'] === 'input_required')).toBe(true)
    // It ran: a code by which clients try again would run it twice.
    expect(codeOf(await call(0))).toBe(-31_024)
    await until(() => received(actor, 'notifications/cancelled').length === 1)
  })

  it('cannot have answers kept without bound for clients that do not come back', async () => {
    let arrived = 0
    const { rig, actor } = await play(({ send, answer, response }) => {
      send({ id: 'q', method: 'elicitation/create', params: FORM })
      response.on('finish', () => (arrived += 1))
      setTimeout(() => answer({ content: [{ type: 'text', text: 'x'.repeat(14 * 1024 * 1024) }] }), 150)
    })
    const rounds: Answer[] = []
    for (let n = 1; n <= 6; n += 1) {
      rounds.push(await ask(rig, {}, n))
      await until(() => arrived === n)
    }
    await sleep(300)
    expect(calls(actor)).toBe(6)
    const answers = await Promise.all(rounds.map((round) => retry(rig, round)))
    expect(answers.filter((answer) => codeOf(answer) === -31_024).length).toBeGreaterThanOrEqual(2)
    expect(answers.filter((answer) => Array.isArray(resultOf(answer)['content'])).length).toBeGreaterThanOrEqual(3)
    expect(calls(actor)).toBe(6)
    // What was taken makes room again.
    const later = await ask(rig, {}, 9)
    await until(() => arrived === 7)
    expect(codeOf(await retry(rig, later))).toBe(0)
  }, 30_000)
})

describe('a task of a legacy server that asks too much', () => {
  it('has 64 questions open at most, and an error for the others', async () => {
    const actor = closeAfter(await startLegacyTasks())
    const rig = await startRig({ servers: { a: http(actor.url) } })
    const meta = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} }, extensions: { 'io.modelcontextprotocol/tasks': {} } } }
    const made = resultOf(await modern(rig.port, 'tools/call', { name: 'slow', arguments: {} }, { path: '/a/mcp', meta }))
    const taskId = String(made['taskId'])
    const [task] = actor.tasks
    let refused = 0
    for (let n = 0; n < 100; n += 1) void task?.ask('elicitation/create', FORM).then(({ error }) => (refused += error === undefined ? 0 : 1), () => undefined)
    await until(() => refused === 36)
    const got = resultOf(await modern(rig.port, 'tasks/get', { taskId }, { path: '/a/mcp', meta, headers: { 'mcp-name': taskId } }))
    expect(Object.keys(got['inputRequests'] as object)).toHaveLength(64)
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

describe('a server that forgot the session in which a call waits', () => {
  it('has its client told so at once, not after a silence', async () => {
    const server = await startSessions()
    server.answer = (_request, _done, response) => {
      sse(response)
      event(response, { jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: FORM })
    }
    const rig = await startRig({ servers: { a: http(server.url) } })
    const first = await ask(rig)
    server.forget()
    expect(codeOf(await retry(rig, first))).toBe(-31_024)
    expect(received(server, 'tools/call')).toHaveLength(1)
  })

  it('forgot nobody else\'s: their calls there go on', async () => {
    const server = await startSessions()
    const held: (() => void)[] = []
    const rig = await startRig({ servers: { a: http(server.url) } })
    await ask(rig)
    const other = { path: '/a/mcp', meta: CAPABILITIES, token: 'bob' }
    await modern(rig.port, 'tools/call', { name: 'ask', arguments: {} }, other)
    server.answer = ({ json: { method } }, done) => (method === 'completion/complete' ? held.push(done) : done())
    const completion = modern(rig.port, 'completion/complete', { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' } }, other)
    await until(() => held.length === 1)
    server.forget()
    expect(resultOf(await ask(rig, {}, 2))).toMatchObject({ ok: true })
    held[0]?.()
    expect(resultOf(await completion)).toMatchObject({ ok: true })
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

describe('a legacy client', () => {
  it('answers questions whatever their names are', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'имя', 'a"b\\c', '']
    const inputRequests = `{${names.map((name) => `${JSON.stringify(name)}:{"method":"elicitation/create","params":${JSON.stringify(FORM)}}`).join(',')}}`
    const actor = closeAfter(
      await startActor(['modern'], {
        ask({ id, request, response, answer }) {
          if (request.json.params?.['inputResponses'] !== undefined) return answer({ done: true })
          const text = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"resultType":"input_required","inputRequests":${inputRequests}}}`
          response.writeHead(200, { 'content-type': 'application/json' }).end(text)
        },
      }),
    )
    const rig = await startRig({ servers: { a: http(actor.url) } })
    const session = await openSession(rig.port, { path: '/a/mcp', capabilities: { elicitation: {} } })
    const stream = closeAfter(await openStream(rig.port, legacyRequest(session, 'tools/call', { name: 'ask' }, { path: '/a/mcp' })))
    for (const { id } of await stream.count(names.length)) {
      await legacy(rig.port, session, '', {}, { path: '/a/mcp', body: JSON.stringify({ jsonrpc: '2.0', id, result: { action: 'accept', content: { n: id } } }) })
    }
    await until(() => stream.ended)
    expect(stream.messages().at(-1)).toMatchObject({ result: { done: true } })
    const retried = received(actor, 'tools/call').at(-1) as { params: { inputResponses: Json } }
    expect(Object.keys(retried.params.inputResponses).toSorted()).toEqual(names.toSorted())
  })

  it('is asked in the middle of a batch, and all of the batch is answered', async () => {
    const required = { resultType: 'input_required', content: undefined, inputRequests: { q: { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } } } }
    const actor = closeAfter(await startActor(['modern'], { ask: ({ request, answer }) => answer(request.json.params?.['inputResponses'] === undefined ? required : { done: true }) }))
    const rig = await startRig({ servers: { a: http(actor.url) } })
    const path = '/a/mcp'
    const session = await openSession(rig.port, { path, revision: '2025-03-26', capabilities: { sampling: {} } })
    const one = (id: number, name: string): Json => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: {} } })
    const body = JSON.stringify([one(1, 'ask'), one(2, 'echo'), one(3, 'ask')])
    const stream = closeAfter(await openStream(rig.port, legacyRequest(session, '', {}, { path, body })))
    const questions = (await stream.count(3)).filter(({ method }) => method === 'sampling/createMessage')
    const answers = questions.map(({ id }) => ({ jsonrpc: '2.0', id, result: { role: 'assistant', content: { type: 'text', text: 'x' }, model: 'm' } }))
    await legacy(rig.port, session, '', {}, { path, body: JSON.stringify(answers) })
    await until(() => stream.ended)
    const results = stream.messages().filter(({ result }) => result !== undefined)
    expect(results.map(({ id }) => id).toSorted()).toEqual([1, 2, 3])
    expect((await rig.settled()).filter(({ method }) => method === 'tools/call')).toHaveLength(3)
  })
})

/** Sends it, and waits for nothing. */
function beginRequest(rig: Rig, { verb, path, headers, body }: WireRequest): ClientRequest {
  const outgoing = request({ host: '127.0.0.1', port: rig.port, method: verb, path, headers, agent: false })
  outgoing.on('error', () => undefined)
  outgoing.end(body)
  return outgoing
}

describe('a modern client', () => {
  it('that goes away before its question was put to it has cancelled, and leaves nothing', async () => {
    const { rig, actor } = await play(({ send }) => {
      send({ id: 'q', method: 'elicitation/create', params: FORM })
      outgoing.destroy()
    })
    const outgoing = beginRequest(rig, modernRequest('tools/call', { name: 'ask', arguments: {} }, { path: '/a/mcp', meta: CAPABILITIES }))
    await until(() => received(actor, 'notifications/cancelled').length === 1)
    const records = await rig.settled()
    expect(records.filter(({ method }) => method === 'tools/call').map(({ outcome }) => outcome)).toEqual(['disconnected'])
    await sleep(100)
    expect(rig.records()).toEqual([])
  })

  it('that comes back twice at once is served once', async () => {
    const { rig, actor } = await play(({ send, answer }) => {
      send({ id: 'q', method: 'elicitation/create', params: FORM })
      void until(() => received(actor, undefined).some(({ id }) => id === 'q')).then(() => answer({ done: true }))
    })
    const first = await ask(rig)
    const answers = await Promise.all([1, 2, 3, 4].map(() => retry(rig, first)))
    expect(answers.filter((answer) => resultOf(answer)['done'] === true)).toHaveLength(1)
    expect(answers.filter((answer) => codeOf(answer) !== 0)).toHaveLength(3)
    expect([calls(actor), received(actor, undefined).filter(({ id }) => id === 'q').length]).toEqual([1, 1])
    expect((await rig.settled()).filter(({ method }) => method === 'tools/call')).toHaveLength(5)
  })

  it.each([
    ['prompts/get', { name: 'ask' }],
    ['resources/read', { uri: 'test://ask' }],
  ])('is asked by %s, too, and only its own request may go on', async (method, params) => {
    const server = await startSessions()
    server.answer = ({ json: { id } }, _done, response) => {
      sse(response)
      event(response, { jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: FORM })
      void until(() => received(server, undefined).some((one) => one['id'] === 'q')).then(() => {
        event(response, { jsonrpc: '2.0', id, result: { messages: [], contents: [], ok: true } })
        response.end()
      })
    }
    const rig = await startRig({ servers: { a: http(server.url) } })
    const asked = { path: '/a/mcp', meta: CAPABILITIES }
    const first = await modern(rig.port, method, params, asked)
    const more = { requestState: resultOf(first)['requestState'], inputResponses: { 'input-1': accept } }
    const other = method === 'prompts/get' ? { name: 'other' } : { uri: 'test://other' }
    expect(codeOf(await modern(rig.port, method, { ...other, ...more }, asked))).toBe(-32_602)
    expect(codeOf(await modern(rig.port, 'tools/call', { name: 'ask', ...more }, asked))).toBe(-32_602)
    expect(resultOf(await modern(rig.port, method, { ...params, ...more }, { ...asked, id: 2 }))).toMatchObject({ ok: true, resultType: 'complete' })
    expect(received(server, method)).toHaveLength(1)
  })

  it('cannot take its state to another virtual server, or past one', async () => {
    const actor: Actor = closeAfter(
      await startActor(['legacy'], {
        ask({ send, answer }) {
          send({ id: 'q', method: 'elicitation/create', params: FORM })
          void until(() => received(actor, undefined).some(({ id }) => id === 'q')).then(() => answer({ done: true }))
        },
      }),
    )
    const virtualServers = ['one', 'two'].map((name) => virtual(name, { use: [{ server: 'a', tools: ['*'] }] }))
    const rig = await startRig({ servers: { a: http(actor.url) }, virtualServers })
    const at = (path: string, more: object = {}): Promise<Answer> => modern(rig.port, 'tools/call', { name: 'ask', arguments: {}, ...more }, { path, meta: CAPABILITIES })
    const first = await at('/one/mcp')
    expect(resultOf(first)).toMatchObject({ resultType: 'input_required' })
    const more = { requestState: resultOf(first)['requestState'], inputResponses: { 'input-1': accept } }
    for (const path of ['/two/mcp', '/a/mcp']) expect(codeOf(await at(path, more))).toBe(-32_602)
    expect(resultOf(await at('/one/mcp', more))).toMatchObject({ done: true })
    expect(calls(actor)).toBe(1)
  })
})

/** A legacy server of one tool: asks, and ends itself 150 ms later where it is told to. */
const CHILD = `
  const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
  let waiting
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method, params, result } = JSON.parse(line)
    if (method === 'initialize') say({ id, result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'c', version: '1' } } })
    else if (method === 'tools/list') say({ id, result: { tools: [{ name: 'ask', inputSchema: { type: 'object' } }] } })
    else if (method === 'tools/call') {
      waiting = { id, ...params.arguments }
      say({ id: 'q', method: 'elicitation/create', params: ${JSON.stringify(FORM)} })
      if (params.arguments.dies) setTimeout(() => process.exit(1), 150)
    } else if (id === 'q' && result !== undefined && !waiting.silent) say({ id: waiting.id, result: { content: [], pid: process.pid } })
    else if (id !== undefined && method !== undefined) say({ id, error: { code: -32601, message: 'no' } })
  })
`
const stdio = (script: string): StdioServer => ({ transport: 'stdio', command: process.execPath, args: ['-e', script], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined })

describe('a child that asks', () => {
  const at = (rig: Rig, args: object, more: object = {}): Promise<Answer> =>
    modern(rig.port, 'tools/call', { name: 'ask', arguments: args, ...more }, { path: '/a/mcp', meta: CAPABILITIES })
  const back = (round: Answer): object => ({ requestState: resultOf(round)['requestState'], inputResponses: { 'input-1': accept } })

  it('and dies before its client is back: the client hears so, and nothing is left of it', async () => {
    const rig = await startRig({ servers: { a: stdio(CHILD) }, server: { era: 'legacy' } })
    const first = await at(rig, { dies: true })
    await sleep(400)
    expect(codeOf(await at(rig, { dies: true }, back(first)))).toBe(-31_024)
    const second = await at(rig, {})
    expect(resultOf(await at(rig, {}, back(second)))).toMatchObject({ pid: expect.any(Number) as unknown })
    expect((await rig.settled()).filter(({ method }) => method === 'tools/call').map(({ outcome }) => outcome)).toEqual(['inputRequired', 'refused', 'inputRequired', 'answered'])
  })

  it('and does not answer a call that was cancelled is ended, so that its place is free', async () => {
    const rig = await startRig({ servers: { a: stdio(CHILD) }, server: { era: 'legacy' } })
    for (let n = 0; n < 5; n += 1) {
      const first = await at(rig, { silent: true })
      expect(resultOf(first)['resultType']).toBe('input_required')
      const wire = modernRequest('tools/call', { name: 'ask', arguments: { silent: true }, ...back(first) }, { path: '/a/mcp', meta: CAPABILITIES })
      const outgoing = beginRequest(rig, wire)
      await sleep(100)
      outgoing.destroy()
      await rig.settled()
    }
  })
})

describe('a child that announces something in the middle of a call', () => {
  it('is heard once', async () => {
    const script = CHILD.replace('tools: {}', 'tools: { listChanged: true }').replace("waiting = {", "say({ method: 'notifications/tools/list_changed' }); waiting = {")
    const rig = await startRig({ servers: { a: stdio(script) }, server: { era: 'legacy' } })
    const asked = { path: '/a/mcp', meta: CAPABILITIES }
    const listen = closeAfter(await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, asked)))
    await listen.count(1)
    await modern(rig.port, 'tools/call', { name: 'ask', arguments: {} }, { ...asked, id: 2 })
    await listen.count(2)
    await sleep(100)
    expect(listen.messages().filter(({ method }) => method === 'notifications/tools/list_changed')).toHaveLength(1)
  })
})

describe('a legacy client on stdio', () => {
  it('is asked, and its answer reaches the modern server', async () => {
    const actor = closeAfter(
      await startActor(['modern'], {
        ask: ({ request: { json }, answer }) => answer(json.params?.['inputResponses'] === undefined ? { resultType: 'input_required', content: undefined, inputRequests: { q: { method: 'elicitation/create', params: FORM } } } : { done: true }),
      }),
    )
    const rig = await startRig({ servers: { a: http(actor.url) } })
    const said: Json[] = []
    const pipe = rig.gateway.stdio({ write: (text) => said.push(JSON.parse(text) as Json) > 0, onDrain: () => undefined, keepAlive: () => undefined, end: () => undefined }, 'a')
    const take = (message: object): void => pipe.take(JSON.stringify({ jsonrpc: '2.0', ...message }))
    const answerOf = async (id: unknown): Promise<Json> => {
      await until(() => said.some((one) => one['id'] === id))
      return said.find((one) => one['id'] === id) ?? {}
    }
    take({ id: 'i', method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: { elicitation: {} }, clientInfo: { name: 't', version: '1' } } })
    await answerOf('i')
    take({ method: 'notifications/initialized' })
    take({ id: 'c', method: 'tools/call', params: { name: 'ask', arguments: {} } })
    await until(() => said.some(({ method }) => method === 'elicitation/create'))
    const question = said.find(({ method }) => method === 'elicitation/create')
    take({ id: question?.['id'], result: accept })
    expect(await answerOf('c')).toMatchObject({ result: { done: true } })
    take({ id: 'd', method: 'tools/call', params: { name: 'ask', arguments: {} } })
    await until(() => said.filter(({ method }) => method === 'elicitation/create').length === 2)
    pipe.close()
    await rig.settled()
  })
})
