import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startActor } from '../../../test/fixtures/upstream/actor.ts'
import type { Act, Actor } from '../../../test/fixtures/upstream/actor.ts'
import { until } from '../../../test/fixtures/upstream/support.ts'
import { modernRequest } from '../../../test/mcp-client.ts'
import { createGateway } from './gateway.ts'
import type { GatewayOptions, PortolanGateway } from './gateway.ts'

const TOKEN = 'a-token-of-more-than-thirty-two-characters'
const closers: (() => Promise<unknown>)[] = []
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-library-'))
})
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
  rmSync(folder, { recursive: true, force: true })
})

async function start(acts: Record<string, Act> = {}, options: GatewayOptions = {}): Promise<{ gateway: PortolanGateway; actor: Actor; config: object }> {
  const actor = await startActor(['modern', 'legacy'], acts)
  closers.push(() => actor.close())
  const config = { mcpServers: { a: { url: actor.url } } }
  const gateway = await createGateway(config, { token: TOKEN, ...options })
  closers.push(() => gateway.close())
  return { gateway, actor, config }
}

function request(method: string, params: Record<string, unknown>, more: RequestInit & { token?: string; headers?: Record<string, string> } = {}): Request {
  const { headers, body, path } = modernRequest(method, params, { token: more.token ?? TOKEN, headers: more.headers ?? {} })
  const { signal } = more
  return new Request(`http://localhost${path}`, { method: 'POST', headers, body, ...(signal === undefined ? {} : { signal }) })
}
const call = (name: string, more = {}) => request('tools/call', { name, arguments: {} }, more)

describe('a gateway made by a program', () => {
  it('answers Fetch requests, refuses other tokens, origins and hosts, and too large bodies', async () => {
    const { gateway } = await start()
    const answer = await gateway.fetch(call('a__echo'))
    expect([answer.status, await answer.json()]).toMatchObject([200, { id: 1, result: { echo: {} } }])
    expect((await gateway.fetch(call('a__echo', { token: 'another' }))).status).toBe(401)
    expect((await gateway.fetch(call('a__echo', { headers: { origin: 'https://evil.example' } }))).status).toBe(403)
    expect((await gateway.fetch(new Request('http://evil.example/mcp', { method: 'POST' }))).status).toBe(403)
    const large = request('tools/call', { name: 'a__echo', arguments: { text: 'x'.repeat(5 * 1024 * 1024) } })
    expect((await gateway.fetch(large)).status).toBe(413)
    const preflight = new Request('http://localhost/mcp', { method: 'OPTIONS', headers: { origin: 'http://localhost:3000', 'access-control-request-method': 'POST' } })
    expect((await gateway.fetch(preflight)).status).toBe(204)
  })

  it('streams what comes before a result, and a Fetch client that goes away has cancelled', async () => {
    const gate = Promise.withResolvers<void>()
    let isGone = false
    const slow: Act = ({ progress, answer, response }) => {
      progress(1)
      response.on('close', () => (isGone = true))
      void gate.promise.then(() => answer())
    }
    const { gateway } = await start({ slow })
    const params = { name: 'a__slow', arguments: {}, _meta: {} }
    const asked = (signal?: AbortSignal): Request => {
      const { headers, body, path } = modernRequest('tools/call', params, { token: TOKEN, meta: { progressToken: 7 } })
      return new Request(`http://localhost${path}`, { method: 'POST', headers, body, ...(signal === undefined ? {} : { signal }) })
    }
    const abort = new AbortController()
    const first = await gateway.fetch(asked(abort.signal))
    expect(first.headers.get('content-type')).toBe('text/event-stream')
    abort.abort()
    await until(() => isGone)
    await until(() => gateway.status().inFlight === 0)
    const second = await gateway.fetch(asked())
    gate.resolve()
    const text = await second.text()
    expect(text).toContain('"progressToken":7')
    expect(text).toContain('"result"')
  })

  it('answers node:http requests, and says where a body parser was before it', async () => {
    const errors: string[] = []
    const { gateway } = await start({}, { log: ({ level, event }) => void (level === 'error' && errors.push(event)) })
    const server = createServer((incoming, outgoing) => {
      if (incoming.url !== '/parsed/mcp') return gateway.handle(incoming, outgoing)
      incoming.resume().on('end', () => {
        incoming.url = '/mcp'
        gateway.handle(incoming, outgoing)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()))
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { headers, body } = modernRequest('tools/call', { name: 'a__echo', arguments: {} }, { token: TOKEN })
    expect((await fetch(`${base}/mcp`, { method: 'POST', headers, body })).status).toBe(200)
    expect((await fetch(`${base}/nothing`)).status).toBe(404)
    expect((await fetch(`${base}/parsed/mcp`, { method: 'POST', headers, body })).status).toBe(500)
    expect(errors).toEqual(['Hand requests over before any body parser sees them'])
  })

  it('serves a client on standard input and output', async () => {
    const { gateway } = await start()
    const [input, output] = [new PassThrough(), new PassThrough()]
    const served = gateway.stdio({ input, output })
    input.end(`${modernRequest('tools/call', { name: 'a__echo', arguments: {} }).body}\n`)
    await served
    expect(JSON.parse(String(output.read()))).toMatchObject({ id: 1, result: { echo: {} } })
  })

  it('reloads another configuration, or says every problem and keeps the old one', async () => {
    const { gateway, actor, config } = await start()
    expect(gateway.reload()).toMatchObject({ outcome: 'unchanged' })
    expect(gateway.reload({ mcpServers: { b: { url: actor.url } } })).toMatchObject({ outcome: 'changed', change: { added: ['b'], removed: ['a'] } })
    expect((await gateway.fetch(call('b__echo'))).status).toBe(200)
    const refused = gateway.reload({ mcpServers: { b: { url: 1 }, mcp: { url: actor.url } } })
    expect(refused).toMatchObject({ outcome: 'refused', problems: expect.arrayContaining([expect.objectContaining({ path: 'mcpServers.mcp' })]) })
    expect(gateway.status().servers.map(({ name }) => name)).toEqual(['b'])
    expect(gateway.reload(config)).toMatchObject({ outcome: 'changed' })
  })

  it('keeps token, keys and ledger in a data folder, and makes a token of its own without one', async () => {
    const path = join(folder, 'portolan.json')
    writeFileSync(path, JSON.stringify({ mcpServers: { a: { command: 'x' } } }))
    const dataFolder = join(folder, 'data')
    const first = await createGateway(path, { dataFolder })
    await first.fetch(request('server/discover', {}, { token: 'wrong' }))
    await first.close()
    const second = await createGateway(path, { dataFolder })
    const third = await createGateway(path)
    await Promise.all([second.close(), third.close()])
    expect(second.token).toBe(first.token)
    expect(third.token).not.toBe(first.token)
    expect(readFileSync(join(dataFolder, 'ledger.jsonl'), 'utf8')).toContain('"unauthorized"')
  })

  it('is not made of a bad configuration, and tells all that is wrong', async () => {
    await expect(createGateway({ mcpServers: { mcp: { command: 'x' } }, portolan: { version: 1, nope: 1 } })).rejects.toThrow(/2 problems[^]*mcpServers\.mcp[^]*portolan\.nope|2 problems[^]*portolan\.nope[^]*mcpServers\.mcp/)
    await expect(createGateway(join(folder, 'nothing.json'))).rejects.toThrow('there is no such file')
  })

  it('refuses what comes after close', async () => {
    const { gateway } = await start()
    await gateway.close()
    expect((await gateway.fetch(call('a__echo'))).status).toBe(503)
  })
})
