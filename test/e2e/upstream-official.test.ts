/** Upstreams against the official servers, over each of their transports. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { createSpawner } from '../../src/adapters/child-process/spawner.ts'
import { createEgress } from '../../src/adapters/undici/egress.ts'
import type { ServerSnapshot } from '../../src/core/gateway/snapshot.ts'
import type { LegacyChannel } from '../../src/core/upstream/channel.ts'
import { createUpstream } from '../../src/core/upstream/create-upstream.ts'
import type { Message } from '../../src/protocol/message.ts'
import { call, configOf, depsOf, http, sleep, start, until } from '../fixtures/upstream/support.ts'
import { freePort } from '../services/free-port.ts'

const packages = fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/', import.meta.url))
const everything = join(packages, 'server-everything/dist/index.js')
const memory = join(packages, 'server-memory/dist/index.js')

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

function open(target: ServerSnapshot['target']) {
  const egress = createEgress({ env: {} })
  const spawner = createSpawner()
  const upstream = createUpstream(configOf(target), { ...depsOf({ egress, spawner }), probeTimeoutMs: 3_000, requestTimeoutMs: 20_000 })
  closers.push(() => egress.close(), () => spawner.close(), () => upstream.close())
  const heard: Message[] = []
  const session = (capabilities = '{}'): Promise<LegacyChannel> =>
    upstream.openLegacy({
      clientInfo: '{"name":"c","version":"1"}',
      capabilities,
      revision: '2025-11-25',
      ownerKey: 'a',
      shared: false,
      listener: { onMessage: (message) => void heard.push(message), onClosed: () => undefined },
      headers: [],
    })
  return { upstream, session, heard }
}

const stdio = (file: string, env: Record<string, string> = {}): ServerSnapshot['target'] => ({
  transport: 'stdio',
  command: process.execPath,
  args: [file],
  env: { PATH: process.env['PATH'] ?? '', ...env },
  cwd: undefined,
})

async function startEverything(transport: 'streamableHttp' | 'sse'): Promise<number> {
  const port = await freePort()
  const child = spawn(process.execPath, [everything, transport], { env: { ...process.env, PORT: String(port) }, stdio: ['ignore', 'ignore', 'pipe'] })
  closers.push(() => child.kill('SIGKILL'))
  await new Promise<void>((resolve) => child.stderr.on('data', (chunk: Buffer) => void (/port/i.test(chunk.toString()) && resolve())))
  return port
}

async function exercise(session: LegacyChannel): Promise<void> {
  const tools = (await call(session, 'tools/list')).response?.text ?? ''
  expect(tools).toContain('"name":"echo"')
  const echo = await call(session, 'tools/call', { params: '{"name":"echo","arguments":{"message":"héllo"}}' })
  expect(Buffer.from(echo.response?.text ?? '', 'latin1').toString('utf8')).toContain('Echo: héllo')
  const long = await call(session, 'tools/call', {
    params: '{"name":"trigger-long-running-operation","arguments":{"duration":1,"steps":4},"_meta":{"progressToken":"p"}}',
    progressToken: '"p"',
  })
  expect(long.response?.kind).toBe('result')
  expect(long.messages.filter(({ method }) => method === 'notifications/progress').length).toBeGreaterThan(0)
  const error = await call(session, 'no/such/method')
  expect(error.response?.kind).toBe('error')
}

describe('server-everything', () => {
  it('over stdio is legacy, works, and is cancelled', async () => {
    const { upstream, session } = open(stdio(everything))
    const profile = await upstream.profile()
    expect([profile.modern, profile.legacy?.revision]).toEqual([undefined, '2025-11-25'])
    const channel = await session()
    await exercise(channel)
    const started = start(channel, 'tools/call', { params: '{"name":"trigger-long-running-operation","arguments":{"duration":30,"steps":2}}' })
    await sleep(100)
    started.control.abort('enough')
    expect(await Promise.race([started.outcome, sleep(300)])).toBeUndefined()
    expect((await call(channel, 'ping')).response?.kind).toBe('result')
  })

  it('over Streamable HTTP is legacy, works, and streams its notifications', async () => {
    const port = await startEverything('streamableHttp')
    const { upstream, session, heard } = open(http(`http://127.0.0.1:${port}/mcp`))
    const profile = await upstream.profile()
    expect([profile.modern, profile.legacy?.revision]).toEqual([undefined, '2025-11-25'])
    const channel = await session()
    await channel.openStream()
    await exercise(channel)
    await call(channel, 'tools/call', { params: '{"name":"toggle-simulated-logging","arguments":{}}' })
    await until(() => heard.some(({ method }) => method === 'notifications/message'))
    await channel.close()
    expect(upstream.status()).toMatchObject({ state: 'ready', sessions: 0 })
  })

  it('over HTTP+SSE is legacy and works', async () => {
    const port = await startEverything('sse')
    const { upstream, session } = open(http(`http://127.0.0.1:${port}/sse`))
    expect((await upstream.profile()).legacy).toBeDefined()
    await exercise(await session())
  })
})

describe('server-memory', () => {
  it('over stdio is legacy and keeps what it is told', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-memory-'))
    closers.push(() => rmSync(folder, { recursive: true, force: true }))
    const { upstream, session } = open(stdio(memory, { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') }))
    expect((await upstream.profile()).modern).toBeUndefined()
    const channel = await session()
    const entities = '[{"name":"Portolan","entityType":"gateway","observations":["bridges eras"]}]'
    await call(channel, 'tools/call', { params: `{"name":"create_entities","arguments":{"entities":${entities}}}` })
    const graph = await call(channel, 'tools/call', { params: '{"name":"read_graph","arguments":{}}' })
    expect(graph.response?.text).toContain('bridges eras')
  })
})
