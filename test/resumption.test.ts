/** Streams of legacy sessions that break: what was missed comes after `Last-Event-ID`, in order, once (2025-11-25, Transports). */
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor, ActorCall } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig, RigOptions } from './gateway-rig.ts'
import { send } from './http-rig.ts'
import type { Stream } from './mcp-client.ts'
import { getRequest, legacy, legacyRequest, openSession, openStream } from './mcp-client.ts'

interface Scene {
  readonly rig: Rig
  readonly actor: Actor
  /** Calls of the tool `steps`, which the test moves on by hand. */
  readonly calls: ActorCall[]
}

async function play(options: RigOptions = {}): Promise<Scene> {
  const calls: ActorCall[] = []
  const acts: Record<string, Act> = { steps: (call) => void calls.push(call) }
  const actor = closeAfter(await startActor(['legacy'], acts))
  const rig = await startRig({ servers: { actor: http(actor.url) }, ...options })
  return { rig, actor, calls }
}

const STEPS = { name: 'actor__steps', _meta: { progressToken: 'p' } }
const streams = { accept: 'text/event-stream, application/json' }

async function startSteps({ rig, calls }: Scene, session: string): Promise<{ stream: Stream; call: ActorCall }> {
  const before = calls.length
  const opening = openStream(rig.port, legacyRequest(session, 'tools/call', STEPS, { id: 9, headers: streams }))
  await until(() => calls.length > before)
  const call = calls.at(-1)
  if (call === undefined) throw new Error('no call')
  return { stream: await opening, call }
}

const lastId = ({ events }: Stream): string => events.findLast(({ id }) => id !== '')?.id ?? ''
const resume = ({ rig }: Scene, session: string, id: string, headers: Record<string, string> = {}): Promise<Stream> =>
  openStream(rig.port, getRequest(session, { 'last-event-id': id, ...headers }))
/** Progress numbers and the response, as they came. */
const heard = (stream: Stream): unknown[] =>
  stream.messages().map((message) => ('method' in message ? (message['params'] as { progress?: number }).progress : { response: message['id'] }))

describe('a POST stream of 2025-11-25', () => {
  it('goes on at a GET with the rest, in order, the response included', async () => {
    const scene = await play()
    const session = await openSession(scene.rig.port)
    const { stream, call } = await startSteps(scene, session)
    call.progress(1)
    await stream.count(1)
    stream.drop()
    await sleep(20)
    call.progress(2)
    call.progress(3)
    await sleep(20)
    const second = await resume(scene, session, lastId(stream))
    await second.count(2)
    call.progress(4)
    call.answer()
    await until(() => second.ended)
    expect([heard(stream), heard(second)]).toEqual([[1], [2, 3, 4, { response: 9 }]])
    expect((await scene.rig.settled()).map(({ method, outcome }) => [method, outcome]).slice(2)).toEqual([['', 'ended'], ['tools/call', 'answered']])
  })

  it('can break again and again', async () => {
    const scene = await play()
    const session = await openSession(scene.rig.port)
    const { stream, call } = await startSteps(scene, session)
    let last = stream
    let seen = ''
    const all: unknown[] = []
    for (let step = 1; step <= 5; step += 1) {
      call.progress(step)
      await last.count(1)
      all.push(...heard(last))
      seen = lastId(last)
      last.drop()
      await sleep(20)
      last = await resume(scene, session, seen)
    }
    last.drop()
    await sleep(20)
    call.answer()
    await scene.rig.settled()
    const end = await resume(scene, session, seen)
    await until(() => end.ended)
    expect([...all, ...heard(end)]).toEqual([1, 2, 3, 4, 5, { response: 9 }])
  })

  it('that ended while nobody was there is delivered whole', async () => {
    const scene = await play()
    const session = await openSession(scene.rig.port)
    const { stream, call } = await startSteps(scene, session)
    await until(() => stream.events.length > 0)
    stream.drop()
    await sleep(20)
    call.progress(1)
    call.answer()
    await scene.rig.settled()
    const second = await resume(scene, session, lastId(stream))
    await until(() => second.ended)
    expect(heard(second)).toEqual([1, { response: 9 }])
  })

  it('whose end was written but never arrived is delivered once more', async () => {
    const scene = await play()
    const session = await openSession(scene.rig.port)
    const { stream, call } = await startSteps(scene, session)
    await until(() => stream.events.length > 0)
    const primed = lastId(stream)
    call.progress(1)
    call.answer()
    await until(() => stream.ended)
    // The client's side of the connection broke, and ours does not know it yet.
    const second = await resume(scene, session, primed)
    await until(() => second.ended)
    expect(heard(second)).toEqual([1, { response: 9 }])
    const third = await resume(scene, session, lastId(second))
    await until(() => third.ended)
    expect(heard(third)).toEqual([])
  })

  it.each([[true, 'while it goes on'], [false, 'after it ended']])('whose events are gone ends with an error for its request (%s: %s)', async (isOpen) => {
    const scene = await play({ limits: { bufferedEvents: 3 } })
    const session = await openSession(scene.rig.port)
    const { stream, call } = await startSteps(scene, session)
    await until(() => stream.events.length > 0)
    stream.drop()
    await sleep(20)
    for (let step = 1; step <= 8; step += 1) call.progress(step)
    if (!isOpen) call.answer()
    await sleep(50)
    const second = await resume(scene, session, lastId(stream))
    await until(() => second.ended)
    expect(second.messages()).toEqual([{ jsonrpc: '2.0', id: 9, error: { code: -31_016, message: expect.any(String) } }])
    await scene.rig.settled()
  })

  it('is not primed in sessions of older revisions, and can be resumed there all the same', async () => {
    const scene = await play()
    for (const revision of ['2025-03-26', '2025-06-18']) {
      const session = await openSession(scene.rig.port, { revision })
      const { stream, call } = await startSteps(scene, session)
      call.progress(1)
      await stream.count(1)
      expect(stream.events.map(({ data, retry }) => [data === '', retry])).toEqual([[false, '']])
      stream.drop()
      await sleep(20)
      call.answer()
      const second = await resume(scene, session, lastId(stream))
      await until(() => second.ended)
      expect(heard(second)).toEqual([{ response: 9 }])
    }
    const session = await openSession(scene.rig.port)
    const { stream, call } = await startSteps(scene, session)
    await until(() => stream.events.length > 0)
    expect(stream.events[0]).toMatchObject({ data: '', retry: '1000', id: expect.stringMatching(/./) })
    call.answer()
    await until(() => stream.ended)
  })
})

describe('a GET stream', () => {
  it('goes on after a break with what was missed, once', async () => {
    const scene = await play()
    const session = await openSession(scene.rig.port)
    await legacy(scene.rig.port, session, 'tools/call', { name: 'actor__echo' })
    const first = await openStream(scene.rig.port, getRequest(session))
    await until(() => scene.actor.streamCount > 0)
    scene.actor.announce('notifications/message', { level: 'info', data: 1 })
    await first.count(1)
    first.drop()
    await sleep(50)
    scene.actor.announce('notifications/message', { level: 'info', data: 2 })
    await sleep(50)
    const second = await resume(scene, session, lastId(first))
    scene.actor.announce('notifications/message', { level: 'info', data: 3 })
    await second.count(2)
    await sleep(50)
    const data = (stream: Stream): unknown[] => stream.messages().map(({ params }) => (params as { data: number }).data)
    expect([data(first), data(second)]).toEqual([[1], [2, 3]])
    second.drop()
  })

  it('whose events are gone goes on, with everything to be looked at again', async () => {
    const scene = await play({ limits: { bufferedEvents: 2 } })
    const session = await openSession(scene.rig.port)
    const [uri] = await resourcesOf(scene, session)
    await legacy(scene.rig.port, session, 'resources/subscribe', { uri })
    const first = await openStream(scene.rig.port, getRequest(session))
    await until(() => scene.actor.streamCount > 0)
    for (let data = 1; data <= 5; data += 1) scene.actor.announce('notifications/message', { level: 'info', data })
    await first.count(5)
    first.drop()
    await sleep(50)
    const second = await resume(scene, session, first.events[0]?.id ?? '')
    const messages = await second.count(4)
    expect(messages.map(({ method }) => method)).toEqual(
      ['tools/list_changed', 'prompts/list_changed', 'resources/list_changed', 'resources/updated'].map((name) => `notifications/${name}`),
    )
    expect(messages[3]).toMatchObject({ params: { uri } })
    expect(second.ended).toBe(false)
    second.drop()
  })

  it('gets each message alone: the newest of them', async () => {
    const scene = await play()
    const session = await openSession(scene.rig.port)
    await legacy(scene.rig.port, session, 'tools/call', { name: 'actor__echo' })
    const all = [await openStream(scene.rig.port, getRequest(session)), await openStream(scene.rig.port, getRequest(session))]
    await until(() => scene.actor.streamCount > 0)
    scene.actor.announce('notifications/message', { level: 'info', data: 1 })
    await all[1]?.count(1)
    all[1]?.drop()
    await sleep(50)
    scene.actor.announce('notifications/message', { level: 'info', data: 2 })
    await all[0]?.count(1)
    expect(all.map((stream) => stream.messages().length)).toEqual([1, 1])
    all[0]?.drop()
  })

  it.each<[client: string, isThere: boolean, message: string]>([
    ['is still there', true, 'notifications/tools/list_changed'],
    ['went away', false, 'notifications/tools/list_changed'],
    ['went away', false, 'notifications/message'],
  ])('is told what belongs to no call while one is in flight whose client %s (%s, %s)', async (_client, isThere, method) => {
    const scene = await play()
    const session = await openSession(scene.rig.port)
    const get = closeAfter(await openStream(scene.rig.port, getRequest(session)))
    const { stream, call } = await startSteps(scene, session)
    await until(() => scene.actor.streamCount > 0)
    if (!isThere) stream.drop()
    await sleep(50)
    scene.actor.announce(method, { level: 'info', data: 1 })
    expect(await get.count(1)).toMatchObject([{ method }])
    expect(stream.messages()).toEqual([])
    call.answer()
    stream.drop()
  })

  it('is told, where it comes later, what belongs to no call and came while one was in flight whose client went away', async () => {
    const scene = await play()
    const session = await openSession(scene.rig.port)
    const first = await openStream(scene.rig.port, getRequest(session))
    const { stream, call } = await startSteps(scene, session)
    await until(() => scene.actor.streamCount > 0)
    stream.drop()
    first.drop()
    await sleep(50)
    scene.actor.announce('notifications/tools/list_changed')
    await sleep(50)
    const later = closeAfter(await openStream(scene.rig.port, getRequest(session)))
    expect(await later.count(1)).toMatchObject([{ method: 'notifications/tools/list_changed' }])
    call.answer()
  })

  it('takes nothing of another session, whatever event id it names', async () => {
    const scene = await play()
    const [mine, other] = [await openSession(scene.rig.port), await openSession(scene.rig.port)]
    const { stream, call } = await startSteps(scene, other)
    call.progress(1)
    await stream.count(1)
    stream.drop()
    await sleep(20)
    call.progress(2)
    const foreign = await resume(scene, mine, lastId(stream))
    await sleep(100)
    expect([foreign.status, foreign.messages()]).toEqual([200, []])
    foreign.drop()
    call.answer()
    const right = await resume(scene, other, lastId(stream))
    await until(() => right.ended)
    expect(heard(right)).toEqual([2, { response: 9 }])
  })
})

async function resourcesOf({ rig }: Scene, session: string): Promise<string[]> {
  const answer = await legacy(rig.port, session, 'resources/list')
  return (JSON.parse(answer.text) as { result: { resources: { uri: string }[] } }).result.resources.map(({ uri }) => uri)
}

describe('DELETE', () => {
  it('ends calls, streams and the session upstream; after it everything is 404', async () => {
    const scene = await play()
    const session = await openSession(scene.rig.port)
    const { stream, call } = await startSteps(scene, session)
    const get = await openStream(scene.rig.port, getRequest(session))
    expect((await send(scene.rig.port, { ...getRequest(session), verb: 'DELETE' })).status).toBe(200)
    await until(() => stream.ended && get.ended)
    expect(stream.messages()).toMatchObject([{ id: 9, error: { code: -31_024 } }])
    await until(() => scene.actor.sessions.size === 0)
    await until(() => scene.actor.requests.some(({ json }) => json.method === 'notifications/cancelled'))
    expect(call.response.destroyed || call.response.closed).toBe(true)
    for (const wire of [legacyRequest(session, 'ping'), getRequest(session), { ...getRequest(session), verb: 'DELETE' }]) {
      expect((await send(scene.rig.port, wire)).status).toBe(404)
    }
    await scene.rig.settled()
    expect(scene.rig.gateway.status().sessions).toBe(0)
  })
})

describe('a batch of a 2025-03-26 session', () => {
  const body = (name: string): string =>
    `[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"${name}","_meta":{"progressToken":"p"}}}]`

  it('is answered as an array where nothing came before', async () => {
    const scene = await play()
    const session = await openSession(scene.rig.port, { revision: '2025-03-26' })
    const answer = await legacy(scene.rig.port, session, '', {}, { body: body('actor__echo') })
    expect((JSON.parse(answer.text) as { id: number }[]).map(({ id }) => id).toSorted()).toEqual([1, 2])
    expect((await legacy(scene.rig.port, session, '', {}, { body: '[{"jsonrpc":"2.0","method":"notifications/x"}]' })).status).toBe(202)
  })

  it('is answered as a stream once something did, which can be resumed', async () => {
    const scene = await play()
    const session = await openSession(scene.rig.port, { revision: '2025-03-26' })
    const opening = openStream(scene.rig.port, legacyRequest(session, '', {}, { body: body('actor__steps') }))
    await until(() => scene.calls.length === 1)
    scene.calls[0]?.progress(1)
    const stream = await opening
    expect((await stream.count(2)).map((message) => message['id'] ?? message['method'])).toEqual([1, 'notifications/progress'])
    stream.drop()
    await sleep(20)
    scene.calls[0]?.answer()
    const rest = await resume(scene, session, lastId(stream))
    await until(() => rest.ended)
    expect(rest.messages().map(({ id }) => id)).toEqual([2])
    await scene.rig.settled()
  })
})
