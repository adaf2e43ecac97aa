import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { createSpawner } from '../../adapters/child-process/spawner.ts'
import { createEgress } from '../../adapters/undici/egress.ts'
import { call, configOf, depsOf, http, sendJson, sleep, startHttp, until } from '../../../test/fixtures/upstream/support.ts'
import type { Request } from '../../../test/fixtures/upstream/support.ts'
import { DEFAULT_LIMITS } from '../gateway/snapshot.ts'
import type { ServerSnapshot, StdioServer } from '../gateway/snapshot.ts'
import type { Channel, OpenLegacy } from './channel.ts'
import { createUpstream } from './create-upstream.ts'
import type { UpstreamDeps } from './create-upstream.ts'
import type { Spawner } from './spawner.ts'
import type { Upstream } from './upstream.ts'

const server = fileURLToPath(new URL('../../../test/fixtures/upstream/stdio-server.mjs', import.meta.url))
const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const stdio = (mode: string): StdioServer => ({
  transport: 'stdio',
  command: process.execPath,
  args: [server, mode],
  env: { PATH: process.env['PATH'] ?? '' },
  cwd: undefined,
})

function open(target: ServerSnapshot['target'], config: Partial<ServerSnapshot> = {}, overrides: Partial<UpstreamDeps> = {}) {
  const egress = createEgress({ env: {} })
  const spawner = createSpawner()
  const deps = depsOf({ egress, spawner }, overrides)
  const upstream = createUpstream(configOf(target, config), deps)
  closers.push(() => egress.close(), () => spawner.close(), () => upstream.close())
  return { upstream, deps }
}

function hello(overrides: Partial<OpenLegacy> = {}): OpenLegacy {
  return {
    clientInfo: '{"name":"c","version":"1"}',
    capabilities: '{}',
    revision: '2025-11-25',
    ownerKey: 'alice',
    shared: false,
    listener: { onMessage: () => undefined, onClosed: () => undefined },
    headers: [],
    ...overrides,
  }
}

const erasOf = async (upstream: Upstream): Promise<unknown> => {
  const { legacy, modern } = await upstream.profile()
  return { legacy: legacy?.revision, modern: modern?.revision }
}

const pidOf = async (channel: Channel): Promise<number> => {
  const { response } = await call(channel, 'tools/call', { params: '{"name":"echo"}' })
  return (JSON.parse(response?.text ?? '{"result":{"pid":0}}') as { result: { pid: number } }).result.pid
}

describe('an upstream server over stdio', () => {
  it('has one child where another replica knows what it is, and it is used while it is still asked', async () => {
    const known = await open(stdio('modern'), { era: 'modern' }).upstream.profile()
    const inner = createSpawner()
    let starts = 0
    const spawner: Spawner = { ...inner, spawn: (request, handler) => ((starts += 1), inner.spawn(request, handler)) }
    closers.push(() => inner.close())
    const { upstream } = open(stdio('modern'), { era: 'modern' }, { spawner, memoryOf: () => ({ recall: () => Promise.resolve(known), keep: () => undefined }) })
    const channel = await upstream.modern()
    expect([starts, await pidOf(channel)]).toEqual([1, expect.any(Number)])
  })

  it.each([
    ['modern', { modern: '2026-07-28' }],
    ['legacy', { legacy: '2025-11-25' }],
    ['dual', { legacy: '2025-11-25', modern: '2026-07-28' }],
    ['strict', { legacy: '2025-11-25' }],
    ['silent', { legacy: '2025-11-25' }],
    ['slow', { legacy: '2025-11-25' }],
  ])('that is %s is found to speak what it speaks', async (mode, eras) => {
    const { upstream } = open(stdio(mode))
    expect(upstream.status().state).toBe('starting')
    const startMs = performance.now()
    expect(await erasOf(upstream)).toEqual({ legacy: undefined, modern: undefined, ...eras })
    // Silence in one era is cut short by the answer in the other; without one it would be borne for 5 s.
    expect(performance.now() - startMs).toBeLessThan(4_000)
    expect(upstream.status()).toMatchObject({ state: 'ready', detail: '', eras: Object.keys(eras) })
  })

  it('says what the server said of itself', async () => {
    const { upstream } = open(stdio('dual'))
    const { legacy, modern } = await upstream.profile()
    expect(legacy).toEqual({
      era: 'legacy',
      revision: '2025-11-25',
      capabilities: '{"tools":{}}',
      serverInfo: '{"name":"dual","version":"1"}',
      instructions: 'é',
    })
    expect(modern).toMatchObject({ era: 'modern', capabilities: '{"tools":{}}', serverInfo: '{"name":"dual","version":"1"}' })
  })

  it('serves everybody modern with one child, and keeps the one that it probed', async () => {
    const { upstream } = open(stdio('dual'))
    await upstream.profile()
    await until(() => upstream.status().children === 1)
    const [first, second] = await Promise.all([upstream.modern(), upstream.modern()])
    expect(await pidOf(first)).toBe(await pidOf(second))
    expect(upstream.status().children).toBe(1)
  })

  it('starts the modern child again after a crash: at once the first time, later with back-off', async () => {
    const { upstream, deps } = open(stdio('modern'))
    const first = await upstream.modern()
    await call(first, 'tools/call', { params: '{"name":"crash"}' })
    expect(upstream.status()).toMatchObject({ state: 'degraded' })
    const second = await upstream.modern()
    expect(await pidOf(second)).toBeGreaterThan(0)
    expect(upstream.status()).toMatchObject({ state: 'ready', restarts: 1 })
    await call(second, 'tools/call', { params: '{"name":"crash"}' })
    await expect(upstream.modern()).rejects.toMatchObject({ code: 'upstream_unavailable', retryAfterSec: 1 })
    expect(deps.events.map(({ kind }) => kind)).toContain('restarted')
    await sleep(1_100)
    expect(await pidOf(await upstream.modern())).toBeGreaterThan(0)
  })

  it('gives each unshared session a child of its own and ends it with the session', async () => {
    const { upstream } = open(stdio('legacy'))
    const [first, second] = await Promise.all([upstream.openLegacy(hello()), upstream.openLegacy(hello())])
    expect(first.initializeResult).toContain('"serverInfo":{"name":"legacy"')
    expect(await pidOf(first)).not.toBe(await pidOf(second))
    await first.close()
    expect(upstream.status()).toMatchObject({ children: 1, sessions: 1 })
    expect(await pidOf(second)).toBeGreaterThan(0)
  })

  it('counts as restarted what came in place of a child that ended, and not what is new', async () => {
    const { upstream } = open(stdio('legacy'))
    const first = await upstream.openLegacy(hello())
    await call(first, 'tools/call', { params: '{"name":"crash"}' })
    for (const owner of ['alice', 'bob', 'carol']) await upstream.openLegacy(hello({ ownerKey: owner }))
    expect(upstream.status()).toMatchObject({ sessions: 3, restarts: 1 })
  })

  it('delays new children after crashes for whoever had the children, and for nobody else', async () => {
    const { upstream } = open(stdio('legacy'))
    for (let crashes = 0; crashes < 2; crashes += 1) {
      const own = await upstream.openLegacy(hello({ ownerKey: 'alice' }))
      await call(own, 'tools/call', { params: '{"name":"crash"}' })
    }
    await expect(upstream.openLegacy(hello({ ownerKey: 'alice' }))).rejects.toMatchObject({ code: 'upstream_unavailable', retryAfterSec: 1 })
    expect(await pidOf(await upstream.openLegacy(hello({ ownerKey: 'bob' })))).toBeGreaterThan(0)
    expect(await pidOf(await upstream.openLegacy(hello({ shared: true, ownerKey: '' })))).toBeGreaterThan(0)
  })

  it('lets shared sessions use one child, and answers its requests itself', async () => {
    const { upstream } = open(stdio('legacy'))
    const heard: string[] = []
    const listener = { onMessage: ({ method }: { method: string }) => void heard.push(method), onClosed: () => undefined }
    const [first, second] = await Promise.all([1, 2].map(() => upstream.openLegacy(hello({ shared: true, ownerKey: '', listener }))))
    if (first === undefined || second === undefined) throw new Error('no sessions')
    expect(await pidOf(first)).toBe(await pidOf(second))
    await first.close()
    const { response } = await call(second, 'tools/call', { params: '{"name":"ask"}' })
    const { answers } = (JSON.parse(response?.text ?? '') as { result: { answers: { id: string; result?: unknown; error?: { code: number } }[] } }).result
    expect(answers.map(({ id, result, error }) => [id, result, error?.code])).toEqual([
      ['srv-1', {}, undefined],
      ['srv-2', undefined, -32601],
    ])
    expect(heard).toEqual([])
    const other = await upstream.openLegacy(hello({ shared: true, ownerKey: 'bob', listener }))
    expect(await pidOf(other)).not.toBe(await pidOf(second))
  })

  it('keeps the child of the probe for its first users, where all share', async () => {
    const { upstream } = open(stdio('legacy'))
    await upstream.profile()
    await until(() => upstream.status().children === 1)
    const session = await upstream.openLegacy(hello({ shared: true, ownerKey: '' }))
    expect(await pidOf(session)).toBeGreaterThan(0)
    expect(upstream.status()).toMatchObject({ children: 1, restarts: 0 })
  })

  it('gives each opening a child of its own where not all share, and ends it with the last user', async () => {
    const { upstream } = open(stdio('legacy'), { share: 'principal' })
    const sessions = await Promise.all([1, 2].map(() => upstream.openLegacy(hello({ shared: true, ownerKey: '' }))))
    const pids = await Promise.all(sessions.map(pidOf))
    expect(new Set(pids).size).toBe(2)
    await sessions[0]?.close()
    await until(() => upstream.status().children === 1)
  })

  it('passes the requests of an unshared child to its listener', async () => {
    const { upstream } = open(stdio('legacy'))
    const heard: string[] = []
    const session = await upstream.openLegacy(hello({ listener: { onMessage: ({ method }) => void heard.push(method), onClosed: () => undefined } }))
    void call(session, 'tools/call', { params: '{"name":"ask"}' })
    await until(() => heard.length === 2)
    expect(heard).toEqual(['ping', 'roots/list'])
  })

  it('tells a session that its child died', async () => {
    const { upstream } = open(stdio('legacy'))
    const closed: unknown[] = []
    const session = await upstream.openLegacy(hello({ listener: { onMessage: () => undefined, onClosed: (reason) => void closed.push(reason) } }))
    const { failure } = await call(session, 'tools/call', { params: '{"name":"crash"}' })
    expect(failure?.reason).toBe('closed')
    expect(closed).toEqual([{ gone: true, detail: expect.stringContaining('out of cheese') as string }])
    expect(session.closed).toBe(true)
  })

  it('is degraded with the name of a command that does not exist', async () => {
    const { upstream, deps } = open({ ...stdio('legacy'), command: 'no-such-server' })
    await expect(upstream.profile()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(upstream.status()).toMatchObject({ state: 'degraded', eras: [] })
    expect(upstream.status().detail).toContain('command not found: no-such-server')
    expect(deps.events.filter(({ kind }) => kind === 'degraded')).toHaveLength(1)
    await expect(upstream.openLegacy(hello())).rejects.toMatchObject({ code: 'upstream_unavailable' })
  })

  it('is degraded with the last words of a server that dies at start', async () => {
    const { upstream } = open(stdio('crash'))
    await expect(upstream.profile()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(upstream.status().detail).toContain('exited with code 3: cannot open the database')
  })

  it('refuses what exceeds the caps after queueing, and serves it once there is room', async () => {
    const limits = { ...DEFAULT_LIMITS, childrenPerPrincipal: 1, childQueueMs: 300 }
    const { upstream } = open(stdio('legacy'), {}, { limits })
    const first = await upstream.openLegacy(hello())
    await expect(upstream.openLegacy(hello())).rejects.toMatchObject({ code: 'overloaded', retryAfterSec: 1 })
    const other = await upstream.openLegacy(hello({ ownerKey: 'bob' }))
    expect(await pidOf(other)).toBeGreaterThan(0)
    const waiting = upstream.openLegacy(hello())
    await first.close()
    expect(await pidOf(await waiting)).toBeGreaterThan(0)
  })

  it('leaves no child behind when it is closed', async () => {
    const { upstream } = open(stdio('dual'))
    const pids = [await pidOf(await upstream.modern()), await pidOf(await upstream.openLegacy(hello()))]
    await upstream.close()
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    expect(upstream.status()).toMatchObject({ state: 'stopped', children: 0 })
    await expect(upstream.profile()).rejects.toMatchObject({ code: 'upstream_unavailable' })
  })
})

describe('an upstream server over HTTP', () => {
  const discovery = (id: unknown) => ({ jsonrpc: '2.0', id, result: { supportedVersions: ['2026-07-28'], capabilities: {} } })
  const initialized = (id: unknown) => ({ jsonrpc: '2.0', id, result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} } })
  const refusal = (id: unknown, code: number, data?: unknown, message = 'no') => ({ jsonrpc: '2.0', id, error: { code, message, data } })

  async function serve(onDiscover: (request: Request) => [number, unknown], onInitialize: (request: Request) => [number, unknown]) {
    const started = await startHttp((request, response) => {
      const { method } = request.json
      const [status, body] = method === 'server/discover' ? onDiscover(request) : method === 'initialize' ? onInitialize(request) : [202, undefined]
      if (request.method !== 'POST') response.writeHead(405).end()
      else if (body === undefined) response.writeHead(status).end()
      else sendJson(response, body, status)
    })
    closers.push(() => started.close())
    return started
  }

  it('that repeats its credential in its refusals gives it to no status and no log', async () => {
    const repeat = ({ headers, json }: Request): [number, unknown] => [400, refusal(json.id, -32600, undefined, `bad ${String(headers['authorization'])}`)]
    const { url } = await serve(repeat, repeat)
    const { upstream, deps } = open({ ...http(url), headers: { authorization: 'Bearer t0ken-value' } })
    await expect(upstream.profile()).rejects.toThrow()
    expect(upstream.status().detail).toContain('bad <hidden>')
    expect(JSON.stringify([upstream.status(), deps.events])).not.toContain('t0ken-value')
  })

  it('that is dual is asked in both ways', async () => {
    const { url, requests } = await serve(({ json }) => [200, discovery(json.id)], ({ json }) => [200, initialized(json.id)])
    const { upstream } = open(http(url))
    expect(await erasOf(upstream)).toEqual({ legacy: '2025-11-25', modern: '2026-07-28' })
    const discover = requests.find(({ json }) => json.method === 'server/discover')
    expect(discover?.headers).toMatchObject({ 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'server/discover' })
    expect(discover?.json.params).toMatchObject({
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'portolan', version: '0.0.0' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    })
  })

  it.each([
    ['400 without a body', 400, undefined],
    ['404', 404, undefined],
    ['-32601 in a 200', 200, -32601],
    ['-32602 in a 400', 400, -32602],
    ['-32000 in a 400', 400, -32000],
  ])('is legacy when it answers the probe with %s', async (_name, status, code) => {
    const { url } = await serve(({ json }) => [status, code === undefined ? undefined : refusal(json.id, code)], ({ json }) => [200, initialized(json.id)])
    const { upstream } = open(http(url))
    expect(await erasOf(upstream)).toEqual({ legacy: '2025-11-25', modern: undefined })
  })

  it('is modern when it refuses initialize', async () => {
    const { url } = await serve(({ json }) => [200, discovery(json.id)], ({ json }) => [400, refusal(json.id, -32022, { supported: ['2026-07-28'] })])
    const { upstream } = open(http(url))
    expect(await erasOf(upstream)).toEqual({ legacy: undefined, modern: '2026-07-28' })
  })

  it('that knows only other modern revisions is degraded and says so', async () => {
    const { url } = await serve(({ json }) => [400, refusal(json.id, -32022, { supported: ['2027-01-01'] })], ({ json }) => [400, refusal(json.id, -32022)])
    const { upstream } = open(http(url))
    await expect(upstream.profile()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(upstream.status().detail).toContain('the server speaks 2027-01-01')
  })

  it.each([
    [500, undefined],
    [503, undefined],
    [401, undefined],
    [500, -32603],
  ])('is not taken for legacy for good by a %i on the probe', async (status, code) => {
    let isWell = false
    const { url } = await serve(
      ({ json }) => (isWell ? [200, discovery(json.id)] : [status, code === undefined ? undefined : refusal(json.id, code)]),
      ({ json }) => [200, initialized(json.id)],
    )
    let skipMs = 0
    const deps = depsOf({ egress: createEgress({ env: {} }), spawner: createSpawner() })
    const upstream = createUpstream(configOf(http(url)), { ...deps, clock: { ...deps.clock, ticksMs: () => performance.now() + skipMs } })
    closers.push(() => deps.egress.close(), () => upstream.close())
    expect(await erasOf(upstream)).toEqual({ legacy: '2025-11-25', modern: undefined })
    isWell = true
    skipMs = 31_000
    await upstream.profile()
    await until(() => upstream.knownProfile()?.modern !== undefined)
  })

  it('says which address refused the connection, and recovers by itself', async () => {
    const started = await serve(({ json }) => [200, discovery(json.id)], ({ json }) => [400, refusal(json.id, -32601)])
    await started.close()
    const { upstream, deps } = open(http(started.url))
    await expect(upstream.profile()).rejects.toMatchObject({ code: 'upstream_unavailable', message: 'Upstream server unavailable: test' })
    expect(upstream.status().detail).toContain(`connection refused: ${new URL(started.url).origin}`)
    expect(deps.events.map(({ kind }) => kind)).toEqual(['degraded'])
    const { createServer } = await import('node:http')
    const again = createServer((request, response) => {
      let body = ''
      request.on('data', (part: Buffer) => (body += part.toString())).on('end', () => {
        const { id, method } = JSON.parse(body === '' ? '{}' : body) as { id?: number; method?: string }
        if (method === 'server/discover') sendJson(response, discovery(id))
        else sendJson(response, refusal(id ?? 0, -32601), 400)
      })
    }).listen(Number(new URL(started.url).port), '127.0.0.1')
    closers.push(() => new Promise((resolve) => void (again.close(() => resolve()), again.closeAllConnections())))
    await until(() => upstream.status().state === 'ready')
    expect(upstream.status().eras).toEqual(['modern'])
  })

  it('is probed once, however many ask', async () => {
    const { url, requests } = await serve(({ json }) => [200, discovery(json.id)], ({ json }) => [400, refusal(json.id, -32601)])
    const { upstream } = open(http(url))
    await Promise.all([upstream.profile(), upstream.profile(), upstream.modern()])
    await upstream.profile()
    expect(requests.filter(({ json }) => json.method === 'server/discover')).toHaveLength(1)
    upstream.forgetProfile()
    await upstream.profile()
    expect(requests.filter(({ json }) => json.method === 'server/discover')).toHaveLength(2)
  })

  it('is asked in one way only where the configuration says so', async () => {
    const { url, requests } = await serve(({ json }) => [200, discovery(json.id)], ({ json }) => [200, initialized(json.id)])
    const { upstream } = open(http(url), { era: 'legacy' })
    expect(await erasOf(upstream)).toEqual({ legacy: '2025-11-25', modern: undefined })
    expect(requests.some(({ json }) => json.method === 'server/discover')).toBe(false)
    await expect(upstream.modern()).rejects.toMatchObject({ code: 'unsupported' })
  })
})
