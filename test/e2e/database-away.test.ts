import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { callModern, startPortolan, stopPortolan } from '../portolan-process.ts'
import { connectSdk1, httpTransport } from '../sdk1-client.ts'
import { startNetwork } from '../services/network.ts'
import { findPostgres } from '../services/postgres.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const postgres = await findPostgres()
const CALL = { name: 'test_simple_text', arguments: {} }
const SAID = { content: [{ type: 'text' }] }

describe.skipIf(postgres === undefined)('Portolan whose database', () => {
  it.each([['cut', '127.0.0.1:1,'], ['silence', ''], ['abandon', '']] as const)('is away (%s) serves what it has, refuses new sessions for a moment, and heals by itself', async (how, deadHosts) => {
    const network = await startNetwork(postgres?.port ?? 0)
    const url = new URL((await postgres?.newDatabase()) ?? '')
    url.port = String(network.port)
    const dataPath = mkdtempSync(join(tmpdir(), 'portolan-away-'))
    closers.push(() => rmSync(dataPath, { recursive: true, force: true }), () => network.close())
    const portolan = await startPortolan(dataPath, ['--database-url', url.href.replace(url.host, `${deadHosts}${url.host}`)])
    closers.push(() => stopPortolan(portolan))
    const at = { url: portolan.baseUrl, token: portolan.token }
    const { client, close } = await connectSdk1(httpTransport(at, '/reference/mcp'))
    closers.push(close)
    const initialize = (): Promise<Response> =>
      fetch(`${at.url}/reference/mcp`, {
        method: 'POST',
        headers: { authorization: `Bearer ${at.token}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } } }),
      })

    network[how]()
    const sinceMs = performance.now()
    const refused = await initialize()
    expect(performance.now() - sinceMs).toBeLessThan(5_000)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await refused.json()).toMatchObject({ error: { code: -31028, message: 'State store unavailable' } })
    expect(await client.callTool(CALL)).toMatchObject(SAID)
    expect(await callModern(`${at.url}/reference/mcp`, at.token, 'tools/call', CALL)).toMatchObject({ status: 200, body: { result: SAID } })
    expect((await fetch(`${at.url}/readyz`)).status).toBe(200)

    // A server that took the address over needs nothing to be healed.
    if (how !== 'abandon') network.heal()
    await expect.poll(async () => (await initialize()).status, { timeout: 10_000 }).toBe(200)
    expect(await client.callTool(CALL)).toMatchObject(SAID)
  })
})
