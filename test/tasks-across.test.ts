/** Tasks between eras, in both directions, as bridge-rulings §4, Tasks, says. */
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { fileURLToPath } from 'node:url'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { describe, expect, it } from 'vitest'
import { configOf, http, sleep, until } from './fixtures/upstream/support.ts'
import { startLegacyTasks, startModernTasks } from './fixtures/upstream/task-actor.ts'
import type { ActorTask, TaskActor } from './fixtures/upstream/task-actor.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig, RigOptions } from './gateway-rig.ts'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { Snapshot, StdioServer } from '../src/core/gateway/snapshot.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, getRequest, legacy, legacyRequest, messageOf, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Opened, Stream } from './mcp-client.ts'

type Json = Record<string, unknown>
const TASKS = 'io.modelcontextprotocol/tasks'
const RELATED = 'io.modelcontextprotocol/related-task'
const INPUT = { elicitation: { form: {} }, roots: {} }
const DECLARED = { extensions: { [TASKS]: {} } }
const FORM = { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } }
const accept = { action: 'accept', content: { name: 'Ann' } }
const resultOf = (answer: Answer): Json => (messageOf(answer)['result'] ?? {}) as Json
const done = { content: [{ type: 'text', text: 'done' }] }

const PROXY = fileURLToPath(new URL('fixtures/upstream/stdio-proxy.mjs', import.meta.url))
const VIA = {
  HTTP: http,
  stdio: (url: string): StdioServer => ({ transport: 'stdio', command: process.execPath, args: [PROXY, url], env: {}, cwd: undefined }),
} as const
type Via = keyof typeof VIA
const TRANSPORTS = Object.keys(VIA) as Via[]

describe.each(TRANSPORTS)('a modern client of a legacy server with tasks over %s', (via) => {
  interface Scene {
    readonly rig: Rig
    readonly actor: TaskActor
    send(method: string, params: Json, how?: { readonly capabilities?: Json; readonly token?: string; readonly meta?: Json }): Promise<Answer>
    /** Calls a tool; resolves with the result and the server's task, where one was made. */
    call(name?: string, capabilities?: Json): Promise<{ readonly result: Json; readonly taskId: string; readonly task: ActorTask }>
    get(taskId: string, how?: { readonly capabilities?: Json; readonly token?: string }): Promise<Json>
    /** Polls until the task is in this state. */
    reach(taskId: string, status: string): Promise<Json>
  }

  async function play(options: Partial<RigOptions> = {}): Promise<Scene> {
    const actor = closeAfter(await startLegacyTasks())
    const rig = await startRig({ servers: { actor: VIA[via](actor.url) }, ...options })
    let id = 0
    const send: Scene['send'] = (method, params, { capabilities = DECLARED, token = 'alice', meta = {} } = {}) =>
      modern(rig.port, method, params, {
        path: '/actor/mcp', token, id: (id += 1), meta: { 'io.modelcontextprotocol/clientCapabilities': capabilities, ...meta },
        headers: typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : {},
      })
    const get: Scene['get'] = async (taskId, how) => resultOf(await send('tasks/get', { taskId }, how))
    return {
      rig, actor, send, get,
      async call(name = 'slow', capabilities = DECLARED) {
        const result = resultOf(await send('tools/call', { name, arguments: {} }, { capabilities }))
        return { result, taskId: String(result['taskId']), task: actor.tasks.at(-1) as ActorTask }
      },
      async reach(taskId, status) {
        let task: Json = {}
        for (const endMs = Date.now() + 5_000; task['status'] !== status && Date.now() < endMs; await sleep(20)) task = await get(taskId)
        expect(task['status']).toBe(status)
        return task
      },
    }
  }

  it('sees the extension, gets a task, polls it, and finds its result in it', async () => {
    const { call, get, reach, send } = await play()
    expect(resultOf(await send('server/discover', {}))['capabilities']).toMatchObject({ extensions: { [TASKS]: {} } })
    const { result, taskId, task } = await call()
    expect(result).toEqual({
      resultType: 'task', taskId: expect.not.stringContaining('raw'), status: 'working', createdAt: task.state['createdAt'], lastUpdatedAt: task.state['lastUpdatedAt'],
      ttlMs: 60_000, pollIntervalMs: 50, _meta: { 'io.modelcontextprotocol/model-immediate-response': 'soon' },
    })
    task.state = { ...task.state, statusMessage: 'half way' }
    expect(await get(taskId)).toMatchObject({ resultType: 'complete', taskId, status: 'working', statusMessage: 'half way', ttlMs: 60_000 })
    task.end('completed', { result: done })
    const completed = await reach(taskId, 'completed')
    expect(completed).toMatchObject({ taskId, result: { ...done, resultType: 'complete' } })
    expect(JSON.stringify(completed)).not.toMatch(/raw-|related-task/)
    // Held: nobody is asked again.
    expect(await get(taskId)).toEqual(completed)
  })

  it('finds what the server asks for in the task, and answers with tasks/update', async () => {
    const { call, get, reach, send, actor } = await play()
    const { taskId, task } = await call('slow', { ...DECLARED, ...INPUT })
    const answers = Promise.all([task.ask('elicitation/create', FORM), task.ask('roots/list')])
    await reach(taskId, 'input_required')
    await until(() => actor.requests.length > 0)
    await sleep(30)
    const asking = await get(taskId)
    expect(asking['inputRequests']).toEqual({ 'input-1': { method: 'elicitation/create', params: FORM }, 'input-2': { method: 'roots/list', params: {} } })
    expect(resultOf(await send('tasks/update', { taskId, inputResponses: { 'input-1': accept, nobody: {} } }))).toEqual({ resultType: 'complete' })
    expect(Object.keys((await get(taskId))['inputRequests'] as Json)).toEqual(['input-2'])
    await send('tasks/update', { taskId, inputResponses: { 'input-1': accept, 'input-2': { roots: [] } } })
    const [form, roots] = await answers
    expect(form['result']).toEqual({ ...accept, _meta: { [RELATED]: { taskId: 'raw-1' } } })
    expect(roots['result']).toMatchObject({ roots: [] })
    await reach(taskId, 'working')
    const again = task.ask('elicitation/create', FORM)
    const third = await reach(taskId, 'input_required')
    expect(Object.keys(third['inputRequests'] as Json)).toEqual(['input-3'])
    expect(codeOf(await send('tasks/update', { taskId, inputResponses: [] }))).toBe(-32_602)
    await send('tasks/update', { taskId, inputResponses: { 'input-3': accept } })
    await again
    task.end('completed', { result: done })
    expect(await reach(taskId, 'completed')).toMatchObject({ result: done })
  })

  it('sees a failed task with a result as completed, and one with an error as failed', async () => {
    const { call, reach } = await play()
    const first = await call()
    first.task.end('failed', { result: { ...done, isError: true } })
    expect(await reach(first.taskId, 'completed')).toMatchObject({ result: { isError: true } })
    const second = await call()
    second.task.end('failed', { error: { code: -32_002, message: 'gone', data: { a: 1 } } })
    expect(await reach(second.taskId, 'failed')).toMatchObject({ error: { code: -32_603, message: 'gone', data: { a: 1 } } })
  })

  it('cancels a task, and one that has ended stays what it is', async () => {
    const { call, get, send, reach, actor } = await play()
    const { taskId } = await call()
    expect(resultOf(await send('tasks/cancel', { taskId }))).toEqual({ resultType: 'complete' })
    expect(actor.calls('tasks/cancel')[0]?.['params']).toEqual({ taskId: 'raw-1' })
    expect(await get(taskId)).toMatchObject({ status: 'cancelled' })
    const second = await call()
    second.task.end('completed', { result: done })
    await reach(second.taskId, 'completed')
    expect(resultOf(await send('tasks/cancel', { taskId: second.taskId }))).toEqual({ resultType: 'complete' })
    expect(await get(second.taskId)).toMatchObject({ status: 'completed' })
    expect(actor.calls('tasks/cancel')).toHaveLength(1)
  })

  it('sees a task cancelled that its server cancelled, whatever result there is', async () => {
    const { call, reach } = await play()
    const { taskId, task } = await call()
    task.end('cancelled', { result: done })
    expect(await reach(taskId, 'cancelled')).not.toHaveProperty('result')
  })

  it('who did not declare the extension gets −32021 for tasks, and no task', async () => {
    const { call, send, actor } = await play()
    const { taskId } = await call()
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      const answer = await send(method, { taskId, inputResponses: {} }, { capabilities: INPUT })
      expect([answer.status, messageOf(answer)['error']]).toMatchObject([400, { code: -32_021, data: { requiredCapabilities: DECLARED } }])
    }
    expect((await call('slow', INPUT)).result).toMatchObject({ resultType: 'complete', content: [{ text: 'plain' }] })
    expect((await call('plain')).result).toMatchObject({ resultType: 'complete', content: [{ text: 'plain' }] })
    // A member that its era does not have is not its way to ask for one.
    expect(resultOf(await send('tools/call', { name: 'slow', arguments: {}, task: {} }, { capabilities: INPUT }))).toMatchObject({ content: [{ text: 'plain' }] })
    expect(actor.tasks).toHaveLength(1)
    expect(codeOf(await send('tasks/result', { taskId }))).toBe(-32_601)
  })

  it('who takes no tasks gets the result of a tool that requires them', async () => {
    const { send, actor } = await play()
    const answer = send('tools/call', { name: 'must', arguments: {} }, { capabilities: {} })
    await until(() => actor.calls('tasks/result').length === 1)
    actor.tasks[0]?.end('completed', { result: done })
    const text = (await answer).text
    expect(resultOf(await answer)).toEqual({ ...done, resultType: 'complete', _meta: {} })
    expect(text).not.toContain('raw-1')
    const failing = send('tools/call', { name: 'must', arguments: {} }, { capabilities: {} })
    await until(() => actor.calls('tasks/result').length === 2)
    actor.tasks[1]?.end('failed', { error: { code: -32_050, message: 'no' } })
    expect(messageOf(await failing)['error']).toMatchObject({ code: -32_603, message: 'no' })
    expect(actor.calls('tools/call')).toHaveLength(2)
  })

  it('who takes no tasks is asked as in any call, and gets the progress', async () => {
    const { send, actor, rig } = await play()
    const meta = { 'io.modelcontextprotocol/clientCapabilities': INPUT, progressToken: 'p' }
    const params = { name: 'must', arguments: {} }
    const first = send('tools/call', params, { capabilities: INPUT, meta })
    await until(() => actor.tasks.length === 1)
    const task = actor.tasks[0] as ActorTask
    const answered = task.ask('elicitation/create', FORM)
    const round = resultOf(await first)
    expect(round).toMatchObject({ resultType: 'input_required', inputRequests: { 'input-1': { method: 'elicitation/create' } } })
    expect(JSON.stringify(round)).not.toContain('raw-1')
    const retry = { ...params, requestState: round['requestState'], inputResponses: { 'input-1': accept } }
    const opening = openStream(rig.port, modernRequest('tools/call', retry, { path: '/actor/mcp', id: 9, meta: { ...meta, progressToken: 'q' } }))
    expect((await answered)['result']).toMatchObject(accept)
    task.progress(1)
    const stream = await opening
    task.end('completed', { result: done })
    expect(await stream.count(2)).toMatchObject([{ params: { progressToken: 'q', progress: 1 } }, { id: 9, result: done }])
    expect(JSON.stringify(stream.messages())).not.toContain('raw-1')
  })

  it('that goes away while Portolan waits for a required task has cancelled it', async () => {
    const { actor, rig } = await play()
    const { verb, path, headers, body } = modernRequest('tools/call', { name: 'must', arguments: {} }, { path: '/actor/mcp' })
    const request = httpRequest({ host: '127.0.0.1', port: rig.port, method: verb, path, headers, agent: false }).on('error', () => undefined)
    request.end(body)
    await until(() => actor.calls('tasks/result').length === 1)
    request.destroy()
    await until(() => actor.calls('tasks/cancel').length === 1)
    expect(actor.tasks[0]?.state['status']).toBe('cancelled')
  })

  it('cannot see another\'s task, nor one under the server\'s own id', async () => {
    const { call, send } = await play()
    const { taskId } = await call()
    for (const [id, token] of [[taskId, 'bob'], ['raw-1', 'alice'], [`${taskId}x`, 'alice']] as const) {
      for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
        expect(messageOf(await send(method, { taskId: id, inputResponses: {} }, { token }))['error']).toEqual({ code: -32_602, message: 'Task not found' })
      }
    }
  })

  it('has tasks in sessions of their own where it can be asked, and finds each again whatever it declares later', async () => {
    const { call, get, actor } = await play()
    const both = { ...DECLARED, ...INPUT }
    const tasks = [await call('slow', both), await call('slow', both), await call('slow', both)]
    const sessionOf = (method: string): unknown[] => actor.requests.filter(({ json }) => json.method === method).map(({ headers }) => headers['mcp-session-id'])
    const made = sessionOf('tools/call')
    expect(new Set(made).size).toBe(3)
    for (const { taskId } of tasks.toReversed()) await get(taskId, { capabilities: DECLARED })
    expect(sessionOf('tasks/get')).toEqual(made.toReversed())
  })

  it('learns that its task is lost with its session, and nothing is run again', async () => {
    const { call, reach, actor } = await play()
    const { taskId } = await call('slow', { ...DECLARED, ...INPUT })
    actor.forget()
    expect(await reach(taskId, 'failed')).toMatchObject({ error: { code: -31_024 } })
    expect(actor.calls('tools/call')).toHaveLength(1)
  })

  it('is told on its listen what it would find in the task', async () => {
    const { call, rig, send, actor, get } = await play()
    const { taskId, task } = await call('slow', { ...DECLARED, ...INPUT })
    const bobs = 'no handle'
    const listen = (capabilities: Json, token = 'alice'): Promise<Stream> =>
      openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { taskIds: [taskId, bobs] } }, { path: '/actor/mcp', id: 77, token, meta: { 'io.modelcontextprotocol/clientCapabilities': capabilities } }))
    const refused = await send('subscriptions/listen', { notifications: { taskIds: [taskId] } }, { capabilities: INPUT })
    expect([refused.status, codeOf(refused)]).toEqual([400, -32_021])
    const stream = closeAfter(await listen(DECLARED))
    const foreign = closeAfter(await listen(DECLARED, 'bob'))
    expect((await foreign.count(1))[0]).toMatchObject({ params: { notifications: {} } })
    expect((await stream.count(1))[0]).toMatchObject({ method: 'notifications/subscriptions/acknowledged', params: { notifications: { taskIds: [taskId] } } })
    const answered = task.ask('elicitation/create', FORM)
    const asking = (await stream.count(2))[1] as Json
    const subscription = { _meta: { 'io.modelcontextprotocol/subscriptionId': 77 } }
    expect(asking).toMatchObject({ method: 'notifications/tasks', params: { taskId, status: 'input_required', inputRequests: { 'input-1': { params: FORM } }, ...subscription } })
    await send('tasks/update', { taskId, inputResponses: { 'input-1': accept } })
    await answered
    actor.announce('notifications/tasks/status', { ...task.state, statusMessage: 'nearly' })
    await until(() => JSON.stringify(stream.messages().at(-1)).includes('nearly'))
    task.end('completed', { result: done })
    await until(() => JSON.stringify(stream.messages().at(-1)).includes('completed'))
    const { resultType: _type, ...shown } = await get(taskId)
    expect(stream.messages().at(-1)?.['params']).toEqual({ ...shown, ...subscription })
    expect(foreign.messages()).toHaveLength(1)
    expect(JSON.stringify(stream.messages())).not.toContain('raw-')
    const late = closeAfter(await listen(DECLARED))
    expect((await late.count(2))[1]).toMatchObject({ params: { status: 'completed' } })
  })

  it('is not kept waiting for ever: input that comes too late cancels the task', async () => {
    const { call, reach, actor } = await play({ limits: { requestStateMs: 200 } })
    const { taskId, task } = await call('slow', { ...DECLARED, ...INPUT })
    task.ask('elicitation/create', FORM).catch(() => undefined)
    await reach(taskId, 'input_required')
    await reach(taskId, 'cancelled')
    expect(actor.calls('tasks/cancel')).toHaveLength(1)
  })
})

describe.each(TRANSPORTS)('a legacy client of a modern server with tasks over %s', (via) => {
  interface Scene {
    readonly rig: Rig
    readonly actor: TaskActor
    readonly session: string
    send(method: string, params?: Json, how?: { readonly session?: string; readonly token?: string }): Promise<Answer>
    /** Calls a tool as a task; resolves with the client's id of it, and what the server has. */
    call(name?: string, task?: Json): Promise<{ readonly created: Json; readonly taskId: string; readonly task: ActorTask }>
    get(taskId: string): Promise<Json>
    reach(taskId: string, status: string): Promise<Json>
    /** A `tasks/result` whose questions are answered with `reply`; undefined leaves them open. */
    result(taskId: string, reply?: (request: Json) => Json | undefined): Promise<{ readonly messages: () => Json[]; readonly last: () => Promise<Json>; readonly stream: Stream }>
  }

  async function play(opened: Opened = {}, options: Partial<RigOptions> = {}): Promise<Scene> {
    const actor = closeAfter(await startModernTasks())
    const rig = await startRig({ servers: { actor: VIA[via](actor.url) }, ...options })
    const session = await openSession(rig.port, { path: '/actor/mcp', capabilities: { elicitation: { form: {} }, roots: {} }, ...opened })
    let id = 0
    const send: Scene['send'] = (method, params = {}, how = {}) =>
      legacy(rig.port, how.session ?? session, method, params, { path: '/actor/mcp', id: (id += 1), ...(how.token === undefined ? {} : { token: how.token }) })
    const get: Scene['get'] = async (taskId) => resultOf(await send('tasks/get', { taskId }))
    return {
      rig, actor, session, send, get,
      async call(name = 'slow', task = {}) {
        const created = resultOf(await send('tools/call', { name, arguments: {}, task }))['task'] as Json
        return { created, taskId: String(created?.['taskId']), task: actor.tasks.at(-1) as ActorTask }
      },
      async reach(taskId, status) {
        let task: Json = {}
        for (const endMs = Date.now() + 5_000; task['status'] !== status && Date.now() < endMs; await sleep(20)) task = await get(taskId)
        expect(task['status']).toBe(status)
        return task
      },
      async result(taskId, reply = () => undefined) {
        const request = legacyRequest(session, 'tasks/result', { taskId }, { path: '/actor/mcp', id: (id += 1) })
        const stream = await openStream(rig.port, request)
        const seen = new Set<unknown>()
        const answer = (): void => {
          for (const message of stream.messages()) {
            if (typeof message['method'] !== 'string' || message['id'] === undefined || seen.has(message['id'])) continue
            seen.add(message['id'])
            const said = reply(message)
            if (said !== undefined) void legacy(rig.port, session, '', {}, { path: '/actor/mcp', body: JSON.stringify({ jsonrpc: '2.0', id: message['id'], ...said }) })
          }
        }
        return {
          stream,
          messages: () => stream.messages(),
          async last() {
            await until(() => {
              answer()
              return stream.ended
            })
            return stream.messages().at(-1) ?? (JSON.parse('{}') as Json)
          },
        }
      },
    }
  }

  it('sees tasks and which tools may be one, and gets a task of the server as its own', async () => {
    const { send, call, get, actor, rig } = await play()
    const initialize = await legacy(rig.port, '', 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } }, { path: '/actor/mcp' })
    expect((resultOf(initialize)['capabilities'] as Json)['tasks']).toEqual({ list: {}, cancel: {}, requests: { tools: { call: {} } } })
    expect((resultOf(await send('tools/list'))['tools'] as Json[])[0]).toEqual({ name: 'slow', inputSchema: { type: 'object' }, execution: { taskSupport: 'optional' } })
    const { created, taskId, task } = await call('slow', { ttl: 5_000 })
    expect(created).toEqual({ taskId: expect.not.stringContaining('raw'), status: 'working', createdAt: task.state['createdAt'], lastUpdatedAt: task.state['lastUpdatedAt'], ttl: 60_000, pollInterval: 50 })
    const params = actor.calls('tools/call')[0]?.['params'] as Json
    expect(params['task']).toBeUndefined()
    expect((params['_meta'] as Json)['io.modelcontextprotocol/clientCapabilities']).toMatchObject({ ...DECLARED, elicitation: {}, roots: {} })
    task.state = { ...task.state, statusMessage: 'half way' }
    expect(await get(taskId)).toEqual({ ...created, statusMessage: 'half way' })
  })

  it('waits in tasks/result until the task has ended, and gets what the call would have been answered', async () => {
    const { call, send, reach } = await play()
    const { taskId, task } = await call()
    const pending = send('tasks/result', { taskId })
    await sleep(120)
    task.end('completed', { result: { resultType: 'complete', content: [], structuredContent: [1] } })
    expect(resultOf(await pending)).toEqual({ content: [], _meta: { [RELATED]: { taskId } } })
    expect(await reach(taskId, 'completed')).not.toHaveProperty('result')
  })

  it('sees a result with isError as failed, and gets an error as an error', async () => {
    const { call, send, reach } = await play()
    const first = await call()
    first.task.end('completed', { result: { resultType: 'complete', ...done, isError: true } })
    await reach(first.taskId, 'failed')
    expect(resultOf(await send('tasks/result', { taskId: first.taskId }))).toEqual({ ...done, isError: true, _meta: { [RELATED]: { taskId: first.taskId } } })
    const second = await call()
    second.task.end('failed', { error: { code: -32_021, message: 'no', data: { requiredCapabilities: {} } } })
    expect(await reach(second.taskId, 'failed')).toMatchObject({ statusMessage: 'no' })
    expect(messageOf(await send('tasks/result', { taskId: second.taskId }))['error']).toEqual({ code: -32_600, message: 'no', data: { requiredCapabilities: {} } })
  })

  it('is asked what the task needs on the stream of tasks/result, each once, and its answers are tasks/update', async () => {
    const { call, result, actor } = await play()
    const { taskId, task } = await call()
    const answers = Promise.all([task.ask('elicitation/create', FORM), task.ask('roots/list')])
    const held = await result(taskId, ({ method }) => ({ result: method === 'roots/list' ? { roots: [], _meta: { [RELATED]: { taskId } } } : accept }))
    const ended = held.last()
    expect(await answers).toEqual([accept, { roots: [], _meta: {} }])
    await sleep(150)
    task.end('completed', { result: done })
    await ended
    const asked = held.messages().filter(({ id, method }) => id !== undefined && method !== undefined)
    expect(asked).toMatchObject([
      { method: 'elicitation/create', params: { ...FORM, _meta: { [RELATED]: { taskId } } } },
      { method: 'roots/list', params: { _meta: { [RELATED]: { taskId } } } },
    ])
    expect(JSON.stringify(held.messages())).not.toContain('raw-')
    expect(actor.calls('tasks/update')).toHaveLength(2)
  })

  it('that answers with an error is refused the result for now, and asked again in the next tasks/result', async () => {
    const { call, result } = await play()
    const { taskId, task } = await call()
    const answer = task.ask('elicitation/create', FORM)
    const first = await result(taskId, () => ({ error: { code: -1, message: 'no' } }))
    expect(await first.last()).toMatchObject({ error: { code: -31_025 } })
    const second = await result(taskId, () => ({ result: accept }))
    const ended = second.last()
    expect(await answer).toEqual(accept)
    task.end('completed', { result: done })
    expect(await ended).toMatchObject({ result: done })
  })

  it('gets a task at once whatever the server does: a result that comes at once, or late', async () => {
    const { call, send, reach, actor } = await play()
    const quick = await call('quick', { ttl: 700 })
    expect(quick.created).toMatchObject({ status: 'working', ttl: 700 })
    await reach(quick.taskId, 'completed')
    expect(resultOf(await send('tasks/result', { taskId: quick.taskId }))).toMatchObject({ content: [{ text: 'quick' }], _meta: { [RELATED]: { taskId: quick.taskId } } })
    const beganMs = Date.now()
    const lazy = await call('lazy')
    expect(Date.now() - beganMs).toBeLessThan(1_000)
    await reach(lazy.taskId, 'working')
    lazy.task.end('', { result: { ...done, isError: true } })
    await reach(lazy.taskId, 'failed')
    expect(resultOf(await send('tasks/result', { taskId: lazy.taskId }))).toMatchObject({ ...done, isError: true })
    expect(actor.calls('tools/call')).toHaveLength(2)
    await sleep(700)
    expect(codeOf(await send('tasks/get', { taskId: quick.taskId }))).toBe(-32_602)
  })

  it('gets an error at once where the call is refused, and later as the task\'s', async () => {
    const { send, call, reach } = await play()
    // Over stdio it depends on how busy this machine is.
    if (via === 'HTTP') expect(messageOf(await send('tools/call', { name: 'broken', task: {} }))['error']).toEqual({ code: 7, message: 'broken' })
    const { taskId, task } = await call('lazy')
    task.end('', { error: { code: 7, message: 'late' } })
    await reach(taskId, 'failed')
    expect(messageOf(await send('tasks/result', { taskId }))['error']).toEqual({ code: 7, message: 'late' })
    expect(resultOf(await send('tasks/list'))['tasks']).toHaveLength(1)
  })

  it('is asked in tasks/result what the call needs before it is a task', async () => {
    const { call, result, reach, actor } = await play()
    const { taskId } = await call('asks')
    await reach(taskId, 'input_required')
    const held = await result(taskId, () => ({ result: accept }))
    const ended = held.last()
    await until(() => actor.tasks.length === 1)
    expect((actor.calls('tools/call')[1] ?? {})['params']).toMatchObject({ inputResponses: { who: accept } })
    actor.tasks[0]?.end('completed', { result: done })
    expect(await ended).toMatchObject({ result: done })
    expect(held.messages()[0]).toMatchObject({ method: 'elicitation/create', params: { _meta: { [RELATED]: { taskId } } } })
  })

  it('cancels: latched before the answer, and what has ended cannot be', async () => {
    const { call, send, get, actor } = await play()
    const { taskId, task } = await call()
    expect(resultOf(await send('tasks/cancel', { taskId }))).toMatchObject({ taskId, status: 'cancelled' })
    expect(actor.calls('tasks/cancel')).toHaveLength(1)
    // The server ended it after all.
    task.end('completed', { result: done })
    expect(await get(taskId)).toMatchObject({ status: 'cancelled' })
    expect(codeOf(await send('tasks/result', { taskId }))).toBe(-31_019)
    expect(codeOf(await send('tasks/cancel', { taskId }))).toBe(-32_602)
    const lazy = await call('lazy')
    expect(resultOf(await send('tasks/cancel', { taskId: lazy.taskId }))).toMatchObject({ status: 'cancelled' })
    expect(codeOf(await send('tasks/result', { taskId: lazy.taskId }))).toBe(-31_019)
  })

  it('that blocks in tasks/result learns at once of a cancellation', async () => {
    const { call, send } = await play()
    const { taskId } = await call()
    const pending = send('tasks/result', { taskId })
    await sleep(50)
    await send('tasks/cancel', { taskId })
    expect(codeOf(await pending)).toBe(-31_019)
  })

  it('lists its owner\'s tasks in every session of his, and nobody else\'s', async () => {
    const { call, send, rig } = await play()
    const first = await call()
    const second = await call('quick')
    const other = await openSession(rig.port, { path: '/actor/mcp' })
    const bob = await openSession(rig.port, { path: '/actor/mcp', token: 'bob' })
    const listed = async (how: { session?: string; token?: string }): Promise<unknown[]> => (resultOf(await send('tasks/list', {}, how))['tasks'] as Json[]).map(({ taskId, status }) => [taskId, status])
    expect(await listed({ session: other })).toEqual([[first.taskId, 'working'], [second.taskId, 'completed']])
    expect(await listed({ session: bob, token: 'bob' })).toEqual([])
    expect(resultOf(await send('tasks/get', { taskId: first.taskId }, { session: other }))).toMatchObject({ status: 'working' })
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
      expect(messageOf(await send(method, { taskId: first.taskId }, { session: bob, token: 'bob' }))['error']).toEqual({ code: -32_602, message: 'Task not found' })
    }
  })

  it('lists page by page, and what its server forgot no longer', async () => {
    const { call, send, actor } = await play({}, { pageSize: 2 })
    const made = [await call('quick'), await call(), await call(), await call()].map(({ taskId }) => taskId)
    actor.tasks.splice(0, 1)
    const first = resultOf(await send('tasks/list'))
    const second = resultOf(await send('tasks/list', { cursor: first['nextCursor'] }))
    expect([first, second].flatMap(({ tasks }) => (tasks as Json[]).map(({ taskId }) => taskId))).toEqual([made[0], made[2], made[3]])
    expect(second['nextCursor']).toBeUndefined()
    for (const cursor of ['x', String(first['nextCursor']).slice(1)]) expect(codeOf(await send('tasks/list', { cursor }))).toBe(-32_602)
  })

  it('is told of a new status on its own stream', async () => {
    const { call, rig, session } = await play()
    const stream = closeAfter(await openStream(rig.port, getRequest(session, {}, '/actor/mcp')))
    const { taskId, task, created } = await call()
    await sleep(50)
    task.end('completed', { result: done })
    await until(() => stream.messages().length > 0)
    expect(stream.messages()).toEqual([{ jsonrpc: '2.0', method: 'notifications/tasks/status', params: { ...created, taskId, status: 'completed' } }])
  })

  it.each(['2025-11-25', '2025-06-18'])('of %s that asks for no task gets the result of a tool that is nothing else, and is asked as in any call', async (revision) => {
    const { actor, rig, send } = await play()
    const session = await openSession(rig.port, { path: '/actor/mcp', revision, capabilities: { elicitation: {} } })
    const stream = openStream(rig.port, legacyRequest(session, 'tools/call', { name: 'needy', arguments: {} }, { path: '/actor/mcp', id: 'n' }))
    await until(() => actor.tasks.length === 1)
    const answer = actor.tasks[0]?.ask('elicitation/create', FORM)
    const [question] = await (await stream).count(1)
    expect(question).toMatchObject({ method: 'elicitation/create', params: { message: 'Who?' } })
    await legacy(rig.port, session, '', {}, { path: '/actor/mcp', body: JSON.stringify({ jsonrpc: '2.0', id: question?.['id'], result: accept }) })
    expect(await answer).toEqual(accept)
    expect(resultOf(await send('tasks/list'))['tasks']).toEqual([])
    actor.tasks[0]?.end('completed', { result: { ...done, resultType: 'complete' } })
    expect((await (await stream).count(2))[1]).toEqual({ jsonrpc: '2.0', id: 'n', result: done })
    expect(JSON.stringify((await stream).messages())).not.toMatch(/related-task|raw-/)
    expect(actor.calls('tools/call')).toHaveLength(2)
    // The call that is given up takes its task along.
    void openStream(rig.port, legacyRequest(session, 'tools/call', { name: 'needy', arguments: {} }, { path: '/actor/mcp', id: 'm' })).catch(() => undefined)
    await until(() => actor.tasks.length === 2)
    await legacy(rig.port, session, '', {}, { path: '/actor/mcp', body: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"m"}}' })
    await until(() => actor.calls('tasks/cancel').length === 1)
  })

  it('that asks for no task, or whose revision has none, gets the plain result', async () => {
    const { send, rig, actor } = await play()
    expect(resultOf(await send('tools/call', { name: 'slow', arguments: {} }))).toEqual({ content: [{ type: 'text', text: 'plain' }] })
    const old = await openSession(rig.port, { path: '/actor/mcp', revision: '2025-06-18' })
    expect(resultOf(await send('tools/call', { name: 'slow', arguments: {}, task: {} }, { session: old }))).toEqual({ content: [{ type: 'text', text: 'plain' }] })
    expect(actor.tasks).toHaveLength(0)
  })
})

function schema(file: string): (type: string, value: unknown) => unknown {
  const ajv = new Ajv2020.default({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema(JSON.parse(readFileSync(new URL(`../src/protocol/fixtures/${file}`, import.meta.url), 'utf8')), 'mcp')
  return (type, value) => {
    const validate = ajv.getSchema(`mcp#/$defs/${type}`) ?? expect.fail(`no type ${type}`)
    validate(value)
    return validate.errors ?? null
  }
}

describe('a task across eras', () => {
  const LINK = { content: [{ type: 'resource_link', uri: 'test://one', name: 'one' }] }

  it('is a task of the extension to modern clients, in every state, its URIs marked on /mcp', async () => {
    const errorsOf = schema('ext-tasks/schema.json')
    const actor = closeAfter(await startLegacyTasks())
    const rig = await startRig({ servers: { actor: http(actor.url) } })
    const meta = { 'io.modelcontextprotocol/clientCapabilities': { ...DECLARED, ...INPUT } }
    const send = async (method: string, params: Json): Promise<Json> => resultOf(await modern(rig.port, method, params, { meta }))
    const states = new Set<unknown>()
    const look = async (taskId: unknown): Promise<Json> => {
      const task = await send('tasks/get', { taskId })
      expect(errorsOf('GetTaskResult', task)).toBeNull()
      states.add(task['status'])
      return task
    }
    const ends = [['completed', { result: LINK }], ['failed', { error: { code: 7, message: 'no' } }], ['cancelled', {}]] as const
    for (const [status, outcome] of ends) {
      const created = await send('tools/call', { name: 'actor__slow' })
      expect(errorsOf('CreateTaskResult', created)).toBeNull()
      const task = actor.tasks.at(-1) as ActorTask
      await look(created['taskId'])
      const answered = task.ask('elicitation/create', FORM)
      while ((await look(created['taskId']))['status'] !== 'input_required') await sleep(10)
      expect(errorsOf('UpdateTaskResult', await send('tasks/update', { taskId: created['taskId'], inputResponses: { 'input-1': accept } }))).toBeNull()
      await answered
      task.end(status, outcome)
      while ((await look(created['taskId']))['status'] !== status) await sleep(10)
      if (status !== 'completed') continue
      const [link] = ((await look(created['taskId']))['result'] as { content: Json[] }).content
      expect(link?.['uri']).not.toBe('test://one')
      expect(errorsOf('CancelTaskResult', await send('tasks/cancel', { taskId: created['taskId'] }))).toBeNull()
    }
    expect(states).toEqual(new Set(['working', 'input_required', 'completed', 'failed', 'cancelled']))
  })

  it('is a task of 2025-11-25 to legacy clients, in every state, its URIs marked on /mcp', async () => {
    const errorsOf = schema('schema/2025-11-25.json')
    const actor = closeAfter(await startModernTasks())
    const rig = await startRig({ servers: { actor: http(actor.url) } })
    const session = await openSession(rig.port, { capabilities: INPUT })
    let id = 0
    const send = async (method: string, params: Json = {}): Promise<Json> => resultOf(await legacy(rig.port, session, method, params, { id: (id += 1) }))
    for (const [status, outcome] of [['completed', { result: { ...LINK, resultType: 'complete' } }], ['failed', { error: { code: 7, message: 'no' } }], ['cancelled', {}]] as const) {
      const created = await send('tools/call', { name: 'actor__slow', task: { ttl: 1_000 } })
      expect(errorsOf('CreateTaskResult', created)).toBeNull()
      const { taskId } = created['task'] as Json
      actor.tasks.at(-1)?.ask('roots/list').catch(() => undefined)
      await until(() => actor.tasks.at(-1)?.state['status'] === 'input_required')
      expect(await send('tasks/get', { taskId })).toMatchObject({ status: 'input_required' })
      actor.tasks.at(-1)?.end(status, outcome)
      const task = await send('tasks/get', { taskId })
      expect([task['status'], errorsOf('GetTaskResult', task)]).toEqual([status, null])
      const result = await send('tasks/result', { taskId })
      if (status !== 'completed') continue
      expect(errorsOf('CallToolResult', result)).toBeNull()
      expect((result['content'] as Json[])[0]?.['uri']).not.toBe('test://one')
    }
    const list = await send('tasks/list')
    expect(list['tasks']).toHaveLength(3)
    expect(errorsOf('ListTasksResult', list)).toBeNull()
    expect(errorsOf('ListToolsResult', await send('tools/list'))).toBeNull()
  })

  it.each(['legacy', 'modern'] as const)('made at a virtual server of a %s server is good there only', async (era) => {
    const actor = closeAfter(await (era === 'legacy' ? startLegacyTasks() : startModernTasks()))
    const rig = await startRig({ servers: { actor: http(actor.url) }, virtualServers: [{ name: 'few', use: [{ server: 'actor', tools: ['slow'] }], overrides: { tools: {}, prompts: {}, resources: {} } }] })
    const meta = { 'io.modelcontextprotocol/clientCapabilities': DECLARED }
    const at = async (path: string, method: string, params: Json): Promise<Answer> => {
      if (era === 'legacy') return modern(rig.port, method, params, { path, meta })
      return legacy(rig.port, await openSession(rig.port, { path }), method, params, { path })
    }
    const created = resultOf(await at('/few/mcp', 'tools/call', { name: 'slow', task: {} }))
    const { taskId } = (era === 'legacy' ? created : created['task']) as Json
    expect(resultOf(await at('/few/mcp', 'tasks/get', { taskId }))).toMatchObject({ taskId, status: 'working' })
    for (const path of ['/actor/mcp', '/mcp']) expect(codeOf(await at(path, 'tasks/get', { taskId }))).toBe(-32_602)
    if (era === 'legacy') return
    expect(resultOf(await at('/few/mcp', 'tasks/list', {}))['tasks']).toHaveLength(1)
    expect(resultOf(await at('/actor/mcp', 'tasks/list', {}))['tasks']).toEqual([])
  })

  it.each(['legacy', 'modern'] as const)('outlives a reload that replaces its %s server', async (era) => {
    const actor = closeAfter(await (era === 'legacy' ? startLegacyTasks() : startModernTasks()))
    const snapshot = (env: Record<string, string>): Snapshot => {
      const server = configOf({ ...VIA.stdio(actor.url), env }, { id: 'actor', name: 'actor' })
      return { digest: JSON.stringify(env), servers: [server], separator: '__', pageSize: 100, limits: DEFAULT_LIMITS, virtualServers: [] }
    }
    const source = createSnapshotSource(snapshot({}))
    const rig = await startRig({ deps: { snapshots: source } })
    const session = era === 'modern' ? await openSession(rig.port, { path: '/actor/mcp' }) : ''
    const meta = { 'io.modelcontextprotocol/clientCapabilities': DECLARED }
    let id = 0
    const send = async (method: string, params: Json): Promise<Json> =>
      resultOf(await (era === 'modern' ? legacy(rig.port, session, method, params, { path: '/actor/mcp', id: (id += 1) }) : modern(rig.port, method, params, { path: '/actor/mcp', id: (id += 1), meta })))
    const created = await send('tools/call', { name: era === 'modern' ? 'lazy' : 'slow', arguments: {}, task: {} })
    const { taskId } = (era === 'modern' ? created['task'] : created) as Json
    source.replace(snapshot({ CHANGED: '1' }))
    await sleep(150)
    actor.tasks[0]?.end('completed', { result: done })
    let task: Json = {}
    for (const endMs = Date.now() + 5_000; task['status'] !== 'completed' && Date.now() < endMs; await sleep(30)) task = await send('tasks/get', { taskId })
    expect(era === 'modern' ? await send('tasks/result', { taskId }) : task['result']).toMatchObject(done)
    await until(() => rig.gateway.status().leaving === 0)
    expect(actor.calls('tools/call')).toHaveLength(1)
  })
})

describe('a modern client of a modern server with tasks', () => {
  it('is told of its tasks on its listen, under its own ids', async () => {
    const actor = closeAfter(await startModernTasks())
    const rig = await startRig({ servers: { actor: http(actor.url) } })
    const asked = { path: '/actor/mcp', meta: { 'io.modelcontextprotocol/clientCapabilities': DECLARED } }
    const { taskId } = resultOf(await modern(rig.port, 'tools/call', { name: 'slow' }, asked))
    const stream = closeAfter(await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { taskIds: [taskId] } }, { ...asked, id: 'l' })))
    expect((await stream.count(1))[0]).toMatchObject({ params: { notifications: { taskIds: [taskId] } } })
    actor.tasks[0]?.end('completed', { result: { ...done, resultType: 'complete' } })
    expect((await stream.count(2))[1]).toMatchObject({ method: 'notifications/tasks', params: { taskId, status: 'completed', result: done, _meta: { 'io.modelcontextprotocol/subscriptionId': 'l' } } })
    await stream.close()
    await until(() => actor.streamCount === 0)
  })
})
