import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createEgress } from '../../adapters/undici/egress.ts'
import { call, clock, event, recordHealth, sendJson, sleep, sse, start, startHttp, until } from '../../../test/fixtures/upstream/support.ts'
import type { Request, TestServer } from '../../../test/fixtures/upstream/support.ts'
import type { Channel } from './channel.ts'
import { createHttpModernChannel } from './http-modern-channel.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function open(serve: (request: Request, response: ServerResponse) => void, resultBytes = 1_000_000) {
  const server: TestServer = await startHttp(serve)
  const egress = createEgress({ env: {} })
  closers.push(() => server.close(), () => egress.close())
  const health = recordHealth()
  const channel: Channel = createHttpModernChannel({
    egress,
    clock,
    health,
    url: server.url,
    headers: [['authorization', 'Bearer configured']],
    revision: '2026-07-28',
    connectTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
    resultBytes,
  })
  return { server, channel, health }
}

const result = (id: unknown) => ({ jsonrpc: '2.0', id, result: { ok: true } })

describe('a modern HTTP channel', () => {
  it('posts with the headers of the era and gives the JSON answer as it came', async () => {
    const raw = '{ "jsonrpc":"2.0", "result":{"big":12345678901234567890,"s":"é"}, "id":1 }'
    const { server, channel } = await open((_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(raw))
    const { response } = await call(channel, 'tools/call', { headers: [['mcp-method', 'tools/call'], ['authorization', 'Bearer own']] })
    expect(response?.text).toBe(Buffer.from(raw).toString('latin1'))
    expect(server.requests[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      authorization: 'Bearer own',
    })
  })

  it('gives the messages of an event stream in order, then the response', async () => {
    const { channel } = await open(({ json }, response) => {
      sse(response)
      response.write(': keep-alive\n\n')
      event(response, { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } })
      event(response, { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 2 } })
      event(response, result(json.id))
      response.end()
    })
    const { messages, response } = await call(channel, 'tools/call')
    expect(messages.map((message) => message.method)).toEqual(['notifications/progress', 'notifications/progress'])
    expect(response?.kind).toBe('result')
  })

  it('drops a request that a server sends on the stream', async () => {
    const { channel, health } = await open(({ json }, response) => {
      sse(response)
      event(response, { jsonrpc: '2.0', id: 9, method: 'sampling/createMessage', params: {} })
      event(response, result(json.id))
      response.end()
    })
    const { messages, response } = await call(channel, 'tools/call')
    expect({ messages: messages.length, kind: response?.kind, strays: health.strays.length }).toEqual({ messages: 0, kind: 'result', strays: 1 })
  })

  it('takes a JSON-RPC error in a 4xx for the response, with or without its id', async () => {
    for (const id of [1, null]) {
      const { channel } = await open((_request, response) => sendJson(response, { jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } }, 404))
      expect((await call(channel, 'x/y')).response?.kind).toBe('error')
    }
  })

  it('says what a status without JSON-RPC means, and whether the call can have run', async () => {
    let status = 0
    const { channel } = await open((_request, response) => response.writeHead(status, { 'retry-after': '7' }).end('no'))
    const seen: unknown[] = []
    for (status of [302, 400, 401, 429, 503, 500, 502]) {
      const { failure } = await call(channel, 'tools/call')
      seen.push([status, failure?.reason, failure?.sent, failure?.retryAfterSec])
    }
    expect(seen).toEqual([
      [302, 'status', false, undefined],
      [400, 'status', false, undefined],
      [401, 'status', false, undefined],
      [429, 'overloaded', false, 7],
      [503, 'overloaded', false, 7],
      [500, 'status', true, undefined],
      [502, 'status', true, undefined],
    ])
  })

  it('takes an error in a 5xx for the response only where it names the call', async () => {
    let id: number | null = 1
    const { channel } = await open((_request, response) => sendJson(response, { jsonrpc: '2.0', id, error: { code: -32603, message: 'x' } }, 500))
    expect((await call(channel, 'tools/call')).response?.kind).toBe('error')
    id = null
    expect((await call(channel, 'tools/call')).failure).toMatchObject({ reason: 'status', sent: true, status: 500 })
  })

  it('reads a page that never ends only so far', async () => {
    const { channel } = await open((_request, response) => {
      response.writeHead(502, { 'content-type': 'text/html' })
      const timer = setInterval(() => response.write('x'.repeat(30_000)), 5)
      response.on('close', () => clearInterval(timer))
    })
    expect((await call(channel, 'tools/call')).failure).toMatchObject({ reason: 'status', status: 502 })
  })

  it('never takes 401 for an answer, whatever its body says', async () => {
    const { channel } = await open(({ json }, response) => sendJson(response, { jsonrpc: '2.0', id: json.id, error: { code: 1, message: 'x' } }, 401))
    expect((await call(channel, 'tools/call')).failure).toMatchObject({ reason: 'status', status: 401 })
  })

  it('calls another id, garbage, and an empty answer malformed', async () => {
    const bodies = ['{"jsonrpc":"2.0","id":999,"result":{}}', 'hello', '', '{"jsonrpc":"2.0","method":"notifications/x"}']
    for (const body of bodies) {
      const { channel } = await open((_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(body))
      expect((await call(channel, 'tools/call')).failure).toMatchObject({ reason: 'malformed', sent: true })
    }
    const { channel } = await open((_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'))
    expect((await call(channel, 'tools/call')).failure).toMatchObject({ reason: 'malformed' })
  })

  it('stops at the size limit, in JSON and in events', async () => {
    const { channel } = await open((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const pump = (): void => void (response.write('x'.repeat(10_000)) ? setImmediate(pump) : response.once('drain', pump))
      response.on('close', () => response.destroy())
      pump()
    }, 50_000)
    expect((await call(channel, 'tools/call')).failure).toMatchObject({ reason: 'oversized', sent: true })
    const events = await open(({ json }, response) => {
      sse(response)
      event(response, { ...result(json.id), pad: 'x'.repeat(60_000) })
      response.end()
    }, 50_000)
    expect((await call(events.channel, 'tools/call')).failure).toMatchObject({ reason: 'oversized' })
  })

  it('fails a stream that ends without a response as sent', async () => {
    const { channel } = await open((_request, response) => {
      sse(response)
      event(response, { jsonrpc: '2.0', method: 'notifications/message', params: {} }, 'id: 5\n')
      response.end()
    })
    expect((await call(channel, 'tools/call')).failure).toMatchObject({ reason: 'closed', sent: true })
  })

  it('closes the connection when a call is given up, and says no more', async () => {
    let isClosed = false
    const { channel, server } = await open((_request, response) => {
      response.on('close', () => (isClosed = true))
      sse(response)
    })
    const started = start(channel, 'tools/call')
    await until(() => server.requests.length === 1)
    started.control.abort('gone')
    await until(() => isClosed)
    expect(await Promise.race([started.outcome, sleep(50)])).toBeUndefined()
    expect(server.requests).toHaveLength(1)
  })

  it('gives up the connection of a stream that stays open after its response', async () => {
    let isClosed = false
    const { channel } = await open(({ json }, response) => {
      response.on('close', () => (isClosed = true))
      sse(response)
      event(response, result(json.id))
    })
    expect((await call(channel, 'tools/call')).response?.kind).toBe('result')
    await until(() => isClosed)
  })

  it('holds a stream back while its reader is paused', async () => {
    let written = 0
    const { channel } = await open(({ json }, response) => {
      sse(response)
      const line = { jsonrpc: '2.0', method: 'notifications/progress', params: { pad: 'x'.repeat(50_000) } }
      const pump = (): void => {
        while (written < 400) {
          written += 1
          if (!response.write(`data: ${JSON.stringify(line)}\n\n`)) return void response.once('drain', pump)
        }
        event(response, result(json.id))
        response.end()
      }
      pump()
    })
    let isSlow = true
    const started = start(channel, 'tools/call', { onMessage: () => !isSlow })
    await until(() => started.messages.length > 0)
    await sleep(200)
    expect(written).toBeLessThan(400)
    isSlow = false
    started.control.resume()
    const { messages, response } = await started.outcome
    expect([messages.length, response?.kind]).toEqual([400, 'result'])
  })

  it('says which address nobody listens at', async () => {
    const { channel, server, health } = await open(() => undefined)
    await server.close()
    const { failure } = await call(channel, 'tools/call')
    expect(failure).toMatchObject({ reason: 'unreachable', sent: false })
    expect(health.unreachables[0]).toContain('connection refused: http://127.0.0.1:')
  })
})
