/** A call whose client has gone, or has cancelled it, before it had the task that its server makes of it: none stays behind there. */
import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { sha256 } from '../src/adapters/node/digest.ts'
import { http, until } from './fixtures/upstream/support.ts'
import { startLegacyTasks, startModernTasks } from './fixtures/upstream/task-actor.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import { legacy, modernRequest, openSession } from './mcp-client.ts'
import { DECLARED, INPUT, TRANSPORTS, VIA, resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

const PATH = '/actor/mcp'

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
  const slowly = { ...createSystemClock(), after: (ms: number, run: () => void) => createSystemClock().after(ms === 400 ? 60_000 : ms, run) }

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

describe('a legacy server that asks its client before it makes a task', () => {
  it('has none left where the client never came back', async () => {
    const actor = closeAfter(await startLegacyTasks())
    const rig = await startRig({ servers: { actor: http(actor.url) }, server: { era: 'legacy' }, limits: { requestStateMs: 1_000 } })
    call(rig, 'asksLate', { ...DECLARED, ...INPUT })
    await until(() => actor.waiting.length === 1)
    expect((await rig.settled()).map(({ outcome }) => outcome)).toEqual(['inputRequired'])
    actor.waiting[0]?.()
    await until(() => actor.calls('tasks/cancel').length === 1)
  })
})
