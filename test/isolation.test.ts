/** Two people behind one gateway: what one holds is nothing to the other, and looks like what never was (guarantee 3). */
import { beforeEach, describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor, ActorCall } from './fixtures/upstream/actor.ts'
import { http, sendJson, sleep, startHttp, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import { send } from './http-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, getRequest, legacy, legacyRequest, messageOf, modern, openSession, openStream } from './mcp-client.ts'
import type { Asked, WireRequest } from './mcp-client.ts'

let actor: Actor
let rig: Rig
let calls: ActorCall[]

beforeEach(async () => {
  calls = []
  const acts: Record<string, Act> = {
    hold: (call) => void calls.push(call),
    start: (call) => call.answer({ task: { taskId: 'task-1', status: 'working' }, content: undefined }),
    begin: (call) => call.answer({ resultType: 'task', taskId: 'task-1', status: 'working' }),
    ask(call) {
      const params = call.request.json.params ?? {}
      if (params['requestState'] === undefined) call.answer({ resultType: 'input_required', requestState: 'step-1', inputRequests: {} })
      else call.answer({ state: params['requestState'] })
    },
  }
  for (let index = 0; index < 5; index += 1) acts[`filler${index}`] = (call) => call.answer()
  actor = closeAfter(await startActor(['legacy', 'modern'], acts))
  rig = await startRig({ servers: { actor: http(actor.url), twin: http(actor.url) }, pageSize: 3 })
})

const bob: Asked = { token: 'bob' }
const result = (answer: Answer): Record<string, unknown> => (messageOf(answer)['result'] ?? {}) as Record<string, unknown>

/** The same answer for what is foreign and for what never was, whoever asks. */
function expectSame(foreign: Answer, unknown: Answer): void {
  const seen = ({ status, text, headers: { date: _date, ...headers } }: Answer): unknown => ({ status, text, headers })
  expect(seen(foreign)).toEqual(seen(unknown))
}

/** A handle with one character changed in its middle. */
function tampered(handle: string): string {
  const at = Math.floor(handle.length / 2)
  return `${handle.slice(0, at)}${handle[at] === 'A' ? 'B' : 'A'}${handle.slice(at + 1)}`
}

const NOTHING = 'AZcoAn5uJ8wYJ0m3oRJZ4vq2F1h0b9sE7cKxUyTtGgHhIiJjKkLlMmNn'

describe('a session id', () => {
  const uses: readonly (readonly [string, (session: string, token: string) => WireRequest])[] = [
    ['a call', (session, token) => legacyRequest(session, 'tools/call', { name: 'actor__echo' }, { token })],
    ['a GET stream', (session, token) => getRequest(session, { authorization: `Bearer ${token}` })],
    ['DELETE', (session, token) => ({ ...getRequest(session, { authorization: `Bearer ${token}` }), verb: 'DELETE' })],
    ['an answer', (session, token) => legacyRequest(session, '', {}, { token, body: '{"jsonrpc":"2.0","id":1,"result":{}}' })],
  ]

  it.each(uses)('of another is no session: %s', async (_name, wire) => {
    const session = await openSession(rig.port)
    const foreign = await send(rig.port, wire(session, 'bob'))
    expect(foreign.status).toBe(404)
    for (const other of [NOTHING, tampered(session), session.slice(0, -1), `${session}A`, 'local:x', '__proto__']) {
      expectSame(foreign, await send(rig.port, wire(other, 'bob')))
    }
    expect((await legacy(rig.port, session, 'ping')).status).toBe(200)
  })

  it('of another endpoint is no session', async () => {
    const session = await openSession(rig.port, { path: '/actor/mcp' })
    for (const path of ['/mcp', '/twin/mcp']) expect((await legacy(rig.port, session, 'ping', {}, { path })).status).toBe(404)
  })

  it('once ended, is no session', async () => {
    const session = await openSession(rig.port)
    await send(rig.port, { ...getRequest(session), verb: 'DELETE' })
    expectSame(await legacy(rig.port, session, 'ping'), await legacy(rig.port, NOTHING, 'ping'))
  })
})

describe('a cursor', () => {
  it('is good for who got it, at the endpoint and for the list where it was got', async () => {
    const first = await modern(rig.port, 'tools/list')
    const cursor = String(result(first)['nextCursor'])
    expect(result(await modern(rig.port, 'tools/list', { cursor }))).toHaveProperty('tools')
    const unknown = await modern(rig.port, 'tools/list', { cursor: NOTHING }, bob)
    expect([unknown.status, codeOf(unknown)]).toEqual([200, -32_602])
    expectSame(await modern(rig.port, 'tools/list', { cursor }, bob), unknown)
    for (const bad of [tampered(cursor), `${cursor}A`, '', '3']) expectSame(await modern(rig.port, 'tools/list', { cursor: bad }), unknown)
    expectSame(await modern(rig.port, 'tools/list', { cursor }, { path: '/actor/mcp' }), unknown)
    expectSame(await modern(rig.port, 'prompts/list', { cursor }), unknown)
  })
})

describe('a request state', () => {
  const call = (requestState?: string, asked: Asked = {}, name = 'actor__ask'): Promise<Answer> =>
    modern(rig.port, 'tools/call', { name, ...(requestState === undefined ? {} : { requestState, inputResponses: {} }) }, asked)

  it('is good for who got it, for the call that it was got for', async () => {
    const state = String(result(await call())['requestState'])
    expect(state).not.toContain('step-1')
    expect(result(await call(state))).toMatchObject({ state: 'step-1' })
    const unknown = await call(NOTHING, bob)
    expect([unknown.status, codeOf(unknown)]).toEqual([200, -32_602])
    expectSame(await call(state, bob), unknown)
    expectSame(await call(tampered(state)), unknown)
    expectSame(await call('step-1'), unknown)
    for (const name of ['actor__echo', 'twin__ask']) expectSame(await call(state, {}, name), unknown)
  })
})

describe('a list', () => {
  /** A server that lists to each session what is that session's. */
  const startPersonal = () => {
    const sessions: string[] = []
    return startHttp(({ method, headers, json: { id, method: asked } }, response) => {
      if (method !== 'POST' || asked === undefined || id === undefined) return void response.writeHead(method === 'GET' ? 405 : 202).end()
      const answer = (result: object, head = {}): void => sendJson(response, { jsonrpc: '2.0', id, result }, 200, head)
      if (asked === 'initialize') {
        sessions.push(crypto.randomUUID())
        return answer(
          { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'p', version: '1' } },
          { 'mcp-session-id': sessions.at(-1) },
        )
      }
      if (asked === 'tools/list') return answer({ tools: [{ name: `of-${String(headers['mcp-session-id'])}`, inputSchema: { type: 'object' } }] })
      sendJson(response, { jsonrpc: '2.0', id, error: { code: -32_601, message: 'no' } })
    })
  }
  const names = (answer: Answer): unknown[] => (result(answer)['tools'] as { name: string }[]).map(({ name }) => name)

  it.each([[{}], [{ roots: {} }]])('that a server makes for one session is not shown to another person: %j', async (capabilities) => {
    const personal = closeAfter(await startPersonal())
    const own = await startRig({ servers: { personal: http(personal.url) } })
    for (const path of ['/mcp', '/personal/mcp']) {
      const [mine, other] = [await openSession(own.port, { path, capabilities }), await openSession(own.port, { ...bob, path, capabilities })]
      const alices = names(await legacy(own.port, mine, 'tools/list', {}, { path }))
      const bobs = names(await legacy(own.port, other, 'tools/list', {}, { ...bob, path }))
      expect([alices.length, bobs.length, bobs[0] === alices[0]]).toEqual([1, 1, false])
      const again = names(await modern(own.port, 'tools/list', {}, { path }))
      expect(names(await modern(own.port, 'tools/list', {}, { ...bob, path }))).not.toEqual(again)
    }
  })
})

describe('an expired request state', () => {
  it('looks like one that never was', async () => {
    const short = await startRig({ servers: { actor: http(actor.url) }, limits: { requestStateMs: 100 } })
    const call = (requestState?: string): Promise<Answer> =>
      modern(short.port, 'tools/call', { name: 'actor__ask', ...(requestState === undefined ? {} : { requestState, inputResponses: {} }) })
    const state = String(result(await call())['requestState'])
    await sleep(150)
    expectSame(await call(state), await call(NOTHING))
  })
})

describe('a task id', () => {
  it('is good for who got it: modern', async () => {
    const meta = { 'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } } }
    const taskId = String(result(await modern(rig.port, 'tools/call', { name: 'actor__begin' }, { meta }))['taskId'])
    expect(taskId).not.toContain('task-1')
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      expect(messageOf(await modern(rig.port, method, { taskId }, { meta }))).toHaveProperty('result')
      const unknown = await modern(rig.port, method, { taskId: NOTHING }, { meta, token: 'bob' })
      expect([unknown.status, codeOf(unknown)]).toEqual([200, -32_602])
      expectSame(await modern(rig.port, method, { taskId }, { meta, token: 'bob' }), unknown)
      for (const bad of [tampered(taskId), 'task-1']) expectSame(await modern(rig.port, method, { taskId: bad }, { meta }), unknown)
      expectSame(await modern(rig.port, method, { taskId }, { meta, path: '/twin/mcp' }), unknown)
    }
  })

  it('is good for who got it: legacy', async () => {
    const [mine, other] = [await openSession(rig.port), await openSession(rig.port, bob)]
    const { task } = result(await legacy(rig.port, mine, 'tools/call', { name: 'actor__start', task: {} })) as { task: { taskId: string } }
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
      expect(messageOf(await legacy(rig.port, mine, method, { taskId: task.taskId }))).toHaveProperty('result')
      const unknown = await legacy(rig.port, other, method, { taskId: NOTHING }, bob)
      expect([unknown.status, codeOf(unknown)]).toEqual([200, -32_602])
      expectSame(await legacy(rig.port, other, method, { taskId: task.taskId }, bob), unknown)
    }
    expect(result(await legacy(rig.port, other, 'tasks/list', {}, bob))).toEqual({ tasks: [] })
    expect((result(await legacy(rig.port, mine, 'tasks/list'))['tasks'] as unknown[]).length).toBe(1)
  })
})

describe('a related task', () => {
  const key = 'io.modelcontextprotocol/related-task'

  it('of another, of another server, or as the server would write it, goes to no server', async () => {
    const mine = await openSession(rig.port, { capabilities: { roots: {} } })
    const other = await openSession(rig.port, bob)
    const { task } = result(await legacy(rig.port, mine, 'tools/call', { name: 'actor__start', task: {} })) as { task: { taskId: string } }
    const call = (session: string, taskId: unknown, name: string, asked: Asked = {}): Promise<Answer> =>
      legacy(rig.port, session, 'tools/call', { name, _meta: { [key]: { taskId } } }, asked)
    const seen = (): unknown[] => actor.requests.flatMap(({ json }) => (json.params?.['_meta'] as Record<string, unknown> | undefined)?.[key] ?? [])
    expect(messageOf(await call(mine, task.taskId, 'actor__echo'))).toHaveProperty('result')
    const unknown = await call(other, NOTHING, 'actor__echo', bob)
    expect([unknown.status, codeOf(unknown)]).toEqual([200, -32_602])
    expectSame(await call(other, task.taskId, 'actor__echo', bob), unknown)
    for (const taskId of ['task-1', 1, null]) expectSame(await call(mine, taskId, 'actor__echo'), unknown)
    expectSame(await call(mine, task.taskId, 'twin__echo'), unknown)
    expect(seen()).toEqual([{ taskId: 'task-1' }])
  })

  it('stands in an answer only where it is the client\'s own', async () => {
    const session = await openSession(rig.port, { capabilities: { roots: {} } })
    const streams = { accept: 'text/event-stream, application/json' }
    const stream = await openStream(rig.port, legacyRequest(session, 'tools/call', { name: 'actor__hold' }, { headers: streams }))
    await until(() => calls.length === 1)
    calls[0]?.send({ id: 'q', method: 'roots/list' })
    await until(() => stream.messages().some(({ method }) => method === 'roots/list'))
    const asked = stream.messages().find(({ method }) => method === 'roots/list')
    const body = JSON.stringify({ jsonrpc: '2.0', id: asked?.['id'], result: { roots: [], _meta: { kept: 1, [key]: { taskId: 'task-1' } } } })
    await legacy(rig.port, session, '', {}, { body })
    await until(() => actor.requests.some(({ json }) => json.id === ('q' as unknown)))
    expect(actor.requests.find(({ json }) => json.id === ('q' as unknown))?.json['result']).toEqual({ roots: [], _meta: { kept: 1 } })
    calls[0]?.answer()
    await rig.settled()
    stream.drop()
  })
})

describe('a stream', () => {
  it('of another cannot be taken up with its event ids', async () => {
    const [mine, other] = [await openSession(rig.port), await openSession(rig.port, bob)]
    const streams = { accept: 'text/event-stream, application/json' }
    const stream = await openStream(rig.port, legacyRequest(mine, 'tools/call', { name: 'actor__hold', _meta: { progressToken: 1 } }, { headers: streams }))
    await until(() => calls.length === 1)
    calls[0]?.progress(1)
    await stream.count(1)
    const id = stream.events.at(-1)?.id ?? ''
    stream.drop()
    await sleep(20)
    calls[0]?.progress(2)
    const as = { authorization: 'Bearer bob' }
    const foreign = await openStream(rig.port, getRequest(other, { ...as, 'last-event-id': id }))
    const unknown = await openStream(rig.port, getRequest(other, { ...as, 'last-event-id': 'abc_123' }))
    await until(() => foreign.ended && unknown.ended)
    expect([foreign.status, foreign.events]).toEqual([unknown.status, unknown.events])
    expect((await send(rig.port, getRequest(mine, { ...as, 'last-event-id': id }))).status).toBe(404)
    calls[0]?.answer()
    await rig.settled()
  })

  it('of HTTP+SSE takes messages of its owner only', async () => {
    const stream = await openStream(rig.port, getRequest('', {}, '/sse'))
    await until(() => stream.events.length > 0)
    const path = stream.events[0]?.data ?? ''
    const ping = (asked: Asked): Promise<Answer> => legacy(rig.port, '', 'ping', {}, asked)
    const unknown = await ping({ ...bob, path: '/sse?sessionId=nobody' })
    expect(unknown.status).toBe(404)
    expectSame(await ping({ ...bob, path }), unknown)
    expectSame(await ping({ ...bob, path: '/sse' }), unknown)
    expectSame(await ping({ path: path.replace('/sse', '/actor/sse') }), unknown)
    expect((await ping({ path })).status).toBe(202)
    stream.drop()
  })

  it('of one gets nothing that is for the other', async () => {
    const [mine, other] = [await openSession(rig.port), await openSession(rig.port, bob)]
    await legacy(rig.port, other, 'tools/call', { name: 'actor__echo' }, bob)
    const alices = await openStream(rig.port, getRequest(mine))
    const bobs = await openStream(rig.port, getRequest(other, { authorization: 'Bearer bob' }))
    // Of each server a listen for everybody's lists, and Bob's own stream.
    await until(() => actor.streamCount === 4)
    actor.announce('notifications/message', { level: 'info', data: 'for bob' })
    await bobs.count(1)
    await sleep(50)
    expect(alices.messages().filter(({ method }) => method === 'notifications/message')).toEqual([])
    alices.drop()
    bobs.drop()
  })
})
