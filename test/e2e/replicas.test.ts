/** Two Portolans over one PostgreSQL, as processes: what has to be said to make them one, which is nothing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { afterEach, describe, expect, it } from 'vitest'
import type { ProcessStatus } from '../../src/apps/gateway/status.ts'
import { readDocument, rowsBelow } from '../document.ts'
import { callModern, runPortolan, startPortolan, stopPortolan } from '../portolan-process.ts'
import { bearer } from '../gateway-process.ts'
import { startCluster } from '../cluster.ts'
import { REFERENCE_SERVER_COMMAND } from '../reference-server-process.ts'
import { ALL_CAPABILITIES, connectSdk1, httpTransport } from '../sdk1-client.ts'
import { freePort } from '../services/free-port.ts'
import { findNats } from '../services/nats.ts'
import { findNginx } from '../services/nginx.ts'
import { findPostgres } from '../services/postgres.ts'
import { openTcpProxy } from '../tcp-proxy.ts'

const postgres = await findPostgres()
const nats = await findNats()
const nginx = await findNginx()

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

interface StartedReplica {
  readonly url: string
  readonly token: string
  readonly output: () => string
  kill(signal: NodeJS.Signals): void
  status(): Promise<ProcessStatus>
  metrics(): Promise<string>
}

/** All with the same token, as `docs/operate.md` asks for. */
async function start(count: number, args: readonly string[], argsOf: readonly (readonly string[])[] = []): Promise<StartedReplica[]> {
  const database = (await postgres?.newDatabase()) ?? ''
  const replicas: StartedReplica[] = []
  for (let at = 0; at < count; at++) {
    const dataPath = mkdtempSync(join(tmpdir(), 'portolan-replica-'))
    closers.push(() => rmSync(dataPath, { recursive: true, force: true }))
    const [first] = replicas
    if (first !== undefined) writeFileSync(join(dataPath, 'token'), `${first.token}\n`, { mode: 0o600 })
    const portolan = await startPortolan(dataPath, ['--database-url', database, ...args, ...(argsOf[at] ?? [])])
    closers.push(() => stopPortolan(portolan))
    replicas.push({
      url: portolan.baseUrl,
      token: portolan.token,
      kill: (signal) => void portolan.child.kill(signal),
      output: () => portolan.stdout() + portolan.stderr(),
      async status() {
        const asked = runPortolan(['status', '--json', '--data', dataPath])
        await asked.exited
        return JSON.parse(asked.stdout())
      },
      metrics: () => get(join(dataPath, 'operations.sock'), '/metrics'),
    })
  }
  return replicas
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve(text))
    })
    asked.on('error', reject).end()
  })
}

describe.skipIf(postgres === undefined)('two replicas that share a PostgreSQL', () => {
  const hints = [['LISTEN and NOTIFY', []], ...(nats === undefined ? [] : [['NATS', ['--nats-url', `nats://${nats.host}:${nats.port}`]] as const])] as const

  it.each(hints)('with hints over %s serve one legacy session, and say how they stand', async (_wire, args) => {
    const [first, second] = await start(2, args)
    if (first === undefined || second === undefined) throw new TypeError('two were started')
    let at = 0
    // Round robin without stickiness: every request goes to the other one.
    const either = new StreamableHTTPClientTransport(new URL(`${first.url}/reference/mcp`), {
      requestInit: { headers: bearer(first) },
      fetch: (url, init) => fetch(new URL(new URL(url).pathname, [first, second][at++ % 2]?.url), init),
    })
    const { client } = await connectSdk1(either as Transport, ALL_CAPABILITIES)
    closers.push(() => client.close())
    for (let call = 0; call < 6; call++) expect(await client.callTool({ name: 'test_simple_text' })).toMatchObject({ content: [{ type: 'text' }] })
    expect(await client.callTool({ name: 'test_sampling', arguments: { prompt: 'x' } })).toMatchObject({ content: [{ type: 'text' }] })
    const both = await Promise.all([first.status(), second.status()])
    for (const { replica } of both) expect(replica).toMatchObject({ id: expect.any(String), address: expect.stringMatching(/^tls:\/\/127\.0\.0\.1:\d+$/), hints: { wire: args.length > 0 ? 'nats' : 'postgres', isUp: true } })
    const rows = rowsBelow(readDocument('docs/reference/metrics-and-ledger.md'), 'Of replicas that share a database').slice(1)
    const metrics = await first.metrics()
    for (const [name = '', kind = ''] of rows) expect(metrics).toContain(`# TYPE ${name.replaceAll('`', '')} ${kind}\n`)
    expect(metrics).toContain('portolan_hints_up 1\n')
    expect(both.flatMap(({ replica }) => replica?.peers ?? []).length).toBeGreaterThan(0)
  })

  it('of which one does not reach the other refuse what that one has, soon, and nothing else, until it does', { timeout: 60_000 }, async () => {
    const peerPort = await freePort()
    const way = await openTcpProxy({ host: '127.0.0.1', port: peerPort })
    closers.push(way.close)
    const [near, far] = await start(2, [], [[], ['--peer-listen', `127.0.0.1:${peerPort}`, '--peer-address', `tls://127.0.0.1:${way.port}`]])
    if (near === undefined || far === undefined) throw new TypeError('two were started')
    const [there, here] = [await openSession(far), await openSession(near)]
    expect(await ask(near, there, 'ping')).toMatchObject({ status: 200 })
    way.freeze()
    // On the connection that stands, then on a new one.
    const [call, ping] = await Promise.all([ask(near, there, 'tools/call', { name: 'test_simple_text' }), ask(near, there, 'ping')])
    expect([call.code, ping.status, ping.code, ping.retryAfter]).toEqual([OUTCOME_UNKNOWN, 503, OWNER_UNREACHABLE, '1'])
    const again = await ask(near, there, 'ping')
    expect([again.status, again.code]).toEqual([503, OWNER_UNREACHABLE])
    for (const { tookMs } of [call, ping, again]) expect(tookMs, 'up to 5 s, and a busy machine').toBeLessThan(6_000)
    expect(await ask(near, here, 'ping')).toMatchObject({ status: 200 })
    expect(await ask(far, there, 'ping')).toMatchObject({ status: 200 })
    expect(await callModern(`${near.url}/reference/mcp`, near.token, 'tools/call', { name: 'test_simple_text' })).toMatchObject({ status: 200 })
    way.thaw()
    await expect.poll(() => ask(near, there, 'ping'), { timeout: 10_000 }).toMatchObject({ status: 200 })
  })

  it.each(['SIGKILL', 'SIGSTOP'] as const)('go on with the session of one that got %s, within the time that the table says, and say at once of a call there that nobody knows', { timeout: 60_000 }, async (signal) => {
    const [near, far] = await start(2, [])
    if (near === undefined || far === undefined) throw new TypeError('two were started')
    closers.push(() => far.kill('SIGCONT'))
    const session = await openSession(far)
    expect(await ask(near, session, 'ping')).toMatchObject({ status: 200 })
    const sinceMs = performance.now()
    far.kill(signal)
    // One that was read by nobody goes elsewhere; else nobody knows what became of it.
    const [call, ping] = await Promise.all([ask(near, session, 'tools/call', { name: 'test_simple_text' }), ask(near, session, 'ping')])
    expect([200, 502]).toContain(call.status)
    if (call.code !== undefined) expect(call.code).toBe(OUTCOME_UNKNOWN)
    expect(ping).toMatchObject({ status: 200 })
    expect(performance.now() - sinceMs, '4 s, and a busy machine').toBeLessThan(8_000)
    expect(await ask(near, session, 'tools/call', { name: 'test_simple_text' })).toMatchObject({ status: 200 })
    if (signal === 'SIGKILL') return
    far.kill('SIGCONT')
    // Who was stopped takes itself for overloaded for a moment.
    await expect.poll(() => ask(far, session, 'ping')).toMatchObject({ status: 200 })
    expect((await near.status()).sessions).toBe(1)
  })
})

const OUTCOME_UNKNOWN = -31_024
const OWNER_UNREACHABLE = -31_029

function post(replica: StartedReplica, session: string, body: object): Promise<Response> {
  const headers = { ...bearer(replica), 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...(session === '' ? {} : { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }) }
  return fetch(`${replica.url}/reference/mcp`, { method: 'POST', headers, body: JSON.stringify({ jsonrpc: '2.0', ...body }) })
}

async function openSession(replica: StartedReplica): Promise<string> {
  const opened = await post(replica, '', { id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } } })
  await opened.text()
  return opened.headers.get('mcp-session-id') ?? ''
}

let lastId = 0

async function ask(replica: StartedReplica, session: string, method: string, params: object = {}): Promise<{ status: number; code: number | undefined; retryAfter: string | null; tookMs: number }> {
  const sinceMs = performance.now()
  const answer = await post(replica, session, { id: (lastId += 1), method, params })
  const code = /"code":(-?\d+)/.exec(await answer.text())?.[1]
  return { status: answer.status, code: code === undefined ? undefined : Number(code), retryAfter: answer.headers.get('retry-after'), tookMs: performance.now() - sinceMs }
}

describe.skipIf(postgres === undefined || nginx === undefined)('replicas behind a balancer that goes by the client\'s address', () => {
  it('bring no request to each other', { timeout: 60_000 }, async () => {
    const cluster = await startCluster({
      databaseUrl: (await postgres?.newDatabase()) ?? '', config: { mcpServers: { reference: { ...REFERENCE_SERVER_COMMAND } } }, balancing: 'hash $remote_addr consistent;',
    })
    closers.push(() => cluster.close())
    for (let session = 0; session < 3; session++) {
      const { client, close } = await connectSdk1(httpTransport(cluster, '/reference/mcp'), ALL_CAPABILITIES)
      for (let call = 0; call < 4; call++) expect(await client.callTool({ name: 'test_simple_text' })).toMatchObject({ content: [{ type: 'text' }] })
      await close()
    }
    const carried = await Promise.all(cluster.members.map(async (_member, at) => {
      const text = await get(join(cluster.folder, `data-${at}`, 'operations.sock'), '/metrics')
      return Number(/^portolan_peer_exchanges_total (\d+)$/m.exec(text)?.[1])
    }))
    expect(carried).toEqual([0, 0, 0])
  })
})
