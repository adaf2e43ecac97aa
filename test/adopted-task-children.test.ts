/** Tasks made in a child process: they are known in it alone, and are followed where it is. */
import { describe, expect, it } from 'vitest'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import type { TaskStore } from '../src/core/task/task-store.ts'
import { startLegacyTasks } from './fixtures/upstream/task-actor.ts'
import { CELLS, PATH, clientOf, eventually, kept, lastOf, newStore, phaseIs, startActor } from './adopted-task-rig.ts'
import { closeAfter, openRig, startRig } from './gateway-rig.ts'
import { legacy, messageOf, openSession } from './mcp-client.ts'
import { startTwo } from './replica-rig.ts'
import { INPUT, VIA, done, resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

describe.each(CELLS.filter(([client, form]) => client === form))('a %s client\'s task of a %s server in a child', (era, form) => {
  it('is not looked for in another process than the one that made it', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const [first, second] = await startTwo(kept(store, actor, { servers: { actor: VIA.stdio(actor.url) }, server: { era: form } }))
    const taskId = await (await clientOf(era, first)).call()
    const client = await clientOf(era, second)
    expect(await client.status(taskId)).toBe('working')
    await first.close()
    const looks = actor.calls('tasks/get').length
    lastOf(actor).end('completed', { result: done })
    await phaseIs(store, 'failed')
    expect(await client.outcome(taskId)).toMatchObject({ error: { code: -31_024 } })
    expect(actor.calls('tasks/get')).toHaveLength(looks)
  })
})

describe.each(CELLS.filter(([, form]) => form === 'legacy'))('a %s client\'s task of a %s server in a child, whose lease is lost for a while', (era, form) => {
  it('is followed where the child is, and not given up by anybody', async () => {
    const actor = closeAfter(await startActor(form))
    let aheadMs = 0
    let isTaken = false
    const inner = createTaskStore({ nowMs: () => Date.now() + aheadMs })
    /** The one without the child is the first to claim it. */
    const store: TaskStore = {
      ...inner,
      async claim(claim) {
        if (claim.holder === 'r0' && !isTaken) return { nowMs: Date.now() + aheadMs, tasks: [] }
        const claimed = await inner.claim(claim)
        isTaken ||= claimed.tasks.some(({ epoch }) => epoch === 3)
        return claimed
      },
    }
    const [first, second] = await startTwo(kept(store, actor, { servers: { actor: VIA.stdio(actor.url) }, server: { era: form } }))
    const taskId = await (await clientOf(era, first)).call()
    aheadMs = 16_000
    const [row] = (await store.claim({ holder: 'nobody', leaseMs: 1, gone: [], count: 1, perOwner: 1, rooms: new Map() })).tasks
    expect(row).toMatchObject({ holder: 'nobody', epoch: 2 })
    await eventually(async () => (await store.list({ count: 1 })).tasks[0]?.epoch === 4)
    lastOf(actor).end('completed', { result: done })
    await phaseIs(store, 'completed')
    expect(await (await clientOf(era, second)).outcome(taskId)).toMatchObject({ result: done })
  })
})

describe.each(CELLS)('a %s client\'s task of a %s server in a child whose replica is told to end', (era, form) => {
  it('has the result that comes before the drain is over, at the next replica', async () => {
    const actor = closeAfter(await startActor(form))
    const store = newStore()
    const [first, second] = await startTwo(kept(store, actor, { servers: { actor: VIA.stdio(actor.url) }, server: { era: form, state: 'replayable' } }))
    const taskId = await (await clientOf(era, first)).call()
    const drained = first.gateway.drain(20_000)
    const client = await clientOf(era, second)
    expect(await client.status(taskId)).toBe('working')
    lastOf(actor).end('completed', { result: done })
    await drained
    await first.kill()
    expect(await client.outcome(taskId)).toMatchObject({ result: done })
    expect(actor.calls('tools/call')).toHaveLength(1)
  })
})

describe('a task made in the child of one session', () => {
  it('has the result that comes before the drain of its replica is over', async () => {
    const actor = closeAfter(await startLegacyTasks())
    const [first, second] = await startTwo(kept(newStore(), actor, { servers: { actor: VIA.stdio(actor.url) }, server: { era: 'legacy', state: 'replayable' } }))
    const session = await openSession(first.port, { path: PATH, capabilities: INPUT })
    const { taskId } = resultOf(await legacy(first.port, session, 'tools/call', { name: 'slow', arguments: {}, task: { ttl: 60_000 } }, { path: PATH }))['task'] as Json
    const drained = first.gateway.drain(20_000)
    lastOf(actor).end('completed', { result: done })
    await drained
    await first.kill()
    expect(messageOf(await legacy(second.port, session, 'tasks/result', { taskId }, { path: PATH }))).toMatchObject({ result: done })
  })

  it('is looked for in no other child, also of the same replica', async () => {
    const actor = closeAfter(await startLegacyTasks())
    const store = newStore()
    const options = kept(store, actor, { servers: { actor: VIA.stdio(actor.url) }, server: { era: 'legacy' } })
    const first = await openRig(options)
    const session = await openSession(first.port, { path: PATH, capabilities: INPUT })
    const { taskId } = resultOf(await legacy(first.port, session, 'tools/call', { name: 'slow', arguments: {}, task: { ttl: 60_000 } }, { path: PATH }))['task'] as Json
    await first.close()
    const looks = actor.calls('tasks/get').length
    lastOf(actor).end('completed', { result: done })
    const client = await clientOf('legacy', await startRig(options))
    await phaseIs(store, 'failed')
    expect(await client.outcome(String(taskId))).toMatchObject({ error: { code: -31_024 } })
    expect(actor.calls('tasks/get')).toHaveLength(looks)
    expect(actor.calls('tasks/result')).toEqual([])
  })
})
