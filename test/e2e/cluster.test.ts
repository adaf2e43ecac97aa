/** Three replicas on PostgreSQL behind nginx, round robin: what the official clients of every era do works as with one process. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { legacyClient, modernClient, modernHttp } from '../any-client.ts'
import type { AnyClient } from '../any-client.ts'
import { startCluster } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import { send } from '../http-rig.ts'
import { legacyRequest, modernRequest } from '../mcp-client.ts'
import { REFERENCE_SERVER_COMMAND, startReferenceServer } from '../reference-server-process.ts'
import type { ReferenceServerProcess } from '../reference-server-process.ts'
import { ALL_CAPABILITIES, connectSdk1, httpTransport, sseTransport } from '../sdk1-client.ts'
import { findNginx } from '../services/nginx.ts'
import { findPostgres } from '../services/postgres.ts'

const postgres = await findPostgres()
const nginx = await findNginx()

describe.skipIf(postgres === undefined || nginx === undefined)('three replicas behind nginx', () => {
  let cluster: Cluster
  let server: ReferenceServerProcess
  let database: Client

  beforeAll(async () => {
    server = await startReferenceServer()
    const databaseUrl = (await postgres?.newDatabase()) ?? ''
    database = new Client({ connectionString: databaseUrl })
    await database.connect()
    cluster = await startCluster({
      databaseUrl,
      config: { mcpServers: { web: { url: server.url }, child: { ...REFERENCE_SERVER_COMMAND } }, portolan: { version: 1, servers: { child: { state: 'replayable' } } } },
    })
  }, 90_000)

  afterAll(async () => {
    await cluster?.close()
    await database?.end()
    await server?.stop()
  }, 30_000)

  const clients: Record<string, (path: string) => Promise<AnyClient>> = {
    'a client of 2026-07-28': (path) => modernClient(modernHttp(cluster, path)),
    'a client of 2025-11-25': (path) => legacyClient(httpTransport(cluster, path)),
    'a client of 2025-03-26': (path) => legacyClient(httpTransport(cluster, path), '2025-03-26'),
    'a client of 2024-11-05 over HTTP+SSE': (path) => legacyClient(sseTransport(cluster, path.replace(/mcp$/, 'sse')), '2024-11-05'),
  }

  it.each(Object.keys(clients))('serve %s whole', { timeout: 60_000 }, async (who) => {
    const client = await clients[who]?.('/web/mcp')
    if (client === undefined) throw new Error(who)
    expect(await client.toolNames()).toContain('test_wait')
    for (let call = 0; call < 6; call += 1) {
      const { text, progress } = await client.call('test_tool_with_progress')
      expect([text === '', progress]).toEqual([false, [0, 50, 100]])
    }
    await client.watch('test://watched-resource')
    await client.call('test_trigger_resource_update')
    await client.call('test_trigger_tool_change')
    await expect.poll(() => client.told.includes('test://watched-resource') && client.told.includes('tools'), { timeout: 10_000 }).toBe(true)
    await expect(client.call('nothing')).rejects.toThrow()
    await client.close()
  })

  it.each(['/web/mcp', '/child/mcp'])('ask a legacy client wherever its answer arrives, at %s', { timeout: 60_000 }, async (path) => {
    const { client, asked, close } = await connectSdk1(httpTransport(cluster, path), ALL_CAPABILITIES)
    for (let call = 0; call < 4; call += 1) {
      const elicited = await client.callTool({ name: 'test_elicitation', arguments: { message: 'Who?' } })
      expect(elicited.isError ?? false).toBe(false)
      await client.callTool({ name: 'test_sampling', arguments: { prompt: 'Capital?' } })
    }
    expect([asked.filter((method) => method === 'elicitation/create').length, asked.filter((method) => method === 'sampling/createMessage').length]).toEqual([4, 4])
    await client.setLoggingLevel('debug')
    await client.callTool({ name: 'test_logging_tool', arguments: {} })
    await close()
  })

  it('wait for nothing where one of them was killed and runs again: what it had is served elsewhere at once', { timeout: 60_000 }, async () => {
    const [victim, other] = cluster.members
    if (victim === undefined || other === undefined) throw new TypeError('three were started')
    const asked = { path: '/web/mcp', token: cluster.token }
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
    const { headers } = await send(victim.port, legacyRequest('', 'initialize', params, asked))
    const stored = async (): Promise<string[]> => (await database.query<{ id: string }>('SELECT id FROM portolan_replica')).rows.map(({ id }) => id)
    const id = /"replica":"([^"]+)"/.exec(victim.stderr())?.[1]
    expect(await stored()).toContain(id)
    await victim.end('SIGKILL')
    await victim.start()
    await expect.poll(stored).not.toContain(id)
    expect((await send(other.port, legacyRequest(String(headers['mcp-session-id']), 'ping', {}, asked))).status).toBe(200)
  })

  it('are gone at once though streams come back to them as soon as they end, and calls without end', { timeout: 60_000 }, async () => {
    const [leaving] = cluster.members
    if (leaving === undefined) throw new TypeError('three were started')
    const asked = { path: '/web/mcp', token: cluster.token }
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
    const state = { isOver: false, streams: 0 }
    const listen = async (): Promise<void> => {
      const { headers } = await send(leaving.port, legacyRequest('', 'initialize', params, asked))
      const held = { authorization: `Bearer ${cluster.token}`, accept: 'text/event-stream', 'mcp-session-id': String(headers['mcp-session-id']) }
      for (; !state.isOver; state.streams += 1) await fetch(`${leaving.url}/web/mcp`, { headers: held }).then((stream) => stream.text()).catch(() => sleep(5))
    }
    const call = async (): Promise<void> => {
      while (!state.isOver) await send(leaving.port, modernRequest('tools/list', {}, asked)).catch(() => sleep(5))
    }
    const clients = [...Array.from({ length: 8 }, listen), ...Array.from({ length: 24 }, call)]
    await sleep(500)
    const startedMs = performance.now()
    expect(await leaving.end('SIGTERM')).toBe(0)
    expect(performance.now() - startedMs).toBeLessThan(6_000)
    state.isOver = true
    await leaving.start()
    await Promise.all(clients)
    expect(state.streams).toBeGreaterThanOrEqual(8)
  })

  it('restart one after the other, and no client notices', { timeout: 120_000 }, async () => {
    const modern = await modernClient(modernHttp(cluster, '/web/mcp'))
    const legacy = await legacyClient(httpTransport(cluster, '/child/mcp'))
    const state = { isOver: false, calls: 0 }
    const failures: string[] = []
    const work = async (client: AnyClient): Promise<void> => {
      while (!state.isOver) {
        await client.call('test_tool_with_progress').then(
          () => (state.calls += 1),
          (error: unknown) => failures.push(String(error)),
        )
      }
    }
    const workers = [work(modern), work(legacy)]
    for (const member of cluster.members) {
      expect(await member.end('SIGTERM')).toBe(0)
      await member.start()
    }
    state.isOver = true
    await Promise.all(workers)
    // What the kernel had accepted in the moment in which a listener closed: one call in some thirty restarts (docs/operate.md, Restart replicas).
    const isCut = (failure: string): boolean => failure.includes('502 Bad Gateway')
    expect(failures.filter((failure) => !isCut(failure))).toEqual([])
    expect(failures.filter(isCut).length).toBeLessThanOrEqual(1)
    expect(state.calls).toBeGreaterThan(10)
    await Promise.all([modern.close(), legacy.close()])
  })
})
