/** Tasks of legacy servers, for modern clients (bridge-rulings §4, Tasks, M→L). */
import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { sleep, until } from './fixtures/upstream/support.ts'
import { startLegacyTasks } from './fixtures/upstream/task-actor.ts'
import type { ActorTask, TaskActor } from './fixtures/upstream/task-actor.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig, RigOptions } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, messageOf, modern, modernRequest, openStream } from './mcp-client.ts'
import type { Stream } from './mcp-client.ts'
import { DECLARED, FORM, INPUT, RELATED, TASKS, TRANSPORTS, VIA, accept, done, resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

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
    // Asked in one era only: a busy machine may not start a child within the time that the other's silence is borne.
    const rig = await startRig({ servers: { actor: VIA[via](actor.url) }, server: { era: 'legacy' }, ...options })
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
        for (const endMs = Date.now() + 20_000; task['status'] !== status && Date.now() < endMs; await sleep(20)) task = await get(taskId)
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

  it('waits for a required task longer than a call may be quiet, as long as it goes on', async () => {
    const { send, actor } = await play({ server: { requestIdleTimeoutMs: 1_200 } })
    const answer = send('tools/call', { name: 'must', arguments: {} }, { capabilities: {} })
    await until(() => actor.tasks.length === 1)
    await sleep(3_000)
    actor.tasks[0]?.end('completed', { result: done })
    expect(resultOf(await answer)).toMatchObject(done)
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

  it('has so many tasks at once and no more, and is never told to call again what has run', async () => {
    const { send, actor, call } = await play()
    await call('plain')
    const answers = await Promise.all(Array.from({ length: 70 }, () => send('tools/call', { name: 'slow', arguments: {} })))
    const tasks = answers.filter((answer) => resultOf(answer)['resultType'] === 'task')
    expect(tasks).toHaveLength(64)
    const others = answers.filter((answer) => !tasks.includes(answer)).map((answer) => (codeOf(answer) === 0 ? 'plain' : codeOf(answer)))
    for (const other of others) expect(['plain', -31_024]).toContain(other)
    expect((await call()).result).toMatchObject({ resultType: 'complete', content: [{ text: 'plain' }] })
    await until(() => actor.calls('tasks/cancel').length === others.filter((other) => other === -31_024).length)
    expect(actor.calls('tools/call')).toHaveLength(72)
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

  const both = { ...DECLARED, ...INPUT }
  const sessionsOf = (actor: TaskActor, method: string): unknown[] => actor.requests.filter(({ json }) => json.method === method).map(({ headers }) => headers['mcp-session-id'])

  it('has its tasks share a session where it can be asked, each question in its own task, whatever it declares later', async () => {
    const { call, get, send, reach, actor } = await play()
    const tasks = [await call('slow', both), await call('slow', both), await call('slow', both)]
    const made = sessionsOf(actor, 'tools/call')
    expect(new Set(made).size).toBe(1)
    const answers = tasks.toReversed().map(({ task }) => task.ask('elicitation/create', { ...FORM, message: task.id }))
    for (const { taskId, task } of tasks) {
      const { inputRequests } = await reach(taskId, 'input_required')
      expect(inputRequests).toEqual({ 'input-1': { method: 'elicitation/create', params: { ...FORM, message: task.id } } })
      await send('tasks/update', { taskId, inputResponses: { 'input-1': { action: 'accept', content: { name: task.id } } } })
    }
    expect((await Promise.all(answers)).map(({ result }) => (result as Json)['content'])).toEqual([{ name: 'raw-3' }, { name: 'raw-2' }, { name: 'raw-1' }])
    for (const { taskId } of tasks) await get(taskId, { capabilities: DECLARED })
    expect(new Set(sessionsOf(actor, 'tasks/get'))).toEqual(new Set(made))
    for (const { task, taskId } of tasks) {
      task.end('completed', { result: { ...done, of: task.id } })
      expect(await reach(taskId, 'completed')).toMatchObject({ result: { of: task.id } })
    }
  })

  it('is asked in a call what names no task, though tasks go on in the same session', async () => {
    const { call, get, send, actor } = await play()
    const { taskId } = await call('slow', both)
    const first = resultOf(await send('tools/call', { name: 'asks', arguments: {} }, { capabilities: both }))
    expect(first).toMatchObject({ resultType: 'input_required', inputRequests: { 'input-1': { params: FORM } } })
    expect(await get(taskId)).toMatchObject({ status: 'working' })
    const retry = { name: 'asks', arguments: {}, requestState: first['requestState'], inputResponses: { 'input-1': accept } }
    expect(resultOf(await send('tools/call', retry, { capabilities: both }))).toMatchObject({ got: accept })
    expect(new Set(sessionsOf(actor, 'tools/call')).size).toBe(1)
  })

  it('loses no task when another of its session is given up with a question open; what is new has another session then', async () => {
    const { call, send, reach, actor } = await play()
    const [first, second] = [await call('slow', both), await call('slow', both)]
    first.task.ask('elicitation/create', FORM).catch(() => undefined)
    await reach(first.taskId, 'input_required')
    await send('tasks/cancel', { taskId: first.taskId })
    await call('slow', both)
    expect(new Set(sessionsOf(actor, 'tools/call')).size).toBe(2)
    const answer = second.task.ask('elicitation/create', FORM)
    await reach(second.taskId, 'input_required')
    await send('tasks/update', { taskId: second.taskId, inputResponses: { 'input-1': accept } })
    await answer
    second.task.end('completed', { result: done })
    expect(await reach(second.taskId, 'completed')).toMatchObject({ result: done })
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
