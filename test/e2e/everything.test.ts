import { fileURLToPath } from 'node:url'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { CallToolResultSchema, CreateTaskResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'
import { ALL_CAPABILITIES, connectSdk1, httpTransport, stdioTransport } from '../sdk1-client.ts'
import type { Sdk1Client } from '../sdk1-client.ts'

const MAIN = fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url))
const EVERYTHING = { command: process.execPath, args: [MAIN, 'stdio'], env: { GIVEN: 'by the configuration' } }

let gateway: GatewayProcess
let direct: Sdk1Client
let through: Sdk1Client
beforeAll(async () => {
  gateway = await startGateway({ config: { mcpServers: { everything: EVERYTHING } } })
  direct = await connectSdk1(stdioTransport(EVERYTHING), ALL_CAPABILITIES)
  through = await connectSdk1(httpTransport(gateway, '/everything/mcp'), ALL_CAPABILITIES)
})
afterAll(async () => {
  await Promise.all([through?.close(), direct?.close()])
  expect(await gateway?.stop()).toBe(0)
})

/** Both ways at once: what the server says, and what it says through the gateway. */
async function both<T>(run: (one: Sdk1Client) => Promise<T>): Promise<{ readonly through: T; readonly direct: T }> {
  const [viaGateway, alone] = await Promise.all([run(through), run(direct)])
  return { through: viaGateway, direct: alone }
}

/** Without what differs from one run to the next: times of day, ids of tasks, the marker of a child's process. */
function steady(value: unknown): unknown {
  const text = JSON.stringify(value)
    .replace(/\d{1,2}:\d\d:\d\d [AP]M/g, '<time>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<date>')
    .replace(/\b[0-9a-f]{32}\b/g, '<task>')
    .replace(/"blob":"[A-Za-z0-9+/=]*(?:IGNyZWF0ZWQgYXQg|BjcmVhdGVkIGF0I|gY3JlYXRlZCBhdC)[A-Za-z0-9+/=]*"/g, '"blob":"<timed>"')
  return JSON.parse(text)
}

const settle = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('server-everything through its own endpoint, seen by the official client', () => {
  it('says of itself what it says without a gateway', async () => {
    const seen = await both(async ({ client }) => [client.getServerCapabilities(), client.getServerVersion(), client.getInstructions()])
    expect(seen.through).toEqual(seen.direct)
  })

  it.each(['listTools', 'listPrompts', 'listResources', 'listResourceTemplates'] as const)('has the same answer to %s', async (list) => {
    const seen = await both<unknown>(({ client }) => client[list]())
    expect(seen.through).toEqual(seen.direct)
  })

  it('offers the tools that depend on what the client can do', async () => {
    const names = async ({ client }: Sdk1Client): Promise<string[]> => (await client.listTools()).tools.map(({ name }) => name)
    expect(await names(through)).toContain('trigger-elicitation-request-async')
    const plain = await connectSdk1(httpTransport(gateway, '/everything/mcp'))
    expect(await names(plain)).not.toContain('trigger-sampling-request')
    await plain.close()
  })

  it.each<[tool: string, args: Record<string, unknown>, asked?: string[]]>([
    ['echo', { message: 'ça va?\u2028' }],
    ['get-sum', { a: 2, b: 0.5 }],
    ['get-annotated-message', { messageType: 'error', includeImage: true }],
    ['get-structured-content', { location: 'Chicago' }],
    ['get-tiny-image', {}],
    ['get-resource-links', { count: 3 }],
    ['get-resource-reference', { resourceType: 'Text', resourceId: 7 }],
    ['get-resource-reference', { resourceType: 'Blob', resourceId: 8 }],
    ['gzip-file-as-resource', { name: 'a.gz', data: 'data:text/plain,hello', outputType: 'resourceLink' }],
    ['gzip-file-as-resource', { name: 'b.gz', data: 'data:text/plain,hello', outputType: 'resource' }],
    ['get-roots-list', {}],
    ['trigger-sampling-request', { prompt: 'Capital of France?' }, ['sampling/createMessage']],
    ['trigger-elicitation-request', {}, ['elicitation/create']],
    ['trigger-url-elicitation', { url: 'https://example.org/', elicitationId: 'one' }, ['elicitation/create']],
    ['trigger-sampling-request-async', { prompt: 'Capital?' }, ['sampling/createMessage', 'tasks/result']],
    ['trigger-elicitation-request-async', {}, ['elicitation/create', 'tasks/result']],
    ['get-sum', { a: 'not a number' }],
    ['no-such-tool', {}],
  ])('runs %s with the same result', async (name, args, asked = []) => {
    const seen = await both(async (one) => {
      one.asked.length = 0
      const result = await one.client.callTool({ name, arguments: args })
      // The server asks for the roots once, some time after the start.
      return steady({ result, asked: one.asked.filter((method) => method !== 'roots/list') })
    })
    expect(seen.through).toEqual(seen.direct)
    expect(seen.through).toMatchObject({ asked })
  })

  it('gives its child the environment that the configuration names', async () => {
    const { content } = CallToolResultSchema.parse(await through.client.callTool({ name: 'get-env' }))
    const env = JSON.parse(content[0]?.type === 'text' ? content[0].text : '{}')
    expect(env).toMatchObject(EVERYTHING.env)
    expect(env).not.toHaveProperty('VITEST')
  })

  it('refuses with -32042 and the visits that are needed, then runs the call when it is repeated', async () => {
    const args = { url: 'https://example.org/', elicitationId: 'two', errorPath: true }
    const seen = await both(async ({ client }) => {
      const refusal = await client.callTool({ name: 'trigger-url-elicitation', arguments: args }).catch((error: unknown) => error)
      return { refusal, result: await client.callTool({ name: 'trigger-url-elicitation', arguments: args }) }
    })
    expect(seen.through.refusal).toMatchObject({ code: -32042, data: { elicitations: [{ mode: 'url', url: 'https://modelcontextprotocol.io' }] } })
    expect(seen.through.result).toEqual(seen.direct.result)
  })

  it('passes on every progress notification before the result', async () => {
    const call = { name: 'trigger-long-running-operation', arguments: { duration: 0.5, steps: 5 } }
    const seen = await both(async ({ client, notified }) => {
      const result = await client.callTool(call, undefined, { onprogress: () => undefined })
      return { result, progress: notified.filter(({ method }) => method === 'notifications/progress').map(({ params }) => params?.['progress']) }
    })
    expect(seen.through.progress).toEqual([1, 2, 3, 4, 5])
    expect(seen.through.result).toEqual(seen.direct.result)
  })

  it('sends log messages at the level that was set', async () => {
    const logs = async (one: Sdk1Client): Promise<unknown[]> => {
      one.notified.length = 0
      await one.client.setLoggingLevel('debug')
      await one.client.callTool({ name: 'toggle-simulated-logging' })
      await one.client.callTool({ name: 'toggle-simulated-logging' })
      await one.client.setLoggingLevel('emergency')
      await one.client.subscribeResource({ uri: 'demo://resource/dynamic/text/99' })
      await one.client.setLoggingLevel('info')
      await one.client.unsubscribeResource({ uri: 'demo://resource/dynamic/text/99' })
      await settle(150)
      return one.notified.filter(({ method }) => method === 'notifications/message').map(({ params }) => params?.['data'])
    }
    const seen = await both(logs)
    expect(seen.through).toEqual([expect.stringMatching(/level.message/i), 'Received Unsubscribe Resource request: demo://resource/dynamic/text/99 '])
    expect(seen.direct).toHaveLength(2)
  })

  it('sends updates of the resources that were subscribed to, and of no others', async () => {
    const uri = 'demo://resource/dynamic/text/1'
    const seen = await both(async (one) => {
      one.notified.length = 0
      await one.client.subscribeResource({ uri })
      await one.client.callTool({ name: 'toggle-subscriber-updates' })
      await expect.poll(() => one.notified.filter(({ method }) => method === 'notifications/resources/updated')).toHaveLength(1)
      await one.client.callTool({ name: 'toggle-subscriber-updates' })
      await one.client.unsubscribeResource({ uri })
      return one.notified.filter(({ method }) => method !== 'notifications/message')
    })
    expect(seen.through).toEqual([{ method: 'notifications/resources/updated', params: { uri } }])
    expect(seen.through).toEqual(seen.direct)
  })

  it('announces a resource that a call made, and serves it', async () => {
    const call = { name: 'gzip-file-as-resource', arguments: { name: 'c.gz', data: 'data:text/plain,abc' } }
    const seen = await both(async (one) => {
      one.notified.length = 0
      await one.client.callTool(call)
      await expect.poll(() => one.notified.map(({ method }) => method)).toContain('notifications/resources/list_changed')
      const { resources } = await one.client.listResources()
      return [resources, await one.client.readResource({ uri: 'demo://resource/session/c.gz' })]
    })
    expect(seen.through).toEqual(seen.direct)
  })

  it('tells the server of changed roots, and is asked for them again', async () => {
    const seen = await both(async (one) => {
      one.roots.push({ uri: 'file:///more', name: 'more' })
      one.asked.length = 0
      await one.client.sendRootsListChanged()
      await expect.poll(() => one.asked).toEqual(['roots/list'])
      await settle(50)
      return one.client.callTool({ name: 'get-roots-list' })
    })
    expect(seen.through).toEqual(seen.direct)
    expect(JSON.stringify(seen.through)).toContain('file:///more')
  })

  it('reads resources, gets prompts and completes arguments, with the same errors', async () => {
    const seen = await both(async ({ client }) => {
      const outcomes = await Promise.allSettled([
        client.readResource({ uri: 'demo://resource/dynamic/text/3' }),
        client.readResource({ uri: 'demo://resource/static/document/features.md' }),
        client.readResource({ uri: 'demo://nowhere' }),
        client.getPrompt({ name: 'simple-prompt' }),
        client.getPrompt({ name: 'args-prompt', arguments: { city: 'Oslo', state: 'x' } }),
        client.getPrompt({ name: 'resource-prompt', arguments: { resourceType: 'Text', resourceId: '4' } }),
        client.getPrompt({ name: 'no-such-prompt' }),
        client.complete({ ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'department', value: 'S' } }),
        client.complete({
          ref: { type: 'ref/prompt', name: 'completable-prompt' },
          argument: { name: 'name', value: 'E' },
          context: { arguments: { department: 'Sales' } },
        }),
        client.complete({ ref: { type: 'ref/resource', uri: 'demo://resource/dynamic/text/{resourceId}' }, argument: { name: 'resourceId', value: '5' } }),
      ])
      return outcomes.map((outcome) => steady(outcome.status === 'fulfilled' ? outcome.value : { code: outcome.reason.code, message: outcome.reason.message }))
    })
    expect(seen.through).toEqual(seen.direct)
  })
})

describe('tasks of 2025-11-25 through the gateway', () => {
  const create = ({ client }: Sdk1Client, args: Record<string, unknown>) =>
    client.request(
      { method: 'tools/call', params: { name: 'simulate-research-query', arguments: args, task: { ttl: 60_000 } } },
      CreateTaskResultSchema,
    )

  it('runs a tool as a task to its result, asking the client in between', { timeout: 30_000 }, async () => {
    const seen = await both(async (one) => {
      const stream = one.client.experimental.tasks.callToolStream(
        { name: 'simulate-research-query', arguments: { topic: 'python', ambiguous: true } },
        CallToolResultSchema,
        { task: { ttl: 60_000 } },
      )
      const kinds = new Set<string>()
      let result: CallToolResult | undefined
      for await (const message of stream) {
        kinds.add(message.type)
        if (message.type === 'result') ({ result } = message)
        if (message.type === 'error') throw message.error
      }
      return steady({ kinds: [...kinds], content: result?.content })
    })
    expect(seen.through).toEqual(seen.direct)
    expect(JSON.stringify(seen.through)).toContain('technical')
  })

  it('lists and cancels the tasks of this client under ids of its own', async () => {
    const { task } = await create(through, { topic: 'gateways' })
    const { tasks } = await through.client.experimental.tasks.listTasks()
    expect(tasks.map(({ taskId }) => taskId)).toContain(task.taskId)
    expect(await through.client.experimental.tasks.getTask(task.taskId)).toMatchObject({ taskId: task.taskId, status: 'working' })
    expect(await through.client.experimental.tasks.cancelTask(task.taskId)).toMatchObject({ taskId: task.taskId, status: 'cancelled' })
    await expect(through.client.experimental.tasks.getTask('no-such-task')).rejects.toMatchObject({ code: -32602 })
  })

  it('keeps another client from a task, and from knowing that it exists', async () => {
    const { task } = await create(direct, { topic: 'mine' })
    await expect(through.client.experimental.tasks.getTask(task.taskId)).rejects.toMatchObject({ code: -32602 })
  })
})
