/** What a server announces of its lists reaches every client that has a stream open, though nobody else watches that server. */
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Actor } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import { getRequest, legacy, openSession, openStream } from './mcp-client.ts'

const CHANGED = 'notifications/tools/list_changed'

interface Client {
  say(message: object): Promise<unknown>
  heard(): Record<string, unknown>[]
  close(): void
}

const hello = (capabilities: object): object => ({
  id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 'test', version: '1' } },
})

async function overHttp(rig: Rig, capabilities: Record<string, unknown>): Promise<Client> {
  const path = '/actor/mcp'
  const session = await openSession(rig.port, { path, capabilities })
  const stream = await openStream(rig.port, getRequest(session, {}, path))
  const say = (message: object): Promise<unknown> => legacy(rig.port, session, '', {}, { path, body: JSON.stringify({ jsonrpc: '2.0', ...message }) })
  return { say, heard: () => stream.messages(), close: () => stream.drop() }
}

async function begun(client: Client, capabilities: object): Promise<Client> {
  await client.say(hello(capabilities))
  await until(() => client.heard().some(({ id }) => id === 0))
  await client.say({ method: 'notifications/initialized' })
  return client
}

async function overSse(rig: Rig, capabilities: object): Promise<Client> {
  const stream = await openStream(rig.port, getRequest('', {}, '/actor/sse'))
  await until(() => stream.events.length > 0)
  const path = stream.events[0]?.data ?? ''
  const say = (message: object): Promise<unknown> => legacy(rig.port, '', '', {}, { path, body: JSON.stringify({ jsonrpc: '2.0', ...message }) })
  return begun({ say, heard: () => stream.messages(), close: () => stream.drop() }, capabilities)
}

function overStdio(rig: Rig, capabilities: object): Promise<Client> {
  const lines: Record<string, unknown>[] = []
  const write = (text: string): boolean => lines.push(JSON.parse(text) as Record<string, unknown>) > 0
  const pipe = rig.gateway.stdio({ write, onDrain: () => undefined, keepAlive: () => undefined, end: () => undefined }, 'actor')
  const say = (message: object): Promise<unknown> => Promise.resolve(pipe.take(JSON.stringify({ jsonrpc: '2.0', ...message })))
  return begun({ say, heard: () => lines, close: () => pipe.close() }, capabilities)
}

async function announced(actor: Actor, client: Client): Promise<void> {
  await until(() => actor.streamCount > 0)
  await sleep(50)
  actor.announce(CHANGED)
  await until(() => client.heard().some(({ method }) => method === CHANGED))
  expect(client.heard().filter(({ method }) => method === CHANGED)).toHaveLength(1)
}

describe.each([
  ['over Streamable HTTP', overHttp],
  ['over HTTP+SSE', overSse],
  ['on stdio', overStdio],
] as const)('a legacy client %s that nobody watches with', (_how, connect) => {
  describe.each([['legacy'], ['modern']] as const)('at a %s server', (era) => {
    it.each([
      ['declares nothing', {}],
      ['can be asked', { roots: {}, sampling: {} }],
    ])('and %s is told of a changed list once, before its first request and after it', async (_what, capabilities) => {
      const actor = closeAfter(await startActor([era]))
      const rig = await startRig({ servers: { actor: http(actor.url) } })
      const client = await connect(rig, capabilities)
      await announced(actor, client)
      const streams = actor.streamCount
      await client.say({ id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } })
      if (era === 'legacy') await until(() => actor.streamCount > streams)
      await sleep(50)
      const before = client.heard().filter(({ method }) => method === CHANGED).length
      actor.announce(CHANGED)
      await until(() => client.heard().filter(({ method }) => method === CHANGED).length > before)
      await sleep(50)
      expect(client.heard().filter(({ method }) => method === CHANGED)).toHaveLength(before + 1)
      client.close()
    })
  })
})
