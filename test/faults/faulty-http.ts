/** A server over HTTP, of one era, whose one tool fails as its arguments say; it counts how often it ran for each tag. */
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { HttpFault } from './fault.ts'

export interface FaultyHttp {
  readonly url: string
  /** By tag. */
  readonly executions: ReadonlyMap<string, number>
  close(): Promise<void>
}

interface Asked {
  readonly tag: string
  readonly fault: HttpFault
  readonly streams: boolean
  readonly answerBytes: number
  readonly where: number
  readonly delayMs: number
}

export async function startFaultyHttp(era: 'modern' | 'legacy'): Promise<FaultyHttp> {
  const executions = new Map<string, number>()
  const server = createServer((incoming, response) => {
    const parts: Buffer[] = []
    incoming.on('error', () => undefined)
    response.on('error', () => undefined)
    incoming.on('data', (part: Buffer) => {
      parts.push(part)
      // Cut in the middle of the request: nothing has run.
      if (/"fault":"cut request"/.test(Buffer.concat(parts).toString('latin1'))) incoming.socket.destroy()
    })
    incoming.on('end', () => {
      if (incoming.method !== 'POST') return void response.writeHead(405).end()
      const { id, method, params = {} } = JSON.parse(Buffer.concat(parts).toString() || '{}') as { id?: number; method?: string; params?: Record<string, unknown> }
      if (id === undefined) return void response.writeHead(202).end()
      const reply = (result: object): void => void response.writeHead(200, { 'content-type': 'application/json', ...sessionOf(era, method) }).end(JSON.stringify({ jsonrpc: '2.0', id, result }))
      const aged = era === 'modern' ? { resultType: 'complete', ttlMs: 3_600_000, cacheScope: 'public' } : {}
      const isForeign = (era === 'modern') === (method === 'initialize')
      if (method === 'initialize' && !isForeign) return reply({ protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'f', version: '1' } })
      if (method === 'server/discover' && era === 'modern') return reply({ ...aged, supportedVersions: ['2026-07-28'], capabilities: { tools: {} } })
      if (method === 'tools/list') return reply({ ...aged, tools: [{ name: 'run', inputSchema: { type: 'object' } }] })
      if (method !== 'tools/call') return void response.writeHead(era === 'modern' ? 404 : 400, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32_601, message: 'no such method' } }))
      void run(id, params['arguments'] as Asked, response)
    })
  })
  const count = (tag: string): void => void executions.set(tag, (executions.get(tag) ?? 0) + 1)

  async function run(id: number, { tag, fault, streams, answerBytes, where, delayMs }: Asked, response: ServerResponse): Promise<void> {
    const answer = (idOf: number = id): string => {
      const result = { ...(era === 'modern' && { resultType: 'complete' }), content: [{ type: 'text', text: `${tag}:${'x'.repeat(answerBytes)}` }] }
      const json = JSON.stringify({ jsonrpc: '2.0', id: idOf, result })
      return streams ? `data: ${json}\n\n` : json
    }
    const head = (): void => void response.writeHead(200, { 'content-type': streams ? 'text/event-stream' : 'application/json' })
    const part = answer().slice(0, Math.floor(where * answer().length))
    const refuse = (status: number): void => void response.writeHead(status, status === 503 ? { 'retry-after': '1' } : {}).end()
    switch (fault) {
      case 'cut before head':
        count(tag)
        return void response.destroy()
      case '500 unexecuted':
        return refuse(500)
      case '404':
        return refuse(404)
      case '503':
        return refuse(503)
      case '502 executed':
        count(tag)
        return refuse(502)
      case 'no answer':
        return count(tag)
      case 'delay':
        await sleep(delayMs)
        break
      default:
    }
    count(tag)
    head()
    switch (fault) {
      case 'cut response':
        response.write(part)
        return void setTimeout(() => response.destroy(), 5)
      case 'garbage':
        return void response.end(Buffer.from(Array.from({ length: 200 }, (_, index) => (index * 97) % 256)))
      case 'garbage in json':
        return void response.end(`${part}\u0000<html>${answer().slice(part.length)}`)
      case 'half open':
        return void response.write(part)
      case 'slow drip': {
        const text = answer()
        const size = Math.ceil(text.length / 8)
        for (let at = 0; at < text.length; at += size) {
          response.write(text.slice(at, at + size))
          await sleep(delayMs / 10)
        }
        return void response.end()
      }
      case 'wrong id':
        return void response.end(answer(id + 1_000_000))
      case 'empty answer':
      case 'stream ends early':
        return void response.end(streams ? ': nothing\n\n' : '')
      case 'twice':
        return void response.end(streams ? answer() + answer() : answer())
      default:
        return void response.end(answer())
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    executions,
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))),
  }
}

const sessionOf = (era: string, method = ''): Record<string, string> => (era === 'legacy' && method === 'initialize' ? { 'mcp-session-id': crypto.randomUUID() } : {})
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
