/** What every Egress must do, against real servers on the loopback interface. */
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { Egress, EgressControl, EgressFailure, EgressRequest } from '../../src/core/upstream/egress.ts'

const servers: Server[] = []
const sockets = new Set<Socket>()

async function listenOn(server: Server): Promise<string> {
  servers.push(server)
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/mcp`
}

const serve = (listener: RequestListener): Promise<string> => listenOn(createServer(listener))
const serveRaw = (onSocket: (socket: Socket) => void): Promise<string> => listenOn(createTcpServer(onSocket))

interface Run {
  readonly control: EgressControl
  /** What was called, in order: `head 200`, `chunk`, `end`, `failure closed`. */
  readonly calls: string[]
  readonly text: () => string
  readonly header: (name: string) => string | undefined
  readonly failure: () => EgressFailure | undefined
  /** Resolves after onEnd or onFailure. */
  readonly over: Promise<void>
}

function run(egress: Egress, url: string, more: Partial<EgressRequest> = {}): Run {
  const calls: string[] = []
  const chunks: Uint8Array[] = []
  let readHeader = (_name: string): string | undefined => undefined
  let failed: EgressFailure | undefined
  let finish = (): void => {}
  const over = new Promise<void>((resolve) => (finish = resolve))
  const control = egress.send(
    { method: 'POST', url, headers: [['content-type', 'application/json']], connectTimeoutMs: 2_000, ...more },
    {
      onHead(status, header) {
        calls.push(`head ${status}`)
        readHeader = header
      },
      onChunk(chunk) {
        if (calls.at(-1) !== 'chunk') calls.push('chunk')
        // Copied: the chunk may be reused after the call.
        chunks.push(Uint8Array.from(chunk))
      },
      onEnd() {
        calls.push('end')
        finish()
      },
      onFailure(failure) {
        calls.push(`failure ${failure.reason}`)
        failed = failure
        finish()
      },
    },
  )
  calls.push('sent')
  return { control, calls, text: () => Buffer.concat(chunks).toString('latin1'), header: (name) => readHeader(name), failure: () => failed, over }
}

export function testEgress(name: string, open: () => Egress): void {
  const opened: Egress[] = []
  const egress = (): Egress => {
    const one = open()
    opened.push(one)
    return one
  }

  describe(`Egress contract: ${name}`, () => {
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((one) => one.close()))
      for (const socket of sockets) socket.destroy()
      sockets.clear()
      for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve))
    })

    it('brings bytes there and back as they are, in the order head, chunks, end, none before send has returned', async () => {
      const body = Buffer.from('{"ü":"\u2028"}').toString('latin1')
      const url = await serve((request, response) => {
        response.writeHead(201, { 'X-Seen': `${request.method} ${request.url} ${request.headers['content-type']}` })
        request.pipe(response)
      })
      const sent = run(egress(), url, { body })
      await sent.over
      expect(sent.calls).toEqual(['sent', 'head 201', 'chunk', 'end'])
      expect(sent.text()).toBe(body)
      expect(sent.header('x-seen')).toBe('POST /mcp application/json')
      expect(sent.header('x-other')).toBeUndefined()
    })

    it('sends a request without a body', async () => {
      const url = await serve((request, response) => response.end(request.method))
      for (const method of ['GET', 'DELETE'] as const) {
        const sent = run(egress(), url, { method, headers: [] })
        await sent.over
        expect(sent.text()).toBe(method)
      }
    })

    it('hands over an error status and a redirect like any answer', async () => {
      const url = await serve((request, response) => response.writeHead(request.url === '/mcp' ? 307 : 200, { location: '/elsewhere' }).end())
      const sent = run(egress(), url)
      await sent.over
      expect(sent.calls).toEqual(['sent', 'head 307', 'end'])
    })

    it('hands over the head and each piece when they come', async () => {
      let finish = (): void => {}
      const url = await serve((_request, response) => {
        response.writeHead(200).write('first')
        finish = () => void response.end('last')
      })
      const sent = run(egress(), url)
      await expect.poll(() => sent.text()).toBe('first')
      expect(sent.calls).toEqual(['sent', 'head 200', 'chunk'])
      finish()
      await sent.over
      expect(sent.text()).toBe('firstlast')
    })

    it('says that not one byte was sent where nobody listens', async () => {
      const url = await serve(() => {})
      await new Promise((resolve) => servers.splice(0)[0]?.close(resolve))
      const sent = run(egress(), url, { body: '{}' })
      await sent.over
      expect(sent.calls).toEqual(['sent', 'failure unreachable'])
      expect(sent.failure()?.sent).toBe(false)
    })

    it('says that it may have been executed where the connection ends without an answer, or within one', async () => {
      const urls = [await serveRaw((socket) => socket.once('data', () => socket.destroy())), await serve((_request, response) => {
        response.writeHead(200, { 'content-length': '100' }).write('part')
        setTimeout(() => response.destroy(), 20)
      })]
      for (const url of urls) {
        const sent = run(egress(), url, { body: '{}' })
        await sent.over
        expect(sent.failure()).toMatchObject({ reason: 'closed', sent: true })
        expect(sent.calls.filter((call) => call === 'end' || call.startsWith('failure'))).toHaveLength(1)
      }
    })

    it('says that what answers is no HTTP', async () => {
      const url = await serveRaw((socket) => socket.once('data', () => socket.end('hello\r\n\r\n')))
      const sent = run(egress(), url, { body: '{}' })
      await sent.over
      expect(sent.failure()).toMatchObject({ reason: 'protocol', sent: true })
    })

    it('closes the connection at an abort and calls nothing afterwards, whenever it comes', async () => {
      let closed = 0
      const url = await serve((request, response) => {
        request.socket.on('close', () => closed++)
        response.writeHead(200).write('first')
      })
      const started = run(egress(), url)
      await expect.poll(() => started.text()).toBe('first')
      const before = [...started.calls]
      started.control.abort()
      started.control.abort()
      await expect.poll(() => closed).toBe(1)
      const atOnce = run(egress(), url)
      atOnce.control.abort()
      await sleep(60)
      expect(started.calls).toEqual(before)
      expect(atOnce.calls).toEqual(['sent'])
    })

    it('holds the other side back while paused, and loses nothing', async () => {
      const bytes = 24_000_000
      let written = 0
      const url = await serve((_request, response) => {
        const feed = (): void => {
          while (written < bytes) {
            written += 100_000
            if (!response.write('x'.repeat(100_000))) return void response.once('drain', feed)
          }
          response.end()
        }
        feed()
      })
      const sent = run(egress(), url)
      await expect.poll(() => sent.calls).toContain('head 200')
      sent.control.pause()
      await sleep(200)
      expect(written).toBeLessThan(bytes)
      sent.control.resume()
      await sent.over
      expect(sent.text()).toHaveLength(bytes)
    })

    it('fails what is open when it is closed', async () => {
      const url = await serve((_request, response) => response.writeHead(200).write('first'))
      const one = egress()
      const sent = run(one, url)
      await expect.poll(() => sent.text()).toBe('first')
      await one.close()
      await sent.over
      expect(sent.calls.at(-1)).toMatch(/^failure/)
    })
  })
}
