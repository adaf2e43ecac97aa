import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client as ModernClient, StreamableHTTPClientTransport as ModernHttpTransport } from '@modelcontextprotocol/client'
import { StdioClientTransport as ModernStdioTransport } from '@modelcontextprotocol/client/stdio'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as LegacyStdioTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as LegacyHttpTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport as LegacyTransport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CreateMessageRequestSchema, ElicitationCompleteNotificationSchema, ElicitRequestSchema, ListRootsRequestSchema,
  LoggingMessageNotificationSchema, PromptListChangedNotificationSchema, ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema, ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OFFICIAL_SERVER_BARS, runOfficialServerSuite } from '../official-suite.ts'
import { REFERENCE_SERVER_COMMAND, startReferenceServer } from '../reference-server-process.ts'
import type { ReferenceServerProcess } from '../reference-server-process.ts'

const CLIENT_INFO = { name: 'test', version: '1.0.0' }
const CAPABILITIES = { sampling: {}, roots: { listChanged: true }, elicitation: { form: {}, url: {} } }
const ROOTS = { roots: [{ uri: 'file:///work', name: 'work' }] }
const COMPLETION = { model: 'test-model', role: 'assistant' as const, content: { type: 'text' as const, text: 'Paris' } }
const ANSWERS: Readonly<Record<string, string | boolean>> = { name: 'Ada', color: 'green', response: 'yes', ok: true }

/** Fills every field that a form requires from ANSWERS; a visit to a URL is accepted. */
function fill(params: { mode?: string | undefined; requestedSchema?: { required?: string[] | undefined } }) {
  if (params.mode === 'url') return { action: 'accept' as const }
  const content = Object.fromEntries((params.requestedSchema?.required ?? []).map((field) => [field, ANSWERS[field] ?? '']))
  return { action: 'accept' as const, content }
}

type CompletionRef = { type: 'ref/prompt'; name: string } | { type: 'ref/resource'; uri: string }

/** A connected client with what it was told, in order. `watch` asks to be told of everything that can change. */
type Connected = {
  readonly toolNames: () => Promise<string[]>
  readonly call: (name: string, args?: Record<string, unknown>, onProgress?: (progress: number) => void) => Promise<string>
  readonly read: (uri: string) => Promise<string>
  readonly structured: (name: string) => Promise<unknown>
  readonly cancel: (name: string, args: Record<string, unknown>, signal: AbortSignal) => Promise<unknown>
  readonly complete: (ref: CompletionRef, argument: { name: string; value: string }) => Promise<string[]>
  /** Of all pages. */
  readonly resourceUris: () => Promise<string[]>
  readonly told: string[]
  readonly watch: () => Promise<void>
  readonly close: () => Promise<void>
}

/** The text of the first content of a result, whose type differs between the two SDKs. */
function firstText(result: object): string {
  const content = 'content' in result && Array.isArray(result.content) ? result.content : []
  return String(content[0]?.text ?? '')
}
function texts(result: { contents: readonly object[] }): string {
  return result.contents.map((content) => ('text' in content ? String(content.text) : '')).join()
}

type ProgressListener = ((progress: number) => void) | undefined
type Receiver<Message, Extra> = { onmessage?: ((message: Message, extra?: Extra) => void) | undefined }

/**
 * Reports progress as it arrives at a connected transport. Both clients forget their own progress handler when the result
 * comes in the same read as the last progress, before they handle that.
 */
function wireProgress<Message extends object, Extra>(transport: Receiver<Message, Extra>): (listener: ProgressListener) => void {
  let current: ProgressListener
  const deliver = transport.onmessage
  transport.onmessage = (message, extra) => {
    const received: { method?: unknown; params?: { progress?: unknown } } = message
    if (received.method === 'notifications/progress') current?.(Number(received.params?.progress))
    deliver?.(message, extra)
  }
  return (listener) => {
    current = listener
  }
}

async function connectModern(transport: ModernHttpTransport | ModernStdioTransport): Promise<Connected> {
  const versionNegotiation = { mode: { pin: '2026-07-28' } }
  const client = new ModernClient(CLIENT_INFO, { capabilities: CAPABILITIES, versionNegotiation })
  const told: string[] = []
  client.setRequestHandler('elicitation/create', ({ params }) => fill(params))
  client.setRequestHandler('sampling/createMessage', () => COMPLETION)
  client.setRequestHandler('roots/list', () => ROOTS)
  client.setNotificationHandler('notifications/tools/list_changed', () => void told.push('tools'))
  client.setNotificationHandler('notifications/prompts/list_changed', () => void told.push('prompts'))
  client.setNotificationHandler('notifications/resources/list_changed', () => void told.push('resources'))
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void told.push(params.uri))
  client.setNotificationHandler('notifications/message', ({ params }) => void told.push(`log ${params.level}`))
  await client.connect(transport)
  const onWireProgress = wireProgress(transport)
  return {
    toolNames: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: async (name, args = {}, onProgress) => {
      onWireProgress(onProgress)
      const options = onProgress === undefined ? {} : { onprogress: () => undefined }
      const _meta = { 'io.modelcontextprotocol/logLevel': 'info' }
      return firstText(await client.callTool({ name, arguments: args, _meta }, options))
    },
    read: async (uri) => texts(await client.readResource({ uri }, { cacheMode: 'bypass' })),
    structured: async (name) => (await client.callTool({ name })).structuredContent,
    cancel: (name, args, signal) => client.callTool({ name, arguments: args }, { signal }),
    complete: async (ref, argument) => (await client.complete({ ref, argument })).completion.values,
    resourceUris: async () => (await client.listResources()).resources.map((resource) => resource.uri),
    told,
    watch: async () => {
      await client.listen({
        toolsListChanged: true,
        promptsListChanged: true,
        resourcesListChanged: true,
        resourceSubscriptions: ['test://watched-resource'],
      })
    },
    close: () => client.close(),
  }
}

async function connectLegacy(transport: LegacyTransport): Promise<Connected> {
  const client = new LegacyClient(CLIENT_INFO, { capabilities: CAPABILITIES })
  const told: string[] = []
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => fill(params))
  client.setRequestHandler(CreateMessageRequestSchema, () => COMPLETION)
  client.setRequestHandler(ListRootsRequestSchema, () => ROOTS)
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void told.push('tools'))
  client.setNotificationHandler(PromptListChangedNotificationSchema, () => void told.push('prompts'))
  client.setNotificationHandler(ResourceListChangedNotificationSchema, () => void told.push('resources'))
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void told.push(params.uri))
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void told.push(`log ${params.level}`))
  client.setNotificationHandler(ElicitationCompleteNotificationSchema, () => void told.push('visit over'))
  await client.connect(transport)
  const onWireProgress = wireProgress(transport)
  await client.setLoggingLevel('info')
  return {
    toolNames: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: async (name, args = {}, onProgress) => {
      onWireProgress(onProgress)
      const options = onProgress === undefined ? {} : { onprogress: () => undefined }
      return firstText(await client.callTool({ name, arguments: args }, undefined, options))
    },
    read: async (uri) => texts(await client.readResource({ uri })),
    structured: async (name) => (await client.callTool({ name })).structuredContent,
    cancel: (name, args, signal) => client.callTool({ name, arguments: args }, undefined, { signal }),
    complete: async (ref, argument) => (await client.complete({ ref, argument })).completion.values,
    resourceUris: async () => {
      const first = await client.listResources()
      const second = await client.listResources({ cursor: first.nextCursor })
      return [...first.resources, ...second.resources].map((resource) => resource.uri)
    },
    told,
    watch: async () => void (await client.subscribeResource({ uri: 'test://watched-resource' })),
    close: () => client.close(),
  }
}

let server: ReferenceServerProcess
let outDir: string
beforeAll(async () => {
  server = await startReferenceServer()
  outDir = await mkdtemp(join(tmpdir(), 'portolan-official-suite-'))
})
afterAll(async () => {
  await server?.stop()
  if (outDir !== undefined) await rm(outDir, { recursive: true })
})

describe('the official server suite', () => {
  for (const { revision, args, passed } of OFFICIAL_SERVER_BARS) {
    it(`passes all ${passed} checks at ${revision}`, { timeout: 180_000 }, async () => {
      const result = await runOfficialServerSuite({ url: server.url, args, outDir })
      expect(result, result.output.slice(-2000)).toMatchObject({ passed, failed: 0 })
    })
  }
})

const STDIO = { ...REFERENCE_SERVER_COMMAND, stderr: 'ignore' } as const
const CLIENTS: readonly (readonly [client: string, era: 'modern' | 'legacy', connect: () => Promise<Connected>])[] = [
  ['a 2026-07-28 client over stdio', 'modern', () => connectModern(new ModernStdioTransport(STDIO))],
  ['a 2026-07-28 client over HTTP', 'modern', () => connectModern(new ModernHttpTransport(new URL(server.url)))],
  ['a 2025-11-25 client over stdio', 'legacy', () => connectLegacy(new LegacyStdioTransport(STDIO))],
  [
    'a 2025-11-25 client over HTTP',
    'legacy',
    // The SDK's transport is not written for exactOptionalPropertyTypes.
    () => connectLegacy(new LegacyHttpTransport(new URL(server.url)) as LegacyTransport),
  ],
]

describe.each(CLIENTS)('%s', (_name, era, connect) => {
  let client: Connected
  beforeAll(async () => {
    client = await connect()
  })
  afterAll(async () => {
    await client?.close()
  })

  it('sees every tool', async () => {
    const names = await client.toolNames()
    expect(names).toContain('test_simple_text')
    expect(names).toContain('test_x_mcp_header')
    expect(names.filter((name) => name !== 'test_optional_tool')).toHaveLength(48)
  })

  it('reads an app that is not listed, and the files of a skill', async () => {
    expect(await client.read('ui://reference/clock')).toContain("'tools/call', { name: 'test_app_refresh'")
    expect(await client.read('skill://guides/try-portolan/SKILL.md')).toContain('name: try-portolan')
    expect((await client.resourceUris()).filter((uri) => !uri.startsWith('test://'))).toEqual([])
  })

  it('gets progress before the result', async () => {
    const progress: number[] = []
    await client.call('test_tool_with_progress', {}, (value) => progress.push(value))
    expect(progress).toEqual([0, 50, 100])
  })

  it('gets every progress notification of a burst', async () => {
    const progress: number[] = []
    const text = await client.call('test_burst', { count: 200, bytes: 100_000 }, (value) => progress.push(value))
    expect(progress).toHaveLength(200)
    expect(text).toHaveLength(100_000)
  })

  it('gets log messages at the level that it asked for', async () => {
    await client.call('test_logging_tool')
    expect(client.told.filter((entry) => entry.startsWith('log'))).toEqual(['log info', 'log error'])
  })

  it.each([
    ['test_elicitation', 'User response: action=accept, content={"response":"yes"}'],
    ['test_elicitation_sep1034_defaults', 'Elicitation completed: action=accept, content={}'],
    ['test_elicitation_sep1330_enums', 'Elicitation completed: action=accept, content={}'],
    ['test_elicitation_url', 'URL elicitation: action=accept'],
    ['test_sampling', 'LLM response: Paris'],
    ['test_list_roots', 'Roots: file:///work'],
    ['test_input_required_result_elicitation', 'Hello, Ada!'],
    ['test_input_required_result_sampling', 'Sampling response: Paris'],
    ['test_input_required_result_list_roots', 'Client exposed 1 root(s): file:///work'],
    ['test_input_required_result_request_state', 'state-ok: requestState verified and confirmation received'],
    ['test_input_required_result_multiple_inputs', 'Paris Ada: 1 root(s) visible'],
    ['test_input_required_result_multi_round', 'Multi-round complete: Ada likes green'],
    ['test_input_required_result_state_only', 'Retried with the state'],
  ])('is asked by %s and gets its answer back', async (name, expected) => {
    const args = name === 'test_elicitation' ? { message: 'Really?' } : name === 'test_sampling' ? { prompt: 'Capital?' } : {}
    expect(await client.call(name, args)).toBe(expected)
  })

  it('is asked before a resource is read', async () => {
    expect(await client.read('test://input-required')).toBe('Read by Ada')
  })

  it.runIf(era === 'legacy')('is told when a visit to a URL is over', async () => {
    await client.call('test_elicitation_url')
    expect(client.told).toContain('visit over')
  })

  it.runIf(era === 'legacy')('is refused with -32042 by a tool that needs a visit', async () => {
    await expect(client.call('test_elicitation_url_required')).rejects.toMatchObject({ code: -32042 })
  })

  it('cancels a call, and the server notices', async () => {
    const before = Number(await client.read('test://cancelled-calls'))
    const controller = new AbortController()
    const call = client.cancel('test_wait', { milliseconds: 60_000 }, controller.signal)
    setTimeout(() => controller.abort(), 200)
    await expect(call).rejects.toThrow()
    await expect.poll(async () => Number(await client.read('test://cancelled-calls'))).toBe(before + 1)
  })

  it('gets structured output, an array only where its revision has it', async () => {
    const list = ['north', 'south']
    expect(await client.structured('test_structured_output')).toEqual({ city: 'Lisbon', temperature: 21.5, conditions: 'sunny' })
    expect(await client.structured('test_structured_list')).toEqual(era === 'modern' ? list : { result: list })
  })

  it('completes an argument of a prompt and a variable of a template', async () => {
    const prompt = { type: 'ref/prompt', name: 'test_prompt_with_arguments' } as const
    expect(await client.complete(prompt, { name: 'arg1', value: 'testB' })).toEqual(['testBeta'])
    const template = { type: 'ref/resource', uri: 'test://template/{id}/data' } as const
    expect(await client.complete(template, { name: 'id', value: 'al' })).toEqual(['alpha'])
  })

  it('finds the resources of all pages, in order', async () => {
    const uris = await client.resourceUris()
    expect(uris[0]).toBe('test://static-text')
    expect(uris.filter((uri) => uri.startsWith('test://numbered/')).at(-1)).toBe('test://numbered/30')
    expect(new Set(uris).size).toBe(uris.length)
  })

  it('is told of every kind of change that it watches, and can see a changed list', async () => {
    await client.watch()
    client.told.length = 0
    const before = await client.toolNames()
    for (const list of ['tool', 'prompt', 'resource']) await client.call(`test_trigger_${list}_change`)
    await client.call('test_trigger_resource_update', { uri: 'test://static-text' })
    await client.call('test_trigger_resource_update')
    await expect.poll(() => client.told).toEqual(['tools', 'prompts', 'resources', 'test://watched-resource'])
    const after = await client.toolNames()
    expect(after.includes('test_optional_tool')).toBe(!before.includes('test_optional_tool'))
  })
})

describe('the HTTP endpoint', () => {
  /** Sends one POST with any headers at all, Host included. */
  async function post(headers: Record<string, string>, body: string): Promise<number> {
    const sent = httpRequest(server.url, { method: 'POST', headers: { ...POST_HEADERS, ...headers } })
    sent.end(body)
    const [response] = await once(sent, 'response')
    response.resume()
    return response.statusCode
  }
  const POST_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const INITIALIZE = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: CLIENT_INFO },
  })

  it.each<[what: string, headers: Record<string, string>, body: string, status: number]>([
    ['a foreign Host', { host: 'evil.example' }, INITIALIZE, 403],
    ['a foreign Origin', { origin: 'https://evil.example' }, INITIALIZE, 403],
    ['another content type', { 'content-type': 'text/plain' }, INITIALIZE, 415],
    ['malformed JSON', {}, '{', 400],
    ['null', {}, 'null', 400],
    ['no session', {}, '{"jsonrpc":"2.0","id":1,"method":"ping"}', 400],
    ['an unknown session', { 'mcp-session-id': 'unknown' }, '{"jsonrpc":"2.0","id":1,"method":"ping"}', 404],
    ['a body of 5 MB', {}, `"${'x'.repeat(5_000_000)}"`, 413],
  ])('refuses %s', async (_what, headers, body, status) => {
    expect(await post(headers, body)).toBe(status)
  })

  it.each([
    ['GET', '2026-07-28', 405],
    ['DELETE', '2026-07-28', 405],
    ['PUT', '2025-11-25', 405],
    ['GET', '2025-11-25', 400],
  ])('answers %s at %s without a session with %i', async (method, version, status) => {
    const headers = { accept: 'text/event-stream', 'mcp-protocol-version': version }
    const response = await fetch(server.url, { method, headers })
    await response.text()
    expect(response.status).toBe(status)
  })

  it('accepts localhost as Host and Origin', async () => {
    const { port } = new URL(server.url)
    expect(await post({ host: `localhost:${port}`, origin: 'http://localhost:3000' }, INITIALIZE)).toBe(200)
  })

  it('closes the longest unused session for a new one, and idle ones after a while', { timeout: 20_000 }, async () => {
    const small = await startReferenceServer(['--max-sessions', '2', '--session-idle-seconds', '1'])
    const open = async (): Promise<string> => {
      const response = await fetch(small.url, { method: 'POST', headers: POST_HEADERS, body: INITIALIZE })
      await response.text()
      return response.headers.get('mcp-session-id') ?? ''
    }
    const ping = async (session: string): Promise<number> => {
      const headers = { ...POST_HEADERS, 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }
      const response = await fetch(small.url, { method: 'POST', headers, body: '{"jsonrpc":"2.0","id":2,"method":"ping"}' })
      await response.text()
      return response.status
    }
    const [first, second] = [await open(), await open()]
    expect(await ping(first)).toBe(200)
    const third = await open()
    expect([await ping(second), await ping(first), await ping(third)]).toEqual([404, 200, 200])
    await new Promise((resolve) => setTimeout(resolve, 2500))
    expect([await ping(first), await ping(third)]).toEqual([404, 404])
    expect(await small.stop()).toBe(0)
  })
})

describe('the process', () => {
  type Ended = { code: number | null; stdout: string }
  async function run(args: readonly string[], stdin: string, signal?: NodeJS.Signals): Promise<Ended> {
    const { command, args: fixed } = REFERENCE_SERVER_COMMAND
    const child = spawn(command, [...fixed, ...args], { stdio: ['pipe', 'pipe', 'ignore'], timeout: 10_000 })
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
    if (signal === undefined) {
      child.stdin.end(stdin)
    } else {
      child.stdin.write(stdin)
      await once(child.stdout, 'data')
      child.kill(signal)
    }
    await once(child, 'close')
    return { code: child.exitCode, stdout }
  }
  const WAIT = [
    { jsonrpc: '2.0', id: 1, method: 'ping' },
    { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'test_wait', arguments: { milliseconds: 60_000 } } },
  ]
    .map((message) => `${JSON.stringify(message)}\n`)
    .join('')

  it('ends with 0 when standard input ends, even while a tool runs', async () => {
    expect(await run([], WAIT)).toMatchObject({ code: 0 })
  })
  it.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 on %s, even while a tool runs', async (signal) => {
    expect(await run([], WAIT, signal)).toMatchObject({ code: 0 })
  })
  it('ends with 2 on bad usage', async () => {
    expect(await run(['--port', '70000'], '')).toEqual({ code: 2, stdout: '' })
    expect(await run(['--unknown'], '')).toEqual({ code: 2, stdout: '' })
  })
  it('prints a short text for --help', async () => {
    const { code, stdout } = await run(['--help'], '')
    expect(code).toBe(0)
    expect(stdout).toContain('Usage: reference-server')
  })
})
