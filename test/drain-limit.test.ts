/** A drain whose time is over: what a server may have run is never said not to have been (guarantee 1). */
import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { sha256 } from '../src/adapters/node/digest.ts'
import { TERMS } from './contracts/task-store.contract.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { ActorCall } from './fixtures/upstream/actor.ts'
import { http, sendJson, startHttp, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { codeOf, legacy, legacyRequest, messageOf, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Asked } from './mcp-client.ts'
import { startReplicas } from './replica-rig.ts'
import { DECLARED } from './task-rig.ts'

const STEPS = { name: 'actor__steps', arguments: {}, _meta: { progressToken: 'p' } }
const UNKNOWN = -31_024

async function play() {
  const calls: ActorCall[] = []
  const actor = closeAfter(await startActor(['legacy', 'modern'], { steps: (call) => void calls.push(call) }))
  const begun = (count = 1): Promise<void> => until(() => calls.length === count)
  return { actor, calls, begun, options: { servers: { actor: http(actor.url) } } }
}

describe('a call that is still at its server when the drain\'s time is over', () => {
  it.each(['legacy', 'modern'] as const)('is of unknown outcome to a %s client, with a status that nobody repeats on', async (era) => {
    const { calls, begun, options } = await play()
    const rig = await startRig(options)
    const answering = era === 'modern' ? modern(rig.port, 'tools/call', STEPS) : legacy(rig.port, await openSession(rig.port), 'tools/call', STEPS)
    await begun()
    await rig.gateway.drain(50)
    const answer = await answering
    expect([answer.status, codeOf(answer), answer.headers['retry-after']]).toEqual([200, UNKNOWN, undefined])
    expect(messageOf(answer)['error']).toMatchObject({ message: 'Outcome unknown: Portolan ended before the server had answered' })
    expect((await rig.settled()).find((one) => one.method === 'tools/call')).toMatchObject({ outcome: 'refused', errorCode: 'outcome_unknown' })
    expect(calls).toHaveLength(1)
  })

  it('is so on a stream that had begun, too', async () => {
    const { calls, begun, options } = await play()
    const rig = await startRig(options)
    const session = await openSession(rig.port)
    const opening = openStream(rig.port, legacyRequest(session, 'tools/call', STEPS, { id: 9, headers: { accept: 'text/event-stream, application/json' } }))
    await begun()
    calls[0]?.progress(1)
    const stream = await opening
    await rig.gateway.drain(50)
    await until(() => stream.ended)
    expect(stream.messages().at(-1)).toMatchObject({ id: 9, error: { code: UNKNOWN } })
  })

  it('is so where another replica had brought it', async () => {
    const { calls, begun, options } = await play()
    const { all: [a, b] } = await startReplicas(2, options)
    if (a === undefined || b === undefined) throw new Error('two were started')
    const session = await openSession(a.port)
    const answering = legacy(b.port, session, 'tools/call', STEPS)
    await begun()
    await a.gateway.drain(50)
    const answer = await answering
    expect([answer.status, codeOf(answer)]).toEqual([200, UNKNOWN])
    expect(calls).toHaveLength(1)
  })

  it('is so where it was brought to another replica, which has not said yet that it has it', async () => {
    const { calls, begun, options } = await play()
    const { all: [a, b] } = await startReplicas(2, options)
    if (a === undefined || b === undefined) throw new Error('two were started')
    const session = await openSession(a.port)
    const { promise, resolve } = Promise.withResolvers<void>()
    b.deafen(promise)
    const answering = legacy(b.port, session, 'tools/call', STEPS)
    await begun()
    await b.gateway.drain(50)
    const answer = await answering
    expect([answer.status, codeOf(answer), answer.headers['retry-after']]).toEqual([200, UNKNOWN, undefined])
    resolve()
    expect(calls).toHaveLength(1)
  })

  it('is so within a batch, whose other answers stand', async () => {
    const { begun, options } = await play()
    const rig = await startRig(options)
    const session = await openSession(rig.port, { revision: '2025-03-26' })
    const body = '[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"actor__steps"}}]'
    const answering = legacy(rig.port, session, '', {}, { body })
    await begun()
    await rig.gateway.drain(50)
    const answer = await answering
    const answers: { id: number; error?: { code: number } }[] = JSON.parse(answer.text)
    expect([answer.status, answers.map(({ id, error }) => `${id} ${error?.code ?? 0}`).toSorted()]).toEqual([200, ['1 0', `2 ${UNKNOWN}`]])
  })
})

describe('a call of which a task is being made', () => {
  async function playTask() {
    const { calls, begun, options } = await play()
    const store = createTaskStore(createSystemClock())
    const rig = await startRig({
      ...options, server: { tasks: [{ pattern: '*', mode: 'always', afterMs: 150, terms: TERMS }] },
      limits: { taskAttempts: 4, taskAttemptsPerPrincipal: 1 }, deps: { tasks: { store, sha256 } },
    })
    const wire = { path: '/actor/mcp', meta: { 'io.modelcontextprotocol/clientCapabilities': DECLARED } }
    const params = { name: 'steps', arguments: {} }
    // Whoever made it has no room for more: the next one waits.
    await modern(rig.port, 'tools/call', params, wire)
    await begun()
    const gone: string[] = []
    const { drop } = store
    store.drop = async (id, tombstoneMs) => (gone.push(id), drop(id, tombstoneMs))
    function askUntilLeft(more: Asked = {}): () => void {
      const { path, headers, body } = modernRequest('tools/call', params, { ...wire, ...more, meta: { ...wire.meta, ...more.meta } })
      const outgoing = request({ host: '127.0.0.1', port: rig.port, method: 'POST', path, headers, agent: false })
      outgoing.on('error', () => undefined).end(body)
      return () => void outgoing.destroy()
    }
    return { rig, store, calls, gone, ask: () => modern(rig.port, 'tools/call', params, wire), askUntilLeft }
  }

  function held<T>(): { readonly reached: Promise<void>; readonly wait: (value: T) => Promise<T>; letGo(): void } {
    const reached = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    return { reached: reached.promise, wait: (value) => (reached.resolve(), released.promise.then(() => value)), letGo: released.resolve }
  }

  it('is of unknown outcome while the store has not acknowledged it, and is withdrawn as soon as it has', async () => {
    const { rig, store, calls, gone, ask } = await playTask()
    const { create } = store
    const acknowledgement = held<Awaited<ReturnType<typeof create>>>()
    let id = ''
    store.create = async (task) => ((id = task.id), acknowledgement.wait(await create(task)))
    const answering = ask()
    await acknowledgement.reached
    await rig.gateway.drain(50)
    const answer = await answering
    expect([answer.status, codeOf(answer), answer.headers['retry-after']]).toEqual([200, UNKNOWN, undefined])
    acknowledgement.letGo()
    await until(() => gone.includes(id))
    expect((await store.find(id)).kind).not.toBe('found')
    expect(calls).toHaveLength(1)
  })

  it('is of unknown outcome while another replica is let have it, and is cancelled', async () => {
    const { rig, store, calls, ask } = await playTask()
    const { write } = store
    const acknowledgement = held<Awaited<ReturnType<typeof write>>>()
    let id = ''
    store.write = async (tasks) => {
      const released = tasks.find(({ phase }) => phase === 'queued')
      if (released === undefined || id !== '') return write(tasks)
      id = released.id
      return acknowledgement.wait(await write(tasks))
    }
    const answering = ask()
    await acknowledgement.reached
    await rig.gateway.drain(50)
    expect(codeOf(await answering)).toBe(UNKNOWN)
    acknowledgement.letGo()
    await expect.poll(() => store.find(id)).toMatchObject({ task: { phase: 'cancelled' } })
    expect(calls).toHaveLength(1)
  })

  it('is withdrawn where its client goes away meanwhile', async () => {
    const { store, rig, calls, gone, askUntilLeft } = await playTask()
    const { create } = store
    const acknowledgement = held<Awaited<ReturnType<typeof create>>>()
    let id = ''
    store.create = async (task) => ((id = task.id), acknowledgement.wait(await create(task)))
    const leave = askUntilLeft()
    await acknowledgement.reached
    leave()
    await until(() => rig.records().some(({ outcome }) => outcome === 'disconnected'))
    acknowledgement.letGo()
    await until(() => gone.includes(id))
    expect(calls).toHaveLength(1)
  })

  it('is done all the same where it has an idempotency key: whoever asks again gets the same task', async () => {
    const { store, rig, calls, askUntilLeft } = await playTask()
    const { create } = store
    const acknowledgement = held<Awaited<ReturnType<typeof create>>>()
    store.create = async (task) => acknowledgement.wait(await create(task))
    const leave = askUntilLeft({ token: 'bob', meta: { 'dev.portolan/idempotencyKey': 'k' } })
    await acknowledgement.reached
    leave()
    await until(() => rig.records().some(({ outcome }) => outcome === 'disconnected'))
    acknowledgement.letGo()
    await until(() => calls.length === 2)
  })
})

describe('a call whose server did not know the session, when the drain\'s time is over', () => {
  it('may be sent again while another is being opened: it is refused as not executed', async () => {
    let opensBefore: number | undefined
    const silence = new Promise(() => undefined)
    const opens = (): number => actor.requests.filter(({ json }) => json.method === 'initialize').length
    const lose = ({ response }: ActorCall): void => {
      opensBefore = opens()
      response.writeHead(404).end()
    }
    const actor = closeAfter(await startActor(['legacy'], { steps: lose }, { get gate() { return opensBefore === undefined ? Promise.resolve() : silence } }))
    const rig = await startRig({ servers: { actor: http(actor.url) } })
    const answering = legacy(rig.port, await openSession(rig.port), 'tools/call', STEPS)
    await until(() => opensBefore !== undefined && opens() > opensBefore)
    await rig.gateway.drain(50)
    const answer = await answering
    expect([answer.status, codeOf(answer), answer.headers['retry-after']]).toEqual([503, -31_018, '1'])
  })
})

describe('a read that is still at its server when the drain\'s time is over', () => {
  it('may be asked again: it is refused as not executed', async () => {
    let isAsked = false
    const server = closeAfter(await startHttp(({ json }, response) => {
      if (json.method === 'resources/read') return void (isAsked = true)
      sendJson(response, { jsonrpc: '2.0', id: json.id, result: { resultType: 'complete', ttlMs: 0, cacheScope: 'private', supportedVersions: ['2026-07-28'], capabilities: { resources: {} }, resources: [], resourceTemplates: [] } })
    }))
    const rig = await startRig({ servers: { web: http(server.url) } })
    const answering = modern(rig.port, 'resources/read', { uri: 'test://one' }, { path: '/web/mcp' })
    await until(() => isAsked)
    await rig.gateway.drain(50)
    const answer = await answering
    expect([answer.status, codeOf(answer), answer.headers['retry-after']]).toEqual([503, -31_018, '1'])
  })
})
