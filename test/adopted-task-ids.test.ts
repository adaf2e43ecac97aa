/** Servers that give the id of one task to another: what is kept, shown or told of the first is never the second one's. */
import { describe, expect, it } from 'vitest'
import { sleep } from './fixtures/upstream/support.ts'
import type { ActorTask } from './fixtures/upstream/task-actor.ts'
import { closeAfter, openRig, startRig } from './gateway-rig.ts'
import { CELLS, clientOf, eventually, kept, lastOf, listenTo, newStore, phaseIs, startActor } from './adopted-task-rig.ts'
import type { Json } from './task-rig.ts'

describe.each(CELLS)('a %s client\'s task of a %s server that gives its id to another one', (era, form) => {
  const bobs = { content: [{ type: 'text', text: 'Bob\'s' }] }
  /** Its process was restarted, and counts its tasks anew. */
  const beAnother = (task: ActorTask): void => void (task.state = { ...task.state, createdAt: '2026-01-01T00:00:01.000Z', lastUpdatedAt: '2026-01-01T00:00:01.000Z' })

  it('is not that one: neither its result nor its status is shown, nor kept', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const first = await openRig(kept(store, actor))
    const taskId = await (await clientOf(era, first)).call()
    await first.close()
    beAnother(lastOf(actor))
    lastOf(actor).end('completed', { result: bobs })
    const client = await clientOf(era, await startRig(kept(store, actor)))
    expect(await client.status(taskId)).not.toBe('completed')
    expect(await client.outcome(taskId)).not.toMatchObject({ result: bobs })
    await phaseIs(store, 'failed')
    expect(await client.outcome(taskId)).toMatchObject({ error: { code: -31_024 } })
    expect(JSON.stringify((await store.list({ count: 5 })).tasks)).not.toContain('Bob')
  })

  it.runIf(era === 'modern')('is not that one to who listens either', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const first = await openRig(kept(store, actor))
    const taskId = await (await clientOf(era, first)).call()
    await first.close()
    beAnother(lastOf(actor))
    const stream = closeAfter(await listenTo((await startRig(kept(store, actor))).port, taskId))
    await stream.count(1)
    lastOf(actor).end('completed', { result: bobs })
    await eventually(async () => stream.messages().some(({ params }) => (params as Json)['status'] === 'failed'))
    expect(JSON.stringify(stream.messages())).not.toContain('Bob')
  })

  it('is cancelled here alone', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const first = await openRig(kept(store, actor))
    const taskId = await (await clientOf(era, first)).call()
    await first.close()
    beAnother(lastOf(actor))
    const client = await clientOf(era, await startRig(kept(store, actor)))
    await client.send('tasks/cancel', { taskId })
    await phaseIs(store, 'cancelled')
    await sleep(100)
    expect(actor.calls('tasks/cancel')).toEqual([])
    expect(lastOf(actor).state['status']).toBe('working')
  })

  it('is not kept, nor is the other, where both go on and are one client\'s', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const rig = await startRig(kept(store, actor))
    const client = await clientOf(era, rig)
    await client.call()
    const [first] = actor.tasks.splice(0)
    await client.call()
    expect(lastOf(actor).id).toBe(first?.id)
    // Portolan names the others itself.
    const isNamedByServer = era === form
    expect((await store.list({ count: 5 })).tasks).toHaveLength(isNamedByServer ? 0 : 2)
    expect(rig.events.filter(({ event }) => event === 'task_not_kept')).toHaveLength(isNamedByServer ? 1 : 0)
  })
})
