import { request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import type { HttpRefusal, HttpRequest, HttpResponse } from '../../core/gateway/http-exchange.ts'
import { createSystemClock } from '../node/clock.ts'
import type { Address } from './bind.ts'
import { healthRoute, readyRoute } from './control-route.ts'
import { createHttpListener } from './listener.ts'
import type { HttpListener, HttpListenerOptions } from './listener.ts'

type Handle = (request: HttpRequest, response: HttpResponse, refusal: HttpRefusal | undefined) => void

const opened: HttpListener[] = []
afterEach(async () => {
  for (const listener of opened.splice(0)) await listener.close()
})

const STATUS: Record<string, number> = { forbidden_host: 403, forbidden_origin: 403, overloaded: 503, draining: 503 }

/** Echoes the body, answers refusals and body faults as the gateway would. */
const echo: Handle = (request, response, refusal) => {
  if (refusal !== undefined) {
    response.answer(STATUS[refusal.code] ?? 500, {}, refusal.code)
    return
  }
  void request.body().then((body) => {
    if (body.ok) response.answer(200, { 'content-type': 'text/plain' }, body.value)
    else response.answer(body.fault.reason === 'too_large' ? 413 : 408, {}, body.fault.reason)
  })
}

async function start(handle: Handle = echo, options: Partial<HttpListenerOptions> = {}) {
  const listener = createHttpListener(
    { listen: { host: '127.0.0.1', port: 0 }, maxLagMs: 0, ...options },
    {
      mcp: { handle },
      routes: [healthRoute(), readyRoute(() => false)],
      log: { info: () => {}, warn: () => {}, error: () => {} },
      clock: createSystemClock(),
    },
  )
  opened.push(listener)
  const addresses = await listener.listen()
  return { listener, addresses, port: portOf(addresses[0]) }
}

function portOf(address: Address | undefined): number {
  return address?.kind === 'tcp' ? address.port : 0
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

function send(port: number, options: { verb?: string; path?: string; headers?: Record<string, string>; body?: string } = {}): Promise<Answer> {
  const { verb = 'POST', path = '/mcp', headers = {}, body = '' } = options
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ host: '127.0.0.1', port, method: verb, path, headers, agent: false }, (incoming) => {
      let text = ''
      incoming.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text }))
    })
    outgoing.on('error', reject)
    outgoing.end(body, 'latin1')
  })
}

describe('HTTP listener', () => {
  it('hands over the body as one latin1 character per byte, and answers with its length', async () => {
    const { port } = await start()
    const text = Buffer.from('{"a":"é\u2028"}').toString('latin1')
    const answer = await send(port, { body: text })
    expect(answer).toMatchObject({ status: 200, text })
    expect(answer.headers['content-length']).toBe(String(text.length))
  })

  it('joins a body that arrives in many pieces', async () => {
    const { port } = await start()
    const body = 'x'.repeat(1_000_000)
    expect((await send(port, { body })).text).toBe(body)
  })

  it('gives path, query, headers and the peer', async () => {
    let seen: HttpRequest | undefined
    const { port } = await start((request, response) => {
      seen = request
      response.answer(202, {}, '')
    })
    await send(port, { path: '/a/mcp?x=1', headers: { 'Mcp-Param-A': '1', 'Mcp-Param-B': '2', 'X-Other': 'o' } })
    expect(seen?.path).toBe('/a/mcp')
    expect(seen?.query.get('x')).toBe('1')
    expect(seen?.headersWith('mcp-param-')).toEqual([
      ['mcp-param-a', '1'],
      ['mcp-param-b', '2'],
    ])
    expect(seen?.header('x-other')).toBe('o')
    expect(seen?.remoteAddress).toBe('127.0.0.1')
  })

  it('streams an answer whose head goes out before its first piece', async () => {
    const { port } = await start((_request, response) => {
      response.head(200, { 'content-type': 'text/event-stream' })
      setTimeout(() => {
        response.write('data: 1\n\n')
        response.end()
      }, 20)
    })
    const answer = await send(port)
    expect(answer.headers['content-type']).toBe('text/event-stream')
    expect(answer.text).toBe('data: 1\n\n')
  })

  it('serves /healthz and /readyz itself, whatever the Host', async () => {
    const { port } = await start()
    expect(await send(port, { verb: 'GET', path: '/healthz', headers: { host: '10.1.2.3' } })).toMatchObject({ status: 200, text: 'ok\n' })
    expect(await send(port, { verb: 'GET', path: '/readyz' })).toMatchObject({ status: 503 })
  })
})
