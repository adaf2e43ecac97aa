/** Tasks between eras: what holds in both directions, and what listens hear of them. */
import { readFileSync } from 'node:fs'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { describe, expect, it } from 'vitest'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { Snapshot } from '../src/core/gateway/snapshot.ts'
import { configOf, http, sleep, until } from './fixtures/upstream/support.ts'
import { startLegacyTasks, startModernTasks } from './fixtures/upstream/task-actor.ts'
import type { ActorTask } from './fixtures/upstream/task-actor.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, legacy, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import { DECLARED, FORM, INPUT, VIA, accept, done, resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

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
    for (const endMs = Date.now() + 20_000; task['status'] !== 'completed' && Date.now() < endMs; await sleep(30)) task = await send('tasks/get', { taskId })
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
