/** A listener with a handler that echoes, and clients that may misbehave: raw sockets and plain requests. */
import { request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import type { NetConnectOpts, Socket } from 'node:net'
import { afterEach } from 'vitest'
import { healthRoute, readyRoute } from '../src/adapters/http/control-route.ts'
import { createHttpListener } from '../src/adapters/http/listener.ts'
import type { HttpListener, HttpListenerOptions } from '../src/adapters/http/listener.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import type { Clock } from '../src/core/clock.ts'
import type { HttpRefusal, HttpRequest, HttpResponse } from '../src/core/gateway/http-exchange.ts'

export type Handle = (request: HttpRequest, response: HttpResponse, refusal: HttpRefusal | undefined) => void

const opened: HttpListener[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const listener of opened.splice(0)) await listener.close()
})

const STATUS = { forbidden_host: 403, forbidden_origin: 403, overloaded: 503, draining: 503 } as const

/** Echoes the body, and answers refusals and body faults as the gateway would. */
export const echo: Handle = (request, response, refusal) => {
  if (refusal !== undefined) {
    response.answer(STATUS[refusal.code], refusal.retryAfterSec === undefined ? {} : { 'retry-after': String(refusal.retryAfterSec) }, refusal.code)
    return
  }
  void request.body().then((body) => {
    if (body.ok) response.answer(200, { 'content-type': 'text/plain' }, body.value)
    else response.answer(body.fault.reason === 'too_large' ? 413 : 408, {}, body.fault.reason)
  })
}

/** On a free port of 127.0.0.1 unless `options` say otherwise; closed after the test. */
export async function startListener(handle: Handle = echo, options: Partial<HttpListenerOptions> = {}, clock: Clock = createSystemClock()) {
  const logged: string[] = []
  const log = (_fields: unknown, message: string): void => void logged.push(message)
  const listener = createHttpListener(
    { listen: { host: '127.0.0.1', port: 0 }, maxLagMs: 0, ...options },
    { mcp: { handle }, routes: [healthRoute(), readyRoute(() => false)], log: { info: log, warn: log, error: log }, clock },
  )
  opened.push(listener)
  const addresses = await listener.listen()
  const first = addresses[0]
  return { listener, addresses, logged, port: first?.kind === 'tcp' ? first.port : 0 }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

interface Sent {
  readonly verb?: string
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly host?: string
}

export function send(port: number, sent: Sent = {}): Promise<Answer> {
  const { verb = 'POST', path = '/mcp', headers = {}, body = '', host = '127.0.0.1' } = sent
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ host, port, method: verb, path, headers, agent: false }, (incoming) => {
      let text = ''
      incoming.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text }))
      incoming.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body, 'latin1')
  })
}

export interface RawClient {
  readonly socket: Socket
  write(text: string): void
  /** All that came so far. */
  received(): string
  /** Resolves when what came matches; rejects where the connection ends before. */
  until(pattern: RegExp): Promise<string>
  /** Resolves with all that came when the other side ended or cut the connection. */
  closed(): Promise<string>
}

/** A client that writes what it likes. */
export function rawClient(target: number | NetConnectOpts): RawClient {
  const socket = connect(typeof target === 'number' ? { host: '127.0.0.1', port: target } : target)
  sockets.push(socket)
  let text = ''
  let over = false
  const watchers = new Set<() => void>()
  const look = (): void => {
    for (const watcher of watchers) watcher()
  }
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += String(chunk)
    look()
  })
  const finish = (): void => {
    over = true
    look()
  }
  socket.on('error', () => {}).on('end', finish).on('close', finish)

  function when(done: () => boolean, failure: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const watcher = (): void => {
        if (done()) resolve(text)
        else if (over) reject(new Error(`${failure}: ${JSON.stringify(text)}`))
        else return
        watchers.delete(watcher)
      }
      watchers.add(watcher)
      watcher()
    })
  }

  return {
    socket,
    write: (more) => void socket.write(more, 'latin1'),
    received: () => text,
    until: (pattern) => when(() => pattern.test(text), `closed before ${pattern}`),
    closed: () => when(() => over, 'not closed'),
  }
}

/** The status lines in what a raw client received. */
export function statuses(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]))
}
