/** Input across eras with the official clients: every kind of question, asked by real servers of the other era. */
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLI_MAIN } from '../compiled.ts'
import { modernHttp, modernStdio } from '../any-client.ts'
import { startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'
import { REFERENCE_SERVER_COMMAND, startReferenceServer } from '../reference-server-process.ts'
import type { ReferenceServerProcess } from '../reference-server-process.ts'
import { connectSdk1, httpTransport, sseTransport, stdioTransport } from '../sdk1-client.ts'

const EVERYTHING = fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url))

let server: ReferenceServerProcess
let gateway: GatewayProcess
const config = (): object => ({
  mcpServers: {
    http: { type: 'http', url: server.url },
    stdio: REFERENCE_SERVER_COMMAND,
    everything: { command: process.execPath, args: [EVERYTHING, 'stdio'] },
    oldhttp: { type: 'http', url: server.url },
  },
  portolan: { version: 1, servers: { http: { era: 'modern' }, stdio: { era: 'modern' }, oldhttp: { era: 'legacy' } } },
})
beforeAll(async () => {
  server = await startReferenceServer()
  gateway = await startGateway({ config: config() })
})
afterAll(async () => {
  expect(await gateway?.stop()).toBe(0)
  await server?.stop()
})

type Content = { readonly content?: readonly { readonly text?: string }[] }
const textOf = (result: object): string => ((result as Content).content ?? []).map(({ text }) => text ?? '').join('|')

/** The v2 client, pinned to 2026-07-28, with an answer to everything. */
async function modernAsked(transport: ReturnType<typeof modernHttp> | ReturnType<typeof modernStdio>): Promise<{ client: Client; asked: string[] }> {
  const asked: string[] = []
  const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} }
  const client = new Client({ name: 'test', version: '1' }, { capabilities, versionNegotiation: { mode: { pin: '2026-07-28' } } })
  client.setRequestHandler('elicitation/create', ({ params }) => {
    asked.push(params.mode ?? 'form')
    return params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada', username: 'ada', email: 'ada@example.org', response: 'yes' } }
  })
  client.setRequestHandler('sampling/createMessage', () => {
    asked.push('sampling')
    return { model: 'm', role: 'assistant', content: { type: 'text', text: 'Paris' } }
  })
  client.setRequestHandler('roots/list', () => {
    asked.push('roots')
    return { roots: [{ uri: 'file:///work', name: 'work' }] }
  })
  await client.connect(transport)
  return { client, asked }
}

const viaStdio = (): ReturnType<typeof modernStdio> => modernStdio({ command: process.execPath, args: [CLI_MAIN, 'stdio', '--config', gateway.configPath, '--server', 'everything'] })

describe.each([
  ['over HTTP', '', () => modernHttp(gateway, '/everything/mcp')],
  ['over HTTP on /mcp', 'everything__', () => modernHttp(gateway, '/mcp')],
  ['through portolan stdio', '', viaStdio],
] as const)('a 2026-07-28 client %s, asked by server-everything', (_how, prefix, transport) => {
  it.each([
    ['trigger-sampling-request', { prompt: 'Capital of France?' }, 'Paris', ['sampling']],
    ['trigger-elicitation-request', {}, 'Ada', ['form']],
    // The server keeps the roots that it was told: it may not ask a second time.
    ['get-roots-list', {}, 'file:///work', []],
  ])('answers %s', async (name, args, said, kinds) => {
    const { client, asked } = await modernAsked(transport())
    try {
      const tools = (await client.listTools()).tools.map((tool) => tool.name)
      if (name !== 'get-roots-list') expect(tools).toContain(`${prefix}${name}`)
      const result = await client.callTool({ name: `${prefix}${name}`, arguments: args })
      expect(textOf(result)).toContain(said)
      expect(asked).toEqual(expect.arrayContaining(kinds))
    } finally {
      await client.close()
    }
  })
})

describe('a 2026-07-28 client, asked by a 2025-11-25 server over HTTP', () => {
  it.each([
    ['test_sampling', { prompt: 'x' }, 'Paris'],
    ['test_elicitation', { message: 'Who?' }, 'accept'],
    ['test_list_roots', {}, 'file:///work'],
  ])('answers %s, in parallel calls too', async (name, args, said) => {
    const { client } = await modernAsked(modernHttp(gateway, '/oldhttp/mcp'))
    try {
      const results = await Promise.all(Array.from({ length: 4 }, () => client.callTool({ name, arguments: args })))
      for (const result of results) expect(textOf(result)).toContain(said)
    } finally {
      await client.close()
    }
  })
})

describe.each(['http', 'stdio'])('a legacy client, asked by a 2026-07-28 server over %s', (name) => {
  const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} }
  it.each([
    ['2025-11-25 over HTTP', () => httpTransport(gateway, `/${name}/mcp`), '2025-11-25'],
    ['2025-06-18 over HTTP', () => httpTransport(gateway, `/${name}/mcp`), '2025-06-18'],
    ['2025-11-25 through portolan stdio', () => stdioTransport({ command: process.execPath, args: [CLI_MAIN, 'stdio', '--config', gateway.configPath, '--server', name] }), '2025-11-25'],
    ['2025-06-18 over HTTP+SSE', () => sseTransport(gateway, `/${name}/sse`), '2025-06-18'],
  ] as const)('%s answers forms, sampling and roots, several at once and round after round', async (_who, transport, revision) => {
    const { client, asked, close } = await connectSdk1(transport(), capabilities, revision)
    try {
      const call = async (tool: string): Promise<string> => textOf(await client.callTool({ name: `test_input_required_result_${tool}`, arguments: {} }))
      expect(await call('elicitation')).toContain('Hello, Ada!')
      expect(await call('sampling')).toContain('Paris')
      expect(await call('list_roots')).toContain('file:///work')
      expect(await call('multiple_inputs')).toContain('Paris Ada: 1 root(s) visible')
      expect(await call('multi_round')).toContain('Multi-round complete: Ada likes')
      expect(new Set(asked)).toEqual(new Set(['elicitation/create', 'sampling/createMessage', 'roots/list']))
    } finally {
      await close()
    }
  })
})
