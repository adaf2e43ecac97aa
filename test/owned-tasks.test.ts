/** Tasks that Portolan owns, over ordinary tools of servers of either era, for modern clients. */
import { describe, expect, it } from 'vitest'
import { createHints } from '../src/adapters/memory/hints.ts'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { sha256 } from '../src/adapters/node/digest.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import type { ToolTasks } from '../src/core/gateway/snapshot.ts'
import type { TaskTerms } from '../src/core/task/stored-task.ts'
import type { TaskStore } from '../src/core/task/task-store.ts'
import { PortolanError } from '../src/protocol/error.ts'
import { META } from '../src/protocol/meta.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor, ActorCall } from './fixtures/upstream/actor.ts'
import { http, sendJson, sleep, until } from './fixtures/upstream/support.ts'
import { TERMS } from './contracts/task-store.contract.ts'
import { closeAfter, openRig, startRig } from './gateway-rig.ts'
import type { OpenRig, Rig, RigOptions } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, messageOf, modern, modernRequest, openStream } from './mcp-client.ts'
import { DECLARED, FORM, INPUT, TASKS, accept, resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

const SETTING: ToolTasks = { pattern: '*', mode: 'always', afterMs: 150, terms: { ...TERMS, baseDelayMs: 1, maxDelayMs: 2 } }
const done = { content: [{ type: 'text', text: 'done' }] }

interface Scene {
  readonly rig: Rig
  readonly actor: Actor
  /** Calls of the tool that the server got. */
  readonly calls: ActorCall[]
  readonly store: TaskStore
  send(method: string, params: Json, how?: { readonly capabilities?: Json; readonly token?: string; readonly meta?: Json }): Promise<Answer>
  call(args?: Json, how?: { readonly capabilities?: Json; readonly token?: string; readonly meta?: Json }): Promise<Json>
  get(taskId: unknown, token?: string): Promise<Json>
  reach(taskId: unknown, status: string): Promise<Json>
}

interface Play {
  readonly mode?: ToolTasks['mode']
  readonly terms?: Partial<TaskTerms>
  readonly act?: Act
  readonly store?: TaskStore
  readonly options?: Partial<RigOptions>
  readonly open?: (options: RigOptions) => Promise<Rig>
}

describe.each(['modern', 'legacy'] as const)('a task of Portolan\'s at a %s server', (era) => {
  async function play({ mode = 'always', terms = {}, act = () => undefined, store = createTaskStore(createSystemClock()), options = {}, open = startRig }: Play = {}): Promise<Scene> {
    const calls: ActorCall[] = []
    const actor = closeAfter(await startActor([era], { slow: (call) => (calls.push(call), act(call)) }))
    const tasks = [{ ...SETTING, mode, terms: { ...SETTING.terms, ...terms } }]
    const rig = await open({ servers: { actor: http(actor.url) }, server: { tasks }, deps: { tasks: { store, sha256 } }, ...options })
    return { rig, actor, calls, store, ...clientOf(rig) }
  }

  it('is the answer where its tool always makes one, and keeps the result', async () => {
    const { send, call, reach, calls } = await play()
    expect(resultOf(await send('server/discover', {}))['capabilities']).toMatchObject({ extensions: { [TASKS]: {} } })
    const created = await call({ a: 'ä' })
    expect(created).toEqual({
      resultType: 'task', taskId: expect.stringMatching(/^[A-Za-z0-9_-]+$/), status: 'working', createdAt: expect.any(String), lastUpdatedAt: expect.any(String), ttlMs: 60_000, pollIntervalMs: 1_000,
    })
    await until(() => calls.length === 1)
    expect(calls[0]?.args).toEqual({ a: 'ä' })
    // The server is told of no tasks: this one is Portolan's.
    expect(calls[0]?.request.body).not.toContain(TASKS)
    calls[0]?.answer({ ...done, big: 1 })
    const completed = await reach(created['taskId'], 'completed')
    expect(completed).toMatchObject({ resultType: 'complete', taskId: created['taskId'], result: { resultType: 'complete', ...done, big: 1 } })
    expect(await reach(created['taskId'], 'completed')).toEqual(completed)
    expect(calls).toHaveLength(1)
  })

  it('is made, leased and marked by one write, and no other comes before its server is called', async () => {
    for (const isRepeatable of [false, true]) {
      const store = createTaskStore(createSystemClock())
      let writes = 0
      const counting: TaskStore = { ...store, write: (tasks) => ((writes += 1), store.write(tasks)) }
      const { call, calls } = await play({ store: counting, terms: { isRepeatable } })
      await call()
      await until(() => calls.length === 1)
      expect(writes).toBe(0)
      expect((await store.list({ count: 5 })).tasks).toMatchObject([{ phase: 'running', version: 1, epoch: 1, isDispatched: !isRepeatable }])
    }
  })

  it('waits its turn where its owner has enough under way, and keeps nobody else from his', async () => {
    const { call, calls, store, reach } = await play({ options: { limits: { taskAttempts: 4, taskAttemptsPerPrincipal: 1 } } })
    const first = await call({ n: 1 })
    await until(() => calls.length === 1)
    const second = await call({ n: 2 })
    expect((await store.list({ count: 5 })).tasks.map(({ phase, epoch }) => [phase, epoch])).toEqual([['running', 1], ['queued', 1]])
    await call({ n: 3 }, { token: 'bob' })
    await until(() => calls.length === 2)
    expect(calls[1]?.args).toEqual({ n: 3 })
    calls[0]?.answer(done)
    await reach(first['taskId'], 'completed')
    await until(() => calls.length === 3)
    expect(calls[2]?.args).toEqual({ n: 2 })
    calls[2]?.answer(done)
    await reach(second['taskId'], 'completed')
  })

  it('is tried by nobody before it is acknowledged, also where it has to wait', async () => {
    const { call, calls, store } = await play({ options: { limits: { taskAttempts: 4, taskAttemptsPerPrincipal: 1 } } })
    await call({ n: 1 })
    await until(() => calls.length === 1)
    const { create, drop } = store
    let isDropped = false
    store.drop = async (id, tombstoneMs) => (isDropped = await drop(id, tombstoneMs))
    let made: string | undefined
    store.create = async (task) => {
      const { task: { phase, isDispatched } } = await create(task)
      made = `${phase} ${isDispatched}`
      throw new PortolanError('state_unavailable')
    }
    await call({ n: 2 }).catch(() => undefined)
    expect(made).toBe('running false')
    await until(() => isDropped)
    expect(calls).toHaveLength(1)
  })

  it('is not made for a client that did not declare that it takes one', async () => {
    const { send, calls, store } = await play({ act: (call) => call.answer(done) })
    expect(resultOf(await send('tools/call', { name: 'slow', arguments: {} }, { capabilities: {} }))).toMatchObject({ resultType: 'complete', ...done })
    expect(calls).toHaveLength(1)
    expect((await store.list({ count: 5 })).tasks).toEqual([])
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) expect(codeOf(await send(method, { taskId: 'x' }, { capabilities: {} }))).toBe(-32_021)
  })

  it('is made of a call that takes long, with what it has said so far going to its client', async () => {
    const { send, calls, reach } = await play({ mode: 'auto' })
    const answering = send('tools/call', { name: 'slow', arguments: {} }, { meta: { progressToken: 'p' } })
    await until(() => calls.length === 1)
    calls[0]?.send({ method: 'notifications/progress', params: { progressToken: calls[0].token, progress: 1, message: 'one' } })
    const answer = await answering
    expect(answer.text).toContain('"progressToken":"p"')
    const created = resultOf(answer)
    expect(created).toMatchObject({ resultType: 'task', status: 'working' })
    calls[0]?.send({ method: 'notifications/progress', params: { progressToken: calls[0].token, progress: 2, message: 'two' } })
    await sleep(1_100)
    expect(await reach(created['taskId'], 'working')).toMatchObject({ statusMessage: 'two' })
    calls[0]?.answer(done)
    expect(await reach(created['taskId'], 'completed')).toMatchObject({ result: done })
    expect(calls).toHaveLength(1)
  })

  it('is not made where there is no room, and the call goes on for as long as its server says something', async () => {
    const store = createTaskStore(createSystemClock())
    const full = { ...store, usage: async () => ({ live: 1e9, total: 1e9, bytes: 1e9 }) }
    const server = { tasks: [{ ...SETTING, mode: 'auto' }], requestIdleTimeoutMs: 900 } as const
    const { send } = await play({ store: full, options: { server }, act: ({ send: say, token, answer }) => {
      const work = (left: number): void => void setTimeout(() => {
        if (left === 0) return answer(done)
        say({ method: 'notifications/progress', params: { progressToken: token, progress: 20 - left } })
        work(left - 1)
      }, 100)
      work(20)
    } })
    const answer = await send('tools/call', { name: 'slow', arguments: {} }, { meta: { progressToken: 'p' } })
    expect(resultOf(answer)).toMatchObject({ resultType: 'complete', ...done })
  })

  it('is not made of a call that is quick, nor of one that goes away with its client', async () => {
    const { rig, call, calls, store } = await play({ mode: 'auto', act: ({ args, answer }) => args['quick'] === true && answer(done) })
    expect(await call({ quick: true })).toEqual({ resultType: 'complete', ...done })
    const leaving = await openLater(rig)
    await until(() => calls.length === 2)
    leaving.destroy()
    const gone = new Promise((resolve) => calls[1]?.response.on('close', resolve))
    if (era === 'modern') await gone
    await sleep(300)
    expect((await store.list({ count: 5 })).tasks).toEqual([])
  })

  it('is asked before it is one as any call is, and after that as a task', async () => {
    const ask = { who: { method: 'elicitation/create', params: FORM } }
    const { call, send, calls, reach } = await play({ mode: 'auto', act: ({ args, request, answer, send: say }) => {
      const isAnswered = request.json.params?.['inputResponses'] !== undefined
      if (isAnswered) return answer(done)
      const question = (): void => (era === 'modern' ? answer({ resultType: 'input_required', inputRequests: ask, requestState: 'state' }) : say({ id: 'q1', method: 'elicitation/create', params: FORM }))
      if (args['late'] === true) setTimeout(question, 400)
      else question()
    } })
    const how = { capabilities: { ...DECLARED, ...INPUT } }
    const round = await call({}, how)
    expect(round).toMatchObject({ resultType: 'input_required' })
    const [key = ''] = Object.keys(round['inputRequests'] as Json)
    const retried = send('tools/call', { name: 'slow', arguments: {}, inputResponses: { [key]: accept }, requestState: round['requestState'] }, how)
    if (era === 'legacy') setTimeout(() => calls[0]?.answer(done), 50)
    expect(resultOf(await retried)).toMatchObject({ resultType: 'complete', ...done })
    const late = await call({ late: true }, how)
    expect(late).toMatchObject({ resultType: 'task', status: 'working' })
    const asking = await reach(late['taskId'], 'input_required')
    await send('tasks/update', { taskId: late['taskId'], inputResponses: Object.fromEntries(Object.keys(asking['inputRequests'] as Json).map((one) => [one, accept])) })
    if (era === 'legacy') setTimeout(() => calls.at(-1)?.answer(done), 100)
    expect(await reach(late['taskId'], 'completed')).toMatchObject({ result: done })
  })

  it('has failed only where the server answered with an error; what a tool says of itself is a result', async () => {
    const { call, reach, calls } = await play({ act: ({ args, answer, response, id }) => (args['error'] === true ? sendJson(response, { jsonrpc: '2.0', id, error: { code: 42, message: 'no' } }) : answer({ content: [], isError: true })) })
    const refused = await call({ error: true })
    expect(await reach(refused['taskId'], 'failed')).toMatchObject({ error: { code: 42, message: 'no' }, statusMessage: 'no' })
    const faulty = await call()
    expect(await reach(faulty['taskId'], 'completed')).toMatchObject({ result: { isError: true } })
    expect(calls).toHaveLength(2)
  })

  it('asks for input, takes part of it, from any device of its owner, and goes on', async () => {
    const { send, call, get, reach, calls } = await play({ act: era === 'modern' ? askModern : () => undefined })
    const created = await call({}, { capabilities: { ...DECLARED, ...INPUT } })
    await until(() => calls.length === 1)
    if (era === 'legacy') {
      calls[0]?.send({ id: 'q1', method: 'elicitation/create', params: FORM })
      calls[0]?.send({ id: 'q2', method: 'roots/list' })
    }
    const { taskId } = created
    const asking = await reach(taskId, 'input_required')
    const requests = asking['inputRequests'] as Record<string, Json>
    const keys = Object.keys(requests)
    expect(Object.values(requests).map(({ method }) => method)).toEqual(['elicitation/create', 'roots/list'])
    const [first = '', second = ''] = keys
    expect(codeOf(await send('tasks/update', { taskId, inputResponses: { [first]: accept } }, { token: 'bob' }))).toBe(-32_602)
    expect(resultOf(await send('tasks/update', { taskId, inputResponses: { [first]: accept, unknown: {} } }))).toEqual({ resultType: 'complete' })
    expect(Object.keys((await get(taskId))['inputRequests'] as Json)).toEqual([second])
    await send('tasks/update', { taskId, inputResponses: { [first]: { action: 'decline' }, [second]: { roots: [] } } })
    if (era === 'legacy') {
      await sleep(100)
      calls[0]?.answer(done)
    }
    expect(await reach(taskId, 'completed')).toMatchObject({ result: done })
    if (era === 'modern') {
      expect(calls).toHaveLength(2)
      expect(calls[1]?.request.json.params).toMatchObject({ requestState: 'state', inputResponses: { who: accept, where: { roots: [] } } })
    }
  })

  it('is cancelled at its server when it is cancelled', async () => {
    const { send, call, reach, calls, actor } = await play()
    const { taskId } = await call()
    await until(() => calls.length === 1)
    let isClosed = false
    calls[0]?.response.on('close', () => (isClosed = true))
    expect(resultOf(await send('tasks/cancel', { taskId }))).toEqual({ resultType: 'complete' })
    await until(() => (era === 'modern' ? isClosed : actor.requests.some(({ json }) => json.method === 'notifications/cancelled')))
    expect(await reach(taskId, 'cancelled')).not.toHaveProperty('result')
    expect(resultOf(await send('tasks/cancel', { taskId }))).toEqual({ resultType: 'complete' })
  })

  it('is tried again where its server was busy, and says how often', async () => {
    const { call, reach, calls } = await play({ act: busyTwice() })
    const { taskId } = await call()
    const completed = await reach(taskId, 'completed')
    expect(completed['_meta']).toMatchObject({ 'dev.portolan/attempts': calls.length - (calls.length > 3 ? 1 : 0), 'dev.portolan/failures': expect.arrayContaining([expect.objectContaining({ reason: 'busy' })]) })
  })

  it('calls the tool as its server does, from where several servers are one, and when it is tried again', async () => {
    const { rig, reach, calls } = await play({ act: busyTwice() })
    const made = resultOf(await modern(rig.port, 'tools/call', { name: 'actor__slow', arguments: {} }, { meta: { [META.clientCapabilities]: DECLARED } }))
    await reach(made['taskId'], 'completed')
    expect(calls.length).toBeGreaterThan(2)
    for (const { request } of calls) expect(request.json.params).toMatchObject({ name: 'slow' })
  })

  it('is none where the store did not say that it has it: its client calls again', async () => {
    const store = createTaskStore(createSystemClock())
    let drops = 0
    const { send, calls } = await play({ store: {
      ...store,
      create: (task) => store.create(task).then(() => Promise.reject(new PortolanError('state_unavailable'))),
      drop: (id, tombstoneMs) => ((drops += 1) === 1 ? Promise.reject(new PortolanError('state_unavailable')) : store.drop(id, tombstoneMs)),
    } })
    expect(messageOf(await send('tools/call', { name: 'slow', arguments: {} }))).toMatchObject({ error: {} })
    expect((await store.list({ count: 5 })).tasks).toHaveLength(1)
    await expect.poll(async () => (await store.list({ count: 5 })).tasks).toEqual([])
    expect(calls).toEqual([])
  })

  it('never runs as another tool that has its name by now', async () => {
    const { call, reach, calls, store } = await play({ act: (one) => one.answer(done) })
    await reach((await call())['taskId'], 'completed')
    const [first] = (await store.list({ count: 1 })).tasks
    if (first === undefined) throw new Error('no task')
    const others = [{ tool: 'other' }, { upstreamId: 'other' }]
    for (const other of others) await store.create({ id: JSON.stringify(other), origin: { ...first.origin, ...other }, idempotency: undefined, lease: undefined })
    const later = await play({ store })
    const phases = async (): Promise<unknown> => (await store.list({ count: 3 })).tasks.map(({ phase }) => phase).toSorted()
    await expect.poll(phases).toEqual(['completed', 'failed', 'failed'])
    expect([calls.length, later.calls.length]).toEqual([1, 0])
  })

  it('never runs twice where it may have run: its outcome is unknown', async () => {
    const { call, reach, calls } = await play({ terms: { retryOn: ['transport', 'timeout', 'busy'] }, act: ({ response }) => response.destroy() })
    const { taskId } = await call()
    expect(await reach(taskId, 'failed')).toMatchObject({ error: { code: -31_024 } })
    await sleep(50)
    expect(calls).toHaveLength(1)
  })

  it('runs again where that is declared harmless, up to the last attempt', async () => {
    const { call, reach, calls } = await play({ terms: { isRepeatable: true }, act: ({ response }) => response.destroy() })
    const { taskId } = await call()
    expect(await reach(taskId, 'failed')).toMatchObject({ _meta: { 'dev.portolan/attempts': 3 } })
    expect(calls).toHaveLength(3)
  })

  it('is the same for the same idempotency key and arguments, also at the same time, and for nobody else', async () => {
    const { call, send, calls, reach } = await play({ mode: 'auto', act: (one) => void setTimeout(() => one.answer(done), 100) })
    const meta = { 'dev.portolan/idempotencyKey': 'order 7' }
    const both = await Promise.all([call({ a: 1, b: [2] }, { meta }), call({ b: [2], a: 1.0 }, { meta })])
    expect(both[1]?.['taskId']).toBe(both[0]?.['taskId'])
    await reach(both[0]?.['taskId'], 'completed')
    expect(await call({ a: 1, b: [2] }, { meta })).toMatchObject({ resultType: 'task', taskId: both[0]?.['taskId'], status: 'completed' })
    expect(calls).toHaveLength(1)
    const other = await send('tools/call', { name: 'slow', arguments: { a: 2 } }, { meta })
    expect([codeOf(other), JSON.stringify(messageOf(other))]).toEqual([-32_602, expect.stringContaining('other arguments')])
    expect((await call({ a: 2 }, { meta, token: 'bob' }))['taskId']).not.toBe(both[0]?.['taskId'])
    expect(resultOf(await send('tools/call', { name: 'slow', arguments: { a: 3 } }, { meta, capabilities: {} }))).toMatchObject({ resultType: 'complete' })
  })

  it('is nobody else\'s: a foreign id looks like an unknown one', async () => {
    const { call, send } = await play()
    const { taskId } = await call()
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      const foreign = await send(method, { taskId, inputResponses: {} }, { token: 'bob' })
      const unknown = await send(method, { taskId: `${String(taskId).slice(0, -2)}AA`, inputResponses: {} }, { token: 'bob' })
      expect(messageOf(foreign)).toEqual({ ...messageOf(unknown), id: messageOf(foreign)['id'] })
      expect(codeOf(foreign)).toBe(-32_602)
    }
  })

  it('has expired after its time, and says so to its owner only', async () => {
    const { call, send, calls, reach } = await play({ terms: { ttlMs: 1, retentionMs: 200 }, act: (one) => one.answer(done) })
    const { taskId } = await call()
    await until(() => calls.length === 1)
    await reach(taskId, 'completed')
    await sleep(250)
    const mine = await send('tasks/get', { taskId })
    expect([codeOf(mine), JSON.stringify(messageOf(mine))]).toEqual([-32_602, expect.stringContaining('Task has expired')])
    expect(JSON.stringify(messageOf(await send('tasks/get', { taskId }, { token: 'bob' })))).not.toContain('expired')
  })

  it('tells who listens of each change, under the listen\'s own id', async () => {
    const { rig, call, calls } = await play()
    const { taskId } = await call()
    const stream = closeAfter(await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { taskIds: [taskId, 'unknown'] } }, { path: '/actor/mcp', id: 77, meta: { 'io.modelcontextprotocol/clientCapabilities': DECLARED } })))
    const [acknowledged] = await stream.count(1)
    expect(acknowledged).toMatchObject({ params: { notifications: { taskIds: [taskId] } } })
    await until(() => calls.length === 1)
    calls[0]?.answer(done)
    await until(() => stream.messages().some(({ params }) => (params as Json)['status'] === 'completed'))
    const told = stream.messages().filter(({ method }) => method === 'notifications/tasks')
    expect(told.at(-1)).toMatchObject({ params: { _meta: { 'io.modelcontextprotocol/subscriptionId': 77 }, taskId, status: 'completed', result: done } })
  })

  it('is the same at every replica: found, answered, told of and cancelled at another than tries it', async () => {
    const store = createTaskStore(createSystemClock())
    const hints = createHints()
    const open = (options: RigOptions): Promise<Rig> => startRig({ ...options, deps: { ...options.deps, hints } })
    const one = await play({ store, open })
    const other = await open({ servers: { actor: http(one.actor.url) }, server: { tasks: [SETTING] }, deps: { tasks: { store, sha256 } } })
    const far = clientOf(other)
    const { taskId } = await one.call()
    await until(() => one.calls.length === 1)
    expect(await far.get(taskId)).toMatchObject({ taskId, status: 'working' })
    const stream = closeAfter(await openStream(other.port, modernRequest('subscriptions/listen', { notifications: { taskIds: [taskId] } }, { path: '/actor/mcp', id: 7, meta: { 'io.modelcontextprotocol/clientCapabilities': DECLARED } })))
    await stream.count(1)
    one.calls[0]?.answer(done)
    await until(() => stream.messages().some(({ params }) => (params as Json)['status'] === 'completed'))
    const second = await one.call()
    await until(() => one.calls.length === 2)
    let isClosed = false
    one.calls[1]?.response.on('close', () => (isClosed = true))
    await far.send('tasks/cancel', { taskId: second['taskId'] })
    await until(() => (era === 'modern' ? isClosed : one.actor.requests.some(({ json }) => json.method === 'notifications/cancelled')))
    expect(await one.get(second['taskId'])).toMatchObject({ status: 'cancelled' })
  })

  it('outlives Portolan: what had ended is there, and what was cut off has an unknown outcome', async () => {
    const store = createTaskStore(createSystemClock())
    const rigs: OpenRig[] = []
    const first = await play({ store, open: async (options) => (rigs[rigs.length] = await openRig(options)), act: ({ args, answer }) => args['quick'] === true && answer(done) })
    const quick = await first.call({ quick: true })
    await first.reach(quick['taskId'], 'completed')
    const cut = await first.call()
    await until(() => first.calls.length === 2)
    await rigs[0]?.close()
    const second = clientOf(await startRig({ servers: { actor: http(first.actor.url) }, server: { tasks: [SETTING] }, deps: { tasks: { store, sha256 } } }))
    expect(await second.reach(quick['taskId'], 'completed')).toMatchObject({ result: done })
    expect(await second.reach(cut['taskId'], 'failed')).toMatchObject({ error: { code: -31_024 } })
    expect(first.calls).toHaveLength(2)
  })
})

function clientOf(rig: Rig): Pick<Scene, 'send' | 'call' | 'get' | 'reach'> {
  let id = 0
  const send: Scene['send'] = (method, params, { capabilities = DECLARED, token = 'alice', meta = {} } = {}) =>
    modern(rig.port, method, params, {
      path: '/actor/mcp', token, id: (id += 1), meta: { 'io.modelcontextprotocol/clientCapabilities': capabilities, ...meta },
      headers: typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : {},
    })
  const get: Scene['get'] = async (taskId, token = 'alice') => resultOf(await send('tasks/get', { taskId }, { token }))
  return {
    send, get,
    call: async (args = {}, how = {}) => resultOf(await send('tools/call', { name: 'slow', arguments: args }, how)),
    async reach(taskId, status) {
      let task: Json = {}
      for (const endMs = Date.now() + 20_000; task['status'] !== status && Date.now() < endMs; await sleep(20)) task = await get(taskId)
      expect(task).toMatchObject({ status })
      return task
    },
  }
}

/** A modern server's round of input: asks, and goes on with the answers. */
function askModern({ request, answer }: ActorCall): void {
  const { inputResponses } = request.json.params ?? {}
  if (inputResponses !== undefined) return answer(done)
  const requests = { who: { method: 'elicitation/create', params: FORM }, where: { method: 'roots/list', params: {} } }
  answer({ resultType: 'input_required', inputRequests: requests, requestState: 'state' })
}

function busyTwice(): Act {
  let count = 0
  return ({ response, answer }) => {
    count += 1
    if (count > 2) return answer(done)
    response.writeHead(503, { 'retry-after': '0' }).end()
  }
}

async function openLater(rig: Rig): Promise<{ destroy(): void }> {
  const { request } = await import('node:http')
  const wire = modernRequest('tools/call', { name: 'slow', arguments: {} }, { path: '/actor/mcp', meta: { 'io.modelcontextprotocol/clientCapabilities': DECLARED } })
  const outgoing = request({ host: '127.0.0.1', port: rig.port, method: 'POST', path: wire.path, headers: wire.headers, agent: false })
  outgoing.on('error', () => undefined).end(wire.body)
  return outgoing
}
