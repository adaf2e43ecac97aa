import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { legacyClient, modernClient, modernHttp } from '../any-client.ts'
import type { AnyClient } from '../any-client.ts'
import { startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'
import { startReferenceServer } from '../reference-server-process.ts'
import type { ReferenceServerProcess } from '../reference-server-process.ts'
import { httpTransport, sseTransport } from '../sdk1-client.ts'

const EVERYTHING = fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url))

let server: ReferenceServerProcess
let gateway: GatewayProcess
beforeAll(async () => {
  server = await startReferenceServer()
  const everything = { command: process.execPath, args: [EVERYTHING, 'stdio'] }
  const mcpServers = { modern: { type: 'http', url: server.url }, everything }
  gateway = await startGateway({ config: { mcpServers, portolan: { version: 1, servers: { modern: { era: 'modern' } } } } })
})
afterAll(async () => {
  await gateway?.stop()
  await server?.stop()
})

async function using<T>(client: AnyClient, run: (client: AnyClient) => Promise<T>): Promise<T> {
  try {
    return await run(client)
  } finally {
    await client.close()
  }
}

describe('a server at its own endpoint, with a client of the other era', () => {
  const LEGACY: readonly [string, () => Promise<AnyClient>][] = [
    ['a 2025-11-25 client', () => legacyClient(httpTransport(gateway, '/modern/mcp'), '2025-11-25')],
    ['a 2024-11-05 client over HTTP+SSE', () => legacyClient(sseTransport(gateway, '/modern/sse'), '2024-11-05')],
  ]
  it.each(LEGACY)('a 2026-07-28 server serves %s under its own names', async (_who, connect) => {
    await using(await connect(), async (client) => {
      expect(await client.toolNames()).toContain('test_simple_text')
      expect((await client.call('test_tool_with_progress')).progress).toEqual([0, 50, 100])
      expect(await client.read('test://static-text')).toContain('static text')
      await expect(client.read('test://no-such-resource')).rejects.toMatchObject({ code: -32002 })
      await client.watch('test://watched-resource')
      await client.call('test_trigger_resource_update')
      await client.call('test_trigger_tool_change')
      await expect.poll(() => client.told).toEqual(expect.arrayContaining(['test://watched-resource', 'tools']))
    })
  })

  it('server-everything serves a 2026-07-28 client all that needs no input', async () => {
    await using(await modernClient(modernHttp(gateway, '/everything/mcp')), async (client) => {
      const names = await client.toolNames()
      expect(names).toEqual(expect.arrayContaining(['echo', 'get-sum', 'trigger-long-running-operation']))
      expect(names).not.toContain('trigger-sampling-request')
      expect((await client.call('echo', { message: 'hi' })).text).toBe('Echo: hi')
      expect((await client.call('trigger-long-running-operation', { duration: 0.3, steps: 3 })).progress).toEqual([1, 2, 3])
      expect(await client.read('demo://resource/dynamic/text/3')).toContain('Resource 3')
      expect(await client.prompt('args-prompt', { city: 'Oslo' })).toContain('Oslo')
      expect(await client.complete({ type: 'ref/prompt', name: 'completable-prompt' }, 'department', 'S')).toEqual(['Sales', 'Support'])
      await expect(client.read('demo://nowhere')).rejects.toMatchObject({ code: -32602 })
    })
  })

  it('server-everything announces to a 2026-07-28 client what it asked to hear of', async () => {
    await using(await modernClient(modernHttp(gateway, '/everything/mcp')), async (client) => {
      await client.watch('demo://resource/dynamic/text/1')
      await client.call('toggle-subscriber-updates')
      await client.call('gzip-file-as-resource', { name: 'd.gz', data: 'data:text/plain,d' })
      await expect.poll(() => client.told).toEqual(expect.arrayContaining(['demo://resource/dynamic/text/1', 'resources']))
      await client.call('toggle-subscriber-updates')
      expect(await client.resourceUris()).toContain('demo://resource/session/d.gz')
    })
  })
})
