/** A new configuration while calls run: none is lost, none is executed twice, and who is not concerned notices nothing. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import type { ReplaceableSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { HttpServer, ServerSnapshot, Snapshot, StdioServer } from '../src/core/gateway/snapshot.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { configOf, http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import { getRequest, legacy, messageOf, modern, modernRequest, openSession, openStream } from './mcp-client.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-reload-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const SERVER = join(import.meta.dirname, 'fixtures/reload/counting-server.mjs')
const noted = (): string[] => {
  try {
    return readFileSync(join(folder, 'log'), 'utf8').split('\n').filter((line) => line !== '')
  } catch {
    return []
  }
}
const child = (label: string, ...tools: string[]): StdioServer => ({
  transport: 'stdio', command: process.execPath, args: [SERVER, join(folder, 'log'), label, ...tools], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined,
})

type Servers = Readonly<Record<string, HttpServer | StdioServer | (Partial<ServerSnapshot> & Pick<ServerSnapshot, 'target'>)>>

let count = 0
function snapshotOf(servers: Servers, more: Partial<Snapshot> = {}): Snapshot {
  count += 1
  const all = Object.entries(servers).map(([name, given]) =>
    'target' in given ? configOf(given.target, { id: name, name, ...given }) : configOf(given, { id: name, name }),
  )
  return { digest: String(count), servers: all, separator: '__', pageSize: 100, limits: DEFAULT_LIMITS, virtualServers: [], ...more }
}

async function start(servers: Servers): Promise<{ rig: Rig; source: ReplaceableSnapshotSource; reload(servers: Servers, more?: Partial<Snapshot>): void }> {
  const source = createSnapshotSource(snapshotOf(servers))
  const rig = await startRig({ deps: { snapshots: source } })
  return { rig, source, reload: (next, more) => source.replace(snapshotOf(next, more)) }
}

/** Who answered: the first text of a tool's result. */
function answererOf(message: Record<string, unknown>): string {
  const { result, error } = message as { result?: { content?: { text?: string }[] }; error?: { message: string } }
  return result?.content?.[0]?.text ?? `refused: ${error?.message ?? JSON.stringify(message)}`
}

/** A caller of either era that makes one call after the other until it is told to end. */
interface Caller {
  readonly answers: string[]
  readonly tokens: string[]
  end(): Promise<void>
}

function startCaller(rig: Rig, era: 'legacy' | 'modern', session: string, tool: string, name: string): Caller {
  const answers: string[] = []
  const tokens: string[] = []
  let isEnding = false
  const loop = async (): Promise<void> => {
    for (let index = 0; !isEnding; index += 1) {
      const token = `${name}-${index}`
      tokens.push(token)
      const params = { name: tool, arguments: { ms: 5 + (index % 4) * 10, token } }
      const answer = era === 'modern' ? modern(rig.port, 'tools/call', params) : legacy(rig.port, session, 'tools/call', params, { id: token })
      answers.push(answererOf(messageOf(await answer)))
    }
  }
  const running = loop()
  return {
    answers,
    tokens,
    async end() {
      isEnding = true
      await running
    },
  }
}

/** Servers over HTTP that write down what they execute, as the stdio fixture does. */
async function startWorker(eras: readonly ('legacy' | 'modern')[], label: string, executed: string[]): Promise<Actor> {
  const work: Act = ({ args, answer }) => {
    executed.push(String(args['token']))
    setTimeout(() => answer({ content: [{ type: 'text', text: `${label} 0` }] }), Number(args['ms']))
  }
  return closeAfter(await startActor(eras, { work }))
}

describe('reloads under load', () => {
  it.each([
    ['modern', 'stdio'],
    ['modern', 'http'],
    ['legacy', 'stdio'],
    ['legacy', 'http'],
  ] as const)('lose no call of %s clients to %s servers, execute none twice, and leave other servers alone', async (era, transport) => {
    const executed: string[] = []
    const state = { state: 'none' } as const
    const target = async (label: string): Promise<HttpServer | StdioServer> =>
      transport === 'stdio' ? child(label) : http((await startWorker([era], label, executed)).url)
    const stays = { target: await target('stays'), ...state }
    const { rig, reload } = await start({ changes: { target: await target('v0'), ...state }, stays })
    const session = era === 'legacy' ? await openSession(rig.port) : ''
    const tools = ['changes__work', 'stays__work', 'changes__work', 'stays__work']
    const callers = tools.map((tool, index) => startCaller(rig, era, session, tool, `c${index}`))
    await until(() => callers.every(({ answers }) => answers.length > 1))
    for (let round = 1; round <= 5; round += 1) {
      reload({ changes: { target: await target(`v${round}`), ...state }, stays })
      const before = callers.map(({ answers }) => answers.length)
      await until(() => callers.every(({ answers }, index) => answers.length > (before[index] ?? 0) + 2))
    }
    await Promise.all(callers.map((caller) => caller.end()))
    const answers = callers.flatMap((caller) => caller.answers)
    expect(answers.filter((answer) => !/^(v\d|stays) \d+$/.test(answer))).toEqual([])
    expect(new Set(answers.map((answer) => answer.split(' ')[0]))).toEqual(new Set(['stays', 'v0', 'v1', 'v2', 'v3', 'v4', 'v5']))
    expect(new Set(answers.filter((answer) => answer.startsWith('stays'))).size, 'one process of the other server').toBe(1)
    const done = transport === 'http' ? executed : noted().flatMap((line) => (line.startsWith('call ') ? [line.slice(5)] : []))
    expect(done.toSorted()).toEqual(callers.flatMap(({ tokens }) => tokens).toSorted())
    await until(() => rig.gateway.status().leaving === 0)
    const children = rig.gateway.status().servers.map((server) => server.children)
    expect(children.every((each) => each <= (transport === 'stdio' ? 2 : 0)), `children ${children.join()}`).toBe(true)
  }, 30_000)
})

describe('a server that was replaced', () => {
  it('answers what is in flight on it, gets nothing new, and is closed then', async () => {
    const { rig, reload } = await start({ a: child('old') })
    await modern(rig.port, 'tools/list')
    const slow = modern(rig.port, 'tools/call', { name: 'a__work', arguments: { ms: 800, token: 'slow' } })
    await until(() => noted().includes('call slow'))
    reload({ a: child('new') })
    expect(rig.gateway.status().leaving).toBe(1)
    expect(answererOf(messageOf(await modern(rig.port, 'tools/call', { name: 'a__work', arguments: { token: 'next' } })))).toMatch(/^new /)
    const answer = answererOf(messageOf(await slow))
    expect(answer).toMatch(/^old /)
    await until(() => rig.gateway.status().leaving === 0)
    const pid = Number(answer.split(' ')[1])
    await until(() => !isAlive(pid))
  })

  it('answers what is in flight on it when it was removed, too', async () => {
    const { rig, reload } = await start({ a: child('old'), b: child('other') })
    await modern(rig.port, 'tools/list')
    const slow = modern(rig.port, 'tools/call', { name: 'work', arguments: { ms: 500, token: 'slow' } }, { path: '/a/mcp' })
    await until(() => noted().includes('call slow'))
    reload({ b: child('other') })
    expect((await modern(rig.port, 'tools/list', {}, { path: '/a/mcp' })).status).toBe(404)
    expect(answererOf(messageOf(await slow))).toMatch(/^old /)
    await until(() => rig.gateway.status().leaving === 0)
  })

  it('takes no room from its successor: children of its own sessions are not counted against it', async () => {
    const limits = { ...DEFAULT_LIMITS, childrenPerUpstream: 2, childQueueMs: 300 }
    const source = createSnapshotSource(snapshotOf({ a: { target: child('old'), state: 'none', era: 'legacy' } }, { limits }))
    const rig = await startRig({ deps: { snapshots: source }, limits })
    const sessions = await Promise.all([1, 2].map(() => openSession(rig.port, { capabilities: { roots: {} } })))
    const call = (session: string, ms: number, token: string) => legacy(rig.port, session, 'tools/call', { name: 'a__work', arguments: { ms, token } }, { id: token })
    const slow = sessions.map((session, index) => call(session, 900, `slow${index}`))
    await until(() => noted().filter((line) => line.startsWith('call slow')).length === 2)
    source.replace(snapshotOf({ a: { target: child('new'), state: 'none', era: 'legacy' } }, { limits }))
    for (const session of sessions) expect(answererOf(messageOf(await call(session, 0, `next ${session}`)))).toMatch(/^new /)
    for (const one of slow) expect(answererOf(messageOf(await one))).toMatch(/^old /)
  })
})

describe('a call that waits for its client\'s input', () => {
  it('is taken up where it began, by a retry that comes after its server was replaced', async () => {
    let calls = 0
    const ask: Act = (call) => {
      calls += 1
      call.send({ id: 'q1', method: 'elicitation/create', params: { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: {} } } })
      const answered = (): boolean => old.requests.some(({ json }) => String(json.id) === 'q1' && json.method === undefined)
      void until(answered).then(() => call.answer({ content: [{ type: 'text', text: 'old' }] }))
    }
    const other: Act = ({ answer }) => {
      calls += 1
      answer({ content: [{ type: 'text', text: 'new' }] })
    }
    const old: Actor = closeAfter(await startActor(['legacy'], { ask }))
    const successor = closeAfter(await startActor(['legacy'], { ask: other }))
    const { rig, reload } = await start({ a: http(old.url) })
    const asked = { path: '/a/mcp', meta: { 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } } } }
    const first = messageOf(await modern(rig.port, 'tools/call', { name: 'ask', arguments: {} }, asked))['result'] as Record<string, unknown>
    expect(first['resultType']).toBe('input_required')
    reload({ a: http(successor.url) })
    await modern(rig.port, 'tools/list', {}, asked)
    expect(rig.gateway.status().leaving).toBe(1)
    const inputResponses = { 'input-1': { action: 'accept', content: {} } }
    const second = await modern(rig.port, 'tools/call', { name: 'ask', arguments: {}, inputResponses, requestState: first['requestState'] }, { ...asked, id: 2 })
    expect(answererOf(messageOf(second))).toBe('old')
    await until(() => rig.gateway.status().leaving === 0)
    expect(calls).toBe(1)
    expect(answererOf(messageOf(await modern(rig.port, 'tools/call', { name: 'ask', arguments: {} }, { ...asked, id: 3 })))).toBe('new')
  })
})

describe('a session whose own session at a server was replaced', () => {
  const opaque = (label: string) => ({ target: child(label), state: 'opaque', era: 'legacy' }) as const

  it('ends at that server\'s endpoint, but not before its calls are answered', async () => {
    const { rig, reload } = await start({ a: opaque('old') })
    const asked = { path: '/a/mcp' }
    const session = await openSession(rig.port, { capabilities: { roots: {} }, ...asked })
    const slow = legacy(rig.port, session, 'tools/call', { name: 'work', arguments: { ms: 500, token: 'slow' } }, { id: 1, ...asked })
    await until(() => noted().includes('call slow'))
    reload({ a: opaque('new') })
    expect((await legacy(rig.port, session, 'tools/list', {}, { id: 2, ...asked })).status).toBe(404)
    expect(answererOf(messageOf(await slow))).toMatch(/^old /)
    await until(() => rig.gateway.status().sessions === 0 && rig.gateway.status().leaving === 0)
    expect((await legacy(rig.port, session, 'ping', {}, { id: 3, ...asked })).status).toBe(404)
  })

  it('is told once on /mcp, where its other servers go on', async () => {
    const { rig, reload } = await start({ a: opaque('old'), b: opaque('other') })
    const session = await openSession(rig.port, { capabilities: { roots: {} } })
    const call = async (tool: string) => answererOf(messageOf(await legacy(rig.port, session, 'tools/call', { name: tool, arguments: {} })))
    expect(await call('a__work')).toMatch(/^old /)
    const other = await call('b__work')
    reload({ a: opaque('new'), b: opaque('other') })
    expect(await call('b__work')).toBe(other)
    expect(await call('a__work')).toContain('refused: The server restarted and lost what it knew')
    expect(await call('a__work')).toMatch(/^new /)
  })

  it('goes on where the server keeps no state', async () => {
    const stateless = (label: string) => ({ ...opaque(label), state: 'none' }) as const
    const { rig, reload } = await start({ a: stateless('old') })
    const session = await openSession(rig.port, { capabilities: { roots: {} }, path: '/a/mcp' })
    const call = async () => answererOf(messageOf(await legacy(rig.port, session, 'tools/call', { name: 'work', arguments: {} }, { path: '/a/mcp' })))
    expect(await call()).toMatch(/^old /)
    reload({ a: stateless('new') })
    expect(await call()).toMatch(/^new /)
  })
})

describe('what can be changed in place', () => {
  it('keeps the child: a name (with its id), time limits, trust, state', async () => {
    const { rig, reload } = await start({ a: { target: child('one'), id: 'stable' } })
    const call = async (name: string) => answererOf(messageOf(await modern(rig.port, 'tools/call', { name, arguments: {} })))
    const before = await call('a__work')
    reload({ b: { target: child('one'), id: 'stable', requestIdleTimeoutMs: 7_000, trustAnnotations: true, state: 'none' } })
    expect(await call('b__work')).toBe(before)
    expect(await call('a__work')).toMatch(/^refused: Unknown tool/)
    expect((await modern(rig.port, 'tools/list', {}, { path: '/a/mcp' })).status).toBe(404)
    expect(rig.gateway.status()).toMatchObject({ leaving: 0, servers: [{ id: 'stable', name: 'b' }] })
  })

  it('asks a modern server with new headers at once, and the calls in flight stay', async () => {
    const gate = Promise.withResolvers<void>()
    const seen: unknown[] = []
    const wait: Act = ({ request, answer, args }) => {
      seen.push(request.headers['authorization'])
      if (args['slow'] === true) void gate.promise.then(() => answer({ content: [{ type: 'text', text: 'late' }] }))
      else answer({ content: [{ type: 'text', text: 'soon' }] })
    }
    const actor = closeAfter(await startActor(['modern'], { wait }))
    const target = (secret: string): HttpServer => ({ transport: 'http', url: actor.url, headers: { authorization: `Bearer ${secret}` } })
    const { rig, reload } = await start({ a: target('first') })
    const slow = modern(rig.port, 'tools/call', { name: 'a__wait', arguments: { slow: true } })
    await until(() => seen.length === 1)
    reload({ a: target('second') })
    expect(answererOf(messageOf(await modern(rig.port, 'tools/call', { name: 'a__wait', arguments: {} })))).toBe('soon')
    expect(seen).toEqual(['Bearer first', 'Bearer second'])
    expect(rig.gateway.status().leaving).toBe(0)
    gate.resolve()
    expect(answererOf(messageOf(await slow))).toBe('late')
  })

  it('sends new headers on the legacy sessions that are open, which go on', async () => {
    const actor = closeAfter(await startActor(['legacy']))
    const target = (secret: string): HttpServer => ({ transport: 'http', url: actor.url, headers: { authorization: `Bearer ${secret}` } })
    const { rig, reload } = await start({ a: target('first') })
    const session = await openSession(rig.port, { path: '/a/mcp' })
    const call = () => legacy(rig.port, session, 'tools/call', { name: 'echo', arguments: {} }, { path: '/a/mcp' })
    expect((await call()).status).toBe(200)
    reload({ a: target('second') })
    expect((await call()).status).toBe(200)
    const calls = actor.requests.filter(({ json }) => json.method === 'tools/call')
    expect(calls.map(({ headers }) => headers['authorization'])).toEqual(['Bearer first', 'Bearer second'])
    expect(new Set(calls.map(({ headers }) => headers['mcp-session-id'])).size).toBe(1)
    expect(rig.gateway.status().leaving).toBe(0)
  })

  it('takes another separator and page size for the next list', async () => {
    const { rig, reload } = await start({ a: child('one', 'x', 'y', 'z') })
    const names = async () => {
      const { result } = messageOf(await modern(rig.port, 'tools/list')) as { result: { tools: { name: string }[]; nextCursor?: string } }
      return [result.tools.map(({ name }) => name).join(' '), result.nextCursor === undefined]
    }
    expect(await names()).toEqual(['a__x a__y a__z', true])
    reload({ a: child('one', 'x', 'y', 'z') }, { separator: '-', pageSize: 2 })
    expect(await names()).toEqual(['a-x a-y', false])
    expect(noted().filter((line) => line.startsWith('start')).length, 'children started').toBeLessThanOrEqual(2)
  })
})

describe('clients that listen', () => {
  it('hear once that lists have changed, however many servers did; those of other endpoints hear nothing', async () => {
    const { rig, reload } = await start({ a: child('a1'), b: child('b1'), c: child('c1') })
    const notifications = { toolsListChanged: true }
    const all = await openStream(rig.port, modernRequest('subscriptions/listen', { notifications }))
    const other = await openStream(rig.port, modernRequest('subscriptions/listen', { notifications }, { path: '/c/mcp' }))
    const session = await openSession(rig.port)
    const stream = await openStream(rig.port, getRequest(session))
    await Promise.all([all.count(1), other.count(1)])
    reload({ a: child('a2'), b: child('b2'), d: child('d1'), c: child('c1') })
    await all.count(2)
    await until(() => stream.messages().length >= 3)
    await sleep(300)
    expect(all.messages().map(({ method }) => method)).toEqual(['notifications/subscriptions/acknowledged', 'notifications/tools/list_changed'])
    expect(other.messages().map(({ method }) => method)).toEqual(['notifications/subscriptions/acknowledged'])
    expect(stream.messages().map(({ method }) => String(method)).toSorted()).toEqual(
      ['prompts', 'resources', 'tools'].map((noun) => `notifications/${noun}/list_changed`),
    )
    for (const one of [all, other, stream]) one.drop()
    await rig.settled()
  })

  it('stay subscribed to resources of a server that was replaced', async () => {
    const { rig, reload } = await start({ a: child('old') })
    const listen = modernRequest('subscriptions/listen', { notifications: { resourceSubscriptions: ['test://one'] } }, { path: '/a/mcp' })
    const stream = await openStream(rig.port, listen)
    await until(() => noted().includes('watch old test://one'))
    reload({ a: child('new') })
    await until(() => noted().includes('watch new test://one'))
    stream.drop()
    await rig.settled()
  })
})

describe('200 reloads', () => {
  it('leave nothing behind: no child, no listener, no timer', async () => {
    const actor = closeAfter(await startActor(['legacy', 'modern']))
    const servers = (round: number): Servers => ({
      web: http(`${actor.url}?round=${round}`),
      fixed: http(actor.url),
      ...(round % 25 === 0 ? { child: child(`r${round}`) } : {}),
    })
    const { rig, reload } = await start(servers(0))
    const session = await openSession(rig.port)
    const stream = await openStream(rig.port, getRequest(session))
    const use = async (): Promise<void> => {
      await modern(rig.port, 'tools/call', { name: 'web__echo', arguments: {} })
      await legacy(rig.port, session, 'tools/call', { name: 'fixed__echo', arguments: {} })
    }
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    for (let round = 1; round <= 20; round += 1) {
      reload(servers(round))
      await use()
    }
    await sleep(300)
    const before = { sessions: actor.sessions.size, streams: actor.streamCount, timers: timers() }
    for (let round = 21; round <= 200; round += 1) {
      reload(servers(round))
      await use()
    }
    reload(servers(201))
    await until(() => rig.gateway.status().leaving === 0)
    await until(() => actor.sessions.size <= before.sessions + 2 && actor.streamCount <= before.streams + 2)
    await until(() => timers() <= before.timers + 10)
    const alive = noted().flatMap((line) => (line.startsWith('start ') ? [Number(line.split(' ')[2])] : []))
    await until(() => alive.every((pid) => !isAlive(pid)))
    stream.drop()
    await rig.settled()
  }, 60_000)
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
