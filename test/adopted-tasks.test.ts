/** Tasks that servers make are kept: both forms, both kinds of client, whatever the server, its sessions or Portolan forget. */
import { describe, expect, it } from 'vitest'
import { TERMS } from './contracts/task-store.contract.ts'
import { startLegacyTasks, startModernTasks } from './fixtures/upstream/task-actor.ts'
import { CELLS, PATH, clientOf, eventually, forget, kept, lastOf, listenTo, newStore, phaseIs, startActor } from './adopted-task-rig.ts'
import type { Client } from './adopted-task-rig.ts'
import { closeAfter, openRig, startRig } from './gateway-rig.ts'
import type { OpenRig, Rig } from './gateway-rig.ts'
import { codeOf, modern } from './mcp-client.ts'
import type { Stream } from './mcp-client.ts'
import { startTwo } from './replica-rig.ts'
import { DECLARED, FORM, INPUT, accept, done, resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

describe.each(CELLS)('a %s client\'s task of a %s server', (era, form) => {
  it('keeps its result when the server has forgotten it, as the server gave it', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const client = await clientOf(era, await startRig(kept(store, actor)))
    const taskId = await client.call()
    // On disk before its client has its id.
    expect((await store.list({ count: 5 })).tasks).toMatchObject([{ phase: 'running', origin: { tool: 'slow', adopted: { taskId: 'raw-1', era: form } } }])
    expect(await client.status(taskId)).toBe('working')
    if (era === 'legacy') expect(resultOf(await client.send('tasks/list', {}))['tasks']).toMatchObject([{ taskId, status: 'working' }])
    lastOf(actor).end('completed', { result: { ...done, big: 1, ...(form === 'modern' ? { resultType: 'complete' } : {}) } })
    await phaseIs(store, 'completed')
    const before = await client.outcome(taskId)
    expect(before).toMatchObject({ result: { ...done, big: 1 } })
    forget(actor)
    expect(await client.status(taskId)).toBe('completed')
    expect(await client.outcome(taskId)).toEqual({ ...before, ...(era === 'legacy' ? { id: expect.anything() } : {}) })
    await actor.close()
    expect(await client.outcome(taskId)).toMatchObject({ result: { ...done, big: 1 } })
    expect(JSON.stringify(before)).not.toContain('raw-1')
  })

  it('keeps what its client was told, though nobody else has looked', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const client = await clientOf(era, await startRig(kept(store, actor)))
    const taskId = await client.call()
    lastOf(actor).end('completed', { result: done })
    expect(await client.outcome(taskId)).toMatchObject({ result: done })
    // A client that had its result from another server's era has it from whoever follows the task there, who writes it down right after.
    if (era !== form) await phaseIs(store, 'completed')
    forget(actor)
    expect(await client.outcome(taskId)).toMatchObject({ result: done })
  })

  it('keeps the error, and that it was cancelled', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const client = await clientOf(era, await startRig(kept(store, actor)))
    const failed = await client.call()
    lastOf(actor).end('failed', { error: { code: 7, message: 'no' } })
    await phaseIs(store, 'failed')
    forget(actor)
    expect(await client.status(failed)).toBe('failed')
    expect(await client.outcome(failed)).toMatchObject({ error: { code: 7, message: 'no' } })
    const cancelled = await client.call()
    await client.send('tasks/cancel', { taskId: cancelled })
    if (form === 'modern') lastOf(actor).end('cancelled')
    await phaseIs(store, 'cancelled', 1)
    forget(actor)
    expect(await client.status(cancelled)).toBe('cancelled')
  })

  it('has an unknown outcome where the server forgot it before its end was seen, and is never called again', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const client = await clientOf(era, await startRig(kept(store, actor)))
    const taskId = await client.call()
    forget(actor)
    await eventually(async () => (await client.status(taskId)) === 'failed')
    expect(await client.outcome(taskId)).toMatchObject({ error: { code: -31_024 } })
    expect(actor.calls('tools/call')).toHaveLength(1)
  })

  it('goes on when Portolan is another process, and is nobody else\'s', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const first: OpenRig = await openRig(kept(store, actor))
    const one = await clientOf(era, first)
    const ended = await one.call()
    lastOf(actor).end('completed', { result: done })
    await phaseIs(store, 'completed')
    const going = await one.call()
    await first.close()
    Object.assign(actor.tasks[0] ?? {}, { id: 'forgotten' })
    const second = await startRig(kept(store, actor))
    const two = await clientOf(era, second)
    expect(await two.outcome(ended)).toMatchObject({ result: done })
    expect(await two.status(going)).toBe('working')
    lastOf(actor).end('completed', { result: { content: [{ type: 'text', text: 'later' }] } })
    await eventually(async () => (await two.status(going)) === 'completed')
    await phaseIs(store, 'completed', 1)
    forget(actor)
    expect(await two.outcome(going)).toMatchObject({ result: { content: [{ text: 'later' }] } })
    const bob = await clientOf(era, second, 'bob')
    for (const taskId of [ended, going]) expect(codeOf(await bob.send('tasks/get', { taskId }))).toBe(-32_602)
    if (era === 'legacy') expect(resultOf(await bob.send('tasks/list', {}))['tasks']).toEqual([])
    expect(actor.calls('tools/call')).toHaveLength(2)
  })

  it('is answered by every replica, also while the one that follows it is gone', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const [first, second] = await startTwo(kept(store, actor))
    const one = await clientOf(era, first)
    const two = await clientOf(era, second)
    const taskId = await one.call()
    expect(await two.status(taskId)).toBe('working')
    if (era === 'legacy') expect(resultOf(await two.send('tasks/list', {}))['tasks']).toMatchObject([{ taskId, status: 'working' }])
    lastOf(actor).end('completed', { result: done })
    await phaseIs(store, 'completed')
    await first.kill()
    forget(actor)
    expect(await two.outcome(taskId)).toMatchObject({ result: done })
    if (era === 'legacy') expect(resultOf(await two.send('tasks/list', {}))['tasks']).toMatchObject([{ taskId, status: 'completed' }])
  })

  it('stays its server\'s alone where the configuration says so, or nothing can be stored', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const tasks = [{ pattern: '*', mode: 'never' as const, adopt: false, afterMs: 1, terms: TERMS }]
    const client = await clientOf(era, await startRig(kept(store, actor, { server: { tasks } })))
    expect(await client.status(await client.call())).toBe('working')
    expect((await store.list({ count: 1 })).tasks).toEqual([])
    const broken = { ...newStore(), create: () => Promise.reject(new Error('no room on the disk')) }
    const rig = await startRig(kept(broken, actor))
    const other = await clientOf(era, rig)
    const taskId = await other.call()
    expect(await other.status(taskId)).toBe('working')
    lastOf(actor).end('completed', { result: done })
    await eventually(async () => (await other.status(taskId)) === 'completed')
    expect(rig.events).toMatchObject([{ event: 'task_not_kept' }])
  })
})

describe.each(CELLS)('a %s client that cancels what has just ended at a %s server', (era, form) => {
  it.each(['here', 'elsewhere'])('gets its result all the same (%s)', async (where) => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const [first, second] = await startTwo(kept(store, actor))
    const one = await clientOf(era, first)
    const other = await clientOf(era, second)
    const taskId = await one.call()
    const task = lastOf(actor)
    task.state = { ...task.state, pollInterval: 60_000, pollIntervalMs: 60_000 }
    task.end('completed', { result: done })
    await (where === 'here' ? one : other).send('tasks/cancel', { taskId })
    expect(await other.outcome(taskId)).toMatchObject({ result: done })
    await phaseIs(store, 'completed')
  })
})

describe('a modern client\'s task of a legacy server, whose follower is gone', () => {
  it('is held by the next one, which asks its client what the server asks, under keys of its own', async () => {
    const actor = closeAfter(await startLegacyTasks())
    const store = newStore()
    const first = await openRig(kept(store, actor))
    const ask = async (rig: Pick<Rig, 'port'>, method: string, params: Json): Promise<Json> =>
      resultOf(await modern(rig.port, method, params, { path: PATH, headers: method === 'tools/call' ? {} : { 'mcp-name': String(params['taskId']) }, meta: { 'io.modelcontextprotocol/clientCapabilities': { ...DECLARED, ...INPUT } } }))
    const { taskId } = await ask(first, 'tools/call', { name: 'slow' })
    const asked = lastOf(actor).ask('elicitation/create', FORM)
    await eventually(async () => 'input-1' in ((await ask(first, 'tasks/get', { taskId }))['inputRequests'] as Json | undefined ?? {}))
    await ask(first, 'tasks/update', { taskId, inputResponses: { 'input-1': accept } })
    await asked
    const holds = actor.calls('tasks/result').length
    await first.close()
    const second = await startRig(kept(store, actor))
    await eventually(async () => actor.calls('tasks/result').length > holds)
    const again = lastOf(actor).ask('elicitation/create', FORM)
    let requests: Json = {}
    await eventually(async () => Object.keys((requests = (await ask(second, 'tasks/get', { taskId }))['inputRequests'] as Json | undefined ?? {})).length > 0)
    expect(Object.keys(requests)).toEqual(['input-2-1'])
    await ask(second, 'tasks/update', { taskId, inputResponses: { 'input-2-1': accept } })
    expect(await again).toMatchObject({ result: accept })
    lastOf(actor).end('completed', { result: done })
    await phaseIs(store, 'completed')
    expect(await ask(second, 'tasks/get', { taskId })).toMatchObject({ status: 'completed', result: done })
    expect(actor.calls('tools/call')).toHaveLength(1)
  })
})

describe.each(['modern', 'legacy'] as const)('the end of a task of a %s server', (form) => {
  it.each(['at the replica that follows it', 'at another one'])('is told to a listen %s, once', async (where) => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const [first, second] = await startTwo(kept(store, actor))
    const taskId = await (await clientOf('modern', first)).call()
    const at = where.startsWith('at another') ? second : first
    const stream = closeAfter(await listenTo(at.port, taskId))
    await stream.count(1)
    lastOf(actor).end('completed', { result: done })
    await phaseIs(store, 'completed')
    const ends = (of: Stream): Json[] => of.messages().filter(({ params }) => (params as Json)['status'] === 'completed')
    await eventually(async () => ends(stream).length > 0)
    expect(ends(stream)).toMatchObject([{ method: 'notifications/tasks', params: { taskId, result: done } }])
    forget(actor)
    const late = closeAfter(await listenTo(second.port, taskId))
    await eventually(async () => ends(late).length > 0)
    expect(ends(stream)).toHaveLength(1)
  })
})

describe.each(CELLS)('a %s client that cancels a task of a %s server elsewhere', (era, form) => {
  it('reaches the server all the same', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const [first, second] = await startTwo(kept(store, actor))
    const taskId = await (await clientOf(era, first)).call()
    await (await clientOf(era, second)).send('tasks/cancel', { taskId })
    await eventually(async () => actor.calls('tasks/cancel').length > 0)
    const other = await (await clientOf(era, first)).call()
    const { id } = (await store.list({ count: 5 })).tasks[1] ?? expect.fail('no second row')
    expect((await second.gateway.tasks?.cancel(id))?.ok).toBe(true)
    await eventually(async () => actor.calls('tasks/cancel').some(({ params }) => (params as Json)['taskId'] === 'raw-2'))
    expect(await (await clientOf(era, second)).status(other)).toBe('cancelled')
    expect((await second.gateway.tasks?.retry(id))?.ok).toBe(false)
  })
})

describe('a legacy client\'s task that its modern server has made none of', () => {
  const startCall = async (rig: Rig, name: string): Promise<{ taskId: string; client: Client }> => {
    const client = await clientOf('legacy', rig)
    const { taskId } = resultOf(await client.send('tools/call', { name, task: { ttl: 60_000 } }))['task'] as Json
    return { taskId: String(taskId), client }
  }

  it('keeps its result, and is there for all sessions and replicas of its owner', async () => {
    const actor = closeAfter(await startModernTasks())
    const store = newStore()
    const [first, second] = await startTwo(kept(store, actor))
    const quick = await startCall(first, 'quick')
    const lazy = await startCall(first, 'lazy')
    const other = await clientOf('legacy', second)
    expect(await other.status(lazy.taskId)).toBe('working')
    const waiting = other.outcome(lazy.taskId)
    lastOf(actor).end('completed', { result: done })
    expect(await waiting).toMatchObject({ result: done })
    expect(await other.outcome(quick.taskId)).toMatchObject({ result: { content: [{ text: 'quick' }] } })
    await first.kill()
    expect(resultOf(await other.send('tasks/list', {}))['tasks']).toMatchObject([{ taskId: quick.taskId, status: 'completed' }, { taskId: lazy.taskId, status: 'completed' }])
  })

  it('has an unknown outcome where Portolan was stopped before it had an answer, and is cancelled from anywhere', async () => {
    const actor = closeAfter(await startModernTasks())
    const store = newStore()
    const first = await openRig(kept(store, actor))
    const { taskId } = await startCall(first, 'lazy')
    await first.close()
    const [one, two] = await startTwo(kept(store, actor))
    const later = await clientOf('legacy', two)
    expect(await later.status(taskId)).toBe('failed')
    expect(await later.outcome(taskId)).toMatchObject({ error: { code: -31_024 } })
    const lazy = await startCall(one, 'lazy')
    await later.send('tasks/cancel', { taskId: lazy.taskId })
    await eventually(async () => (await lazy.client.status(lazy.taskId)) === 'cancelled')
    expect(actor.calls('tools/call')).toHaveLength(2)
  })
})
