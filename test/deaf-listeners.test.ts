/** Who listens hears its server once that can be heard, though nobody calls. */
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import { http, sendJson, sleep, startHttp, until } from './fixtures/upstream/support.ts'
import type { TestServer } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { getRequest, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Stream } from './mcp-client.ts'

const TOOLS = 'notifications/tools/list_changed'

const times = (stream: Stream, wanted: string): number => stream.messages().filter(({ method }) => method === wanted).length

/** What is announced now reaches the stream. */
async function hears(stream: Stream, method: string, announce: () => void): Promise<void> {
  const before = times(stream, method)
  announce()
  await until(() => times(stream, method) > before)
}

describe.each([['legacy'], ['modern']] as const)('a client that listens before a %s server is there', (era) => {
  it.each([['legacy'], ['modern']] as const)('in the %s way hears it once it is', async (client) => {
    const actor = closeAfter(await startActor([era]))
    const rig = await startRig({ servers: { a: http(actor.url), b: http(actor.url) } })
    actor.refuse(true)
    const stream = closeAfter(client === 'modern'
      ? await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }))
      : await openStream(rig.port, getRequest(await openSession(rig.port))))
    if (client === 'modern') await stream.count(1)
    actor.refuse(false)
    await until(() => actor.streamCount > 0)
    await hears(stream, TOOLS, () => actor.announce(TOOLS))
  })
})

describe('a legacy server that answers 404 to who asks for a stream', () => {
  interface Session {
    readonly sessionId: string
    /** It does not know a session any more once it has opened it. */
    readonly isLost?: boolean
  }
  async function play({ sessionId, isLost = false }: Session): Promise<{ server: TestServer; stream: Stream }> {
    const server = closeAfter(await startHttp(({ method, json }, response) => {
      if (method !== 'POST' || (isLost && json.method === 'ping')) return void response.writeHead(404).end()
      if (json.id === undefined) return void response.writeHead(202).end()
      if (JSON.stringify(json.params?.['_meta'] ?? {}).includes('protocolVersion')) return sendJson(response, { jsonrpc: '2.0', id: json.id, error: { code: -32_600, message: 'not this era' } }, 400)
      const result = json.method === 'initialize' ? { protocolVersion: '2025-11-25', capabilities: { tools: { listChanged: true } }, serverInfo: { name: 's', version: '1' } } : { tools: [] }
      sendJson(response, { jsonrpc: '2.0', id: json.id, result }, 200, sessionId === '' ? {} : { 'mcp-session-id': sessionId })
    }))
    const rig = await startRig({ servers: { a: http(server.url) } })
    const stream = closeAfter(await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })))
    await stream.count(1)
    await until(() => server.requests.some(({ method }) => method === 'GET'))
    await sleep(300)
    return { server, stream }
  }
  const opened = ({ requests }: TestServer): number => requests.filter(({ json }) => json.method === 'initialize').length

  it.each([['session'], ['']])('keeps its session with who listens, whether it gives an id or not (%j)', async (sessionId) => {
    const { server, stream } = await play({ sessionId })
    expect([times(stream, TOOLS), server.requests.filter(({ method }) => method === 'GET').length]).toEqual([0, 1])
  })

  it('is not asked for one session after the other where it loses each at once', async () => {
    const { server } = await play({ sessionId: 'session', isLost: true })
    const before = opened(server)
    await until(() => opened(server) > before)
    expect(opened(server)).toBeLessThan(before + 3)
  })
})
