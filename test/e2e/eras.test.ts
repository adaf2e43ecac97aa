import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLI_MAIN } from '../compiled.ts'
import { legacyClient, modernClient, modernHttp, modernStdio } from '../any-client.ts'
import type { AnyClient } from '../any-client.ts'
import { startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'
import { REFERENCE_SERVER_COMMAND, startReferenceServer } from '../reference-server-process.ts'
import type { ReferenceServerProcess } from '../reference-server-process.ts'
import { httpTransport, sseTransport, stdioTransport } from '../sdk1-client.ts'
import type { Command } from '../sdk1-client.ts'


let server: ReferenceServerProcess
let gateway: GatewayProcess
beforeAll(async () => {
  server = await startReferenceServer()
  const http = { type: 'http', url: server.url }
  // The same server four times: in the client's era, held to one era, and as a child.
  const mcpServers = { dual: http, modern: http, legacy: http, child: REFERENCE_SERVER_COMMAND }
  const servers = { modern: { era: 'modern' }, legacy: { era: 'legacy' } }
  gateway = await startGateway({ config: { mcpServers, portolan: { version: 1, servers } } })
})
afterAll(async () => {
  await gateway?.stop()
  await server?.stop()
})

/** A gateway of its own for a client that launches commands, on the same configuration. */
const command = (): Command => ({ command: process.execPath, args: [CLI_MAIN, 'stdio', '--config', gateway.configPath, '--data', `${gateway.dataDir}-stdio`] })

const CLIENTS: readonly (readonly [name: string, revision: string, connect: () => Promise<AnyClient>])[] = [
  ['a 2025-11-25 client', '2025-11-25', () => legacyClient(httpTransport(gateway, '/mcp'), '2025-11-25')],
  ['a 2025-06-18 client', '2025-06-18', () => legacyClient(httpTransport(gateway, '/mcp'), '2025-06-18')],
  ['a 2025-03-26 client', '2025-03-26', () => legacyClient(httpTransport(gateway, '/mcp'), '2025-03-26')],
  ['a 2024-11-05 client over HTTP+SSE', '2024-11-05', () => legacyClient(sseTransport(gateway, '/sse'), '2024-11-05')],
  ['a 2026-07-28 client', '2026-07-28', () => modernClient(modernHttp(gateway, '/mcp'))],
  ['a 2025-11-25 client over stdio', '2025-11-25', () => legacyClient(stdioTransport(command()), '2025-11-25')],
  ['a 2026-07-28 client over stdio', '2026-07-28', () => modernClient(modernStdio(command()))],
]

const SERVERS = [
  ['a server of both eras', 'dual'],
  ['a server of 2026-07-28 alone', 'modern'],
  ['a server of 2025-11-25 alone', 'legacy'],
  ['a child', 'child'],
] as const

const open = new Map<string, AnyClient>()
beforeAll(async () => {
  for (const [name, , connect] of CLIENTS) open.set(name, await connect())
})
afterAll(async () => {
  await Promise.all([...open.values()].map((client) => client.close()))
})

function clientOf(name: string): AnyClient {
  const client = open.get(name)
  if (client === undefined) throw new Error(`not connected: ${name}`)
  return client
}

describe.each(CLIENTS)('%s, all connected at once', (who, revision) => {
  it('agrees on its revision', () => {
    expect(clientOf(who).revision).toBe(revision)
  })

  it('sees the same tools of every server', async () => {
    const names = await clientOf(who).toolNames()
    const of = (server: string): string[] => names.filter((name) => name.startsWith(`${server}__`)).map((name) => name.slice(server.length + 2))
    expect(of('dual').length).toBeGreaterThan(38)
    for (const [, name] of SERVERS) expect(of(name)).toEqual(of('dual'))
  })

  it('is told that nobody knows a method', async () => {
    // The v2 client shows what came with a 404 as text.
    const error: unknown = await clientOf(who).unknown().catch((refusal: unknown) => refusal)
    expect(error).toBeInstanceOf(Error)
    expect(`${JSON.stringify(error)} ${String(error)}`).toContain('-32601')
  })
})

describe.each(SERVERS)('%s', (_what, name) => {
  const tool = (plain: string): string => `${name}__${plain}`
  const uri = (plain: string): string => `${name}+${plain}`

  describe.each(CLIENTS)('with %s', (who) => {
    it('answers calls, reads, prompts and completions', async () => {
      const client = clientOf(who)
      expect((await client.call(tool('test_simple_text'))).text).toBe('This is a simple text response for testing.')
      expect(await client.resourceUris()).toContain(uri('test://static-text'))
      expect(await client.read(uri('test://static-text'))).toContain('static text resource')
      expect(await client.prompt(tool('test_prompt_with_arguments'), { arg1: 'one', arg2: 'two' })).toContain('one')
      expect(await client.complete({ type: 'ref/prompt', name: tool('test_prompt_with_arguments') }, 'arg1', 'testB')).toEqual(['testBeta'])
      expect(await client.complete({ type: 'ref/resource', uri: uri('test://template/{id}/data') }, 'id', 'al')).toEqual(['alpha'])
    })

    it('reports all progress before the result', async () => {
      expect((await clientOf(who).call(tool('test_tool_with_progress'))).progress).toEqual([0, 50, 100])
      const { text, progress } = await clientOf(who).call(tool('test_burst'), { count: 100, bytes: 50_000 })
      expect([text.length, progress.length]).toEqual([50_000, 100])
    })

    it('refuses as the revision of the client has it', async () => {
      const client = clientOf(who)
      await expect(client.call(tool('no_such_tool'))).rejects.toMatchObject({ code: -32602 })
      await expect(client.prompt(tool('no_such_prompt'))).rejects.toMatchObject({ code: -32602 })
      // A legacy server's own code is passed on to a legacy client as it is; this one says -32602.
      const code = name === 'modern' && client.era === 'legacy' ? -32002 : -32602
      await expect(client.read(uri('test://no-such-resource'))).rejects.toMatchObject({ code })
      expect((await client.call(tool('test_error_handling'))).text).toContain('This tool intentionally returns an error')
    })

    it('learns within a second that a call was cancelled', async () => {
      const client = clientOf(who)
      const cancelled = async (): Promise<number> => Number(await client.read(uri('test://cancelled-calls')))
      const before = await cancelled()
      const controller = new AbortController()
      const call = client.call(tool('test_wait'), { milliseconds: 60_000 }, controller.signal)
      await new Promise((resolve) => setTimeout(resolve, 150))
      controller.abort()
      await expect(call).rejects.toThrow()
      await expect.poll(cancelled, { timeout: 1_000, interval: 50 }).toBe(before + 1)
    })

    it('announces changed lists and resources', async () => {
      const client = clientOf(who)
      await client.watch(uri('test://watched-resource'))
      client.told.length = 0
      for (const list of ['tool', 'prompt', 'resource']) await client.call(tool(`test_trigger_${list}_change`))
      await client.call(tool('test_trigger_resource_update'))
      await client.call(tool('test_trigger_resource_update'), { uri: 'test://static-text' })
      await expect.poll(() => client.told).toEqual(expect.arrayContaining(['tools', 'prompts', 'resources', uri('test://watched-resource')]))
      expect(client.told).not.toContain(uri('test://static-text'))
    })
  })
})
