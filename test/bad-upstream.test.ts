/** Upstream servers that answer badly, too much, too late or not at all: a clear error, bounded memory, nobody else affected. */
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ERRORS } from '../src/protocol/error.ts'
import type { ErrorCode } from '../src/protocol/error.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http, until } from './fixtures/upstream/support.ts'
import { closeAfter, openRig, startRig } from './gateway-rig.ts'
import type { OpenRig } from './gateway-rig.ts'
import { withMostHeld } from './live-memory.ts'
import { codeOf, legacy, messageOf, modern, openSession } from './mcp-client.ts'

/** Longer than a busy machine takes to write or read what is too much. */
const IDLE_MS = 3_000
const MIB = 1024 * 1024
/** What is collected of two answers of 4 MiB, as bytes and as text. */
const MOST_BYTES = 32 * MIB
const JSON_TYPE = { 'content-type': 'application/json' }
const STREAM_TYPE = { 'content-type': 'text/event-stream' }
const FIXTURE = fileURLToPath(new URL('fixtures/upstream/stdio-server.mjs', import.meta.url))

/** Writes until the other side has enough. */
function flood(block: string): Act {
  return ({ response }) => {
    const pump = (): void => {
      while (!response.destroyed && response.write(block));
      response.once('drain', pump)
    }
    pump()
  }
}

const acts: Record<string, Act> = {
  silent: () => undefined,
  garbage: ({ response }) => void response.writeHead(200, JSON_TYPE).end('{"jsonrpc":"2.0",,,'),
  binary: ({ response }) => void response.writeHead(200, JSON_TYPE).end(Buffer.from([0xff, 0xfe, 0, 1, 2])),
  html: ({ response }) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
  typeless: ({ response }) => void response.writeHead(200).end('{}'),
  empty: ({ response }) => void response.writeHead(200, JSON_TYPE).end(''),
  nothing: ({ response }) => void response.writeHead(202).end(),
  half: ({ response }) => void response.writeHead(200, { ...JSON_TYPE, 'content-length': '500' }).write('{"jsonrpc":', () => response.destroy()),
  reset: ({ response }) => void response.destroy(),
  wrong: ({ response }) => void response.writeHead(200, JSON_TYPE).end('{"jsonrpc":"2.0","id":"other","result":{}}'),
  array: ({ response }) => void response.writeHead(200, JSON_TYPE).end('[]'),
  resultless: (call) => void call.response.writeHead(200, JSON_TYPE).end(JSON.stringify({ jsonrpc: '2.0', id: call.id, result: 7 })),
  deep: (call) => void call.response.writeHead(200, JSON_TYPE).end(`{"jsonrpc":"2.0","id":${String(call.id)},"result":{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}}`),
  status500: ({ response }) => void response.writeHead(500).end('boom'),
  status503: ({ response }) => void response.writeHead(503, { 'retry-after': '7' }).end(),
  redirect: ({ response }) => void response.writeHead(307, { location: 'http://127.0.0.1:1/mcp' }).end(),
  teapot: ({ response }) => void response.writeHead(418).end(),
  early: (call) => {
    call.stream()
    call.response.end()
  },
  noise: (call) => {
    call.stream()
    call.response.end('data: hello\n\nevent: message\ndata: {"a"\n\n')
  },
  stray: (call) => {
    call.send({ id: 'other', result: {} })
    call.response.end()
  },
  gigabyte: (call) => {
    call.response.writeHead(200, JSON_TYPE)
    flood('"'.padEnd(65_536, 'x'))(call)
  },
  event: (call) => {
    call.stream()
    call.response.write('data: ')
    flood('x'.repeat(65_536))(call)
  },
  line: (call) => {
    call.response.writeHead(200, STREAM_TYPE)
    flood(':'.padEnd(65_536, 'x'))(call)
  },
}

let actor: Actor
let rig: OpenRig
beforeAll(async () => {
  actor = await startActor(['legacy', 'modern'], acts)
  const server = { requestIdleTimeoutMs: IDLE_MS }
  rig = await openRig({ servers: { bad: http(actor.url), good: http(actor.url) }, server, limits: { resultBytes: 4 * MIB } })
  await modern(rig.port, 'tools/list')
})
afterEach(async () => void (await rig.settled()))
afterAll(async () => {
  await rig.close()
  await actor.close()
})

const cases: readonly (readonly [tool: string, code: ErrorCode])[] = [
  ['silent', 'upstream_timeout'],
  ['garbage', 'upstream_malformed'],
  ['binary', 'upstream_malformed'],
  ['html', 'upstream_malformed'],
  ['typeless', 'upstream_malformed'],
  ['empty', 'upstream_malformed'],
  ['nothing', 'upstream_malformed'],
  ['half', 'outcome_unknown'],
  ['reset', 'outcome_unknown'],
  ['wrong', 'upstream_malformed'],
  ['array', 'upstream_malformed'],
  ['resultless', 'upstream_malformed'],
  ['deep', 'upstream_malformed'],
  ['status500', 'outcome_unknown'],
  ['status503', 'overloaded'],
  ['redirect', 'upstream_unavailable'],
  ['teapot', 'upstream_unavailable'],
  ['early', 'outcome_unknown'],
  ['noise', 'upstream_malformed'],
  ['stray', 'upstream_malformed'],
  ['gigabyte', 'upstream_oversized'],
  ['event', 'upstream_oversized'],
  ['line', 'upstream_oversized'],
]

describe('an HTTP server that answers', () => {
  it.each(cases)('%s: %s', async (tool, code) => {
    const name = { name: `bad__${tool}` }
    const session = await openSession(rig.port)
    const [both, mostBytes] = await withMostHeld(() => Promise.all([
      modern(rig.port, 'tools/call', name),
      legacy(rig.port, session, 'tools/call', name),
      modern(rig.port, 'tools/call', { name: 'good__echo', arguments: { a: 1 } }),
    ]))
    expect(both.map((answer) => [answer.status, codeOf(answer)])).toEqual([
      [ERRORS[code].modern.status, ERRORS[code].modern.code],
      [ERRORS[code].legacy.status, ERRORS[code].legacy.code],
      [200, 0],
    ])
    expect(both.map((answer) => messageOf(answer)['id'])).toEqual([1, 1, 1])
    expect(JSON.stringify(both.map(({ text }) => text))).not.toContain('127.0.0.1')
    expect(mostBytes).toBeLessThan(MOST_BYTES)
    expect(rig.gateway.status().servers.map(({ state }) => state)).toEqual(['ready', 'ready'])
  })

  it('says when to come back where the server said so', async () => {
    const answer = await modern(rig.port, 'tools/call', { name: 'bad__status503' })
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '7'])
  })
})

/** A TCP server that does what it likes with each connection. */
async function startRaw(serve: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => serve(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closeAfter({
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(resolve))
    },
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
}

describe('a server that is no HTTP server', () => {
  it.each<[string, (socket: Socket) => void]>([
    ['garbage', (socket) => void socket.end('hello\r\n\r\n')],
    ['an endless header', (socket) => {
      const pump = (): void => {
        while (!socket.destroyed && socket.write('x-a: '.padEnd(1_000, 'a')));
        socket.once('drain', pump)
      }
      socket.write('HTTP/1.1 200 OK\r\n')
      pump()
    }],
    ['nothing, and hangs up', (socket) => void socket.end()],
    ['half a head', (socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-ty')],
  ])('%s: unavailable, and /mcp goes on without it', async (_name, serve) => {
    const url = await startRaw(serve)
    const one = await startRig({ servers: { raw: http(url), good: http(actor.url) } })
    const answer = await modern(one.port, 'tools/call', { name: 'x' }, { path: '/raw/mcp' })
    expect([answer.status, codeOf(answer)]).toEqual([503, -31_020])
    const list = await modern(one.port, 'tools/list')
    expect(messageOf(list)['result']).toMatchObject({ tools: expect.arrayContaining([expect.objectContaining({ name: 'good__echo' })]) })
    expect(one.gateway.status().servers.map(({ state }) => state)).toEqual(['degraded', 'ready'])
  })

  it('that never answers holds up nobody else', async () => {
    const url = await startRaw(() => undefined)
    const one = await startRig({ servers: { raw: http(url), good: http(actor.url) } })
    const tookMs: number[] = []
    for (const wait of [8_000, 1_500, 1_500]) {
      const startedAtMs = performance.now()
      const list = await modern(one.port, 'tools/list')
      expect(messageOf(list)['result']).toMatchObject({ tools: expect.arrayContaining([expect.objectContaining({ name: 'good__echo' })]) })
      expect(messageOf(await modern(one.port, 'tools/call', { name: 'good__echo' }))).toHaveProperty('result')
      await openSession(one.port)
      tookMs.push(performance.now() - startedAtMs)
      expect(tookMs.at(-1)).toBeLessThan(wait)
    }
  })

  it('that has not answered yet may still bring anything, and clients are told so', async () => {
    const url = await startRaw(() => undefined)
    const one = await startRig({ servers: { raw: http(url) } })
    const listChanged = { listChanged: true }
    expect(messageOf(await modern(one.port, 'server/discover'))['result']).toMatchObject({
      capabilities: { tools: listChanged, prompts: listChanged, resources: listChanged },
      ttlMs: 0,
    })
  })
})

describe('a child that answers', () => {
  const stdio = { transport: 'stdio', command: process.execPath, args: [FIXTURE, 'dual'], env: {}, cwd: undefined } as const

  it.each<[string, ErrorCode]>([
    ['silent', 'upstream_timeout'],
    ['broken', 'upstream_malformed'],
    ['half', 'outcome_unknown'],
    ['crash', 'outcome_unknown'],
    ['endless', 'upstream_oversized'],
  ])('%s: %s, and the next call works', async (tool, code) => {
    const one = await startRig({ servers: { child: stdio }, server: { requestIdleTimeoutMs: IDLE_MS }, limits: { resultBytes: 4 * MIB } })
    const path = '/child/mcp'
    const [answer, mostBytes] = await withMostHeld(() => modern(one.port, 'tools/call', { name: tool }, { path }))
    expect([answer.status, codeOf(answer)]).toEqual([ERRORS[code].modern.status, ERRORS[code].modern.code])
    expect(mostBytes).toBeLessThan(MOST_BYTES)
    await until(() => one.gateway.status().inFlight === 0)
    expect(messageOf(await modern(one.port, 'tools/call', { name: 'echo' }, { path }))).toHaveProperty('result')
  })

  it('noise between its messages loses nothing', async () => {
    const one = await startRig({ servers: { child: stdio } })
    const answer = await modern(one.port, 'tools/call', { name: 'noise' }, { path: '/child/mcp' })
    expect(messageOf(answer)).toHaveProperty('result')
  })
})
