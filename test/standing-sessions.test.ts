/** What HTTP servers remember of a client's session goes on with it, at whichever replica, and ends with it alone (decision 0023). */
import { describe, expect, it } from 'vitest'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { Snapshot } from '../src/core/gateway/snapshot.ts'
import { PATH, kept, newStore } from './adopted-task-rig.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor, ActorCall } from './fixtures/upstream/actor.ts'
import { configOf, http, sleep, until } from './fixtures/upstream/support.ts'
import { startLegacyTasks } from './fixtures/upstream/task-actor.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { send } from './http-rig.ts'
import { getRequest, legacy, openSession, openStream } from './mcp-client.ts'
import { createPassingClock } from './passing-clock.ts'
import { startReplicas } from './replica-rig.ts'
import type { ReplicaRig } from './replica-rig.ts'
import { INPUT, resultOf } from './task-rig.ts'

const ECHO = { name: 'actor__echo', arguments: { text: 'hello' } }

interface Scene {
  readonly a: ReplicaRig
  readonly b: ReplicaRig
  readonly c: ReplicaRig
  readonly actor: Actor
  /** The others take it for dead. */
  forget(replica: ReplicaRig): Promise<void>
}

async function play(acts: Readonly<Record<string, Act>> = {}, subscribing: Readonly<Record<string, Act>> = {}): Promise<Scene> {
  const actor = closeAfter(await startActor(['legacy'], acts, { methods: subscribing }))
  const { all: [a, b, c], stores } = await startReplicas(3, { servers: { actor: http(actor.url) } })
  if (a === undefined || b === undefined || c === undefined) throw new Error('three were started')
  return { a, b, c, actor, forget: ({ id }) => stores.replicas.leave(id) }
}

/** The session ids at the server of the calls that came, in their order. */
const used = ({ requests }: Actor): string[] => requests.filter(({ json }) => json.method === 'tools/call').map(({ headers }) => String(headers['mcp-session-id']))

const end = (port: number, session: string, path = '/mcp'): Promise<unknown> =>
  send(port, { verb: 'DELETE', path, headers: { authorization: 'Bearer alice', 'mcp-session-id': session }, body: '' })

/** A session with which one call was made at `a`, and its session id at the server. */
async function openAt(scene: Scene): Promise<{ readonly session: string; readonly id: string }> {
  const session = await openSession(scene.a.port)
  expect((await legacy(scene.a.port, session, 'tools/call', ECHO)).status).toBe(200)
  const [id = ''] = used(scene.actor)
  return { session, id }
}

describe('a session at an HTTP server', () => {
  it.each([
    ['handed over', ({ gateway }: ReplicaRig) => gateway.drain(1_000)],
    ['taken up after a crash', (replica: ReplicaRig) => replica.kill()],
    ['taken from one that was silent for too long', (replica: ReplicaRig) => replica.stop()],
  ])('goes on when its client\'s session is %s, and ends with it', async (_what, lose) => {
    const { a, b, actor } = await play()
    const session = await openSession(a.port)
    expect((await legacy(a.port, session, 'tools/call', ECHO)).status).toBe(200)
    const [before = ''] = used(actor)
    await lose(a)
    expect((await legacy(b.port, session, 'tools/call', ECHO)).status).toBe(200)
    a.continue()
    await a.gateway.drain(200)
    expect((await legacy(b.port, session, 'tools/call', ECHO)).status).toBe(200)
    expect(used(actor)).toEqual([before, before, before])
    expect(actor.sessions.has(before)).toBe(true)
    const ids = actor.requests.filter(({ headers, json }) => headers['mcp-session-id'] === before && json.method !== undefined).flatMap(({ json }) => json.id ?? [])
    expect(new Set(ids).size).toBe(ids.length)
    await end(b.port, session)
    await until(() => !actor.sessions.has(before))
  })

  it.each([
    ['handed over', ({ gateway }: ReplicaRig) => gateway.drain(1_000)],
    ['left by a crash', (replica: ReplicaRig) => replica.kill()],
  ])('is ended once by the others when its client\'s session was %s, and the client never came back', async (_what, lose) => {
    const clock = createPassingClock()
    const actor = closeAfter(await startActor(['legacy'], {}))
    const { all: [a, b] } = await startReplicas(3, { servers: { actor: http(actor.url) } }, [], clock)
    if (a === undefined || b === undefined) throw new Error('three were started')
    const left = await openSession(a.port)
    await legacy(a.port, left, 'tools/call', ECHO)
    const [id = ''] = used(actor)
    await lose(a)
    const session = await openSession(b.port)
    await legacy(b.port, session, 'tools/call', ECHO)
    // The other client's stream is open: it is in use.
    const stream = await openStream(b.port, getRequest(session))
    for (let parts = 0; parts < 4; parts += 1) {
      clock.pass(DEFAULT_LIMITS.sessionIdleMs / 2)
      await until(() => b.gateway.status().sessions === 1)
      expect((await legacy(b.port, session, 'tools/call', ECHO)).status).toBe(200)
    }
    await until(() => !actor.sessions.has(id))
    const deleted = actor.requests.filter(({ method }) => method === 'DELETE').map(({ headers }) => headers['mcp-session-id'])
    expect([deleted.filter((one) => one === id).length, actor.sessions.has(used(actor).at(-1) ?? '')]).toEqual([1, true])
    stream.drop()
  })

  it('is opened anew where the server has forgotten it meanwhile, and the client notices nothing', async () => {
    const { a, b, actor } = await play()
    const session = await openSession(a.port)
    expect((await legacy(a.port, session, 'tools/call', ECHO)).status).toBe(200)
    const [before = ''] = used(actor)
    await a.gateway.drain(1_000)
    actor.forget(before)
    expect((await legacy(b.port, session, 'tools/call', ECHO)).status).toBe(200)
    const [, after = ''] = used(actor)
    expect(after).not.toBe(before)
    expect(actor.sessions.has(after)).toBe(true)
  })

  it('ends with its client\'s also where it was not used yet since that was taken up', async () => {
    const scene = await play()
    const { session, id } = await openAt(scene)
    await scene.a.gateway.drain(500)
    await end(scene.b.port, session)
    await until(() => !scene.actor.sessions.has(id))
  })

  it('is told the log level that was set before it was used again', async () => {
    const scene = await play()
    const { session, id } = await openAt(scene)
    await scene.a.gateway.drain(500)
    await legacy(scene.b.port, session, 'logging/setLevel', { level: 'debug' })
    await legacy(scene.b.port, session, 'tools/call', ECHO)
    expect(scene.actor.requests.filter(({ json }) => json.method === 'logging/setLevel').map(({ headers, json }) => [headers['mcp-session-id'], json.params?.['level']])).toContainEqual([id, 'debug'])
  })

  it('is not ended by a replica that lost the client\'s session while it looked whether it stands', async () => {
    const pings: ActorCall[] = []
    const scene = await play({ ping: (call) => void pings.push(call) })
    const { a, b, c, actor } = scene
    const { session, id } = await openAt(scene)
    await a.kill()
    const atB = legacy(b.port, session, 'tools/call', ECHO)
    await until(() => pings.length === 1)
    await b.stop()
    const atC = legacy(c.port, session, 'tools/call', ECHO)
    await until(() => pings.length === 2)
    pings[1]?.answer()
    expect((await atC).status).toBe(200)
    b.continue()
    await until(() => b.gateway.status().sessions === 0)
    pings[0]?.answer()
    await atB
    await sleep(50)
    expect(actor.sessions.has(id)).toBe(true)
  })

  it('is not ended by a replica that ends while it tells there again what the client asked for', async () => {
    const held: ActorCall[] = []
    const scene = await play({}, { 'resources/subscribe': (call) => void held.push(call) })
    const { a, b, actor } = scene
    const session = await openSession(a.port)
    const subscribing = legacy(a.port, session, 'resources/subscribe', { uri: 'actor+test://one' })
    await until(() => held.length === 1)
    held[0]?.answer()
    await subscribing
    await legacy(a.port, session, 'tools/call', ECHO)
    const [id = ''] = used(actor)
    await a.gateway.drain(500)
    // It takes the session up, and tells the server again what is subscribed to, which takes long.
    await legacy(b.port, session, 'ping')
    await until(() => held.length === 2)
    await b.gateway.close()
    held[1]?.answer()
    await sleep(50)
    expect(actor.sessions.has(id)).toBe(true)
  })

  it('is listened to again also where the server was away for a moment when the client\'s session was taken up', async () => {
    const scene = await play()
    const { a, b, actor } = scene
    const session = await openSession(a.port)
    await legacy(a.port, session, 'resources/subscribe', { uri: 'actor+test://one' })
    await a.gateway.drain(500)
    actor.refuse(true)
    await legacy(b.port, session, 'ping')
    const stream = await openStream(b.port, getRequest(session))
    await sleep(100)
    actor.refuse(false)
    await until(() => {
      actor.announce('notifications/resources/updated', { uri: 'test://one/sub' })
      return stream.messages().some(({ params }) => JSON.stringify(params ?? {}).includes('one/sub'))
    })
    stream.drop()
  })

  it('is not ended by a replica that the others took for dead, and that lives', async () => {
    const scene = await play()
    const { a, b, actor } = scene
    const { session, id } = await openAt(scene)
    // As by somebody who is wrong: nothing tells it so but its next heartbeat.
    await scene.forget(a)
    expect((await legacy(b.port, session, 'tools/call', ECHO)).status).toBe(200)
    await until(() => a.gateway.status().sessions === 0)
    expect([used(actor), b.gateway.status().sessions, actor.sessions.has(id)]).toEqual([[id, id], 1, true])
  })

  it('stays for the task that goes on in it, when its replica ends, and when its client\'s session does', async () => {
    const path = '/actor/mcp'
    const actor = closeAfter(await startLegacyTasks())
    const { all: [a, b] } = await startReplicas(2, { servers: { actor: http(actor.url) }, server: { era: 'legacy' } })
    if (a === undefined || b === undefined) throw new Error('two were started')
    const session = await openSession(a.port, { path, capabilities: INPUT })
    const { task } = resultOf(await legacy(a.port, session, 'tools/call', { name: 'slow', arguments: {}, task: { ttl: 60_000 } }, { path }))
    const { taskId } = task as { taskId: string }
    const id = String(actor.requests.find(({ json }) => json.method === 'tools/call')?.headers['mcp-session-id'])
    await a.gateway.close()
    expect(resultOf(await legacy(b.port, session, 'tasks/get', { taskId }, { path }))).toMatchObject({ status: 'working' })
    await end(b.port, session, path)
    await sleep(50)
    expect(actor.sessions.has(id)).toBe(true)
  })

  it.each(['used', 'not used'])('stays for the kept task of its owner that goes on in it, where the next replica has %s it before it ends', async (use) => {
    const actor = closeAfter(await startLegacyTasks())
    const options = kept(newStore(), actor)
    const { all: [a, b] } = await startReplicas(2, options)
    if (a === undefined || b === undefined) throw new Error('two were started')
    const session = await openSession(a.port, { path: PATH, capabilities: INPUT })
    expect(resultOf(await legacy(a.port, session, 'tools/call', { name: 'slow', arguments: {}, task: { ttl: 60_000 } }, { path: PATH }))).toHaveProperty('task')
    const id = String(actor.requests.find(({ json }) => json.method === 'tools/call')?.headers['mcp-session-id'])
    await a.gateway.close()
    if (use === 'used') await legacy(b.port, session, 'tools/call', { name: 'slow', arguments: {} }, { path: PATH })
    else await legacy(b.port, session, 'ping', {}, { path: PATH })
    await end(b.port, session, PATH)
    await sleep(50)
    expect(actor.sessions.has(id)).toBe(true)
  })

  it('is not gone on with by the successor of a server that is about to end it', async () => {
    const calls: ActorCall[] = []
    const actor = closeAfter(await startActor(['legacy'], { steps: (call) => void calls.push(call) }))
    const snapshot = (era: 'auto' | 'legacy'): Snapshot => ({
      digest: era, servers: [configOf(http(actor.url), { id: 'actor', name: 'actor', era, state: 'none' })], separator: '__', pageSize: 100, limits: DEFAULT_LIMITS, virtualServers: [],
    })
    const source = createSnapshotSource(snapshot('auto'))
    const { port } = await startRig({ deps: { snapshots: source } })
    const session = await openSession(port)
    await legacy(port, session, 'tools/call', ECHO)
    const [id = ''] = used(actor)
    const inFlight = legacy(port, session, 'tools/call', { name: 'actor__steps' }, { id: 5 })
    await until(() => calls.length === 1)
    source.replace(snapshot('legacy'))
    await legacy(port, session, 'tools/call', ECHO, { id: 6 })
    calls[0]?.answer()
    await inFlight
    await until(() => !actor.sessions.has(id))
    const after = used(actor).at(-1) ?? ''
    expect([after === id, actor.sessions.has(after)]).toEqual([false, true])
  })
})
