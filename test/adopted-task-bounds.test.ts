/** Servers that say much of a task: their client hears it all while it goes on, and the row beside it stays small. */
import { describe, expect, it } from 'vitest'
import { closeAfter, startRig } from './gateway-rig.ts'
import { CELLS, clientOf, eventually, kept, lastOf, newStore, phaseIs, startActor } from './adopted-task-rig.ts'
import { resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

const LONG = 'm'.repeat(50_000)
const CUT = /^m{4000,} … \[cut: 50000 characters in all\]$/

describe.each(CELLS)('a %s client\'s task of a %s server that says much of it', (era, form) => {
  it('is told in the server\'s words while it goes on, and kept in as many as there is room for', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const client = await clientOf(era, await startRig(kept(store, actor)))
    // So seldom that only what the client asks is news.
    Object.assign(actor.begins, { statusMessage: LONG, 'x.y/more': LONG, pollInterval: 60_000, pollIntervalMs: 60_000 })
    const taskId = await client.call()
    const row = async (): Promise<Json> => (await store.list({ count: 1 })).tasks[0] as unknown as Json
    expect(JSON.stringify(await row()).length).toBeLessThan(16_000)
    for (let times = 0; times < 2; times += 1) expect(resultOf(await client.send('tasks/get', { taskId }))['statusMessage']).toBe(LONG)
    const { version } = await row()
    for (let times = 0; times < 3; times += 1) await client.send('tasks/get', { taskId })
    expect((await row())['version']).toBe(version)
    lastOf(actor).end('completed', { result: { content: [] } })
    await client.outcome(taskId)
    await phaseIs(store, 'completed')
    const ended = await row()
    expect(JSON.stringify(ended).length).toBeLessThan(16_000)
    expect(ended).toMatchObject({ progress: { said: { statusMessage: expect.stringMatching(CUT), other: {} } } })
    expect(resultOf(await client.send('tasks/get', { taskId }))).toMatchObject({ status: 'completed', statusMessage: expect.stringMatching(CUT) })
  })

  it('is its server\'s alone where the time that tells it from others is no time', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const rig = await startRig(kept(store, actor))
    const client = await clientOf(era, rig)
    Object.assign(actor.begins, { createdAt: 'c'.repeat(65) })
    const taskId = await client.call()
    expect(await client.status(taskId)).toBe('working')
    await eventually(async () => rig.events.length > 0 && (await store.list({ count: 1 })).tasks.length === 0)
    expect(rig.events).toMatchObject([{ event: 'task_not_kept', fields: { detail: expect.stringContaining('too long') } }])
    lastOf(actor).end('completed', { result: { content: [] } })
    await eventually(async () => (await client.status(taskId)) === 'completed')
    expect(await client.outcome(taskId)).toMatchObject({ result: { content: [] } })
  })
})

describe('a legacy client\'s call that becomes such a task of its modern server\'s later', () => {
  it('leaves no row of the call behind, and is its server\'s', async () => {
    const actor = closeAfter(await startActor('modern'))
    const store = newStore()
    const rig = await startRig(kept(store, actor))
    const client = await clientOf('legacy', rig)
    const created = resultOf(await client.send('tools/call', { name: 'late', arguments: {}, task: { ttl: 60_000 } }))
    const taskId = String((created['task'] as Json)['taskId'])
    expect((await store.list({ count: 2 })).tasks).toMatchObject([{ phase: 'running' }])
    Object.assign(actor.begins, { createdAt: 'c'.repeat(65) })
    actor.waiting[0]?.()
    await eventually(async () => (await store.list({ count: 1 })).tasks.length === 0)
    expect(await client.status(taskId)).toBe('working')
    lastOf(actor).end('completed', { result: { content: [] } })
    await eventually(async () => (await client.status(taskId)) === 'completed')
    expect(await client.outcome(taskId)).toMatchObject({ result: { content: [] } })
    expect((await store.list({ count: 1 })).tasks).toEqual([])
  })
})
