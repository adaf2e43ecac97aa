/** What is made anew on every hop, what passes as it is, and how lists may be kept (bridge-rulings §2, §3, §4 Lists). */
import { describe, expect, it } from 'vitest'
import type { Policy } from '../src/core/policy/policy.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http, sendJson, sleep, startHttp, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig, RigOptions } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, getRequest, legacy, messageOf, modern, openSession, openStream } from './mcp-client.ts'

type Json = Record<string, unknown>
type Era = 'legacy' | 'modern'
const path = '/a/mcp'
const resultOf = (answer: Answer): Json => (messageOf(answer)['result'] ?? {}) as Json

async function play(era: Era, acts: Readonly<Record<string, Act>> = {}): Promise<{ rig: Rig; actor: Actor }> {
  const actor = closeAfter(await startActor([era], acts))
  return { actor, rig: await startRig({ servers: { a: http(actor.url) } }) }
}

describe('an unknown method at the server', () => {
  const none: Act = ({ id, response }) => sendJson(response, { jsonrpc: '2.0', id, error: { code: -32_601, message: 'No such method' } }, 404)
  const said: Act = ({ id, response }) => sendJson(response, { jsonrpc: '2.0', id, error: { code: -32_601, message: 'No such method' } })

  it.each([['modern', none], ['legacy', said]] as const)('of a %s one is 200 to a legacy client, for whom 404 is a lost session', async (era, act) => {
    const { rig } = await play(era, { 'x/none': act })
    const session = await openSession(rig.port, { path })
    const answer = await legacy(rig.port, session, 'x/none', {}, { path })
    expect([answer.status, codeOf(answer)]).toEqual([200, -32_601])
  })

  it.each([['modern', none], ['legacy', said]] as const)('of a %s one is 404 to a modern client', async (era, act) => {
    const { rig } = await play(era, { 'x/none': act })
    const answer = await modern(rig.port, 'x/none', {}, { path })
    expect([answer.status, codeOf(answer)]).toEqual([404, -32_601])
  })
})

describe('a server of both eras', () => {
  it('is spoken to in the era of each client', async () => {
    const actor = closeAfter(await startActor(['legacy', 'modern']))
    const rig = await startRig({ servers: { a: http(actor.url) } })
    const session = await openSession(rig.port, { path })
    await modern(rig.port, 'tools/call', { name: 'echo', arguments: { of: 'modern' } }, { path })
    await legacy(rig.port, session, 'tools/call', { name: 'echo', arguments: { of: 'legacy' } }, { path })
    const calls = actor.requests.filter(({ json }) => json.method === 'tools/call')
    expect(calls.map(({ json, headers }) => [(json.params?.['arguments'] as Json | undefined)?.['of'], headers['mcp-protocol-version'], headers['mcp-session-id'] !== undefined])).toEqual([
      ['modern', '2026-07-28', false], ['legacy', '2025-11-25', true],
    ])
  })
})

describe('what a modern client sends besides', () => {
  it('reaches its server: parameters in headers that nobody here knows, trace context, metadata of its own', async () => {
    const { rig, actor } = await play('modern')
    const meta = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b', baggage: 'c=d', 'com.example/own': [1] }
    await modern(rig.port, 'tools/call', { name: 'echo' }, { path, meta, headers: { 'mcp-param-tenant': 'north' } })
    const call = actor.requests.find(({ json }) => json.method === 'tools/call')
    expect(call?.headers).toMatchObject({ 'mcp-param-tenant': 'north', 'mcp-method': 'tools/call', 'mcp-name': 'echo' })
    expect(call?.json.params?.['_meta']).toMatchObject(meta)
  })
})

describe('a session at a legacy server', () => {
  it('has a stream of its own open only where it is used for input, or its client listens', async () => {
    const { rig, actor } = await play('legacy')
    const call = async (session: string): Promise<unknown> => legacy(rig.port, session, 'tools/call', { name: 'echo' }, { path })
    const quiet = await openSession(rig.port, { path })
    await call(quiet)
    await sleep(100)
    expect(actor.streamCount).toBe(0)
    await call(await openSession(rig.port, { path, capabilities: { sampling: {} } }))
    await until(() => actor.streamCount === 1)
    closeAfter(await openStream(rig.port, getRequest(quiet, {}, path)))
    await until(() => actor.streamCount >= 2)
  })

  it('is opened when its client listens, not with the first call', async () => {
    const { rig, actor } = await play('legacy')
    await modern(rig.port, 'server/discover', {}, { path })
    const opened = (): number => actor.requests.filter(({ json }) => json.method === 'notifications/initialized').length
    const before = opened()
    const meta = { 'io.modelcontextprotocol/clientCapabilities': {} }
    const wire = modern(rig.port, 'subscriptions/listen', { notifications: { resourceSubscriptions: ['test://one'] } }, { path, meta })
    wire.catch(() => undefined)
    await until(() => actor.requests.some(({ json }) => json.method === 'resources/subscribe') && actor.streamCount === 1)
    expect(opened()).toBe(before + 1)
    const first = actor.requests.findIndex(({ json }) => json.method === 'resources/subscribe')
    expect(actor.requests.slice(0, first).some(({ json }) => json.method === 'notifications/initialized')).toBe(true)
    await rig.gateway.drain(100)
  })
})

/** A modern server that would have everybody keep its lists for an hour. */
async function startPublic(...names: string[]): Promise<string> {
  const tools = names.map((name) => ({ name, inputSchema: { type: 'object' } }))
  const server = closeAfter(await startHttp(({ json }, response) => {
    const hints = { resultType: 'complete', ttlMs: 3_600_000, cacheScope: 'public' }
    if (json.method === 'server/discover') return sendJson(response, { jsonrpc: '2.0', id: json.id, result: { ...hints, supportedVersions: ['2026-07-28'], capabilities: { tools: {} } } })
    if (json.method === 'tools/list') return sendJson(response, { jsonrpc: '2.0', id: json.id, result: { ...hints, tools } })
    sendJson(response, { jsonrpc: '2.0', id: json.id ?? null, error: { code: -32_601, message: 'no' } }, json.method === 'initialize' ? 400 : 404)
  }))
  return server.url
}

interface Page {
  readonly names: readonly string[]
  readonly scope: unknown
  readonly ttlMs: unknown
}

async function pages(rig: Rig, at = '/mcp'): Promise<Page[]> {
  const found: Page[] = []
  for (let cursor: unknown, first = true; first || cursor !== undefined; first = false) {
    const result = resultOf(await modern(rig.port, 'tools/list', cursor === undefined ? {} : { cursor }, { path: at }))
    found.push({ names: (result['tools'] as { name: string }[]).map(({ name }) => name), scope: result['cacheScope'], ttlMs: result['ttlMs'] })
    cursor = result['nextCursor']
  }
  return found
}

describe('a list', () => {
  const start = async (options: Partial<RigOptions> = {}): Promise<Rig> =>
    startRig({ servers: { two: http(await startPublic('zeta', 'alpha')), one: http(await startPublic('mid', 'beta')) }, pageSize: 3, ...options })

  it('is in the order of the configuration, then of each server, with nothing of Portolan\'s own, and of one scope on all pages', async () => {
    expect(await pages(await start())).toEqual([
      { names: ['two__zeta', 'two__alpha', 'one__mid'], scope: 'public', ttlMs: 3_600_000 },
      { names: ['one__beta'], scope: 'public', ttlMs: 3_600_000 },
    ])
  })

  it('of which policy leaves something out is private on all pages, though every server says public', async () => {
    const policy: Policy = { classOf: () => 'all', decide: ({ subject }) => Promise.resolve(subject === 'beta' ? { kind: 'deny', reason: 'no' } : { kind: 'allow' }) }
    expect((await pages(await start({ pageSize: 2, deps: { policy } }))).map(({ scope }) => scope)).toEqual(['private', 'private'])
  })

  it('of a legacy server may not be kept, nor one that it is part of', async () => {
    const actor = closeAfter(await startActor(['legacy']))
    const rig = await start({ servers: { old: http(actor.url), one: http(await startPublic('mid')) } })
    for (const at of ['/old/mcp', '/mcp']) for (const { scope, ttlMs } of await pages(rig, at)) expect([scope, ttlMs]).toEqual(['private', 0])
  })
})
