import { describe, expect, it } from 'vitest'
import { newTask, taskOrigin } from '../../../test/contracts/task-store.contract.ts'
import { startAdminRig } from '../../../test/admin-rig.ts'
import type { AdminRig } from '../../../test/admin-rig.ts'
import { RESOURCES } from './resource-schema.ts'

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

async function play() {
  const rig = await startAdminRig()
  const { store, tasks, clock } = rig
  const { task } = await store.create(newTask('dead'))
  const { tasks: [claimed = task] } = await store.claim({ holder: 'r', count: 1, perOwner: 1, rooms: new Map(), leaseMs: 1_000, gone: [] })
  const failure = { attempt: 1, atMs: 1, reason: 'transport', message: 'gone' } as const
  await tasks.move(claimed, { kind: 'giveUp', epoch: 1, errorText: '{"code":1}', failure })
  clock.advance(1)
  await store.create(newTask('live', { origin: taskOrigin({ ownerKey: 'bob', label: 'Bob', tool: 'test' }) }))
  return { ...rig, call: (verb: string, path: string) => call(rig, verb, path) }
}

async function call(rig: AdminRig, verb: string, path: string): Promise<Answer> {
  const response = await rig.ask(`/api/v1${path}`, { verb })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
}

describe('tasks in the admin API', () => {
  it('are listed of everybody, by phase and page by page, without arguments or results', async () => {
    const { call } = await play()
    const { status, body } = await call('GET', '/tasks')
    expect(status).toBe(200)
    expect(body).toMatchObject({ tasks: [{ id: 'dead', phase: 'dead', owner: 'Alice', attempts: 1, reason: 'transport' }, { id: 'live', phase: 'queued', owner: 'Bob' }] })
    expect(JSON.stringify(body)).not.toMatch(/arguments|"code"|gone/)
    const first = await call('GET', '/tasks?count=1')
    expect((await call('GET', `/tasks?count=1&after=${encodeURIComponent(String(first.body['next']))}`)).body).toMatchObject({ tasks: [{ id: 'live' }] })
    expect((await call('GET', '/tasks?phase=dead,gone')).body).toMatchObject({ status: 400, detail: 'phase: there are queued, running, asking, completed, failed, dead, cancelled' })
    expect((await call('GET', '/tasks?phase=dead,failed')).body).toMatchObject({ tasks: [{ id: 'dead' }] })
  })

  it('say what their owners are told only where that is asked for, which the ledger says; codes they say always', async () => {
    const { call, ledger, store, tasks } = await play()
    const asked = ['/tasks', '/tasks/dead', '/tasks/dead?content=false']
    for (const path of asked) expect(JSON.stringify((await call('GET', path)).body), path).not.toMatch(/gone|message/)
    expect((await call('GET', '/tasks/dead')).body).toMatchObject({ phase: 'dead', reason: 'transport', isOfServer: false, failures: [{ attempt: 1, atMs: 1, reason: 'transport' }] })
    expect(ledger.records()).toEqual([])
    expect((await call('GET', '/tasks?content=true')).body).toMatchObject({ tasks: [{ message: 'gone' }, { message: '' }] })
    expect((await call('GET', '/tasks/dead?content=true')).body).toMatchObject({ message: 'gone', serverTask: '', failures: [{ message: 'gone' }] })
    expect(ledger.records()).toMatchObject([{ principal: 'operator:alice', method: 'admin/listTasks', subject: '' }, { method: 'admin/getTask', subject: 'dead' }])
    const [dead] = (await store.list({ phases: ['dead'], count: 1 })).tasks
    if (dead === undefined) throw new Error('none is dead')
    expect((await tasks.move(dead, { kind: 'retried', as: 'again' })).ok).toBe(true)
    expect(JSON.stringify((await call('POST', '/tasks/dead/retry')).body)).not.toContain('message')
  })

  it('of servers keep the server\'s id of them to who asks for content: at servers that check nothing else it is enough', async () => {
    const { call, store } = await play()
    const adopted = { taskId: 'capability', subject: 's', heldBy: '', era: 'modern', said: { status: 'working', statusMessage: undefined, createdAt: '', lastUpdatedAt: '', ttlMs: null, pollIntervalMs: undefined, other: {} } } as const
    await store.create(newTask('kept', { origin: taskOrigin({ adopted }) }))
    const { body } = await call('GET', '/tasks/kept')
    expect(body).toMatchObject({ isOfServer: true })
    expect(JSON.stringify([body, await call('GET', '/tasks?content=true')])).not.toContain('capability')
    expect((await call('GET', '/tasks/kept?content=true')).body).toMatchObject({ serverTask: 'capability' })
  })

  it('say what they wait for by its keys, and what is asked only to who asks for content', async () => {
    const { call, store, tasks, ledger } = await play()
    const { task } = await store.create(newTask('asks', { lease: { holder: 'r', leaseMs: 1_000, isDispatched: true } }))
    const questions = {
      '1.who': '{"method":"elicitation/create","params":{"mode":"form","message":"Whose secret?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}}',
      '1.page': '{"method":"elicitation/create","params":{"mode":"url","message":"Sign in","elicitationId":"e","url":"https://me:pass@shop.example/start?code=hidden#hidden"}}',
    }
    expect((await tasks.move(task, { kind: 'ask', epoch: 1, isHeld: false, questions, stateText: '' })).ok).toBe(true)
    for (const path of ['/tasks/asks', '/tasks', '/tasks?content=true']) expect(JSON.stringify((await call('GET', path)).body), path).not.toMatch(/questions|secret|shop/)
    expect((await call('GET', '/tasks/asks')).body).toMatchObject({ phase: 'asking', asks: ['1.who', '1.page'] })
    expect(ledger.records()).toMatchObject([{ method: 'admin/listTasks' }])
    const { body } = await call('GET', '/tasks/asks?content=true')
    expect(RESOURCES.TaskDetail.parse(body).questions).toEqual([
      { key: '1.who', method: 'elicitation/create', message: 'Whose secret?', schema: { type: 'object', properties: { name: { type: 'string' } } } },
      { key: '1.page', method: 'elicitation/create', message: 'Sign in', url: 'https://shop.example/start' },
    ])
    expect(ledger.records()).toMatchObject([{ method: 'admin/listTasks' }, { principal: 'operator:alice', method: 'admin/getTask', subject: 'asks' }])
  })

  it('are found by server, tool and owner, all of them at once', async () => {
    const { call, store, clock } = await play()
    clock.advance(1)
    await store.create(newTask('other', { origin: taskOrigin({ upstreamId: 'mail', label: 'Bob' }) }))
    const ids = async (query: string): Promise<unknown> => ((await call('GET', `/tasks?${query}`)).body['tasks'] as { id: string }[]).map(({ id }) => id)
    expect(await ids('server=mail')).toEqual(['other'])
    expect(await ids('tool=test')).toEqual(['live'])
    expect(await ids('owner=Bob')).toEqual(['live', 'other'])
    expect(await ids('owner=Bob&server=files&phase=queued')).toEqual(['live'])
    expect(await ids('owner=Carol')).toEqual([])
  })

  it('are looked for in steps of bounded cost: a page may be empty and still lead on', async () => {
    const { call, store, clock } = await play()
    for (let at = 0; at < 2_050; at += 1) {
      clock.advance(1)
      await store.create(newTask(`t${at}`))
    }
    clock.advance(1)
    await store.create(newTask('last', { origin: taskOrigin({ label: 'Dora' }) }))
    const first = await call('GET', '/tasks?owner=Dora')
    expect(first.body).toMatchObject({ tasks: [], next: expect.any(String) })
    const second = await call('GET', `/tasks?owner=Dora&after=${encodeURIComponent(String(first.body['next']))}`)
    expect(second.body).toEqual({ tasks: [expect.objectContaining({ id: 'last' })] })
  })

  it('are shown one by one, with request and result only where asked for, which the ledger says', async () => {
    const { call, ledger } = await play()
    const { body } = await call('GET', '/tasks/dead')
    expect(body).toMatchObject({ id: 'dead', failures: [{ reason: 'transport' }], resultBytes: 10 })
    expect(body).not.toHaveProperty('request')
    expect(ledger.records()).toEqual([])
    expect((await call('GET', '/tasks/dead?content=true')).body).toMatchObject({ result: '{"code":1}', request: expect.stringContaining('tools/call') })
    expect(ledger.records()).toMatchObject([{ principal: 'operator:alice', method: 'admin/getTask', subject: 'dead', upstreamId: 'files', outcome: 'answered', status: 200 }])
    expect(await call('GET', '/tasks/never')).toMatchObject({ status: 404, body: { code: 'task_not_found', detail: expect.stringContaining('There is no task of this id') } })
  })

  it('are retried once, as another task of the same owner, and only when dead', async () => {
    const { call, store, tasks } = await play()
    const both = await Promise.all([call('POST', '/tasks/dead/retry'), call('POST', '/tasks/dead/retry')])
    expect(both.map(({ status }) => status).toSorted()).toEqual([201, 409])
    const made = both.find(({ status }) => status === 201)?.body ?? {}
    expect(made).toMatchObject({ phase: 'queued', owner: 'Alice', attempts: 0 })
    expect(await tasks.find('alice', 'dead')).toMatchObject({ task: { phase: 'dead', progress: { retriedAs: made['id'] } } })
    expect((await store.list({ ownerKey: 'alice', count: 9 })).tasks).toHaveLength(2)
    expect(await call('POST', '/tasks/dead/retry')).toMatchObject({ status: 409, body: { code: 'task_retried', retriedAs: made['id'], detail: expect.stringContaining(String(made['id'])) } })
    expect(await call('POST', '/tasks/live/retry')).toMatchObject({ status: 409, body: { code: 'task_not_dead' } })
  })

  it('are retried by the next who asks, where the store went away before the other task was made', async () => {
    const { call, store, tasks } = await play()
    const [dead] = (await store.list({ phases: ['dead'], count: 1 })).tasks
    if (dead === undefined) throw new Error('none is dead')
    await tasks.move(dead, { kind: 'retried', as: 'never-made' })
    expect(await call('POST', '/tasks/dead/retry')).toMatchObject({ status: 201, body: { id: 'never-made', phase: 'queued' } })
    expect((await call('POST', '/tasks/dead/retry')).status).toBe(409)
  })

  it('are cancelled before they have ended, and dropped after', async () => {
    const { call, tasks } = await play()
    expect(await call('POST', '/tasks/dead/cancel')).toMatchObject({ status: 409, body: { code: 'task_over' } })
    expect(await call('DELETE', '/tasks/live')).toMatchObject({ status: 409, body: { code: 'task_not_over' } })
    expect((await call('POST', '/tasks/live/cancel')).body).toMatchObject({ phase: 'cancelled' })
    expect(await call('DELETE', '/tasks/live')).toEqual({ status: 204, body: {} })
    expect(await tasks.find('bob', 'live')).toMatchObject({ kind: 'expired' })
    expect((await call('DELETE', '/tasks/live')).status).toBe(404)
  })

  it('leave a record of who changed which, and of what came of it', async () => {
    const { call, ledger } = await play()
    await call('POST', '/tasks/live/cancel')
    await call('POST', '/tasks/live/cancel')
    await call('DELETE', '/tasks/live')
    await call('GET', '/tasks')
    expect(ledger.records()).toMatchObject([
      { transport: 'http', era: '', principal: 'operator:alice', endpoint: 'api', method: 'admin/cancelTask', subject: 'live', upstreamId: 'files', outcome: 'answered', status: 200, errorCode: '' },
      { principal: 'operator:alice', method: 'admin/cancelTask', subject: 'live', outcome: 'refused', status: 409, errorCode: 'task_over' },
      { principal: 'operator:alice', method: 'admin/dropTask', subject: 'live', outcome: 'answered', status: 204 },
    ])
  })

  it('are not there for a gateway without a store for them', async () => {
    const rig = await startAdminRig({ source: { tasks: undefined } })
    expect(await call(rig, 'GET', '/tasks')).toMatchObject({ status: 501, body: { code: 'no_task_store' } })
  })
})
