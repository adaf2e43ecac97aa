import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import { sleep } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { legacy, messageOf, modern, openSession } from './mcp-client.ts'

/** A 2025-11-25 server over HTTP that can forget every session, and counts what it was asked. */
async function startForgetful() {
  const sessions = new Set<string>()
  const counts = { initialize: 0, call: 0 }
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const session = String(incoming.headers['mcp-session-id'] ?? '')
      if (incoming.method !== 'POST') return void response.writeHead(incoming.method === 'DELETE' ? 200 : 405).end()
      const message = JSON.parse(Buffer.concat(chunks).toString()) as { id?: number; method: string }
      const answer = (result: unknown, headers = {}): void => {
        response.writeHead(200, { 'content-type': 'application/json', ...headers })
        response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
      }
      if (message.method === 'initialize') {
        counts.initialize += 1
        const id = randomUUID()
        sessions.add(id)
        const serverInfo = { name: 'forgetful', version: '1' }
        return answer({ protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo }, { 'mcp-session-id': id })
      }
      if (!sessions.has(session)) return void response.writeHead(session === '' ? 400 : 404).end()
      if (message.id === undefined) return void response.writeHead(202).end()
      if (message.method === 'tools/list') return answer({ tools: [{ name: 'echo', inputSchema: { type: 'object' } }] })
      counts.call += 1
      answer({ content: [{ type: 'text', text: `call ${counts.call}` }] })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closeAfter({ close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))) })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/mcp`, counts, forget: () => sessions.clear() }
}

describe('a server that forgot its sessions', () => {
  it('is initialized once more and asked again, and the client notices nothing, time after time', async () => {
    const upstream = await startForgetful()
    const rig = await startRig({ servers: { up: { transport: 'http', url: upstream.url, headers: {} } } })
    const session = await openSession(rig.port, { path: '/up/mcp' })
    const call = async (): Promise<unknown> =>
      messageOf(await legacy(rig.port, session, 'tools/call', { name: 'echo', arguments: {} }, { path: '/up/mcp' }))['result']
    expect(await call()).toEqual({ content: [{ type: 'text', text: 'call 1' }] })
    const before = upstream.counts.initialize
    for (const round of [1, 2, 3]) {
      upstream.forget()
      expect(await call()).toEqual({ content: [{ type: 'text', text: `call ${2 * round}` }] })
      expect(await call()).toEqual({ content: [{ type: 'text', text: `call ${2 * round + 1}` }] })
      expect(upstream.counts.initialize).toBe(before + round)
    }
  })
})

describe('a server that forgot a session with many calls', () => {
  it.each(['legacy', 'modern'])('is initialized once for all of them, of a %s client', async (era) => {
    const upstream = await startForgetful()
    const rig = await startRig({ servers: { up: { transport: 'http', url: upstream.url, headers: {} } } })
    const path = '/up/mcp'
    const session = era === 'legacy' ? await openSession(rig.port, { path }) : ''
    const call = async (id: number): Promise<boolean> =>
      'result' in messageOf(await (era === 'legacy' ? legacy(rig.port, session, 'tools/call', { name: 'echo' }, { path, id }) : modern(rig.port, 'tools/call', { name: 'echo' }, { path, id })))
    expect(await call(1)).toBe(true)
    for (const round of [1, 2, 3]) {
      const before = upstream.counts.initialize
      upstream.forget()
      const calls = await Promise.all(Array.from({ length: 12 }, (_, index) => call(100 * round + index)))
      expect([calls.every(Boolean), upstream.counts.initialize - before]).toEqual([true, 1])
    }
  })
})

/** A modern server over HTTP that hangs up on every call, and counts them by method. */
async function startBreaking() {
  const counts = new Map<string, number>()
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { id, method } = JSON.parse(Buffer.concat(chunks).toString() || '{}') as { id?: number; method?: string }
      if (method === 'initialize') return void response.writeHead(400).end()
      if (method === 'server/discover') {
        const result = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {}, ttlMs: 0, cacheScope: 'private' }
        response.writeHead(200, { 'content-type': 'application/json' })
        return void response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
      }
      counts.set(method ?? '', (counts.get(method ?? '') ?? 0) + 1)
      incoming.socket.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closeAfter({ close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))) })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, counts }
}

describe('a server that hangs up, trusted to say what is harmless', () => {
  it.each([
    ['prompts/get', { name: 'one' }, 2],
    ['x/do', {}, 1],
  ])('is asked for %s as often as that is safe', async (method, params, times) => {
    const upstream = await startBreaking()
    const servers = { up: { transport: 'http', url: upstream.url, headers: {} } } as const
    const rig = await startRig({ servers, server: { trustAnnotations: true } })
    expect(messageOf(await modern(rig.port, method, params, { path: '/up/mcp' }))).toHaveProperty('error')
    expect(upstream.counts.get(method)).toBe(times)
  })
})

/** A modern server whose tool begins to mirror an argument, without telling anybody, and insists on it. */
async function startInsisting() {
  const served: unknown[] = []
  const state = { insists: false, refused: 0, everRelents: true }
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { id, method } = JSON.parse(Buffer.concat(chunks).toString() || '{}') as { id?: number; method?: string }
      const answer = (body: object, status = 200): void => {
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ jsonrpc: '2.0', id, ...body }))
      }
      const aged = { resultType: 'complete', ttlMs: 3_600_000, cacheScope: 'public' }
      if (method === 'initialize') return void response.writeHead(400).end()
      if (method === 'server/discover') return answer({ result: { ...aged, supportedVersions: ['2026-07-28'], capabilities: { tools: {} } } })
      const region = { type: 'string', ...(state.insists && { 'x-mcp-header': 'Region' }) }
      if (method === 'tools/list') return answer({ result: { ...aged, tools: [{ name: 'move', inputSchema: { type: 'object', properties: { region } } }] } })
      if (method !== 'tools/call') return answer({ error: { code: -32_601, message: 'Method not found' } }, 404)
      const header = incoming.headers['mcp-param-region']
      if (state.insists && (header === undefined || !state.everRelents)) {
        state.refused += 1
        return answer({ error: { code: -32_020, message: 'Mcp-Param-Region is missing' } }, 400)
      }
      served.push(header)
      answer({ result: { resultType: 'complete', content: [] } })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closeAfter({ close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))) })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, served, state }
}

describe('a server that refuses the headers of a call (bridge-rulings §2, −32020)', () => {
  const params = { name: 'move', arguments: { region: 'eu' } }

  it.each(['modern', 'legacy'])('is asked for its tools and then called with the headers that it wants, once, by a %s client', async (era) => {
    const upstream = await startInsisting()
    const rig = await startRig({ servers: { up: { transport: 'http', url: upstream.url, headers: {} } } })
    const session = era === 'legacy' ? await openSession(rig.port, { path: '/up/mcp' }) : ''
    const call = async (): Promise<Record<string, unknown>> =>
      messageOf(await (era === 'legacy' ? legacy(rig.port, session, 'tools/call', params, { path: '/up/mcp' }) : modern(rig.port, 'tools/call', params, { path: '/up/mcp' })))
    expect(await call()).toHaveProperty('result')
    upstream.state.insists = true
    expect(await call()).toHaveProperty('result')
    expect([upstream.served, upstream.state.refused]).toEqual([[undefined, 'eu'], 1])
  })

  it('is asked no third time, and its refusal is not the client\'s', async () => {
    const upstream = await startInsisting()
    Object.assign(upstream.state, { insists: true, everRelents: false })
    const rig = await startRig({ servers: { up: { transport: 'http', url: upstream.url, headers: {} } } })
    const headers = { 'mcp-param-region': 'eu' }
    const { error } = messageOf(await modern(rig.port, 'tools/call', params, { path: '/up/mcp', headers })) as { error: { code: number } }
    expect(upstream.state.refused).toBe(2)
    expect(error.code).not.toBe(-32_020)
  })
})

describe('a server that changes its era while Portolan runs', () => {
  it.each([
    ['modern', 'legacy'],
    ['legacy', 'modern'],
  ] as const)('is asked again, and served in its new era, from %s to %s, to clients of both', async (before, after) => {
    const eras: ('legacy' | 'modern')[] = [before]
    const actor = closeAfter(await startActor(eras))
    const rig = await startRig({ servers: { actor: { transport: 'http', url: actor.url, headers: {} } } })
    const session = await openSession(rig.port, { path: '/actor/mcp' })
    const ask = async (): Promise<boolean[]> => {
      const answers = await Promise.all([
        modern(rig.port, 'tools/call', { name: 'echo' }, { path: '/actor/mcp' }),
        legacy(rig.port, session, 'tools/call', { name: 'echo' }, { path: '/actor/mcp' }),
      ])
      return answers.map((answer) => 'result' in messageOf(answer))
    }
    expect(await ask()).toEqual([true, true])
    eras.splice(0, 1, after)
    await sleep(1_100)
    await expect.poll(ask, { interval: 200 }).toEqual([true, true])
    expect(rig.gateway.status().servers[0]).toMatchObject({ state: 'ready', eras: [after] })
  })

  it.each([
    ['modern', 'legacy'],
    ['legacy', 'modern'],
  ] as const)('is asked again as a child that was started anew, from %s to %s', async (before, after) => {
    const folder = await mkdtemp(join(tmpdir(), 'portolan-era-'))
    const file = join(folder, 'era')
    await writeFile(file, before)
    const target = { transport: 'stdio', command: process.execPath, args: ['-e', CHANGING, file], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined } as const
    const rig = await startRig({ servers: { a: target }, server: { state: 'replayable' } })
    const session = await openSession(rig.port, { path: '/a/mcp' })
    const ask = async (): Promise<boolean[]> => {
      const answers = await Promise.all([
        modern(rig.port, 'tools/call', { name: 'echo' }, { path: '/a/mcp' }),
        legacy(rig.port, session, 'tools/call', { name: 'echo' }, { path: '/a/mcp' }),
      ])
      return answers.map((answer) => 'result' in messageOf(answer))
    }
    expect(await ask()).toEqual([true, true])
    await writeFile(file, after)
    await modern(rig.port, 'tools/call', { name: 'die' }, { path: '/a/mcp' })
    await expect.poll(() => ask(), { interval: 200 }).toEqual([true, true])
    expect(rig.gateway.status().servers[0]).toMatchObject({ eras: [after] })
    await rm(folder, { recursive: true })
  })
})

/** A program of the era that a file names when it starts, which refuses the other. */
const CHANGING = `
  const era = require('node:fs').readFileSync(process.argv[1], 'utf8')
  let isOpen = false
  const say = (id, body) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, ...body }) + '\\n')
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method, params } = JSON.parse(line)
    const isModern = JSON.stringify(params?._meta ?? {}).includes('protocolVersion')
    if (id === undefined) return
    if (era === 'modern' && !isModern) return say(id, { error: { code: -32602, message: 'No protocol version' } })
    if (era === 'legacy' && method !== 'initialize' && !isOpen) return say(id, { error: { code: -32601, message: 'Method not found' } })
    isOpen = true
    if (method === 'initialize') say(id, { result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'c', version: '1' } } })
    else if (method === 'server/discover') say(id, { result: { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'private' } })
    else if (method === 'tools/list') say(id, { result: { resultType: 'complete', ttlMs: 0, cacheScope: 'private', tools: [{ name: 'echo', inputSchema: { type: 'object' } }, { name: 'die', inputSchema: { type: 'object' } }] } })
    else if (method === 'tools/call' && params.name === 'die') process.exit(1)
    else say(id, { result: { resultType: 'complete', content: [] } })
  })
`
