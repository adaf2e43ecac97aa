/** Clients that come and go, or leave in the middle: nothing of theirs stays (bad input gets … no leak). */
import { describe, expect, it } from 'vitest'
import { createManualClock } from '../src/adapters/memory/clock.ts'
import { createSessionStore } from '../src/adapters/memory/session-store.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig, RigOptions } from './gateway-rig.ts'
import { rawClient, send } from './http-rig.ts'
import type { Asked, Stream } from './mcp-client.ts'
import { getRequest, legacy, legacyRequest, messageOf, modernRequest, openSession, openStream, wireText } from './mcp-client.ts'

const INITIALIZE = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } }

async function play(acts: Record<string, Act> = {}, options: RigOptions = {}): Promise<{ rig: Rig; actor: Actor }> {
  const actor = closeAfter(await startActor(['legacy'], acts))
  return { actor, rig: await startRig({ servers: { actor: http(actor.url) }, ...options }) }
}

interface Late {
  readonly rig: Rig
  readonly actor: Actor
  /** The server, silent before, answers from now on; resolves when it is known. */
  release(): Promise<void>
}

async function playLate(): Promise<Late> {
  const gate = Promise.withResolvers<void>()
  const actor = closeAfter(await startActor(['legacy', 'modern'], {}, { gate: gate.promise }))
  const rig = await startRig({ servers: { late: http(actor.url) } })
  return {
    rig,
    actor,
    async release() {
      gate.resolve()
      await until(() => rig.gateway.status().servers[0]?.state === 'ready')
      await sleep(50)
    },
  }
}

describe('a client that leaves', () => {
  it('while its session is being opened has none', async () => {
    const { rig, actor, release } = await playLate()
    const client = rawClient(rig.port)
    client.write(wireText(legacyRequest('', 'initialize', INITIALIZE)))
    await until(() => rig.gateway.status().inFlight === 1)
    client.socket.destroy()
    await rig.settled()
    await release()
    expect(rig.gateway.status().sessions).toBe(0)
    expect(actor.sessions.size).toBe(0)
  })

  it('while its HTTP+SSE session is being opened has none', async () => {
    const { rig, actor, release } = await playLate()
    const stream = await openStream(rig.port, getRequest('', {}, '/sse'))
    await until(() => stream.events.length > 0)
    await legacy(rig.port, '', 'initialize', INITIALIZE, { path: stream.events[0]?.data ?? '' })
    await until(() => rig.gateway.status().inFlight === 2)
    stream.drop()
    await until(() => rig.gateway.status().inFlight < 2)
    await release()
    await rig.settled()
    expect(rig.gateway.status().sessions).toBe(0)
    expect(actor.sessions.size).toBe(0)
  })

  it('while its listen is being opened is not told of anything later', async () => {
    const { rig, actor, release } = await playLate()
    const client = rawClient(rig.port)
    client.write(wireText(modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })))
    await until(() => rig.gateway.status().inFlight === 1)
    client.socket.destroy()
    await rig.settled()
    await release()
    expect(actor.requests.filter(({ json }) => json.method === 'subscriptions/listen')).toEqual([])
  })
})

describe('a client that never answers', () => {
  it('keeps a bounded number of questions open; the server learns of the others', async () => {
    const ask: Act = (call) => {
      for (let id = 0; id < 300; id += 1) call.send({ id: `q${id}`, method: 'roots/list' })
      call.answer()
    }
    const { rig, actor } = await play({ ask })
    const session = await openSession(rig.port, { capabilities: { roots: {} } })
    await legacy(rig.port, session, 'tools/call', { name: 'actor__ask' })
    const refused = (): string[] => actor.requests.filter(({ json }) => json['error'] !== undefined).map(({ json }) => String(json.id))
    await until(() => refused().length === 44)
    expect(refused().toSorted()).toEqual(Array.from({ length: 44 }, (_, id) => `q${id}`).toSorted())
  })
})

describe('subscriptions', () => {
  it('made twice at once are gone when they are given up', async () => {
    const actor = closeAfter(await startActor(['modern']))
    const rig = await startRig({ servers: { actor: http(actor.url) } })
    const asked: Asked = { path: '/actor/mcp' }
    const session = await openSession(rig.port, asked)
    const uri = 'test://one'
    const watched = (): unknown => {
      const listens = actor.requests.filter(({ json }) => json.method === 'subscriptions/listen')
      return (listens.at(-1)?.json.params?.['notifications'] as { resourceSubscriptions?: string[] } | undefined)?.resourceSubscriptions
    }
    await Promise.all([1, 2].map((id) => legacy(rig.port, session, 'resources/subscribe', { uri }, { ...asked, id })))
    expect(watched()).toEqual([uri])
    await legacy(rig.port, session, 'resources/unsubscribe', { uri }, asked)
    await until(() => watched() === undefined)
  })
})

describe('one pipe', () => {
  const open = async (rig: Rig): Promise<{ stream: Stream; post(body: object | string): Promise<unknown> }> => {
    const stream = await openStream(rig.port, getRequest('', {}, '/sse'))
    await until(() => stream.events.length > 0)
    const path = stream.events[0]?.data ?? ''
    const post = (body: object | string): Promise<unknown> =>
      legacy(rig.port, '', '', {}, { path, body: typeof body === 'string' ? body : JSON.stringify({ jsonrpc: '2.0', ...body }) })
    return { stream, post }
  }

  it('is one session, whatever its client begins', async () => {
    const { rig } = await play()
    const { stream, post } = await open(rig)
    for (const id of [1, 2, 3]) await post({ id, method: 'initialize', params: INITIALIZE })
    await post({ id: 4, method: 'ping' })
    expect((await stream.count(4)).map(({ id }) => id)).toEqual([1, 2, 3, 4])
    expect(rig.gateway.status().sessions).toBe(1)
    stream.drop()
    await rig.settled()
    expect(rig.gateway.status().sessions).toBe(0)
  })

  it.each([['2024-11-05', [[null, -32_600]]], ['2025-03-26', [[8, 0], [9, 0]]], ['2025-11-25', [[null, -32_600]]]])(
    'takes batches where its revision has them: %s',
    async (protocolVersion, expected) => {
      const { rig } = await play()
      const { stream, post } = await open(rig)
      await post({ id: 1, method: 'initialize', params: { ...INITIALIZE, protocolVersion } })
      await stream.count(1)
      await post('[{"jsonrpc":"2.0","id":8,"method":"ping"},{"jsonrpc":"2.0","id":9,"method":"ping"}]')
      const answers = (await stream.count(1 + expected.length)).slice(1)
      expect(answers.map(({ id, error }) => [id, (error as { code: number } | undefined)?.code ?? 0])).toEqual(expected)
      await post('[{"jsonrpc":"2.0","id":7,"method":"initialize","params":{}}]')
      const last = (await stream.count(2 + expected.length)).at(-1)
      expect(last).toMatchObject({ id: null, error: { code: -32_600 } })
      stream.drop()
    },
  )
})

/** A leak of one thing for each would be seen far above what comes and goes by itself. */
const COUNT = 500

describe(`${COUNT} sessions`, () => {
  it('opened, used and ended leave no session, socket or timer behind', async () => {
    const { rig, actor } = await play()
    const round = async (): Promise<void> => {
      const session = await openSession(rig.port)
      await legacy(rig.port, session, 'tools/call', { name: 'actor__echo' })
      await send(rig.port, { ...getRequest(session), verb: 'DELETE' })
    }
    const rounds = async (count: number): Promise<void> => {
      for (let done = 0; done < count; done += 20) await Promise.all(Array.from({ length: 20 }, round))
      await rig.settled()
      await until(() => actor.sessions.size === 0)
    }
    const counted = (): number => process.getActiveResourcesInfo().length
    await rounds(100)
    const before = counted()
    await rounds(COUNT)
    expect(rig.gateway.status().sessions).toBe(0)
    await until(() => counted() <= before + 20)
  }, 60_000)

  it('abandoned are ended when they were idle for long enough', async () => {
    const clock = createManualClock()
    const deps = { clock, sessions: createSessionStore(clock) }
    const { rig } = await play({}, { deps, limits: { sessionIdleMs: 600_000, sessionsPerPrincipal: COUNT } })
    for (let done = 0; done < COUNT; done += 20) await Promise.all(Array.from({ length: 20 }, () => openSession(rig.port)))
    clock.advance(590_000)
    const session = await openSession(rig.port, { token: 'bob' })
    expect(rig.gateway.status().sessions).toBe(COUNT + 1)
    clock.advance(60_000)
    expect(rig.gateway.status().sessions).toBe(1)
    expect((await legacy(rig.port, session, 'ping', {}, { token: 'bob' })).status).toBe(200)
  }, 60_000)

  it('of one principal are bounded', async () => {
    const { rig } = await play({}, { limits: { sessionsPerPrincipal: 5 } })
    for (let count = 0; count < 5; count += 1) await openSession(rig.port)
    const answer = await legacy(rig.port, '', 'initialize', INITIALIZE)
    expect([answer.status, answer.headers['retry-after'], messageOf(answer)['error']]).toMatchObject([503, '60', { code: -31_013 }])
    expect(await openSession(rig.port, { token: 'bob' })).toMatch(/./)
  })
})
