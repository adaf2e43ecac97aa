/** A call whose client has gone, or has cancelled it, before it had the task that its server makes of it: none stays behind there. */
import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { sha256 } from '../src/adapters/node/digest.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http, until } from './fixtures/upstream/support.ts'
import { startLegacyTasks, startModernTasks } from './fixtures/upstream/task-actor.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import { legacy, modernRequest, openSession } from './mcp-client.ts'
import { DECLARED, FORM, INPUT, TRANSPORTS, VIA, resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

const PATH = '/actor/mcp'

/** The server's request with this id was answered with an error. */
const isRefused = (actor: Actor, id: string): boolean => actor.requests.some(({ json }) => json['id'] === (id as unknown) && 'error' in json)

/** A modern client's call; returns what ends its connection. */
function call(rig: Rig, name: string, capabilities: Json = DECLARED): () => void {
  const { verb, path, headers, body } = modernRequest('tools/call', { name, arguments: {} }, { path: PATH, meta: { 'io.modelcontextprotocol/clientCapabilities': capabilities } })
  const request = httpRequest({ host: '127.0.0.1', port: rig.port, method: verb, path, headers, agent: false }).on('error', () => undefined)
  request.end(body)
  return () => void request.destroy()
}

describe.each(TRANSPORTS)('a legacy server over %s that makes its task only when nobody waits any more', (via) => {
  const play = async () => {
    const actor = closeAfter(await startLegacyTasks())
    return { actor, rig: await startRig({ servers: { actor: VIA[via](actor.url) }, server: { era: 'legacy' } }) }
  }

  it.each([['in a session that others use, too', DECLARED], ['in its own session, that may ask', { ...DECLARED, ...INPUT }]])('is asked to cancel that: a modern client, %s', async (_, capabilities) => {
    const { actor, rig } = await play()
    const leave = call(rig, 'late', capabilities)
    await until(() => actor.waiting.length === 1)
    leave()
    expect(await rig.settled()).toMatchObject([{ outcome: 'disconnected' }])
    actor.waiting[0]?.()
    await until(() => actor.calls('tasks/cancel').length === 1)
    expect(actor.tasks).toMatchObject([{ state: { status: 'cancelled' } }])
    // S25 basic/utilities/cancellation: not of what was called as a task.
    expect(actor.calls('notifications/cancelled')).toEqual([])
  })

  it('is asked to cancel that: a legacy client that has cancelled its call', async () => {
    const { actor, rig } = await play()
    const session = await openSession(rig.port, { path: PATH })
    const answer = legacy(rig.port, session, 'tools/call', { name: 'late', arguments: {}, task: {} }, { path: PATH, id: 'one' })
    await until(() => actor.waiting.length === 1)
    await legacy(rig.port, session, '', {}, { path: PATH, body: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"one"}}' })
    actor.waiting[0]?.()
    await until(() => actor.calls('tasks/cancel').length === 1)
    expect(actor.calls('notifications/cancelled')).toEqual([])
    void answer.catch(() => undefined)
  })

  // Over HTTP other sessions hear of it, too.
  it.runIf(via === 'stdio')('is told that nobody can be asked any more', async () => {
    const { actor, rig } = await play()
    const leave = call(rig, 'late', { ...DECLARED, ...INPUT })
    await until(() => actor.waiting.length === 1 && actor.streamCount > 0)
    leave()
    await rig.settled()
    actor.announce('elicitation/create', FORM, 'q')
    await until(() => isRefused(actor, 'q'))
  })

  it.runIf(via === 'stdio')('makes room for the next call of its client', async () => {
    const actor = closeAfter(await startLegacyTasks())
    const rig = await startRig({ servers: { actor: VIA[via](actor.url) }, server: { era: 'legacy' }, limits: { childrenPerPrincipal: 1 } })
    const leave = call(rig, 'late', { ...DECLARED, ...INPUT })
    await until(() => actor.waiting.length === 1)
    leave()
    await rig.settled()
    call(rig, 'late', { ...DECLARED, ...INPUT })
    await until(() => actor.waiting.length === 2)
  })

  it('is told as ever of a call that can be no task', async () => {
    const { actor, rig } = await play()
    const leave = call(rig, 'asks', { ...DECLARED, ...INPUT })
    await until(() => actor.calls('tools/call').length === 1)
    leave()
    await until(() => actor.calls('notifications/cancelled').length === 1)
  })
})

describe('a modern server over HTTP whose task is on its way when nobody waits any more', () => {
  /** As if what is on its way took long. */
  const slowly = { ...createSystemClock(), after: (ms: number, run: () => void) => createSystemClock().after(ms === 150 ? 60_000 : ms, run) }

  it('is asked to cancel that: a modern client', async () => {
    const actor = closeAfter(await startModernTasks())
    const rig = await startRig({ servers: { actor: http(actor.url) }, deps: { clock: slowly } })
    const leave = call(rig, 'late')
    await until(() => actor.waiting.length === 1)
    leave()
    expect(await rig.settled()).toMatchObject([{ outcome: 'disconnected' }])
    actor.waiting[0]?.()
    await until(() => actor.calls('tasks/cancel').length === 1)
    expect(actor.calls('tasks/cancel')).toMatchObject([{ params: { taskId: 'raw-1' } }])
  })

  it('is asked to cancel that: a legacy client that has cancelled its task', async () => {
    const actor = closeAfter(await startModernTasks())
    const rig = await startRig({ servers: { actor: http(actor.url) }, deps: { clock: slowly } })
    const session = await openSession(rig.port, { path: PATH })
    const send = (method: string, params: Json) => legacy(rig.port, session, method, params, { path: PATH })
    const { taskId } = resultOf(await send('tools/call', { name: 'late', arguments: {}, task: {} }))['task'] as { readonly taskId: string }
    expect(resultOf(await send('tasks/cancel', { taskId }))).toMatchObject({ status: 'cancelled' })
    actor.waiting[0]?.()
    await until(() => actor.calls('tasks/cancel').length === 1)
  })

  it('hears of it by the end of the connection, whether or not an answer comes', async () => {
    const actor = closeAfter(await startModernTasks())
    const rig = await startRig({ servers: { actor: http(actor.url) } })
    const leave = call(rig, 'late')
    await until(() => actor.waiting.length === 1)
    leave()
    await until(() => actor.leftCount === 1)
  })
})

describe('a client that goes away while its task is being kept', () => {
  it.each(['legacy', 'modern'] as const)('leaves none at a %s server', async (form) => {
    const actor = closeAfter(await (form === 'legacy' ? startLegacyTasks() : startModernTasks()))
    const store = createTaskStore(createSystemClock())
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const slow = { ...store, create: (task: Parameters<typeof store.create>[0]) => gate.then(() => store.create(task)) }
    const rig = await startRig({ servers: { actor: http(actor.url) }, deps: { tasks: { store: slow, sha256 } } })
    const leave = call(rig, 'slow')
    await until(() => actor.tasks.length === 1)
    leave()
    await rig.settled()
    open()
    await until(() => actor.calls('tasks/cancel').length > 0)
  })
})

describe('a legacy server without tasks', () => {
  it('is told as ever of a call that its client wanted as one', async () => {
    const waiting: unknown[] = []
    const actor = closeAfter(await startActor(['legacy'], { hangs: (asked) => void waiting.push(asked) }))
    const rig = await startRig({ servers: { actor: http(actor.url) } })
    const session = await openSession(rig.port, { path: PATH })
    const answer = legacy(rig.port, session, 'tools/call', { name: 'hangs', arguments: {}, task: {} }, { path: PATH, id: 'one' })
    await until(() => waiting.length === 1)
    await legacy(rig.port, session, '', {}, { path: PATH, body: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"one"}}' })
    await until(() => actor.requests.some(({ json }) => json.method === 'notifications/cancelled'))
    void answer.catch(() => undefined)
  })
})

describe('a legacy server that asks its client before it makes a task', () => {
  it('has none left where the client never came back', async () => {
    const actor = closeAfter(await startLegacyTasks())
    const rig = await startRig({ servers: { actor: http(actor.url) }, server: { era: 'legacy' }, limits: { requestStateMs: 1_000 } })
    call(rig, 'asksLate', { ...DECLARED, ...INPUT })
    await until(() => actor.waiting.length === 1)
    expect((await rig.settled()).map(({ outcome }) => outcome)).toEqual(['inputRequired'])
    await until(() => isRefused(actor, 'ask-1'))
    actor.waiting[0]?.()
    await until(() => actor.calls('tasks/cancel').length === 1)
  })

  it('and hangs up: its session ends with the time for the answer', async () => {
    let hangUp: (() => void) | undefined
    const tools = [{ name: 'hangs', inputSchema: { type: 'object' }, execution: { taskSupport: 'optional' } }]
    const hangs: Act = ({ send, response }) => {
      send({ id: 'q', method: 'elicitation/create', params: FORM })
      hangUp = () => void response.destroy()
    }
    const actor = closeAfter(await startActor(['legacy'], { hangs }, { capabilities: { tasks: { requests: { tools: { call: {} } } } }, lists: { 'tools/list': { tools } } }))
    const rig = await startRig({ servers: { actor: http(actor.url) }, server: { era: 'legacy' }, limits: { requestStateMs: 1_000 } })
    call(rig, 'hangs', { ...DECLARED, ...INPUT })
    await until(() => hangUp !== undefined)
    await rig.settled()
    const before = actor.sessions.size
    hangUp?.()
    await until(() => actor.sessions.size < before)
  })
})
