/** Tasks between eras through a real process: server-everything for a 2026-07-28 client, the official v1 client with a 2026-07-28 server. */
import { fileURLToPath } from 'node:url'
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { Client } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLI_MAIN } from '../compiled.ts'
import { modernHttp } from '../any-client.ts'
import { sleep, until } from '../fixtures/upstream/support.ts'
import { startModernTasks } from '../fixtures/upstream/task-actor.ts'
import type { TaskActor } from '../fixtures/upstream/task-actor.ts'
import { startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'
import { messageOf, modern } from '../mcp-client.ts'
import { ALL_CAPABILITIES, connectSdk1, httpTransport, stdioTransport } from '../sdk1-client.ts'

type Json = Record<string, unknown>
const EVERYTHING = fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url))
const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} } }
const ASKABLE = { elicitation: { form: {} }, sampling: {} }

let actor: TaskActor
let gateway: GatewayProcess
beforeAll(async () => {
  actor = await startModernTasks()
  gateway = await startGateway({ config: { mcpServers: { everything: { command: process.execPath, args: [EVERYTHING, 'stdio'] }, actor: { type: 'http', url: actor.url } } } })
})
afterAll(async () => {
  expect(await gateway?.stop()).toBe(0)
  await actor?.close()
})

describe.each([
  ['/everything/mcp', 'simulate-research-query'],
  ['/mcp', 'everything__simulate-research-query'],
])('a 2026-07-28 client of server-everything at %s', (path, name) => {
  let id = 0
  const send = async (method: string, params: Json, capabilities: Json): Promise<Json> => {
    const meta = { 'io.modelcontextprotocol/clientCapabilities': capabilities }
    const headers = typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : {}
    const message = messageOf(await modern(Number(new URL(gateway.url).port), method, params, { path, token: gateway.token, id: (id += 1), meta, headers }))
    return (message['result'] ?? message) as Json
  }
  const poll = async (taskId: string, capabilities: Json, ...statuses: string[]): Promise<Json> => {
    let task: Json = {}
    for (const endMs = Date.now() + 30_000; !statuses.includes(String(task['status'])) && Date.now() < endMs; await sleep(100)) task = await send('tasks/get', { taskId }, capabilities)
    return task
  }

  it('runs a research as a task, is asked in it, and finds the report', { timeout: 40_000 }, async () => {
    const capabilities = { ...TASKS, ...ASKABLE }
    const created = await send('tools/call', { name, arguments: { topic: 'gateways', ambiguous: true } }, capabilities)
    expect(created).toMatchObject({ resultType: 'task', status: 'working', ttlMs: 300_000, pollIntervalMs: 1_000 })
    const taskId = String(created['taskId'])
    const asking = await poll(taskId, capabilities, 'input_required', 'completed')
    const [[key, request] = ['', {}]] = Object.entries((asking['inputRequests'] ?? {}) as Record<string, Json>)
    expect(request).toMatchObject({ method: 'elicitation/create', params: { message: expect.stringContaining('gateways') } })
    await send('tasks/update', { taskId, inputResponses: { [key]: { action: 'accept', content: { interpretation: 'technical' } } } }, capabilities)
    const completed = await poll(taskId, capabilities, 'completed', 'failed')
    expect(JSON.stringify(completed['result'])).toContain('technical')
    expect(completed['result']).toMatchObject({ resultType: 'complete' })
  })

  it('cancels one', { timeout: 40_000 }, async () => {
    const taskId = String((await send('tools/call', { name, arguments: { topic: 'x' } }, TASKS))['taskId'])
    expect(await send('tasks/cancel', { taskId }, TASKS)).toEqual({ resultType: 'complete' })
    expect(await send('tasks/get', { taskId }, TASKS)).toMatchObject({ status: 'cancelled' })
  })

  it('without tasks gets the report all the same, and is asked as in any call', { timeout: 40_000 }, async () => {
    const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: { pin: '2026-07-28' } } })
    let asked = 0
    client.setRequestHandler('elicitation/create', () => {
      asked += 1
      return { action: 'accept', content: { interpretation: 'historical' } }
    })
    await client.connect(modernHttp(gateway, path))
    try {
      const result = await client.callTool({ name, arguments: { topic: 'gateways', ambiguous: true } })
      expect(JSON.stringify(result)).toContain('historical')
      expect(asked).toBe(1)
    } finally {
      await client.close()
    }
  })
})

describe.each([
  ['over HTTP', '', () => httpTransport(gateway, '/actor/mcp')],
  ['over HTTP on /mcp', 'actor__', () => httpTransport(gateway, '/mcp')],
  ['through portolan stdio', '', () => stdioTransport({ command: process.execPath, args: [CLI_MAIN, 'stdio', '--config', gateway.configPath, '--server', 'actor'] })],
] as const)('the official v1 client %s, of a 2026-07-28 server with tasks', (_how, prefix, transport) => {
  it('streams a tool as a task: created, asked in between, its result', { timeout: 30_000 }, async () => {
    const { client, asked, close } = await connectSdk1(transport(), ALL_CAPABILITIES)
    try {
      expect(client.getServerCapabilities()?.tasks).toMatchObject({ list: {}, cancel: {}, requests: { tools: { call: {} } } })
      expect((await client.listTools()).tools.find(({ name }) => name === `${prefix}slow`)?.execution).toEqual({ taskSupport: 'optional' })
      const before = actor.tasks.length
      const seen: string[] = []
      let text = ''
      const work = async (): Promise<void> => {
        await until(() => actor.tasks.length > before)
        const task = actor.tasks.at(-1)
        const answer = await task?.ask('elicitation/create', { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] } })
        task?.end('completed', { result: { resultType: 'complete', content: [{ type: 'text', text: JSON.stringify(answer) }] } })
      }
      const working = work()
      for await (const message of client.experimental.tasks.callToolStream({ name: `${prefix}slow`, arguments: {} }, CallToolResultSchema, { task: { ttl: 60_000 } })) {
        seen.push(message.type)
        if (message.type === 'result') text = JSON.stringify(message.result)
        if (message.type === 'error') throw message.error
      }
      await working
      expect(seen[0]).toBe('taskCreated')
      expect(text).toContain('Ada')
      // On /mcp server-everything asks for roots when it likes.
      expect(asked.filter((method) => method !== 'roots/list')).toEqual(['elicitation/create'])
    } finally {
      await close()
    }
  })

  it('lists, gets and cancels, and gets the result of a tool that is done at once', { timeout: 30_000 }, async () => {
    const { client, close } = await connectSdk1(transport())
    try {
      const { tasks } = client.experimental
      const quick = client.experimental.tasks.callToolStream({ name: `${prefix}quick`, arguments: {} }, CallToolResultSchema, { task: {} })
      const messages = []
      for await (const message of quick) messages.push(message)
      expect(messages.at(-1)).toMatchObject({ type: 'result', result: { content: [{ text: 'quick' }] } })
      const slow = client.experimental.tasks.callToolStream({ name: `${prefix}slow`, arguments: {} }, CallToolResultSchema, { task: {} })
      const first = await slow.next()
      const taskId = first.value?.type === 'taskCreated' ? first.value.task.taskId : ''
      expect((await tasks.listTasks()).tasks.map((task) => task.taskId)).toContain(taskId)
      expect(await tasks.getTask(taskId)).toMatchObject({ taskId, status: 'working' })
      expect(await tasks.cancelTask(taskId)).toMatchObject({ taskId, status: 'cancelled' })
      await expect(tasks.cancelTask(taskId)).rejects.toMatchObject({ code: -32602 })
    } finally {
      await close()
    }
  })
})
