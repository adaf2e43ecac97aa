import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createHints } from '../../adapters/memory/hints.ts'
import { createSeededRandom } from '../../adapters/memory/random.ts'
import { createTaskStore } from '../../adapters/memory/task-store.ts'
import { createTaskOperations } from '../../core/task/task-operations.ts'
import { createTasks } from '../../core/task/tasks.ts'
import { newTask, taskOrigin } from '../../../test/contracts/task-store.contract.ts'
import { taskAnswer } from './task-answer.ts'

async function play() {
  const clock = createManualClock(1_700_000_000_000)
  const store = createTaskStore(clock)
  const bounds = { live: 100, total: 100, bytes: 1e9 }
  const tasks = createTasks({ store, clock, hints: createHints(), bounds: () => bounds })
  const operations = createTaskOperations(store, tasks, createSeededRandom(3))
  const ask = (method: string, url: string) => taskAnswer(operations, method, url)
  const { task } = await store.create(newTask('dead'))
  const { tasks: [claimed = task] } = await store.claim({ holder: 'r', count: 1, perOwner: 1, rooms: new Map(), leaseMs: 1_000, gone: [] })
  const failure = { attempt: 1, atMs: 1, reason: 'transport', message: 'gone' } as const
  await tasks.move(claimed, { kind: 'giveUp', epoch: 1, errorText: '{"code":1}', failure })
  clock.advance(1)
  await store.create(newTask('live', { origin: taskOrigin({ ownerKey: 'bob', label: 'Bob' }) }))
  return { ask, store, tasks }
}

describe('tasks on the operations socket', () => {
  it('are listed of everybody, by phase and page by page, without arguments or results', async () => {
    const { ask } = await play()
    const { status, body } = await ask('GET', '/tasks')
    expect(status).toBe(200)
    expect(body).toMatchObject({ tasks: [{ id: 'dead', phase: 'dead', owner: 'Alice', attempts: 1, message: 'gone' }, { id: 'live', phase: 'queued', owner: 'Bob' }] })
    expect(JSON.stringify(body)).not.toMatch(/arguments|"code"/)
    const first = (await ask('GET', '/tasks?count=1')).body as { next: string }
    expect((await ask('GET', `/tasks?count=1&after=${encodeURIComponent(first.next)}`)).body).toMatchObject({ tasks: [{ id: 'live' }] })
    expect((await ask('GET', '/tasks?phase=dead,failed')).body).toMatchObject({ tasks: [{ id: 'dead' }] })
    expect((await ask('GET', '/tasks?phase=lost')).status).toBe(400)
  })

  it('are shown one by one, with request and result only where asked for', async () => {
    const { ask } = await play()
    const { body } = await ask('GET', '/tasks/dead')
    expect(body).toMatchObject({ id: 'dead', failures: [{ reason: 'transport' }], resultBytes: 10 })
    expect(body).not.toHaveProperty('request')
    expect((await ask('GET', '/tasks/dead?full=1')).body).toMatchObject({ result: '{"code":1}', request: expect.stringContaining('tools/call') })
    expect((await ask('GET', '/tasks/never')).status).toBe(404)
  })

  it('are retried once, as another task of the same owner, and only when dead', async () => {
    const { ask, store, tasks } = await play()
    const both = await Promise.all([ask('POST', '/tasks/dead/retry'), ask('POST', '/tasks/dead/retry')])
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 409])
    const made = both.find(({ status }) => status === 200)?.body as { id: string }
    expect(made).toMatchObject({ phase: 'queued', owner: 'Alice', attempts: 0 })
    expect(await tasks.find('alice', 'dead')).toMatchObject({ task: { phase: 'dead', progress: { retriedAs: made.id } } })
    expect((await store.list({ ownerKey: 'alice', count: 9 })).tasks).toHaveLength(2)
    expect(await ask('POST', '/tasks/dead/retry')).toMatchObject({ status: 409, body: { error: expect.stringContaining(made.id) } })
    expect((await ask('POST', '/tasks/live/retry')).status).toBe(409)
  })

  it('are retried by the next who asks, where the store went away before the other task was made', async () => {
    const { ask, store, tasks } = await play()
    const [dead] = (await store.list({ phases: ['dead'], count: 1 })).tasks
    if (dead === undefined) throw new Error('none is dead')
    await tasks.move(dead, { kind: 'retried', as: 'never made' })
    expect(await ask('POST', '/tasks/dead/retry')).toMatchObject({ status: 200, body: { id: 'never made', phase: 'queued' } })
    expect((await ask('POST', '/tasks/dead/retry')).status).toBe(409)
  })

  it('are cancelled before they have ended, and dropped after', async () => {
    const { ask, tasks } = await play()
    expect((await ask('POST', '/tasks/dead/cancel')).status).toBe(409)
    expect((await ask('POST', '/tasks/live/drop')).status).toBe(409)
    expect((await ask('POST', '/tasks/live/cancel')).body).toMatchObject({ phase: 'cancelled' })
    expect((await ask('POST', '/tasks/live/drop')).status).toBe(200)
    expect(await tasks.find('bob', 'live')).toMatchObject({ kind: 'expired' })
    expect((await ask('POST', '/tasks/live/drop')).status).toBe(404)
  })

  it('are changed by POST only, and only in ways that there are', async () => {
    const { ask } = await play()
    expect((await ask('GET', '/tasks/live/cancel')).status).toBe(405)
    expect((await ask('POST', '/tasks')).status).toBe(405)
    expect((await ask('POST', '/tasks/live/explode')).status).toBe(404)
    expect((await taskAnswer(undefined, 'GET', '/tasks')).status).toBe(404)
  })
})
