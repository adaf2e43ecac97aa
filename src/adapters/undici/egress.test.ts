import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Egress, EgressControl, EgressFailure, EgressRequest } from '../../core/upstream/egress.ts'
import { createEgress } from './egress.ts'

const closers: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function serve(listener: RequestListener): Promise<{ url: string; server: Server; sockets: () => number }> {
  let opened = 0
  const server = createServer(listener).on('connection', () => (opened += 1))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => void (server.closeAllConnections(), server.close()))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp?x=1`, server, sockets: () => opened }
}

function open(options = {}): Egress {
  const egress = createEgress({ env: {}, ...options })
  closers.push(() => egress.close())
  return egress
}

interface Outcome {
  status: number
  type: string | undefined
  body: string
  failure: EgressFailure | undefined
  control: EgressControl
}

function run(egress: Egress, request: Partial<EgressRequest> & { url: string }, onChunk?: (control: EgressControl) => void): Promise<Outcome> {
  return new Promise((resolve) => {
    const outcome: Omit<Outcome, 'control'> = { status: 0, type: undefined, body: '', failure: undefined }
    const control = egress.send({ method: 'POST', headers: [], connectTimeoutMs: 1_000, ...request }, {
      onHead: (status, header) => void ((outcome.status = status), (outcome.type = header('content-type'))),
      onChunk: (chunk) => {
        outcome.body += Buffer.from(chunk).toString('latin1')
        onChunk?.(control)
      },
      onEnd: () => resolve({ ...outcome, control }),
      onFailure: (failure) => resolve({ ...outcome, failure, control }),
    })
  })
}

describe('egress', () => {
  it('sends method, path, headers and the exact bytes of the body', async () => {
    const { url } = await serve((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part)).on('end', () => {
        response.setHeader('Content-Type', 'text/plain')
        response.end(`${request.method} ${request.url} ${request.headers['x-a']} ${Buffer.concat(parts).toString('hex')}`)
      })
    })
    const latin1 = Buffer.from('héé').toString('latin1')
    const outcome = await run(open(), { url, headers: [['x-a', '7']], body: latin1 })
    expect(outcome).toMatchObject({ status: 200, type: 'text/plain', body: `POST /mcp?x=1 7 ${Buffer.from('héé').toString('hex')}` })
  })

  it('keeps the connection for the next request', async () => {
    const { url, sockets } = await serve((request, response) => request.resume().on('end', () => response.end('ok')))
    const egress = open()
    for (let n = 0; n < 20; n += 1) expect((await run(egress, { url, body: '{}' })).body).toBe('ok')
    // A request made before the one before it has left undici's queue opens a second connection.
    expect(sockets()).toBeLessThanOrEqual(2)
  })

  it('does not follow a redirect', async () => {
    let hits = 0
    const { url } = await serve((_request, response) => {
      hits += 1
      response.writeHead(307, { location: '/elsewhere' }).end()
    })
    expect(await run(open(), { url, body: '{}' })).toMatchObject({ status: 307, failure: undefined })
    expect(hits).toBe(1)
  })

  it('says that nothing was sent when nobody listens, and which address that is', async () => {
    const { url, server } = await serve(() => undefined)
    await new Promise((resolve) => server.close(resolve))
    const { failure } = await run(open(), { url, body: '{}' })
    expect(failure).toMatchObject({ reason: 'unreachable', sent: false })
    expect(failure?.detail).toMatch(/^connection refused: http:\/\/127\.0\.0\.1:\d+$/)
  })

  it('says that the request was sent when the connection is cut before an answer', async () => {
    const { url } = await serve((request) => request.socket.destroy())
    expect((await run(open(), { url, body: '{}' })).failure).toMatchObject({ reason: 'closed', sent: true })
  })

  it('says that the request was sent when an answer is cut in the middle', async () => {
    const { url } = await serve((request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half')
      setTimeout(() => request.socket.destroy(), 20)
    })
    expect(await run(open(), { url, body: '{}' })).toMatchObject({ body: 'half', failure: { reason: 'closed', sent: true } })
  })

  it('calls what is not HTTP a protocol failure', async () => {
    const server = createTcpServer((socket) => void socket.once('data', () => socket.end('SSH-2.0-hello\r\n')))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    expect((await run(open(), { url, body: '{}' })).failure).toMatchObject({ reason: 'protocol', sent: true })
  })

  it('closes the connection on abort and calls nothing afterwards', async () => {
    let closed!: () => void
    const gone = new Promise<void>((resolve) => (closed = resolve))
    const { url } = await serve((_request, response) => {
      response.on('close', closed).writeHead(200).write('first')
    })
    const calls: string[] = []
    await new Promise<void>((resolve) => {
      const control = open().send({ method: 'POST', url, headers: [], body: '{}', connectTimeoutMs: 1_000 }, {
        onHead: () => calls.push('head'),
        onChunk: () => {
          control.abort()
          resolve()
        },
        onEnd: () => calls.push('end'),
        onFailure: () => calls.push('failure'),
      })
    })
    await gone
    expect(calls).toEqual(['head'])
  })

  it('sends nothing when it is aborted before the connection stands', async () => {
    let requests = 0
    const { url } = await serve((_request, response) => {
      requests += 1
      response.end()
    })
    const calls: string[] = []
    const control = open().send({ method: 'POST', url, headers: [], body: '{}', connectTimeoutMs: 1_000 }, {
      onHead: () => calls.push('head'),
      onChunk: () => calls.push('chunk'),
      onEnd: () => calls.push('end'),
      onFailure: () => calls.push('failure'),
    })
    control.abort()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect({ requests, calls }).toEqual({ requests: 0, calls: [] })
  })

  it('holds the server back while paused and loses nothing', async () => {
    const total = 8 * 1024 * 1024
    let written = 0
    const { url } = await serve((_request, response) => {
      const block = Buffer.alloc(64 * 1024, 'x')
      const pump = (): void => {
        while (written < total) {
          written += block.length
          if (!response.write(block)) return void response.once('drain', pump)
        }
        response.end()
      }
      pump()
    })
    let paused = false
    let seenWhilePaused = 0
    const outcome = await run(open(), { url, body: '{}' }, (control) => {
      if (paused) return
      paused = true
      control.pause()
      setTimeout(() => {
        seenWhilePaused = written
        control.resume()
      }, 150)
    })
    expect(seenWhilePaused).toBeLessThan(total)
    expect(outcome.body.length).toBe(total)
  })

  it('gives up connecting after the time it was given', async () => {
    // 192.0.2.0/24 is reserved for documentation: nothing answers there, or the network refuses at once.
    const { failure } = await run(open(), { url: 'http://192.0.2.1:9/', body: '{}', connectTimeoutMs: 200 })
    expect(failure).toMatchObject({ reason: 'unreachable', sent: false })
  }, 5_000)

  it('goes through the proxy of the environment, except where NO_PROXY says otherwise', async () => {
    const seen: string[] = []
    const { url: proxyUrl } = await serve((request, response) => {
      seen.push(request.url ?? '')
      response.end('from the proxy')
    })
    const { url } = await serve((_request, response) => response.end('direct'))
    const proxy = new URL(proxyUrl).origin
    const viaProxy = await run(open({ env: { HTTP_PROXY: proxy } }), { url: 'http://upstream.invalid/mcp', body: '{}' })
    expect(viaProxy.body).toBe('from the proxy')
    const direct = await run(open({ env: { HTTP_PROXY: proxy, NO_PROXY: '127.0.0.1' } }), { url, body: '{}' })
    expect(direct.body).toBe('direct')
  })

  it('closes a pool that nobody uses and opens it again at need', async () => {
    const { url, server, sockets } = await serve((request, response) => request.resume().on('end', () => response.end('ok')))
    server.keepAliveTimeout = 60_000
    const egress = open({ poolIdleMs: 60 })
    await run(egress, { url, body: '{}' })
    await new Promise((resolve) => setTimeout(resolve, 250))
    expect((await run(egress, { url, body: '{}' })).body).toBe('ok')
    expect(sockets()).toBe(2)
  })
})
