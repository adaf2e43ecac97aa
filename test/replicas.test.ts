/** A legacy client whose requests come to any of several replicas: it must not notice (issue: many replicas; design §5). */
import { describe, expect, it } from 'vitest'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { sha256 } from '../src/adapters/node/digest.ts'
import { TERMS } from './contracts/task-store.contract.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor, ActorCall } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import type { StageExchange } from '../src/core/gateway/custom-stage.ts'
import { closeAfter } from './gateway-rig.ts'
import type { RigOptions } from './gateway-rig.ts'
import { send } from './http-rig.ts'
import { getRequest, legacy, legacyRequest, messageOf, modern, openSession, openStream } from './mcp-client.ts'
import type { Stream } from './mcp-client.ts'
import { startReplicas } from './replica-rig.ts'
import type { ReplicaRig } from './replica-rig.ts'

interface Scene {
  readonly a: ReplicaRig
  readonly b: ReplicaRig
  readonly c: ReplicaRig
  readonly actor: Actor
  /** Calls of the tool `steps`, which the test moves on by hand. */
  readonly calls: ActorCall[]
}

async function play(options: RigOptions = {}, eras: readonly ('legacy' | 'modern')[] = ['legacy'], skewMs: readonly number[] = []): Promise<Scene> {
  const calls: ActorCall[] = []
  const acts: Record<string, Act> = { steps: (call) => void calls.push(call) }
  const actor = closeAfter(await startActor(eras, acts))
  const { all } = await startReplicas(3, { servers: { actor: http(actor.url) }, ...options }, skewMs)
  const [a, b, c] = all
  if (a === undefined || b === undefined || c === undefined) throw new Error('three were started')
  return { a, b, c, actor, calls }
}

const STEPS = { name: 'actor__steps', _meta: { progressToken: 'p' } }
const ECHO = { name: 'actor__echo', arguments: { text: 'hello' } }
const streams = { accept: 'text/event-stream, application/json' }
const lastId = ({ events }: Stream): string => events.findLast(({ id }) => id !== '')?.id ?? ''
const heard = (stream: Stream): unknown[] =>
  stream.messages().map((message) => ('method' in message ? (message['params'] as { progress?: number }).progress : { response: message['id'] }))

async function startSteps({ calls }: Scene, { port }: ReplicaRig, session: string): Promise<{ stream: Stream; call: ActorCall }> {
  const before = calls.length
  const opening = openStream(port, legacyRequest(session, 'tools/call', STEPS, { id: 9, headers: streams }))
  await until(() => calls.length > before)
  const call = calls.at(-1)
  if (call === undefined) throw new Error('no call')
  return { stream: await opening, call }
}

describe('a session opened at one replica', () => {
  it('goes on at every other, and is recorded once for each request', async () => {
    const { a, b, c, actor } = await play()
    const session = await openSession(a.port, {})
    for (const { port } of [b, c, a, b]) {
      const answer = await legacy(port, session, 'tools/call', ECHO)
      expect([answer.status, messageOf(answer)['result']]).toMatchObject([200, { echo: { text: 'hello' } }])
    }
    expect(actor.sessions.size).toBe(1)
    const records = [...(await a.settled()), ...(await b.settled()), ...(await c.settled())]
    expect(records.filter(({ method }) => method === 'tools/call')).toHaveLength(4)
  })

  it('has each message looked at once by stages of others, wherever it comes', async () => {
    const ran: string[] = []
    const stages = (['authenticate', 'session', 'decide'] as const).map((after) => ({ name: after, after, run: ({ method }: StageExchange) => void ran.push(`${after} ${method}`) }))
    const { a, b } = await play({ deps: { stages } })
    const session = await openSession(a.port)
    ran.length = 0
    expect((await legacy(b.port, session, 'tools/call', ECHO)).status).toBe(200)
    expect(ran).toEqual(['authenticate tools/call', 'session tools/call', 'decide tools/call'])
  })

  it('is unknown at every replica to others, and once it was ended at any', async () => {
    const { a, b, c } = await play()
    const session = await openSession(a.port)
    for (const { port } of [a, b, c]) expect((await legacy(port, session, 'ping', {}, { token: 'bob' })).status).toBe(404)
    const ended = await send(b.port, { ...getRequest(session), verb: 'DELETE' })
    expect(ended.status).toBe(200)
    for (const { port } of [a, b, c]) expect((await legacy(port, session, 'ping')).status).toBe(404)
  })

})

describe('what belongs to a call, or to the session, arrives wherever it is', () => {
  const SAMPLING = { capabilities: { sampling: {} } }

  it('the answer to a server\'s request', async () => {
    const scene = await play()
    const { a, b, c, actor } = scene
    const session = await openSession(a.port, SAMPLING)
    const { stream, call } = await startSteps(scene, b, session)
    call.send({ jsonrpc: '2.0', id: 'asked', method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } })
    const [asked] = await stream.count(1)
    const result = { role: 'assistant', content: { type: 'text', text: 'yes' }, model: 'm' }
    const answered = await legacy(c.port, session, '', {}, { body: JSON.stringify({ jsonrpc: '2.0', id: asked?.['id'], result }) })
    expect(answered.status).toBe(202)
    await until(() => actor.requests.some(({ body }) => body.includes('"asked"') && body.includes('"yes"')))
    call.answer()
    await until(() => stream.ended)
    expect(heard(stream).at(-1)).toEqual({ response: 9 })
  })

  it('a call that is too long to be brought there is refused, and was not sent', async () => {
    const { a, b, calls } = await play()
    const session = await openSession(a.port)
    b.narrow(2_000)
    const answer = await legacy(b.port, session, 'tools/call', { name: 'actor__steps', arguments: { text: 'x'.repeat(2_000) } }, { id: 9 })
    expect(messageOf(answer)).toMatchObject({ id: 9, error: { code: -31_010, message: expect.stringContaining('too large to be taken to the replica') } })
    expect(calls).toHaveLength(0)
    expect((await legacy(b.port, session, 'ping')).status).toBe(200)
  })

  it('a cancellation', async () => {
    const scene = await play()
    const { a, b, c, actor } = scene
    const session = await openSession(a.port)
    const { stream } = await startSteps(scene, b, session)
    await legacy(c.port, session, '', {}, { body: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}' })
    await until(() => stream.ended)
    await until(() => actor.requests.some(({ body }) => body.includes('notifications/cancelled')))
    expect(stream.messages()).toEqual([])
  })

  it('a change that its server announces, on the one GET stream', async () => {
    const { a, b, c, actor } = await play()
    const session = await openSession(a.port)
    const stream = await openStream(b.port, getRequest(session))
    expect((await legacy(c.port, session, 'resources/subscribe', { uri: 'actor+test://one' })).status).toBe(200)
    await until(() => actor.streamCount > 0)
    actor.announce('notifications/resources/updated', { uri: 'test://one' })
    await stream.count(1)
    expect(stream.messages().map(({ method }) => method)).toEqual(['notifications/resources/updated'])
    await stream.close()
  })

  it('a client that resumes, at a third one', async () => {
    const scene = await play()
    const { a, b, c } = scene
    const session = await openSession(a.port)
    const { stream, call } = await startSteps(scene, b, session)
    call.progress(1)
    await stream.count(1)
    stream.drop()
    call.progress(2)
    const second = await openStream(c.port, getRequest(session, { 'last-event-id': lastId(stream) }))
    await second.count(1)
    call.progress(3)
    call.answer()
    await until(() => second.ended)
    expect([heard(stream), heard(second)]).toEqual([[1], [2, 3, { response: 9 }]])
  })

  it('a message of an HTTP+SSE client of 2024-11-05', async () => {
    const { a, b } = await play()
    const stream = await openStream(a.port, { verb: 'GET', path: '/sse', headers: { authorization: 'Bearer alice', accept: 'text/event-stream' }, body: '' })
    await until(() => stream.events.length > 0)
    const path = stream.events[0]?.data ?? ''
    const headers = { authorization: 'Bearer alice', 'content-type': 'application/json' }
    const initialize = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initialize })
    expect((await send(b.port, { verb: 'POST', path, headers, body })).status).toBe(202)
    expect(await stream.count(1)).toMatchObject([{ id: 1, result: { protocolVersion: '2024-11-05' } }])
    expect((await send(b.port, { verb: 'POST', path, headers: { ...headers, authorization: 'Bearer bob' }, body })).status).toBe(404)
    await stream.close()
  })
})

describe('a replica that drains', () => {
  it('hands its sessions over, with their log level, what nobody was told yet, and answers that did not arrive', async () => {
    const scene = await play()
    const { a, b, c, actor } = scene
    const session = await openSession(a.port)
    await legacy(a.port, session, 'logging/setLevel', { level: 'debug' })
    const { stream, call } = await startSteps(scene, a, session)
    await until(() => stream.events.length > 0)
    const get = await openStream(c.port, getRequest(session))
    stream.drop()
    call.answer()
    await until(() => a.gateway.status().inFlight === 1)
    await a.gateway.drain(1_000)
    await until(() => get.ended)
    expect([a.gateway.status().sessions, a.gateway.status().inFlight]).toEqual([0, 0])
    const second = await openStream(b.port, getRequest(session, { 'last-event-id': lastId(stream) }))
    await until(() => second.ended)
    expect(second.messages()).toMatchObject([{ id: 9, result: {} }])
    expect((await legacy(c.port, session, 'tools/call', ECHO)).status).toBe(200)
    // In the session at the server that knows it.
    const levels = actor.requests.filter(({ body }) => body.includes('"debug"'))
    expect(levels.map(({ headers }) => headers['mcp-session-id'])).toContain(actor.requests.findLast(({ json }) => json.method === 'tools/call')?.headers['mcp-session-id'])
    expect(b.gateway.status().sessions).toBe(1)
  })

  it('ends in its time where the store does not come back', async () => {
    const { a } = await play()
    await openSession(a.port)
    a.cut(true)
    const beganAtMs = performance.now()
    await a.gateway.drain(300)
    expect(performance.now() - beganAtMs).toBeLessThan(2_000)
    expect(a.gateway.status().sessions).toBe(0)
  })

  it('has a listener hear what was written and did not arrive, also where that was the first of all', async () => {
    const { a, b, c, actor } = await play()
    const session = await openSession(a.port)
    const get = await openStream(b.port, getRequest(session))
    const beside = await openStream(a.port, getRequest(await openSession(a.port)))
    await until(() => get.events.length === 1 && actor.streamCount > 0)
    get.incoming.pause()
    actor.announce('notifications/tools/list_changed')
    await beside.count(1)
    get.drop()
    beside.drop()
    await a.gateway.drain(1_000)
    const again = await openStream(c.port, getRequest(session, { 'last-event-id': lastId(get) }))
    // The next owner may hear of it from the former one as well.
    expect((await again.count(1))[0]).toMatchObject({ method: 'notifications/tools/list_changed' })
    again.drop()
  })

  it('lets the calls in flight end, also those that another replica brought', async () => {
    const scene = await play()
    const { a, b } = scene
    const session = await openSession(a.port)
    const { stream, call } = await startSteps(scene, b, session)
    const draining = a.gateway.drain(5_000)
    call.answer()
    await until(() => stream.ended)
    await draining
    expect(heard(stream)).toEqual([{ response: 9 }])
  })

  it('gives a session back, with what it said, as soon as the store takes it; who comes meanwhile waits, and holds nothing up', async () => {
    const scene = await play()
    const { a, b } = scene
    const session = await openSession(a.port)
    const { stream, call } = await startSteps(scene, a, session)
    await until(() => stream.events.length > 0)
    stream.drop()
    call.answer()
    await until(() => a.gateway.status().inFlight === 0)
    a.cut(true)
    const draining = a.gateway.drain(4_000)
    const late = Array.from({ length: 4 }, (_, index) => legacy(b.port, session, 'ping', {}, { id: index + 20 }))
    await sleep(250)
    a.cut(false)
    const beganAtMs = performance.now()
    await draining
    expect(performance.now() - beganAtMs).toBeLessThan(2_000)
    expect((await Promise.all(late)).map(({ status }) => status)).toEqual([200, 200, 200, 200])
    const second = await openStream(b.port, getRequest(session, { 'last-event-id': lastId(stream) }))
    await until(() => second.ended)
    expect(heard(second)).toEqual([{ response: 9 }])
  })

  it('brings it also to one that has known until now that the session is where it was', async () => {
    const { a, b, c } = await play()
    const session = await openSession(a.port)
    for (const { port } of [b, c]) expect((await legacy(port, session, 'tools/call', ECHO)).status).toBe(200)
    await a.gateway.drain(1_000)
    expect((await legacy(a.port, session, 'tools/call', ECHO)).status).toBe(200)
    expect(a.gateway.status().sessions).toBe(0)
  })

  it('brings what still comes for a session that it gave back to one of the others', async () => {
    const { a, b, c } = await play()
    const session = await openSession(a.port)
    await a.gateway.drain(1_000)
    expect((await legacy(a.port, session, 'tools/call', ECHO)).status).toBe(200)
    expect([a, b, c].map(({ gateway }) => gateway.status().sessions).toSorted()).toEqual([0, 0, 1])
    expect(a.gateway.status().sessions).toBe(0)
  })
})

describe('a replica that is lost', () => {
  it('loses no session: the next request at any other goes on with it', async () => {
    const { a, b, c } = await play()
    const session = await openSession(a.port)
    await a.kill()
    for (const { port } of [b, c]) expect((await legacy(port, session, 'tools/call', ECHO)).status).toBe(200)
    expect(b.gateway.status().sessions).toBe(1)
  })

  it('ends the calls in flight on it at once, as of unknown outcome, and runs none again', async () => {
    const scene = await play()
    const { a, b, calls } = scene
    const session = await openSession(a.port)
    const { stream } = await startSteps(scene, b, session)
    await until(() => stream.events.length > 0)
    await a.kill()
    await until(() => stream.ended)
    expect(stream.messages()).toMatchObject([{ id: 9, error: { code: -31024 } }])
    expect(calls).toHaveLength(1)
  })

  it('has a call that it may have run answered so where nothing of its answer had come, and runs it nowhere else', async () => {
    const { a, b, calls } = await play()
    const session = await openSession(a.port)
    const call = legacy(b.port, session, 'tools/call', { name: 'actor__steps' }, { id: 9 })
    await until(() => calls.length === 1)
    await a.kill()
    expect(messageOf(await call)).toMatchObject({ id: 9, error: { code: -31024 } })
    expect((await legacy(b.port, session, 'ping')).status).toBe(200)
    expect(calls).toHaveLength(1)
  })

  it('has whoever resumes a stream of such a call told so', async () => {
    const scene = await play()
    const { a, b } = scene
    const session = await openSession(a.port)
    const { stream } = await startSteps(scene, a, session)
    await until(() => stream.events.length > 0)
    stream.drop()
    await a.kill()
    const second = await openStream(b.port, getRequest(session, { 'last-event-id': lastId(stream) }))
    await until(() => second.ended)
    expect(second.messages()).toMatchObject([{ id: 9, error: { code: -31024 } }])
  })

  it('loses no answer that waited for its client', async () => {
    const scene = await play()
    const { a, b } = scene
    const session = await openSession(a.port)
    const { stream, call } = await startSteps(scene, a, session)
    await until(() => stream.events.length > 0)
    stream.drop()
    await sleep(20)
    call.progress(1)
    call.answer()
    await a.settled()
    await a.kill()
    const second = await openStream(b.port, getRequest(session, { 'last-event-id': lastId(stream) }))
    await until(() => second.ended)
    expect(heard(second)).toEqual([1, { response: 9 }])
    expect(second.messages().at(-1)).toHaveProperty('result')
  })

  it('and comes back, learns that another has its sessions before it does anything for them', async () => {
    const { a, b, calls, actor } = await play()
    const session = await openSession(a.port)
    expect((await legacy(a.port, session, 'tools/call', ECHO)).status).toBe(200)
    const stream = await openStream(a.port, getRequest(session))
    await a.stop()
    expect((await legacy(b.port, session, 'tools/call', ECHO)).status).toBe(200)
    a.continue()
    expect((await legacy(a.port, session, 'tools/call', ECHO)).status).toBe(200)
    expect([a.gateway.status().sessions, b.gateway.status().sessions, calls.length]).toEqual([0, 1, 0])
    await until(() => stream.ended)
    await until(() => actor.sessions.size === 1)
  })

  it('and comes back, lets go of what is another\'s by now though nobody asks it: streams end, and calls that wait for an answer', async () => {
    const scene = await play()
    const { a, b } = scene
    const session = await openSession(a.port, { capabilities: { sampling: {} } })
    const get = await openStream(a.port, getRequest(session))
    const { stream, call } = await startSteps(scene, a, session)
    call.send({ jsonrpc: '2.0', id: 'asked', method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } })
    await stream.count(1)
    await a.stop()
    expect((await legacy(b.port, session, 'ping')).status).toBe(200)
    a.continue()
    await until(() => get.ended && stream.ended)
    expect(stream.messages().at(-1)).toMatchObject({ id: 9, error: { code: -31024 } })
    expect(a.gateway.status().sessions).toBe(0)
  })

  it('and comes back before anybody missed it, goes on', async () => {
    const { a, b } = await play()
    const session = await openSession(a.port)
    await a.stop()
    a.continue()
    expect((await legacy(a.port, session, 'tools/call', ECHO)).status).toBe(200)
    expect([a.gateway.status().sessions, b.gateway.status().sessions]).toEqual([1, 0])
  })
})

describe('replicas whose clocks differ by a minute', () => {
  it('hand a session on from one to the next, with its streams', async () => {
    const scene = await play({}, ['legacy'], [60_000, 0, -60_000])
    const { a, b, c } = scene
    const session = await openSession(a.port)
    const ids: string[] = []
    for (const [owner, next] of [[a, b], [b, c]] as const) {
      const { stream, call } = await startSteps(scene, owner, session)
      await until(() => stream.events.length > 0)
      stream.drop()
      await sleep(20)
      call.progress(1)
      call.answer()
      await until(() => owner.gateway.status().inFlight === 0)
      await owner.gateway.drain(1_000)
      const second = await openStream(next.port, getRequest(session, { 'last-event-id': lastId(stream) }))
      await until(() => second.ended)
      expect(heard(second)).toEqual([1, { response: 9 }])
      ids.push(...second.events.map(({ id }) => id))
    }
    expect(new Set(ids).size).toBe(ids.length)
    expect((await legacy(c.port, session, 'ping')).status).toBe(200)
  })
})

describe('without the state store', () => {
  it('what is live goes on, new sessions are refused until it is back', async () => {
    const { a, b } = await play()
    const session = await openSession(a.port)
    a.cut(true)
    expect((await legacy(a.port, session, 'tools/call', ECHO)).status).toBe(200)
    expect((await legacy(b.port, session, 'tools/call', ECHO)).status).toBe(200)
    expect((await modern(a.port, 'tools/call', ECHO)).status).toBe(200)
    const initialize = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
    const refused = await legacy(a.port, '', 'initialize', initialize)
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1'])
    await a.stop()
    a.continue()
    expect((await legacy(a.port, session, 'tools/call', ECHO)).status).toBe(200)
    a.cut(false)
    await openSession(a.port)
    expect((await legacy(a.port, session, 'tools/call', ECHO)).status).toBe(200)
  })
})

describe('without the state store at any replica', () => {
  it('a session goes on at its replica and through those that know where it is; elsewhere, or once that is lost, it is refused for a moment', async () => {
    const { a, b, c } = await play()
    const session = await openSession(a.port)
    expect((await legacy(b.port, session, 'ping')).status).toBe(200)
    for (const one of [a, b, c]) one.cut(true)
    let id = 0
    const outcome = async ({ port }: ReplicaRig): Promise<unknown[]> => {
      const { status, headers } = await legacy(port, session, 'tools/call', ECHO, { id: (id += 1) })
      return [status, headers['retry-after']]
    }
    expect(await Promise.all([a, b, c].map(outcome))).toEqual([[200, undefined], [200, undefined], [503, '1']])
    expect((await modern(c.port, 'tools/call', ECHO)).status).toBe(200)
    await a.kill()
    expect(await outcome(b)).toEqual([503, '1'])
    for (const one of [b, c]) one.cut(false)
    expect(await Promise.all([b, c].map(outcome))).toEqual([[200, undefined], [200, undefined]])
  })
})

describe('what it costs', () => {
  const MODERN = [['tools/call', ECHO], ['tools/list', {}], ['resources/list', {}], ['server/discover', {}]] as const

  it('no trip to a store or a peer for a modern call, or for one in a session that is live here', async () => {
    const { a, b } = await play({ server: { tasks: [{ pattern: 'long*', mode: 'auto', afterMs: 10_000, terms: TERMS }] }, deps: { tasks: { store: createTaskStore(createSystemClock()), sha256 } } }, ['legacy', 'modern'])
    const session = await openSession(a.port)
    for (let call = 0; call < 2; call += 1) {
      for (const [method, params] of MODERN) await modern(a.port, method, params)
      await legacy(a.port, session, 'tools/call', ECHO)
    }
    // What the first calls brought about comes to rest beside them: the session is stored, replicas tell each other what is listened to.
    for (let quiet = 0; quiet < 3; quiet = a.trips() + b.trips() === 0 ? quiet + 1 : 0) await sleep(50)
    for (let call = 0; call < 5; call += 1) {
      for (const [method, params] of MODERN) expect((await modern(a.port, method, params)).status).toBe(200)
      expect((await legacy(a.port, session, 'tools/call', ECHO)).status).toBe(200)
    }
    expect(a.trips()).toBe(0)
    expect((await legacy(b.port, session, 'ping')).status).toBe(200)
    b.trips()
    expect((await legacy(b.port, session, 'ping')).status).toBe(200)
    // To the replica that has it; nothing is looked up.
    expect([a.trips(), b.trips()]).toEqual([0, 1])
  })
})
