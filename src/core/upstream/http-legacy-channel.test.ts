import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createEgress } from '../../adapters/undici/egress.ts'
import { call, clock, event, random, recordHealth, sendJson, sleep, sse, start, startHttp, until } from '../../../test/fixtures/upstream/support.ts'
import type { Request } from '../../../test/fixtures/upstream/support.ts'
import type { Message } from '../../protocol/message.ts'
import type { Revision } from '../../protocol/revision.ts'
import { openHttpLegacyChannel, resumeHttpLegacyChannel } from './http-legacy-channel.ts'
import type { HttpLegacyOptions } from './http-legacy-session.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

interface Setup {
  readonly revision?: Revision
  readonly sessionId?: string
  readonly initialize?: (request: Request, response: ServerResponse) => void
  readonly initialized?: (request: Request, response: ServerResponse) => void
}

type Serve = (request: Request, response: ServerResponse) => void

async function setUp(serve: Serve, setup: Setup = {}) {
  const { revision = '2025-11-25', sessionId = 's-1' } = setup
  const result = (id: unknown) => ({ jsonrpc: '2.0', id, result: { protocolVersion: revision, capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' } } })
  const server = await startHttp((request, response) => {
    const { method, id } = request.json
    if (method === 'initialize' && setup.initialize !== undefined) setup.initialize(request, response)
    else if (method === 'initialize') sendJson(response, result(id), 200, sessionId === '' ? {} : { 'mcp-session-id': sessionId })
    else if (method === 'notifications/initialized') (setup.initialized ?? (() => response.writeHead(202).end()))(request, response)
    else serve(request, response)
  })
  const egress = createEgress({ env: {} })
  closers.push(() => server.close(), () => egress.close())
  const health = recordHealth()
  const heard: Message[] = []
  const closed: unknown[] = []
  const options: HttpLegacyOptions = {
    egress,
    clock,
    random,
    health,
    url: server.url,
    headers: [['x-configured', 'yes']],
    connectTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
    resultBytes: 1_000_000,
    open: {
      clientInfo: '{"name":"c","version":"1"}',
      capabilities: '{"roots":{}}',
      revision: '2025-11-25',
      ownerKey: 'a',
      shared: false,
      listener: { onMessage: (message) => void heard.push(message), onClosed: (reason) => void closed.push(reason) },
      headers: [['authorization', 'Bearer own']],
    },
  }
  const opened = await openHttpLegacyChannel(options)
  return { server, options, opened, health, heard, closed, result }
}

async function open(serve: Serve, setup?: Setup) {
  const made = await setUp(serve, setup)
  if (!made.opened.ok) throw new Error(made.opened.fault.detail)
  return { ...made, channel: made.opened.value }
}

const answer = (id: unknown) => ({ jsonrpc: '2.0', id, result: { content: [] } })

describe('opening a legacy HTTP session', () => {
  it('says hello, awaits the acceptance of initialized, and names session and revision from then on', async () => {
    const { server, channel } = await open(({ json }, response) => sendJson(response, answer(json.id)))
    await call(channel, 'tools/list')
    const [hello, initialized, list] = server.requests
    expect(hello?.json).toEqual({
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: { roots: {} }, clientInfo: { name: 'c', version: '1' } },
    })
    expect(hello?.headers['mcp-protocol-version']).toBeUndefined()
    expect(hello?.headers).toMatchObject({ 'x-configured': 'yes', authorization: 'Bearer own', accept: 'application/json, text/event-stream' })
    expect(initialized?.json).toEqual({ jsonrpc: '2.0', method: 'notifications/initialized' })
    for (const request of [initialized, list]) {
      expect(request?.headers).toMatchObject({ 'mcp-session-id': 's-1', 'mcp-protocol-version': '2025-11-25', authorization: 'Bearer own' })
    }
    expect(channel.revision).toBe('2025-11-25')
    expect(JSON.parse(channel.initializeResult)).toMatchObject({ serverInfo: { name: 'x' } })
  })

  it('sends no version header to a server of 2025-03-26', async () => {
    const { server, channel } = await open(({ json }, response) => sendJson(response, answer(json.id)), { revision: '2025-03-26' })
    await call(channel, 'tools/list')
    expect(server.requests.map(({ headers }) => headers['mcp-protocol-version'])).toEqual([undefined, undefined, undefined])
  })

  it('reads the answer to initialize from an event stream too', async () => {
    const { opened } = await setUp(() => undefined, {
      initialize({ json }, response) {
        sse(response, { 'mcp-session-id': 's-2' })
        event(response, '', 'id: 1\n')
        event(response, { jsonrpc: '2.0', id: json.id, result: { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: {} } })
        response.end()
      },
    })
    expect(opened.ok && opened.value.revision).toBe('2025-06-18')
  })

  it.each([
    ['a 404', 404, '', 'refused'],
    ['a 405', 405, '', 'refused'],
    ['a 401', 401, '', 'unavailable'],
    ['a 500', 500, '', 'unavailable'],
    ['a 503', 503, '', 'overloaded'],
    ['a revision that nobody knows', 200, '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"1999-01-01","capabilities":{}}}', 'refused'],
    ['an error', 400, '{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"no"}}', 'refused'],
    ['garbage', 200, 'hello', 'refused'],
  ])('calls %s what it is', async (_name, status, body, reason) => {
    const initialize: Serve = (_request, response) => void response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    const { opened } = await setUp(() => undefined, { initialize })
    expect(opened).toMatchObject({ ok: false, fault: { reason } })
  })

  it('fails, and ends the session, when initialized is not accepted', async () => {
    const { opened, server } = await setUp((_request, response) => void response.writeHead(200).end(), { initialized: (_request, response) => void response.writeHead(500).end() })
    expect(opened).toMatchObject({ ok: false, fault: { reason: 'unavailable' } })
    expect(server.requests.at(-1)?.method).toBe('DELETE')
  })
})

describe('a legacy HTTP session', () => {
  it('passes notifications and requests on a call stream to that call, in order', async () => {
    const { channel } = await open(({ json }, response) => {
      sse(response)
      event(response, { jsonrpc: '2.0', method: 'notifications/message', params: {} })
      event(response, { jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: {} })
      event(response, answer(json.id))
      response.end()
    })
    const { messages, response } = await call(channel, 'tools/call')
    expect([messages.map(({ method }) => method), response?.kind]).toEqual([['notifications/message', 'elicitation/create'], 'result'])
  })

  it('takes up a stream that ended without a response, after the time the server named, where it was left', async () => {
    let tries = 0
    const { channel, server } = await open((request, response) => {
      sse(response)
      if (request.method === 'POST') {
        event(response, '', 'id: e1\nretry: 150\n')
        event(response, { jsonrpc: '2.0', method: 'notifications/progress', params: {} }, 'id: e2\n')
      } else if ((tries += 1) === 1) {
        event(response, '', 'id: e3\n')
      } else {
        event(response, answer(1), 'id: e4\n')
      }
      response.end()
    })
    const startMs = performance.now()
    const { messages, response, suspensions } = await call(channel, 'tools/call')
    expect([messages.length, response?.kind, suspensions]).toEqual([1, 'result', [150, 150]])
    expect(performance.now() - startMs).toBeGreaterThan(290)
    const gets = server.requests.filter(({ method }) => method === 'GET')
    expect(gets.map(({ headers }) => headers['last-event-id'])).toEqual(['e2', 'e3'])
    expect(gets[0]?.headers).toMatchObject({ 'mcp-session-id': 's-1', accept: 'text/event-stream' })
  })

  it('takes up a stream whose connection was cut', async () => {
    const { channel } = await open((request, response) => {
      sse(response)
      event(response, request.method === 'GET' ? answer(1) : '', 'id: e1\nretry: 10\n')
      if (request.method === 'POST') setTimeout(() => response.destroy(), 20)
      else response.end()
    })
    expect((await call(channel, 'tools/call')).response?.kind).toBe('result')
  })

  it('gives up where there was no event id, or the server refuses to go on, or never goes on', async () => {
    const withoutId = await open((_request, response) => {
      sse(response)
      event(response, { jsonrpc: '2.0', method: 'notifications/progress', params: {} })
      response.end()
    })
    expect((await call(withoutId.channel, 'tools/call')).failure).toMatchObject({ reason: 'closed', sent: true })
    for (const status of [405, 404, 500]) {
      const { channel } = await open((request, response) => {
        if (request.method !== 'POST') return void response.writeHead(status).end()
        sse(response)
        event(response, '', 'id: e1\nretry: 1\n')
        response.end()
      })
      const { failure } = await call(channel, 'tools/call')
      expect(failure).toMatchObject({ reason: status === 404 ? 'session_gone' : 'status', sent: true })
    }
  })

  it('cancels by a notification, and closes the stream', async () => {
    let isClosed = false
    const { channel, server } = await open((request, response) => {
      if (request.json.method !== 'tools/call') return void response.writeHead(202).end()
      response.on('close', () => (isClosed = true))
      sse(response)
    })
    const started = start(channel, 'tools/call')
    await until(() => server.requests.length === 3)
    started.control.abort('no longer wanted')
    await until(() => isClosed && server.requests.length === 4)
    expect(server.requests[3]?.json).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: Number(started.idText), reason: 'no longer wanted' },
    })
    expect(await Promise.race([started.outcome, sleep(30)])).toBeUndefined()
  })

  it.each([
    [404, ''],
    [404, '{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}'],
    [400, '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no valid session"}}'],
  ])('takes a %i %s for an unknown session: nothing was executed, and all is lost', async (status, body) => {
    const { channel, closed } = await open((_request, response) => void response.writeHead(status, { 'content-type': 'application/json' }).end(body))
    expect((await call(channel, 'tools/call')).failure).toMatchObject({ reason: 'session_gone', sent: false })
    await until(() => closed.length === 1)
    expect(closed).toEqual([{ gone: true, detail: 'the server does not know the session' }])
    expect(channel.closed).toBe(true)
    expect((await call(channel, 'tools/call')).failure).toMatchObject({ reason: 'session_gone', sent: false })
  })

  it('takes other errors in a 4xx, and an unknown method in a 404, for responses', async () => {
    for (const [status, code] of [[400, -32602], [404, -32601]] as const) {
      const { channel, closed } = await open(({ json }, response) => sendJson(response, { jsonrpc: '2.0', id: json.id, error: { code, message: 'x' } }, status))
      expect((await call(channel, 'tools/call')).response?.kind).toBe('error')
      expect(closed).toEqual([])
    }
  })

  it('rejects a notification to an unknown session, and one that is not accepted', async () => {
    let status = 500
    const { channel } = await open((_request, response) => void response.writeHead(status).end())
    await expect(channel.notify('{"jsonrpc":"2.0","method":"notifications/x"}')).rejects.toMatchObject({ code: 'upstream_unavailable' })
    status = 404
    await expect(channel.notify('{"jsonrpc":"2.0","method":"notifications/x"}')).rejects.toMatchObject({ code: 'session_not_found' })
    expect(channel.closed).toBe(true)
  })

  it('reads batches of a server of 2025-03-26: messages first, the response last', async () => {
    const serve: Serve = ({ json }, response) => sendJson(response, [answer(json.id), { jsonrpc: '2.0', method: 'notifications/progress', params: {} }])
    const early = await open(serve, { revision: '2025-03-26' })
    const outcome = await call(early.channel, 'tools/call')
    expect([outcome.messages.length, outcome.response?.kind]).toEqual([1, 'result'])
    const late = await open(serve)
    expect((await call(late.channel, 'tools/call')).failure?.reason).toBe('malformed')
  })

  it('opens the GET stream once, passes what it brings, and takes it up again', async () => {
    let gets = 0
    const { channel, heard, server } = await open((_request, response) => {
      gets += 1
      sse(response)
      event(response, { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { n: gets } }, `id: g${gets}\nretry: 20\n`)
      if (gets === 1) response.end()
    })
    await Promise.all([channel.openStream(), channel.openStream()])
    await until(() => heard.length === 2)
    expect(server.requests.filter(({ method }) => method === 'GET').map(({ headers }) => headers['last-event-id'])).toEqual([undefined, 'g1'])
  })

  it.each([405, 400, 501])('goes without a GET stream where the server has none, by %d', async (status) => {
    const { channel, server } = await open((_request, response) => void response.writeHead(status).end())
    await channel.openStream()
    await channel.openStream()
    expect(server.requests.filter(({ method }) => method === 'GET')).toHaveLength(1)
  })

  it.each<[how: string, fail: (response: ServerResponse) => void]>([
    ['hangs up', (response) => void response.destroy()],
    ['fails', (response) => void response.writeHead(500).end()],
    ['is overloaded', (response) => void response.writeHead(503).end()],
    ['has another holder\'s open', (response) => void response.writeHead(409).end()],
  ])('opens the GET stream for as long as it is not open, where the server %s at first', async (_how, fail) => {
    let gets = 0
    const { channel, heard } = await open((_request, response) => {
      gets += 1
      if (gets < 3) return fail(response)
      sse(response)
      event(response, { jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
    })
    let isOpen = false
    const opened = channel.openStream().then(() => (isOpen = true))
    await until(() => gets === 2)
    expect(isOpen).toBe(false)
    await opened
    await until(() => heard.length === 1)
    expect(gets).toBe(3)
  })

  it('waits for its GET stream no longer than the session lasts', async () => {
    const { channel } = await open((_request, response) => void response.writeHead(503).end())
    const opened = channel.openStream()
    await channel.close()
    await opened
  })

  it.each([['s-1'], ['']])('goes without a GET stream where the server has none and says so by 404, and keeps its session (%j)', async (sessionId) => {
    const { channel, closed, server } = await open(({ method, json }, response) => (method === 'GET' ? void response.writeHead(404).end() : sendJson(response, answer(json.id))), { sessionId })
    await channel.openStream()
    await until(() => sessionId === '' || server.requests.some(({ json }) => json.method === 'ping'))
    expect((await call(channel, 'tools/call')).response?.kind).toBe('result')
    expect([closed, channel.closed, server.requests.filter(({ method }) => method === 'GET').length]).toEqual([[], false, 1])
  })

  it('tells the listener when the GET stream finds the session gone', async () => {
    const { channel, closed } = await open((_request, response) => void response.writeHead(404).end())
    await channel.openStream()
    await until(() => closed.length === 1)
  })

  it('ends the session only when the server has heard which calls are cancelled', async () => {
    const order: string[] = []
    const { channel } = await open(({ method, json }, response) => {
      if (json.method === 'tools/call') return
      if (method === 'DELETE') order.push('DELETE')
      setTimeout(() => {
        if (json.method === 'notifications/cancelled') order.push('cancelled')
        response.writeHead(202).end()
      }, 50)
    })
    const { control } = start(channel, 'tools/call')
    await sleep(20)
    control.abort('changed my mind')
    await channel.close()
    expect(order).toEqual(['cancelled', 'DELETE'])
  })

  it('ends the session with DELETE, once, and fails what is in flight', async () => {
    const { channel, server, closed } = await open((request, response) => {
      if (request.method === 'DELETE') response.writeHead(200).end()
    })
    const started = start(channel, 'tools/call')
    await until(() => server.requests.length === 3)
    await Promise.all([channel.close(), channel.close()])
    expect((await started.outcome).failure).toMatchObject({ reason: 'closed', sent: true })
    const deletes = server.requests.filter(({ method }) => method === 'DELETE')
    expect(deletes.map(({ headers }) => headers['mcp-session-id'])).toEqual(['s-1'])
    expect(closed).toEqual([])
  })

  it('has nothing to delete without a session id', async () => {
    const { channel, server } = await open(({ json }, response) => sendJson(response, answer(json.id)), { sessionId: '' })
    await call(channel, 'tools/list')
    await channel.close()
    expect(server.requests.some(({ method }) => method === 'DELETE')).toBe(false)
  })
})

describe('a session that stands at the server', () => {
  const pong: Serve = ({ json }, response) => void (json.id === undefined ? response.writeHead(202).end() : sendJson(response, answer(json.id)))

  it('is left without a word, and gone on with by the next holder: no handshake, and no id twice', async () => {
    const { channel, server, options, closed } = await open(pong)
    await call(channel, 'tools/list')
    expect(channel.standing).toEqual({ url: server.url, sessionId: 's-1', revision: '2025-11-25' })
    channel.disown?.()
    await channel.close()
    if (channel.standing === undefined) throw new Error('it stands')
    const resumed = await resumeHttpLegacyChannel(options, channel.standing)
    const next = resumed.ok ? resumed.value : undefined
    if (next === undefined) throw new Error('it is known')
    await call(next, 'tools/list')
    expect(server.requests.map(({ method, json }) => json.method ?? method)).toEqual(['initialize', 'notifications/initialized', 'tools/list', 'ping', 'tools/list'])
    for (const { headers } of server.requests.slice(2)) expect(headers).toMatchObject({ 'mcp-session-id': 's-1', 'mcp-protocol-version': '2025-11-25', authorization: 'Bearer own', 'x-configured': 'yes' })
    const ids = server.requests.flatMap(({ json }) => json.id ?? [])
    expect(new Set(ids).size).toBe(ids.length)
    expect(closed).toEqual([])
    await next.close()
    expect(server.requests.at(-1)).toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': 's-1' } })
  })

  const said = (body: object, status: number): Serve => ({ json }, response) => sendJson(response, { jsonrpc: '2.0', id: json.id, ...body }, status)
  const outcomes = async (serve: Serve): Promise<unknown> => {
    let asked: Serve = pong
    const { channel, options, closed, server } = await open((request, response) => asked(request, response))
    asked = serve
    if (channel.standing === undefined) throw new Error('it stands')
    const resumed = await resumeHttpLegacyChannel(options, channel.standing)
    await sleep(20)
    // Neither is anybody told that it ended, nor the server that it is to end.
    expect([closed, server.requests.filter(({ method }) => method === 'DELETE')]).toEqual([[], []])
    return resumed.ok ? (resumed.value === undefined ? 'hello' : 'resumed') : resumed.fault.reason
  }

  it.each<[string, unknown, Serve]>([
    ['answers', 'resumed', pong],
    ['has no ping', 'resumed', said({ error: { code: -32601, message: 'Method not found' } }, 200)],
    ['answers 404', 'hello', (_request, response) => void response.writeHead(404).end()],
    ['says so by another error, with 400', 'hello', said({ error: { code: -32602, message: 'Invalid session' } }, 400)],
    ['says so by another error, with 200', 'hello', said({ error: { code: -32600, message: 'Invalid session' } }, 200)],
    ['does not answer at all', 'hello', () => undefined],
    ['is overloaded: it may stand', 'overloaded', (_request, response) => void response.writeHead(503).end()],
    ['fails: it may stand', 'unavailable', (_request, response) => void response.writeHead(500).end()],
    ['hangs up: it may stand', 'unreachable', (_request, response) => void response.destroy()],
  ])('whose server %s: %s', async (_what, expected, serve) => {
    expect(await outcomes(serve)).toBe(expected)
  })

  it('has its GET stream here as soon as the former holder has let go of it', async () => {
    let isTaken = true
    const { channel, server } = await open((request, response) => {
      if (request.method !== 'GET') return pong(request, response)
      if (isTaken) return void response.writeHead(409).end()
      sse(response)
    })
    const gets = (): number => server.requests.filter(({ method }) => method === 'GET').length
    const opened = channel.openStream()
    await until(() => gets() === 1)
    isTaken = false
    await opened
    expect(gets()).toBe(2)
  })

  it('that is another holder\'s opens no stream, and answers what is in flight', async () => {
    let finish = (): void => undefined
    const { channel, server } = await open((request, response) => void (finish = () => pong(request, response)))
    const flight = call(channel, 'tools/call')
    await until(() => server.requests.some(({ json }) => json.method === 'tools/call'))
    channel.disown?.()
    await channel.openStream()
    finish()
    expect((await flight).response?.kind).toBe('result')
    await channel.close()
    expect(server.requests.filter(({ method }) => method !== 'POST')).toEqual([])
  })

  it('is none where the server gave no session id', async () => {
    const { channel } = await open(pong, { sessionId: '' })
    expect(channel.standing).toBeUndefined()
  })
})
