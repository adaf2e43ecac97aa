import { once } from 'node:events'
import { mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { rawClient, send, startListener } from '../../../test/http-rig.ts'
import type { HttpRequest, HttpResponse } from '../../core/gateway/http-exchange.ts'
import { createSystemClock } from '../node/clock.ts'
import { ListenError } from './bind.ts'
import { createHttpListener } from './listener.ts'

const others: Server[] = []
afterEach(async () => {
  for (const other of others.splice(0)) await new Promise((resolve) => other.close(resolve))
})

async function otherServer(target: { port: number; host: string } | { path: string }): Promise<number> {
  const server = createServer()
  others.push(server)
  await new Promise<void>((resolve) => server.listen(target, resolve))
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function folder(): string {
  return mkdtempSync(join(tmpdir(), 'portolan-http-'))
}

describe('HTTP listener: requests and answers', () => {
  it('hands over the body as one latin1 character per byte, and answers with its length', async () => {
    const { port } = await startListener()
    const text = Buffer.from('{"a":"é\u2028"}').toString('latin1')
    const answer = await send(port, { body: text })
    expect(answer).toMatchObject({ status: 200, text })
    expect(answer.headers['content-length']).toBe(String(text.length))
  })

  it('joins a body that arrives in many pieces', async () => {
    const { port } = await startListener()
    const body = 'xy'.repeat(1_000_000)
    expect((await send(port, { body })).text).toBe(body)
    expect((await send(port, { body, headers: { 'transfer-encoding': 'chunked' } })).text).toBe(body)
  })

  it('gives path, query, headers and the peer', async () => {
    let seen: HttpRequest | undefined
    const { port } = await startListener((request, response) => {
      seen = request
      response.answer(202, {}, '')
    })
    await send(port, { path: '/a/mcp?x=1&y=?', headers: { 'Mcp-Param-A': '1', 'Mcp-Param-B': '2', 'X-Other': 'o' } })
    expect(seen?.path).toBe('/a/mcp')
    expect(seen?.query.get('y')).toBe('?')
    expect(seen?.headersWith('mcp-param-')).toEqual([
      ['mcp-param-a', '1'],
      ['mcp-param-b', '2'],
    ])
    expect(seen?.header('x-other')).toBe('o')
    expect(seen?.header('constructor')).toBeUndefined()
    expect(seen?.remoteAddress).toBe('127.0.0.1')
  })

  it('joins repeated headers, those too of which node:http keeps the first', async () => {
    const { port } = await startListener((request, response) => response.answer(200, {}, request.header('authorization') ?? ''))
    const client = rawClient(port)
    client.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n')
    expect(await client.until(/Bearer b$/)).toContain('Bearer a, Bearer b')
  })

  it('passes HEAD and unknown verbs on, and leaves the body of a HEAD answer out', async () => {
    const { port } = await startListener((request, response) => response.answer(405, {}, request.verb))
    const head = await send(port, { verb: 'HEAD' })
    expect(head).toMatchObject({ status: 405, text: '' })
    expect(await send(port, { verb: 'PATCH' })).toMatchObject({ status: 405, text: 'PATCH' })
  })

  it('sends the head of a stream before its first piece, and the pieces as they come', async () => {
    let response: HttpResponse | undefined
    const { port } = await startListener((_request, given) => {
      response = given
      given.head(200, { 'content-type': 'text/event-stream' })
    })
    const client = rawClient(port)
    client.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/text\/event-stream[^]*\r\n\r\n$/)
    expect(response?.headSent).toBe(true)
    response?.write('data: 1\n\n')
    await client.until(/data: 1\n\n/)
    response?.end()
    await client.until(/\r\n0\r\n\r\n$/)
  })

  it('sends one answer only', async () => {
    const { port } = await startListener((_request, response) => {
      response.answer(200, {}, 'first')
      response.answer(500, {}, 'second')
      response.head(500, {})
      response.write('third')
      response.end()
    })
    expect(await send(port)).toMatchObject({ status: 200, text: 'first' })
  })

  it('answers 500 where the handler throws, and says nothing of why', async () => {
    const { port, logged } = await startListener(() => {
      throw new Error('a secret')
    })
    expect(await send(port)).toMatchObject({ status: 500, text: '' })
    expect(logged).toEqual(['A request handler threw'])
  })

  it('tells a writer to wait for a slow reader, and when to go on', async () => {
    let fed = 0
    let drained = 0
    const { port } = await startListener((_request, response) => {
      response.head(200, {})
      const feed = (): void => {
        while (fed < 30_000_000) {
          fed += 100_000
          if (response.write('x'.repeat(100_000))) continue
          response.onDrain(() => {
            drained++
            feed()
          })
          return
        }
        response.end()
      }
      feed()
    })
    const socket = connect({ host: '127.0.0.1', port })
    socket.pause().write('GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await sleep(150)
    expect(fed).toBeLessThan(30_000_000)
    let readBytes = 0
    socket.on('data', (chunk) => (readBytes += chunk.length)).resume()
    await new Promise((resolve) => socket.once('close', resolve))
    expect(readBytes).toBeGreaterThan(30_000_000)
    expect(drained).toBeGreaterThan(0)
  })

  it('serves /healthz and /readyz itself, whatever the Host, and leaves other paths to the handler', async () => {
    const { port } = await startListener()
    expect(await send(port, { verb: 'GET', path: '/healthz', headers: { host: '10.1.2.3' } })).toMatchObject({ status: 200, text: 'ok\n' })
    expect(await send(port, { verb: 'GET', path: '/readyz' })).toMatchObject({ status: 503 })
    expect(await send(port, { path: '/healthz/', body: 'mine' })).toMatchObject({ status: 200, text: 'mine' })
  })
})

describe('HTTP listener: addresses', () => {
  it('listens on both loopback addresses for localhost, on one port', async () => {
    const { addresses, port } = await startListener(undefined, { listen: { host: 'localhost', port: 0 } })
    expect(addresses.map((address) => address.kind === 'tcp' && address.host)).toEqual(['127.0.0.1', '::1'])
    for (const host of ['127.0.0.1', '::1']) expect((await send(port, { host, body: 'x' })).text).toBe('x')
  })

  it('allows the IPv6 loopback address as Host', async () => {
    const { port } = await startListener((request, response) => response.answer(200, {}, request.remoteAddress), {
      listen: { host: '::1', port: 0 },
    })
    expect(await send(port, { host: '::1' })).toMatchObject({ status: 200, text: '::1' })
  })

  it('says what to do where the port is taken', async () => {
    const taken = await otherServer({ host: '127.0.0.1', port: 0 })
    const failure = startListener(undefined, { listen: { host: '127.0.0.1', port: taken } })
    await expect(failure).rejects.toThrow(ListenError)
    await expect(failure).rejects.toThrow(/in use\. Another process.*choose another port/)
  })

  it('binds neither address of localhost where one is taken: another program could sit on it', async () => {
    const taken = await otherServer({ host: '::1', port: 0 })
    await expect(startListener(undefined, { listen: { host: 'localhost', port: taken } })).rejects.toMatchObject({ code: 'address_in_use' })
    const refused = await new Promise((resolve) => connect({ host: '127.0.0.1', port: taken }).on('error', () => resolve(true)).on('connect', () => resolve(false)))
    expect(refused).toBe(true)
  })

  it('says that the machine has no such address', async () => {
    const failure = startListener(undefined, { listen: { host: '192.0.2.1', port: 0 }, trustedProxies: ['10.0.0.1'] })
    await expect(failure).rejects.toMatchObject({ code: 'address_unavailable' })
  })

  it('listens on a unix socket that only its owner may use', async () => {
    const socketPath = join(folder(), 'portolan.sock')
    const { addresses } = await startListener(undefined, { listen: { socketPath } })
    expect(addresses).toEqual([{ kind: 'unix', path: socketPath }])
    expect(statSync(socketPath).mode & 0o777).toBe(0o600)
    const client = rawClient({ path: socketPath })
    client.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi')
    await client.until(/\r\n\r\nhi$/)
  })

  it('takes over a socket file that nobody listens on, and no other', async () => {
    const path = folder()
    const stale = join(path, 'stale.sock')
    const { execFileSync } = await import('node:child_process')
    const leave = `require('net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`
    expect(() => execFileSync(process.execPath, ['-e', leave], { stdio: 'ignore' })).toThrow()
    expect(statSync(stale).isSocket()).toBe(true)
    await startListener(undefined, { listen: { socketPath: stale } })
    await expect(startListener(undefined, { listen: { socketPath: stale } })).rejects.toMatchObject({ code: 'address_in_use' })
    const file = join(path, 'file')
    writeFileSync(file, 'mine')
    await expect(startListener(undefined, { listen: { socketPath: file } })).rejects.toThrow(/no socket/)
  })
})

describe('HTTP listener: safe by default', () => {
  const create = (options: object) => () =>
    createHttpListener(
      { listen: { host: '0.0.0.0', port: 0 }, maxLagMs: 0, ...options },
      { mcp: { handle: () => {} }, routes: [], log: { info: () => {}, warn: () => {}, error: () => {} }, clock: createSystemClock() },
    )

  it('refuses an address that others reach without TLS or a trusted proxy, naming the options', () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.5', 'example.com', '127.0.0.1.example.com']) {
      expect(create({ listen: { host, port: 0 } }), host).toThrow(/tls.*trustedProxies/)
    }
  })

  it('wants to know its name where it listens on every address', () => {
    expect(create({ trustedProxies: ['10.0.0.0/8'] })).toThrow(/publicUrl or allowedHosts/)
    expect(create({ trustedProxies: ['10.0.0.0/8'], publicUrl: 'https://mcp.example' })).not.toThrow()
  })

  it('refuses options that mean nothing, by name', () => {
    const local = { listen: { host: '127.0.0.1', port: 0 } }
    expect(create({ ...local, trustedProxies: ['10.0.0.0/33'] })).toThrow(/trustedProxies: "10.0.0.0\/33"/)
    expect(create({ ...local, trustedProxies: ['proxy.example'] })).toThrow(/trustedProxies/)
    expect(create({ ...local, publicUrl: 'mcp.example' })).toThrow(/publicUrl/)
    expect(create({ ...local, allowedHosts: ['http://x'] })).toThrow(/allowedHosts/)
    expect(create({ ...local, allowedOrigins: ['https://x.example/'] })).toThrow(/allowedOrigins/)
    expect(create({ ...local, tls: { certFile: '/nowhere/a', keyFile: '/nowhere/b' } })).toThrow(/certFile "\/nowhere\/a"/)
  })
})

describe('HTTP listener: shutting down and overload', () => {
  it('refuses new requests while it drains, lets open ones finish, and closes connections', async () => {
    const waiting: HttpResponse[] = []
    const { listener, port } = await startListener((request, response, refusal) => {
      if (refusal !== undefined) response.answer(503, { 'retry-after': String(refusal.retryAfterSec) }, refusal.code)
      else if (request.path === '/slow') waiting.push(response)
      else response.answer(200, {}, '')
    })
    const slow = send(port, { path: '/slow' })
    const kept = rawClient(port)
    kept.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await kept.until(/200 OK/)
    await expect.poll(() => waiting.length).toBe(1)
    expect(listener.openCount).toBe(1)
    const drained = listener.drain(5_000)
    const refused = await send(port)
    expect(refused).toMatchObject({ status: 503, text: 'draining' })
    expect(refused.headers).toMatchObject({ connection: 'close', 'retry-after': '1' })
    expect((await send(port, { verb: 'GET', path: '/healthz' })).status).toBe(200)
    waiting[0]?.answer(200, {}, 'done')
    expect(await slow).toMatchObject({ status: 200, text: 'done', headers: { connection: 'close' } })
    await drained
    await kept.closed()
    await expect(send(port)).rejects.toThrow(/ECONNREFUSED/)
  })

  it('where others take new connections, accepts none, and answers what still comes on open ones, the last time', async () => {
    const waiting: HttpResponse[] = []
    const { listener, port } = await startListener((request, response, refusal) => {
      if (request.path === '/slow') waiting.push(response)
      else response.answer(refusal === undefined ? 200 : 503, {}, 'here')
    })
    const slow = send(port, { path: '/slow' })
    const kept = rawClient(port)
    kept.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await expect.poll(() => waiting.length).toBe(2)
    const drained = listener.leave().then(() => listener.drain(5_000))
    await expect.poll(() => send(port).catch((error: Error) => error.message), { timeout: 10_000 }).toMatch(/ECONNREFUSED/)
    kept.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n')
    for (const response of waiting) response.answer(200, {}, 'done')
    expect(await slow).toMatchObject({ status: 200, text: 'done', headers: { connection: 'close' } })
    await kept.closed()
    await drained
  })

  it('where others take new connections, reads what was under way on one just opened and on one kept', async () => {
    const { listener, port } = await startListener((_request, response) => response.answer(200, {}, 'here'))
    const [fresh, kept] = [rawClient(port), rawClient(port)]
    await Promise.all([fresh, kept].map(({ socket }) => once(socket, 'connect')))
    kept.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(kept.socket, 'data')
    const drained = listener.leave().then(() => listener.drain(5_000))
    await sleep(50)
    const answers = Promise.all([fresh, kept].map(({ socket }) => once(socket, 'data')))
    for (const client of [fresh, kept]) client.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n')
    for (const [answer] of await answers) expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*Connection: close/i)
    await drained
  })

  it('does not wait for a connection on which nothing was ever asked', async () => {
    const { listener, port } = await startListener()
    const ahead = rawClient(port)
    await once(ahead.socket, 'connect')
    await send(port)
    const startedAtMs = performance.now()
    await listener.drain(5_000)
    expect(performance.now() - startedAtMs).toBeLessThan(1_000)
    await ahead.closed()
  })

  it('cuts what is still open when the grace is over, and tells its handler', async () => {
    let gone = 0
    const { listener, port } = await startListener((_request, response) => {
      response.head(200, {})
      response.onGone(() => gone++)
    })
    const client = rawClient(port)
    client.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/200 OK/)
    await listener.drain(80)
    await client.closed()
    await expect.poll(() => gone).toBe(1)
    expect(listener.openCount).toBe(0)
  })

  it('refuses requests while the event loop lags, and takes them again afterwards', async () => {
    const { port } = await startListener(undefined, { maxLagMs: 200 })
    expect((await send(port)).status).toBe(200)
    const blockedUntilMs = performance.now() + 700
    while (performance.now() < blockedUntilMs);
    await sleep(5)
    expect(await send(port)).toMatchObject({ status: 503, text: 'overloaded' })
    expect((await send(port, { verb: 'GET', path: '/healthz' })).status).toBe(200)
    await sleep(300)
    expect((await send(port)).status).toBe(200)
  })
})
