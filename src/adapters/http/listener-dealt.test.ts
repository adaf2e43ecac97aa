import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { echo, startListener } from '../../../test/http-rig.ts'
import type { Handle } from '../../../test/http-rig.ts'
import type { Dealt, HttpListener, HttpListenerOptions } from './listener.ts'

const closers: (() => unknown)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

interface DealtListener {
  readonly listener: HttpListener
  /** Sends `text` on a connection of its own; what came back until the end. */
  exchange(text: string): Promise<string>
  readonly refused: () => number
}

/** A listener to which another server deals its connections. */
async function start(handle: Handle = echo, options: Partial<HttpListenerOptions> = {}): Promise<DealtListener> {
  const acceptor = createServer()
  closers.push(() => acceptor.close())
  acceptor.listen(0, '127.0.0.1')
  await once(acceptor, 'listening')
  const { port } = acceptor.address() as AddressInfo
  let refused = 0
  const begin: Dealt['begin'] = (take) =>
    void acceptor.on('connection', (socket: Socket) => {
      const taken = take(socket)
      if (taken === undefined) socket.destroy(void (refused += 1))
      else taken.start()
    })
  const addresses = [{ kind: 'tcp', host: '127.0.0.1', port }] as const
  const dealt: Dealt = { socketPath: join(mkdtempSync(join(tmpdir(), 'portolan-dealt-')), 's'), addresses, begin }
  const started = await startListener(handle, { dealt, ...options })
  expect(started.addresses).toEqual(addresses)
  return {
    listener: started.listener,
    refused: () => refused,
    async exchange(text) {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
      closers.push(() => socket.destroy())
      let got = ''
      socket.on('data', (chunk) => (got += String(chunk))).on('error', () => undefined)
      socket.write(text)
      await once(socket, 'end').catch(() => undefined)
      return got
    },
  }
}

const request = (body: string, more = ''): string => `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`

describe('a listener to which connections are dealt', () => {
  it('serves them as its own: same checks, same time limits', async () => {
    const { exchange } = await start(echo, { limits: { headerTimeoutMs: 200, bodyTimeoutMs: 200 } })
    expect(await exchange(request('hello'))).toMatch(/^HTTP\/1\.1 200 [^]*hello$/)
    expect(await exchange(request('hello').replace('127.0.0.1', 'evil.example'))).toMatch(/^HTTP\/1\.1 403 /)
    expect(await exchange('POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n')).toMatch(/^HTTP\/1\.1 408 /)
  })

  it('takes no more while it drains, and ends when the answers are out', async () => {
    let answer = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      answer = resolve
    })
    let release = (): void => undefined
    const { listener, exchange, refused } = await start((_request, response) => {
      release = () => response.answer(200, {}, 'x'.repeat(1_000_000))
      answer()
    })
    const open = exchange(request('x'))
    await asked
    let isDrained = false
    const drained = listener.leave().then(() => listener.drain(5_000)).then(() => void (isDrained = true))
    expect(await exchange(request('y'))).toBe('')
    expect(refused()).toBe(1)
    expect(isDrained).toBe(false)
    release()
    expect((await open).length).toBeGreaterThan(1_000_000)
    await drained
  })

  it('closes what is beyond its number of connections', async () => {
    const { exchange } = await start(() => undefined, { maxConnections: 1 })
    void exchange(request('stays'))
    await expect.poll(() => exchange(request('goes'))).toBe('')
  })
})
