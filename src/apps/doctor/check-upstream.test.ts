import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import { startReferenceServer } from '../../../test/reference-server-process.ts'
import { doctorRig, makeCertificate } from '../../../test/doctor-rig.ts'
import { clockCheck, clockFindings, yearFinding } from './check-clock.ts'
import { upstreamCheck } from './check-upstream.ts'
import { urlCheck } from './check-url.ts'
import { connectionFinding } from './connection-fault.ts'

const rig = doctorRig()
const SECRET = 'sk-very-secret-1234'

async function listen(server: Server | ReturnType<typeof createTcpServer>, scheme = 'http'): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  rig.onEnd(() => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const serve = (listener: RequestListener): Promise<string> => listen(createServer(listener))

/** A TLS server whose certificate is for this name, and these days from now. */
async function serveTls(name: string, from: number, to: number): Promise<string> {
  const { key, cert } = makeCertificate(rig.folder, { name, from, to })
  return await listen(createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_request, response) => void response.writeHead(404).end()) as Server, 'https')
}

async function upstreamOf(url: string, headers: Readonly<Record<string, string>> = {}, trialMs = 9_000): ReturnType<typeof rig.run> {
  return await rig.run(upstreamCheck, rig.context({ remote: { url, headers } }, { trialMs }))
}

describe('the check of HTTP servers', { timeout: 30_000 }, () => {
  it('is content with one that answers', async () => {
    const server = await startReferenceServer()
    rig.onEnd(server.stop)
    expect(await upstreamOf(server.url)).toMatchObject([{ verdict: 'ok', subject: 'remote' }])
  })

  it('tells a name that nobody knows from a port where nobody listens', async () => {
    expect(await upstreamOf('http://no-such-host.invalid/mcp')).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('no-such-host.invalid is not known') }])
    const server = createServer()
    const url = await listen(server)
    server.close()
    await once(server, 'close')
    expect(await upstreamOf(`${url}/mcp`)).toMatchObject([{ verdict: 'problem', explanation: expect.stringMatching(/^Nothing listens on 127\.0\.0\.1:\d+/) }])
  })

  it('explains a self-signed certificate, and which variable makes it trusted', async () => {
    const url = await serveTls('IP:127.0.0.1', -1, 10)
    expect(await upstreamOf(`${url}/mcp`)).toMatchObject([
      { verdict: 'problem', explanation: expect.stringMatching(/^Its certificate is self-signed\. It is for 127\.0\.0\.1, by Test Server\. Give .* NODE_EXTRA_CA_CERTS/), next: expect.stringContaining('NODE_EXTRA_CA_CERTS=$PWD/ca.pem') },
    ])
  })

  it('speaks of TLS where a clear-text server is asked for it', async () => {
    const url = (await serve((_request, response) => void response.end())).replace('http:', 'https:')
    expect(await upstreamOf(`${url}/mcp`)).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('does not speak TLS') }])
  })

  it('shows what a server that wants credentials asks for, not which it was given', async () => {
    const url: string = await serve((request, response) => {
      if (request.url?.startsWith('/.well-known/oauth-protected-resource') === true) {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ resource: `${url}/mcp`, authorization_servers: ['https://login.example'], scopes_supported: ['tools'] }))
      } else {
        response.writeHead(401, { 'www-authenticate': `Bearer resource_metadata="${url}/.well-known/oauth-protected-resource/mcp"` }).end()
      }
    })
    const [bare] = await upstreamOf(`${url}/mcp`)
    expect(bare).toMatchObject({ verdict: 'problem', next: `curl -s ${url}/.well-known/oauth-protected-resource/mcp` })
    expect(bare?.explanation).toMatch(/answers 401: it asks for credentials, .*Tokens come from https:\/\/login\.example, with the scopes tools\./)
    const [given] = await upstreamOf(`${url}/mcp?key=${SECRET}`, { Authorization: `Bearer ${SECRET}` })
    expect(given?.explanation).toContain('refused the credentials that the configuration gives')
    expect(JSON.stringify(given)).not.toContain(SECRET)
  })

  it.each([
    [503, 'text/plain', 'answers 503. The server behind its proxy is down'],
    [500, 'text/plain', 'answers 500. It fails by itself'],
    [200, 'text/html', 'answers a web page ("Sign in"), not MCP'],
  ])('explains status %i with %s', async (status, type, words) => {
    const url = await serve((_request, response) => void response.writeHead(status, { 'content-type': type }).end('<html><title>Sign in</title></html>'))
    expect(await upstreamOf(`${url}/mcp`)).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining(words) }])
  })

  it('says that a server takes connections and answers nothing', async () => {
    const url = await listen(createTcpServer(() => undefined))
    expect(await upstreamOf(`${url}/mcp`, {}, 2_000)).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('takes connections, but gave no answer for 2 s') }])
  })
})

describe('certificates and their days', { timeout: 30_000 }, () => {
  it.each([
    [-20, -10, 'Its certificate expired on'],
    [10, 20, 'Its certificate is not yet valid'],
  ])('are explained where they are from %i to %i days from now', async (from, to, words) => {
    const url = await serveTls('IP:127.0.0.1', from, to)
    const context = rig.context({ remote: { url } })
    const [server] = context.servers
    if (server?.target.transport !== 'http') throw new Error('not compiled')
    const failure = from > 0 ? 'CERT_NOT_YET_VALID' : 'CERT_HAS_EXPIRED'
    expect((await connectionFinding({ server, target: server.target }, `${failure}: ${url}`, {})).explanation).toContain(words)
  })

  it('are explained where they are for another name', async () => {
    const url = await serveTls('DNS:other.example', -1, 10)
    const [server] = rig.context({ remote: { url } }).servers
    if (server?.target.transport !== 'http') throw new Error('not compiled')
    const finding = await connectionFinding({ server, target: server.target }, `ERR_TLS_CERT_ALTNAME_INVALID: ${url}`, {})
    expect(finding.explanation).toBe('Its certificate is not for 127.0.0.1. It is for other.example, by Test Server. Use a name that it is for.')
  })
})

describe('the check of addresses', { timeout: 30_000 }, () => {
  it('finds the endpoint that a URL without its path misses', async () => {
    const server = await startReferenceServer()
    rig.onEnd(server.stop)
    const context = rig.context({ remote: { url: new URL('/', server.url).href }, right: { url: server.url } })
    expect(await rig.run(urlCheck, context)).toMatchObject([
      { verdict: 'problem', subject: 'remote', explanation: expect.stringContaining(`but Streamable HTTP is at ${server.url}: write that as "url"`) },
      { verdict: 'ok', subject: 'right' },
    ])
  })

  it('does not follow a redirect, but says where it leads', async () => {
    const url = await serve((request, response) => void response.writeHead(307, { location: `${request.url}/?key=${SECRET}` }).end())
    const [finding] = await rig.run(urlCheck, rig.context({ remote: { url: `${url}/mcp` } }))
    expect(finding).toMatchObject({ verdict: 'problem', explanation: expect.stringContaining(`sends clients on to ${url}/mcp/. Portolan follows no redirects`) })
    expect(JSON.stringify(finding)).not.toContain(SECRET)
  })

  it('tells HTTP+SSE from Streamable HTTP, and finds the one that the path misses', async () => {
    const everything = fileURLToPath(new URL('../../../node_modules/.bin/mcp-server-everything', import.meta.url))
    const start = async (transport: string): Promise<string> => {
      const port = await freePort()
      const child = spawn(process.execPath, [everything, transport], { env: { ...process.env, PORT: String(port) }, stdio: ['ignore', 'ignore', 'pipe'] })
      rig.onEnd(() => child.kill())
      await once(child.stderr, 'data')
      const url = `http://127.0.0.1:${port}`
      await vi.waitFor(() => fetch(url), { timeout: 10_000 })
      return url
    }
    const [sse, streamable] = await Promise.all([start('sse'), start('streamableHttp')])
    const context = rig.context({ old: { url: `${sse}/sse` }, oldAtMcp: { url: `${sse}/mcp` }, newAtSse: { url: `${streamable}/sse`, type: 'sse' } })
    expect(await rig.run(urlCheck, context)).toMatchObject([
      { verdict: 'warning', subject: 'old', explanation: expect.stringContaining('speaks only HTTP+SSE of 2024-11-05') },
      { verdict: 'problem', subject: 'oldAtMcp', explanation: expect.stringContaining(`HTTP+SSE is at ${sse}/sse`) },
      { verdict: 'problem', subject: 'newAtSse', explanation: expect.stringContaining(`Streamable HTTP is at ${streamable}/mcp`) },
    ])
  })

  it('says that there is nothing anywhere', async () => {
    const url = await serve((_request, response) => void response.writeHead(404).end())
    expect(await rig.run(urlCheck, rig.context({ remote: { url } }))).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('nor at /mcp or /sse of that host') }])
  })
})

describe('the check of the clock', { timeout: 30_000 }, () => {
  const servedAt = (offsetMs: number): Promise<string> =>
    serve((_request, response) => void response.writeHead(404, { date: new Date(Date.now() + offsetMs).toUTCString() }).end())

  it('agrees with a server that tells the same time', async () => {
    expect(await rig.run(clockCheck, rig.context({ remote: { url: await servedAt(0) } }))).toMatchObject([{ verdict: 'ok' }])
  })

  it('is a problem where all servers are minutes away', async () => {
    const context = rig.context({ one: { url: await servedAt(600_000) }, two: { url: await servedAt(601_000) } })
    expect(await rig.run(clockCheck, context)).toMatchObject([{ verdict: 'problem', explanation: expect.stringMatching(/^This clock is 10 min behind those of all servers/) }])
  })

  it('blames the server that differs where others agree', async () => {
    const context = rig.context({ one: { url: await servedAt(0) }, two: { url: await servedAt(-3_600_000) } })
    expect(await rig.run(clockCheck, context)).toMatchObject([{ verdict: 'warning', subject: 'two', explanation: expect.stringContaining('its clock is wrong') }])
  })

  it('suspects itself where a certificate is not yet valid', () => {
    expect(clockFindings([{ name: 'one', early: true, skewMs: undefined }])).toMatchObject([{ verdict: 'warning', explanation: expect.stringContaining('of one is not yet valid') }])
  })

  it('takes no year that cannot be', () => {
    expect(yearFinding(0)).toMatchObject({ verdict: 'problem', explanation: expect.stringContaining('it is 1970') })
    expect(yearFinding(Date.UTC(2026, 11))).toBeUndefined()
  })
})
