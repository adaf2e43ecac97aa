import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { CallToolResultSchema, CreateTaskResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'
import { ALL_CAPABILITIES, connectSdk1, httpTransport } from '../sdk1-client.ts'
import type { Sdk1Client } from '../sdk1-client.ts'

const official = (name: string): string => fileURLToPath(new URL(`../../node_modules/@modelcontextprotocol/server-${name}/dist/index.js`, import.meta.url))

let folder: string
let gateway: GatewayProcess
let merged: Sdk1Client
const alone = new Map<string, Client>()
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'portolan-merged-')))
  await writeFile(join(folder, 'note.txt'), 'written by the test')
  const node = process.execPath
  const mcpServers = {
    everything: { command: node, args: [official('everything'), 'stdio'] },
    files: { command: node, args: [official('filesystem'), folder] },
    memory: { command: node, args: [official('memory')], env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') } },
  }
  // Two clients of one person, each with a child of its own at every server: six.
  gateway = await startGateway({ config: { mcpServers, portolan: { version: 1, limits: { childrenPerPrincipal: 8 } } } })
  merged = await connectSdk1(httpTransport(gateway, '/mcp'), ALL_CAPABILITIES)
  merged.roots.splice(0, 1, { uri: `file://${folder}`, name: 'folder' })
  for (const name of Object.keys(mcpServers)) {
    const one = await connectSdk1(httpTransport(gateway, `/${name}/mcp`), ALL_CAPABILITIES)
    one.roots.splice(0, 1, { uri: `file://${folder}`, name: 'folder' })
    alone.set(name, one.client)
  }
})
afterAll(async () => {
  await Promise.all([merged?.close(), ...[...alone.values()].map((client) => client.close())])
  await gateway?.stop()
  if (folder !== undefined) await rm(folder, { recursive: true })
})

async function text(name: string, args: Record<string, unknown> = {}): Promise<string> {
  const { content } = CallToolResultSchema.parse(await merged.client.callTool({ name, arguments: args }))
  return content.map((part) => (part.type === 'text' ? part.text : part.type)).join()
}

/** The items of every server by itself, in the order of the configuration. */
async function fromEach<T>(list: (client: Client) => Promise<readonly T[]>): Promise<{ server: string; item: T }[]> {
  const items: { server: string; item: T }[] = []
  for (const [server, client] of alone) for (const item of await list(client).catch(() => [])) items.push({ server, item })
  return items
}

describe('three servers as one', () => {
  it('has every tool of every server, in the order of the configuration, named after it', async () => {
    const expected = (await fromEach(async (client) => (await client.listTools()).tools)).map(({ server, item }) => ({ ...item, name: `${server}__${item.name}` }))
    expect((await merged.client.listTools()).tools).toEqual(expected)
    expect(expected.length).toBeGreaterThan(35)
  })

  it('has every prompt, resource and template, its URI marked', async () => {
    const { client } = merged
    const mark = (server: string, uri: string): string => `${server}+${uri}`
    const prompts = (await fromEach(async (one) => (await one.listPrompts()).prompts)).map(({ server, item }) => ({ ...item, name: `${server}__${item.name}` }))
    const resources = (await fromEach(async (one) => (await one.listResources()).resources)).map(({ server, item }) => ({ ...item, uri: mark(server, item.uri) }))
    const templates = (await fromEach(async (one) => (await one.listResourceTemplates()).resourceTemplates)).map(({ server, item }) => ({ ...item, uriTemplate: mark(server, item.uriTemplate) }))
    expect((await client.listPrompts()).prompts).toEqual(prompts)
    expect((await client.listResources()).resources).toEqual(resources)
    expect((await client.listResourceTemplates()).resourceTemplates).toEqual(templates)
    expect([prompts.length > 0, resources.length > 0, templates.length > 0]).toEqual([true, true, true])
  })

  it('declares what any of them can do, and gives the instructions of those that have some', () => {
    const capabilities = merged.client.getServerCapabilities()
    expect(capabilities).toMatchObject({ tools: { listChanged: true }, prompts: {}, resources: { subscribe: true }, logging: {}, completions: {}, tasks: { list: {} } })
    expect(merged.client.getInstructions()).toContain('# everything')
  })

  it('reads every resource that it lists, each under the URI that it lists', async () => {
    const { resources } = await merged.client.listResources()
    for (const { uri } of resources) {
      const { contents } = await merged.client.readResource({ uri })
      expect(contents.map((content) => content.uri)).toEqual([uri])
    }
  })

  it('reads what a result links to and what it embeds', async () => {
    const { content } = CallToolResultSchema.parse(await merged.client.callTool({ name: 'everything__get-resource-links', arguments: { count: 2 } }))
    const links = content.flatMap((part) => (part.type === 'resource_link' ? [part.uri] : []))
    expect(links).toHaveLength(2)
    for (const uri of links) expect((await merged.client.readResource({ uri })).contents[0]?.uri).toBe(uri)
    const reference = CallToolResultSchema.parse(await merged.client.callTool({ name: 'everything__get-resource-reference', arguments: { resourceType: 'Text', resourceId: 2 } }))
    const embedded = reference.content.flatMap((part) => (part.type === 'resource' ? [part.resource.uri] : []))
    expect(embedded).toEqual(['everything+demo://resource/dynamic/text/2'])
    const prompt = await merged.client.getPrompt({ name: 'everything__resource-prompt', arguments: { resourceType: 'Blob', resourceId: '3' } })
    expect(JSON.stringify(prompt)).toContain('everything+demo://resource/dynamic/blob/3')
  })

  it('routes calls to the server that each is of', async () => {
    expect(await text('everything__echo', { message: 'hi' })).toBe('Echo: hi')
    expect(await text('files__read_text_file', { path: join(folder, 'note.txt') })).toBe('written by the test')
    await text('memory__create_entities', { entities: [{ name: 'Ada', entityType: 'person', observations: ['wrote'] }] })
    expect(await text('memory__read_graph')).toContain('Ada')
  })

  it('routes prompts and completions, and fills marked templates', async () => {
    const { client } = merged
    expect((await client.getPrompt({ name: 'everything__simple-prompt' })).messages).toHaveLength(1)
    const department = await client.complete({ ref: { type: 'ref/prompt', name: 'everything__completable-prompt' }, argument: { name: 'department', value: 'E' } })
    expect(department.completion.values).toEqual(['Engineering'])
    const [template] = (await client.listResourceTemplates()).resourceTemplates
    const uri = template?.uriTemplate ?? ''
    const id = await client.complete({ ref: { type: 'ref/resource', uri }, argument: { name: 'resourceId', value: '7' } })
    expect(id.completion.values).toEqual(['7'])
    const filled = uri.replace('{resourceId}', '7')
    expect((await client.readResource({ uri: filled })).contents[0]?.uri).toBe(filled)
  })

  it('lets every server ask the client', async () => {
    expect(await text('everything__trigger-sampling-request', { prompt: 'Capital?' })).toContain('Paris')
    expect(await text('everything__trigger-elicitation-request')).toContain('provided the requested information')
    expect(await text('files__list_allowed_directories')).toContain(folder)
  })

  it('sends updates under the marked URI, from the subscription to its end', async () => {
    const uri = 'everything+demo://resource/dynamic/text/1'
    merged.notified.length = 0
    const updates = (): unknown[] => merged.notified.filter(({ method }) => method === 'notifications/resources/updated').map(({ params }) => params)
    await merged.client.subscribeResource({ uri })
    await text('everything__toggle-subscriber-updates')
    await expect.poll(updates).toEqual([{ uri }])
    await text('everything__toggle-subscriber-updates')
    await merged.client.unsubscribeResource({ uri })
    await text('everything__toggle-subscriber-updates')
    await text('everything__toggle-subscriber-updates')
    expect(updates()).toHaveLength(1)
  })

  it('carries tasks to the server that runs them', async () => {
    const params = { name: 'everything__simulate-research-query', arguments: { topic: 'x' }, task: { ttl: 60_000 } }
    const { task } = await merged.client.request({ method: 'tools/call', params }, CreateTaskResultSchema)
    const { tasks } = merged.client.experimental
    expect((await tasks.listTasks()).tasks.map(({ taskId }) => taskId)).toEqual([task.taskId])
    expect(await tasks.cancelTask(task.taskId)).toMatchObject({ status: 'cancelled' })
  })

  it.each([
    ['an unknown tool', (client: Client) => client.callTool({ name: 'everything__nothing' }), -32602],
    ['a tool without its server', (client: Client) => client.callTool({ name: 'echo' }), -32602],
    ['an unknown prompt', (client: Client) => client.getPrompt({ name: 'memory__nothing' }), -32602],
    ['a URI without a mark', (client: Client) => client.readResource({ uri: 'demo://resource/dynamic/text/1' }), -32002],
    ['a URI of an unknown server', (client: Client) => client.readResource({ uri: 'nobody+demo://a' }), -32002],
    ['a method that no server is named for', (client: Client) => client.request({ method: 'vendor/method' }, CallToolResultSchema), -32601],
  ])('refuses %s', async (_what, ask, code) => {
    await expect(ask(merged.client)).rejects.toMatchObject({ code })
  })
})
