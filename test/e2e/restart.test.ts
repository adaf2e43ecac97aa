import type { ClientCapabilities } from '@modelcontextprotocol/sdk/types.js'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { startActor } from '../fixtures/upstream/actor.ts'
import { REFERENCE_SERVER_COMMAND } from '../reference-server-process.ts'
import { runPortolan, startPortolan, stopPortolan } from '../portolan-process.ts'
import { ALL_CAPABILITIES, connectSdk1, httpTransport } from '../sdk1-client.ts'
import type { Sdk1Client } from '../sdk1-client.ts'
import { freePort } from '../services/free-port.ts'
import { findPostgres } from '../services/postgres.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

interface Place {
  readonly url: string
  readonly token: string
  readonly dataPath: string
  /** Ends Portolan by SIGKILL or in order, and starts it again on the same port: with the same state, or as `between` says. */
  restart(signal: 'SIGKILL' | 'SIGTERM', between?: () => Promise<readonly string[]>): Promise<void>
}

/** A Portolan that can be killed and started again where it was. */
async function startPlace(args: readonly string[]): Promise<Place> {
  const dataPath = mkdtempSync(join(tmpdir(), 'portolan-restart-'))
  closers.push(() => rmSync(dataPath, { recursive: true, force: true }))
  // One that no connection is given while nobody listens there.
  const port = String(await freePort())
  let portolan = await startPortolan(dataPath, [...args, '--port', port])
  closers.push(() => stopPortolan(portolan))
  const { baseUrl: url, token } = portolan
  return {
    url,
    token,
    dataPath,
    async restart(signal, between = async () => args) {
      portolan.child.kill(signal)
      await portolan.exited
      portolan = await startPortolan(dataPath, [...(await between()), '--port', port])
    },
  }
}

/** What a command prints; rejects with what it says on standard error where it fails. */
async function portolan(...args: string[]): Promise<string> {
  const run = runPortolan(args)
  const { code } = await run.exited
  if (code !== 0) throw new Error(run.stderr())
  return run.stdout()
}

async function connect(place: Place, path = '/reference/mcp', capabilities: ClientCapabilities = {}): Promise<Sdk1Client & { sessionId(): string | undefined }> {
  const transport = httpTransport(place, path)
  const client = await connectSdk1(transport, capabilities)
  closers.push(() => client.close())
  return { ...client, sessionId: () => transport.sessionId }
}

const postgres = await findPostgres()
const EVERYTHING = fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url))
const URI = 'test://watched-resource'

const sqlite = async (): Promise<string[]> => []
const onPostgres = async (): Promise<string[]> => ['--database-url', (await postgres?.newDatabase()) ?? '']

describe('Portolan that ended and was started again', () => {
  const rows = [
    ['SIGKILL', 'SQLite in the data folder', sqlite],
    ['SIGTERM', 'SQLite in the data folder', sqlite],
    ...(postgres === undefined ? [] : [['SIGKILL', 'PostgreSQL', onPostgres] as const]),
  ] as const
  it.each(rows)('by %s, its state in %s, serves a legacy client in the same session', async (signal, _where, args) => {
    const place = await startPlace(await args())
    const { client, sessionId } = await connect(place)
    const before = sessionId()
    expect(await client.callTool({ name: 'test_simple_text' })).toMatchObject({ content: [{ type: 'text' }] })
    await place.restart(signal)
    expect(await client.callTool({ name: 'test_simple_text' })).toMatchObject({ content: [{ type: 'text' }] })
    expect(before).toMatch(/^[\w-]{40,}$/)
    expect(sessionId()).toBe(before)
  })

  it('with another key serves what the former key sealed', async () => {
    const place = await startPlace(await sqlite())
    const { client } = await connect(place)
    const key = (...args: string[]): Promise<string> => portolan('key', ...args, '--data', place.dataPath)
    const [, id = ''] = /^Added (\w+)/.exec(await key('add')) ?? []
    expect(await key('activate', id, '--now')).toContain('seals from now on')
    await place.restart('SIGKILL')
    expect(await key('ls')).toMatch(new RegExp(` opens .*\n${id} +seals`))
    expect(await client.callTool({ name: 'test_simple_text' })).toMatchObject({ content: [{ type: 'text' }] })
  })

  it.skipIf(postgres === undefined)('on PostgreSQL, to which its state was copied, serves the sessions that it had', async () => {
    const place = await startPlace(await sqlite())
    const { client, sessionId } = await connect(place)
    const before = sessionId()
    const [, url = ''] = await onPostgres()
    await expect(portolan('state', 'copy', '--from', place.dataPath, '--to', url)).rejects.toThrow(/Portolan runs on the data folder .* Stop it/)
    await place.restart('SIGTERM', async () => {
      const copied: unknown = JSON.parse(await portolan('state', 'copy', '--from', place.dataPath, '--to', url, '--json'))
      expect(copied).toMatchObject({ tables: expect.arrayContaining([{ table: 'portolan_session', rows: 1 }, { table: 'portolan_key', rows: 1 }]) })
      return ['--database-url', url]
    })
    expect(await client.callTool({ name: 'test_simple_text' })).toMatchObject({ content: [{ type: 'text' }] })
    expect(sessionId()).toBe(before)
  })

  it('does not know a session that its client had ended', async () => {
    const place = await startPlace(await sqlite())
    const { sessionId } = await connect(place)
    const send = (method: string): Promise<Response> =>
      fetch(`${place.url}/reference/mcp`, { method, headers: { authorization: `Bearer ${place.token}`, accept: 'text/event-stream', 'mcp-session-id': sessionId() ?? '' } })
    expect((await send('DELETE')).status).toBeLessThan(300)
    await place.restart('SIGKILL')
    expect((await send('GET')).status).toBe(404)
  })
})

describe('what a restart means for a session', () => {
  /** One server whose children belong to one session each. */
  async function startWith(name: string, server: object, state: string): Promise<Place> {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-restart-'))
    closers.push(() => rmSync(folder, { recursive: true, force: true }))
    writeFileSync(join(folder, 'portolan.json'), JSON.stringify({ mcpServers: { [name]: server }, portolan: { version: 1, servers: { [name]: { state } } } }))
    return startPlace(['--config', join(folder, 'portolan.json')])
  }

  it('its own child, started anew, hears what it subscribed to and at which level it logs', async () => {
    const place = await startWith('reference', REFERENCE_SERVER_COMMAND, 'replayable')
    const { client, notified } = await connect(place, '/reference/mcp', ALL_CAPABILITIES)
    await client.setLoggingLevel('debug')
    await client.subscribeResource({ uri: URI })
    await place.restart('SIGKILL')
    // The client opens its stream again by itself; what comes before that waits for it.
    await client.callTool({ name: 'test_trigger_resource_update', arguments: { uri: URI } })
    await expect.poll(() => notified, { timeout: 15_000 }).toContainEqual({ method: 'notifications/resources/updated', params: { uri: URI } })
    await client.callTool({ name: 'test_tool_with_logging' })
    expect(notified.filter(({ method }) => method === 'notifications/message').length).toBeGreaterThan(0)
  })

  it('an own child that was opaque is lost, and its client is told so', async () => {
    const place = await startWith('everything', { command: process.execPath, args: [EVERYTHING, 'stdio'] }, 'opaque')
    const { client } = await connect(place, '/everything/mcp', ALL_CAPABILITIES)
    await client.callTool({ name: 'echo', arguments: { message: 'once' } })
    await place.restart('SIGKILL')
    await expect(client.listTools()).rejects.toMatchObject({ code: 404 })
    expect(await (await connect(place, '/everything/mcp', ALL_CAPABILITIES)).client.listTools()).toMatchObject({ tools: expect.any(Array) })
  })

  it.each(['SIGKILL', 'SIGTERM'] as const)('its own session at an HTTP server goes on after %s', async (signal) => {
    const actor = await startActor(['legacy'])
    closers.push(() => actor.close())
    const place = await startWith('web', { url: actor.url }, 'opaque')
    const { client } = await connect(place, '/web/mcp', ALL_CAPABILITIES)
    const call = (): Promise<unknown> => client.callTool({ name: 'echo', arguments: { text: 'x' } })
    await call()
    await place.restart(signal)
    await call()
    const [before, after, ...more] = actor.requests.filter(({ json }) => json.method === 'tools/call').map(({ headers }) => headers['mcp-session-id'])
    expect([after, more]).toEqual([before, []])
    expect(actor.sessions).toContain(before)
  })
})
