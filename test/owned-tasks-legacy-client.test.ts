/** Tasks that Portolan owns, over ordinary tools of servers of either era, for clients of 2025-11-25. */
import { describe, expect, it } from 'vitest'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { sha256 } from '../src/adapters/node/digest.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { TERMS } from './contracts/task-store.contract.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { ActorCall } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, legacy, legacyRequest, messageOf, openSession, openStream } from './mcp-client.ts'
import { FORM, INPUT, RELATED, accept, resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

const done = { content: [{ type: 'text', text: 'done' }] }

describe.each(['modern', 'legacy'] as const)('a 2025-11-25 client\'s task of Portolan\'s at a %s server', (era) => {
  interface Scene {
    readonly rig: Rig
    readonly session: string
    readonly calls: ActorCall[]
    ask(method: string, params?: Json): Promise<Answer>
    call(args?: Json): Promise<Json>
  }

  async function play(act: (call: ActorCall) => void = () => undefined, pageSize = 100): Promise<Scene> {
    const calls: ActorCall[] = []
    const actor = closeAfter(await startActor([era], { slow: (call) => (calls.push(call), act(call)) }))
    const tasks = [{ pattern: '*', mode: 'auto' as const, afterMs: 100, terms: TERMS }]
    const rig = await startRig({ servers: { actor: http(actor.url) }, server: { tasks }, pageSize, deps: { tasks: { store: createTaskStore(createSystemClock()), sha256 } } })
    const session = await openSession(rig.port, { path: '/actor/mcp', capabilities: INPUT })
    let id = 10
    const ask: Scene['ask'] = (method, params = {}) => legacy(rig.port, session, method, params, { path: '/actor/mcp', id: (id += 1) })
    return { rig, session, calls, ask, call: async (args = {}) => resultOf(await ask('tools/call', { name: 'slow', arguments: args, task: { ttl: 90_000 } }))['task'] as Json }
  }

  it('is offered, made at once, and its result waited for', async () => {
    const { rig, ask, call, calls } = await play()
    const opened = await legacy(rig.port, '', 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } }, { path: '/actor/mcp' })
    expect(resultOf(opened)['capabilities']).toMatchObject({ tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } })
    expect(resultOf(await ask('tools/list'))['tools']).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'slow', execution: { taskSupport: 'optional' } })]))
    const task = await call({ a: 1 })
    expect(task).toEqual({ taskId: expect.any(String), status: 'working', createdAt: expect.any(String), lastUpdatedAt: expect.any(String), ttl: 90_000, pollInterval: 1_000 })
    const waiting = ask('tasks/result', { taskId: task['taskId'] })
    await until(() => calls.length === 1)
    expect(calls[0]?.args).toEqual({ a: 1 })
    expect(calls[0]?.request.json.params).not.toHaveProperty('task')
    calls[0]?.answer(done)
    expect(resultOf(await waiting)).toEqual({ ...done, _meta: { [RELATED]: { taskId: task['taskId'] } } })
    expect(resultOf(await ask('tasks/get', { taskId: task['taskId'] }))).toMatchObject({ taskId: task['taskId'], status: 'completed' })
  })

  it('is none where it was not asked for', async () => {
    const { ask } = await play((call) => void setTimeout(() => call.answer(done), 200))
    expect(resultOf(await ask('tools/call', { name: 'slow', arguments: {} }))).toMatchObject(done)
    expect(resultOf(await ask('tasks/list'))['tasks']).toEqual([])
  })

  it('is asked for input on the stream of its result', async () => {
    const { rig, session, call, calls } = await play(({ request, answer, send }) => {
      if (request.json.params?.['inputResponses'] !== undefined) answer(done)
      else if (era === 'modern') answer({ resultType: 'input_required', inputRequests: { who: { method: 'elicitation/create', params: FORM } }, requestState: 'state' })
      else send({ id: 'q1', method: 'elicitation/create', params: FORM })
    })
    const { taskId } = await call()
    const stream = closeAfter(await openStream(rig.port, legacyRequest(session, 'tasks/result', { taskId }, { path: '/actor/mcp', id: 99 })))
    await until(() => stream.messages().some(({ method }) => method === 'elicitation/create'))
    const question = stream.messages().find(({ method }) => method === 'elicitation/create') ?? {}
    expect(question['params']).toMatchObject({ message: 'Who?', _meta: { [RELATED]: { taskId } } })
    await legacy(rig.port, session, '', {}, { path: '/actor/mcp', body: JSON.stringify({ jsonrpc: '2.0', id: question['id'], result: accept }) })
    if (era === 'legacy') {
      await sleep(100)
      calls[0]?.answer(done)
    }
    await until(() => stream.messages().some(({ id }) => id === 99))
    expect(stream.messages().find(({ id }) => id === 99)).toMatchObject({ result: done })
    if (era === 'modern') expect(calls[1]?.request.json.params).toMatchObject({ inputResponses: { who: accept } })
  })

  it('is cancelled before that is answered, for good, and not twice', async () => {
    const { ask, call, calls } = await play()
    const { taskId } = await call()
    await until(() => calls.length === 1)
    expect(resultOf(await ask('tasks/cancel', { taskId }))).toMatchObject({ taskId, status: 'cancelled' })
    expect(codeOf(await ask('tasks/cancel', { taskId }))).toBe(-32_602)
    expect(codeOf(await ask('tasks/result', { taskId }))).toBe(-31_019)
  })

  it('has failed where the tool says so of its result, or the server answered with an error', async () => {
    const { ask, call } = await play(({ args, answer, response, id }) => {
      if (args['error'] !== true) return answer({ content: [], isError: true })
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, error: { code: 42, message: 'no' } }))
    })
    const faulty = await call()
    expect(resultOf(await ask('tasks/result', { taskId: faulty['taskId'] }))).toMatchObject({ isError: true })
    expect(resultOf(await ask('tasks/get', { taskId: faulty['taskId'] }))).toMatchObject({ status: 'failed' })
    const refused = await call({ error: true })
    expect(messageOf(await ask('tasks/result', { taskId: refused['taskId'] }))).toMatchObject({ error: { code: 42, message: 'no' } })
  })

  it('stands in its owner\'s list, page by page', async () => {
    const { rig, ask, call } = await play(undefined, 2)
    const made: unknown[] = []
    for (let at = 0; at < 5; at += 1) made.push((await call())['taskId'])
    const listed: unknown[] = []
    let cursor: unknown
    do {
      const page = resultOf(await ask('tasks/list', cursor === undefined ? {} : { cursor }))
      const tasks = page['tasks'] as Json[]
      expect(tasks.length).toBeLessThanOrEqual(2)
      listed.push(...tasks.map(({ taskId }) => taskId))
      cursor = page['nextCursor']
    } while (cursor !== undefined)
    expect(listed.toSorted()).toEqual(made.toSorted())
    const bob = await openSession(rig.port, { path: '/actor/mcp', token: 'bob' })
    expect(resultOf(await legacy(rig.port, bob, 'tasks/list', {}, { path: '/actor/mcp', token: 'bob' }))['tasks']).toEqual([])
    expect(codeOf(await legacy(rig.port, bob, 'tasks/get', { taskId: made[0] }, { path: '/actor/mcp', token: 'bob' }))).toBe(-32_602)
  })
})
