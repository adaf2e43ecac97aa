/** Tasks of modern servers, for legacy clients (bridge-rulings §4, Tasks, L→M). */
import { describe, expect, it } from 'vitest'
import { sleep, until } from './fixtures/upstream/support.ts'
import { startModernTasks } from './fixtures/upstream/task-actor.ts'
import type { ActorTask, TaskActor } from './fixtures/upstream/task-actor.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig, RigOptions } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, getRequest, legacy, legacyRequest, messageOf, openSession, openStream } from './mcp-client.ts'
import type { Opened, Stream } from './mcp-client.ts'
import { DECLARED, FORM, RELATED, TRANSPORTS, VIA, accept, done, resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

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
        for (const endMs = Date.now() + 20_000; task['status'] !== status && Date.now() < endMs; await sleep(20)) task = await get(taskId)
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

  it('waits in tasks/result longer than a call may be quiet', async () => {
    const { call, send } = await play({}, { server: { requestIdleTimeoutMs: 1_200 } })
    const { taskId, task } = await call()
    const pending = send('tasks/result', { taskId })
    await sleep(3_000)
    task.end('completed', { result: { ...done, resultType: 'complete' } })
    expect(resultOf(await pending)).toMatchObject(done)
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

  it.runIf(via === 'HTTP')('has a task failed whose call was lost, and it is never run again', async () => {
    const { call, reach, send, actor } = await play({}, { server: { trustAnnotations: true } })
    const { taskId } = await call('breaks')
    await reach(taskId, 'failed')
    expect(codeOf(await send('tasks/result', { taskId }))).toBe(-31_024)
    expect(actor.calls('tools/call')).toHaveLength(1)
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
    // Before its server could say that it tells of changes.
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
    // Before Portolan knows of the task, there is none to take along.
    await until(() => actor.calls('tasks/get').some(({ params }) => (params as Json)['taskId'] === actor.tasks[1]?.id))
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
