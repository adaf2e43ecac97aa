import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { legacyClient, modernClient, modernHttp } from '../any-client.ts'
import type { AnyClient } from '../any-client.ts'
import { startHttp } from '../fixtures/upstream/support.ts'
import { startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'
import { REFERENCE_SERVER_COMMAND } from '../reference-server-process.ts'
import { ALL_CAPABILITIES, connectSdk1, httpTransport } from '../sdk1-client.ts'
import { freePort } from '../services/free-port.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const EVERYTHING = join(ROOT, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js')

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function start(mcpServers: Record<string, unknown>): Promise<GatewayProcess> {
  const gateway = await startGateway({ config: { mcpServers } })
  closers.push(() => gateway.stop())
  return gateway
}
function closed<T extends { close(): Promise<void> }>(client: T): T {
  closers.push(() => client.close())
  return client
}

/** Processes whose command line holds all of this, and that run: neither zombies nor this one. */
function running(...parts: string[]): number[] {
  return readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === process.pid) return []
    try {
      const state = /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return state !== 'Z' && parts.every((part) => line.includes(part)) ? [pid] : []
    } catch {
      return []
    }
  })
}

/** A mark on the command line of one test's children. */
let marks = 0
const mark = (): string => `--mark=${process.pid}-${(marks += 1)}`

function kill(pids: readonly number[]): void {
  expect(pids).not.toEqual([])
  for (const pid of pids) process.kill(pid, 'SIGKILL')
}

describe('a child that is killed', () => {
  const CLIENTS: readonly [string, (gateway: GatewayProcess) => Promise<AnyClient>][] = [
    ['a 2026-07-28 client', (gateway) => modernClient(modernHttp(gateway, '/everything/mcp'))],
    ['a 2025-11-25 client that cannot be asked', (gateway) => legacyClient(httpTransport(gateway, '/everything/mcp'))],
    ['a client of all servers', (gateway) => legacyClient(httpTransport(gateway, '/mcp'))],
  ]
  it.each(CLIENTS)('ends the call in flight of %s at once, and the next call works', async (who, connect) => {
    const name = mark()
    const gateway = await start({ everything: { command: process.execPath, args: [EVERYTHING, 'stdio', name] } })
    const client = closed(await connect(gateway))
    const tool = (plain: string): string => (who === 'a client of all servers' ? `everything__${plain}` : plain)
    const call = client.call(tool('trigger-long-running-operation'), { duration: 30, steps: 3 })
    const refused = expect(call).rejects.toThrow(/outcome.*unknown|unknown.*outcome/i)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const killedAtMs = performance.now()
    kill(running(name))
    await refused
    expect(performance.now() - killedAtMs).toBeLessThan(1_000)
    expect((await client.call(tool('echo'), { message: 'again' })).text).toBe('Echo: again')
    expect(performance.now() - killedAtMs).toBeLessThan(5_000)
  })

  it('ends the session of a client that had it for itself; a new session works', async () => {
    const name = mark()
    const gateway = await start({ everything: { command: process.execPath, args: [EVERYTHING, 'stdio', name] } })
    const { client } = closed(await connectSdk1(httpTransport(gateway, '/everything/mcp'), ALL_CAPABILITIES))
    await client.callTool({ name: 'echo', arguments: { message: 'once' } })
    const call = client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 30, steps: 3 } }).catch((error: unknown) => error)
    await new Promise((resolve) => setTimeout(resolve, 300))
    kill(running(name))
    // It may have run: that its session is gone, too, is for the next one to hear.
    expect(await call).toMatchObject({ code: -31_024 })
    await expect.poll(() => client.listTools().catch((error: unknown) => error), { timeout: 15_000 }).toMatchObject({ code: 404 })
    const again = closed(await connectSdk1(httpTransport(gateway, '/everything/mcp'), ALL_CAPABILITIES))
    expect(await again.client.callTool({ name: 'echo', arguments: { message: 'again' } })).toMatchObject({ content: [{ text: 'Echo: again' }] })
  })
})

describe.runIf(process.platform === 'linux')('Portolan killed with SIGKILL', () => {
  const bin = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`
  it.each<[how: string, server: (name: string) => Record<string, unknown>]>([
    ['node', (name) => ({ command: process.execPath, args: [EVERYTHING, 'stdio', name] })],
    ['a shell that waits for it', (name) => ({ command: 'sh', args: ['-c', `exec 3<&0; "${process.execPath}" "${EVERYTHING}" stdio ${name} <&3 & wait`] })],
    ['npx', (name) => ({ command: 'npx', args: ['--no-install', '@modelcontextprotocol/server-everything', 'stdio', name], cwd: ROOT, env: { PATH: bin } })],
  ])('leaves nothing running within 5 s of what was started through %s', async (_how, server) => {
    const name = mark()
    const gateway = await start({ everything: server(name) })
    const shared = await modernClient(modernHttp(gateway, '/everything/mcp'))
    const own = await connectSdk1(httpTransport(gateway, '/everything/mcp'), ALL_CAPABILITIES)
    expect((await shared.call('echo', { message: 'up' })).text).toBe('Echo: up')
    await own.client.listTools()
    expect(running(name).length).toBeGreaterThan(1)
    kill([gateway.pid])
    await expect.poll(() => running(name), { timeout: 5_000, interval: 100 }).toEqual([])
    await Promise.all([shared.close(), own.close()])
  })
})

describe('a server that fails', () => {
  const HANGS = { command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'] }
  const FAILING: readonly [string, () => Promise<Record<string, unknown>>, RegExp][] = [
    ['is not installed', async () => ({ command: 'no-such-command-anywhere' }), /command not found: no-such-command-anywhere/],
    ['ends at once', async () => ({ command: process.execPath, args: ['-e', 'console.error("no API key given"); process.exit(3)'] }), /exited with code 3: no API key given/],
    ['hangs at its start', async () => HANGS, /no answer for \d+ s/],
    ['writes garbage', async () => ({ command: process.execPath, args: ['-e', 'setInterval(() => console.log("<html>ready</html>"), 50)'] }), /no answer for \d+ s; stdout: invalid JSON/],
    ['answers with a web page', async () => ({ type: 'http', url: await webPage() }), /status 200 without JSON-RPC/],
    ['refuses connections', async () => ({ type: 'http', url: `http://127.0.0.1:${await freePort()}/mcp` }), /connection refused: http/],
  ]
  async function webPage(): Promise<string> {
    const server = await startHttp((_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Welcome</html>'))
    closers.push(() => server.close())
    return server.url
  }

  /** How long clients that do not come near the failing server need just now: more, where the machine has other things to do. */
  async function elsewhereMs(gateway: GatewayProcess): Promise<number> {
    const startedAtMs = performance.now()
    for (const client of [closed(await modernClient(modernHttp(gateway, '/good/mcp'))), closed(await legacyClient(httpTransport(gateway, '/good/mcp')))]) {
      expect((await client.toolNames()).length).toBeGreaterThan(0)
      expect((await client.call('test_simple_text')).text).toContain('simple text')
    }
    return performance.now() - startedAtMs
  }

  it.each(FAILING)('because it %s leaves the others as they are, and its status says why', async (_what, broken, detail) => {
    const gateway = await start({ broken: await broken(), good: REFERENCE_SERVER_COMMAND })
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200)
    const startedAtMs = performance.now()
    const clients = [closed(await modernClient(modernHttp(gateway, '/mcp'))), closed(await legacyClient(httpTransport(gateway, '/mcp')))]
    for (const client of clients) {
      expect((await client.toolNames()).every((name) => name.startsWith('good__'))).toBe(true)
      expect((await client.call('good__test_simple_text')).text).toContain('simple text')
      await expect(client.call('broken__anything')).rejects.toThrow(/unavailable|starting|timed? ?out/i)
    }
    const firstMs = performance.now() - startedAtMs
    const beforeMs = await elsewhereMs(gateway)
    const againAtMs = performance.now()
    for (const client of clients) expect((await client.call('good__test_simple_text')).text).toContain('simple text')
    const againMs = performance.now() - againAtMs
    const alsoMs = 5 * (beforeMs + (await elsewhereMs(gateway)))
    // A server that is slow to start may be waited for, once.
    expect(firstMs).toBeLessThan(6_000 + alsoMs)
    expect(againMs).toBeLessThan(1_000 + alsoMs)
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200)
    const says = { name: 'broken', state: 'degraded', detail: expect.stringMatching(detail) }
    await expect.poll(() => serversOf(gateway), { timeout: 20_000, interval: 100 }).toMatchObject([says, { name: 'good', state: 'ready', detail: '' }])
  })

  function serversOf(gateway: GatewayProcess): unknown[] {
    const status = gateway.status()
    const servers: unknown = typeof status === 'object' && status !== null && 'servers' in status ? status.servers : []
    return Array.isArray(servers) ? servers : []
  }
})
