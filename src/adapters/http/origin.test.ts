import { describe, expect, it } from 'vitest'
import { echo, rawClient, send, startListener, statuses } from '../../../test/http-rig.ts'
import type { Handle } from '../../../test/http-rig.ts'
import { createHostCheck } from './allowed-host.ts'
import type { HttpListenerOptions } from './listener.ts'

const seeing: Handle = (request, response, refusal) => response.answer(refusal === undefined ? 200 : 403, {}, refusal?.code ?? request.remoteAddress)

async function statusFor(host: string, options: Partial<HttpListenerOptions> = {}): Promise<number> {
  const { port } = await startListener(echo, options)
  return (await send(port, { headers: { host } })).status
}

describe('Host check', () => {
  it('lets the names of this machine pass, with any port', async () => {
    const { port } = await startListener()
    for (const host of ['localhost', 'localhost:7400', '127.0.0.1', '127.0.0.1:1', '[::1]', '[::1]:80', 'LOCALHOST', 'localhost.']) {
      expect((await send(port, { headers: { host } })).status, host).toBe(200)
    }
  })

  it('refuses every other name, so that a page cannot rebind its own', async () => {
    const { port } = await startListener()
    const evil = ['evil.example', 'localhost.evil.example', 'evil.example:7400', '127.0.0.1.evil.example', '0.0.0.0', 'localhost:x', '[::2]', 'localhost@evil', 'user@localhost', 'localhost, evil']
    for (const host of evil) {
      const { status, text } = await send(port, { headers: { host } })
      expect({ host, status, text }).toEqual({ host, status: 403, text: 'forbidden_host' })
    }
  })

  it('lets the host of the public URL pass, with any port', async () => {
    const check = createHostCheck({ boundHost: '127.0.0.1', publicUrl: 'https://mcp.example/base' })
    for (const host of ['mcp.example', 'mcp.example:8443', 'localhost']) expect(check.allows(host), host).toBe(true)
    for (const host of ['x.mcp.example', 'mcp.example.evil', undefined]) expect(check.allows(host), host).toBe(false)
  })

  it('takes a list instead of the loopback names, by name or by name and port', async () => {
    const options = { allowedHosts: ['a.example', 'b.example:8080'] }
    expect(await statusFor('a.example:99', options)).toBe(200)
    expect(await statusFor('b.example:8080', options)).toBe(200)
    expect(await statusFor('b.example', options)).toBe(403)
    expect(await statusFor('localhost', options)).toBe(403)
  })

  it('refuses an empty Host and an HTTP/1.0 request without one, and 400s an HTTP/1.1 one', async () => {
    const { port } = await startListener()
    const empty = rawClient(port)
    empty.write('GET /mcp HTTP/1.1\r\nHost:\r\n\r\n')
    await empty.until(/forbidden_host$/)
    const old = rawClient(port)
    old.write('GET /mcp HTTP/1.0\r\n\r\n')
    expect(await old.closed()).toContain(' 403 ')
    const newer = rawClient(port)
    newer.write('GET /mcp HTTP/1.1\r\n\r\n')
    expect(statuses(await newer.closed())).toEqual([400])
  })

  it('judges the authority of an absolute-form target too, and finds its path', async () => {
    const { port } = await startListener((request, response, refusal) => response.answer(refusal === undefined ? 200 : 403, {}, `${request.path}?${request.query}`))
    const client = rawClient(port)
    client.write('GET http://localhost:1/mcp?a=1 HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/\r\n\r\n\/mcp\?a=1$/)
    client.write('GET http://evil.example/mcp HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/403/)
    client.write('GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/\r\n\r\n\/\?$/)
    expect(statuses(client.received())).toEqual([200, 403, 200])
  })
})

describe('Origin check and CORS', () => {
  it('lets requests without an Origin pass, without CORS headers', async () => {
    const { port } = await startListener()
    const answer = await send(port)
    expect(answer.status).toBe(200)
    expect(answer.headers['access-control-allow-origin']).toBeUndefined()
  })

  it('tells pages of this machine that they may read the answer', async () => {
    const { port } = await startListener((_request, response) => response.answer(200, { Vary: 'Accept' }, ''))
    for (const origin of ['http://localhost:6274', 'https://127.0.0.1', 'http://[::1]:3000']) {
      const { headers } = await send(port, { headers: { origin } })
      expect(headers['access-control-allow-origin']).toBe(origin)
      expect(headers['access-control-expose-headers']).toBe('Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate')
      expect(headers.vary).toBe('Accept, Origin')
    }
  })

  it('refuses every other page, and tells its browser nothing', async () => {
    const { port } = await startListener()
    for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example', 'http://localhost:1@evil', 'file://', 'http://localhost:80/']) {
      const answer = await send(port, { headers: { origin } })
      expect(answer, origin).toMatchObject({ status: 403, text: 'forbidden_origin' })
      expect(answer.headers['access-control-allow-origin']).toBeUndefined()
    }
  })

  it('lets the page at the public URL pass, and with a list only what is on it', async () => {
    const own = await startListener(echo, { publicUrl: 'https://mcp.example/x' })
    expect((await send(own.port, { headers: { origin: 'https://mcp.example' } })).status).toBe(200)
    expect((await send(own.port, { headers: { origin: 'http://mcp.example' } })).status).toBe(403)
    const listed = await startListener(echo, { allowedOrigins: ['https://app.example'] })
    expect((await send(listed.port, { headers: { origin: 'https://app.example' } })).status).toBe(200)
    for (const origin of ['http://localhost', 'https://app.example:8443', 'https://APP.example']) {
      expect((await send(listed.port, { headers: { origin } })).status, origin).toBe(403)
    }
  })

  it('answers a preflight itself, naming the headers of MCP and the parameter headers asked for', async () => {
    let asked = 0
    const { port } = await startListener((_request, response, refusal) => {
      asked++
      response.answer(refusal === undefined ? 200 : 403, {}, '')
    })
    const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,mcp-param-Region, x-evil, mcp-param-a b' }
    const allowed = await send(port, { verb: 'OPTIONS', headers: { origin: 'http://localhost:1', ...preflight } })
    expect(allowed.status).toBe(204)
    expect(asked).toBe(0)
    expect(allowed.headers).toMatchObject({
      'access-control-allow-origin': 'http://localhost:1',
      'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
      'access-control-max-age': '600',
    })
    expect(allowed.headers.vary).toContain('Origin')
    const names = allowed.headers['access-control-allow-headers']?.split(', ')
    expect(names).toEqual(expect.arrayContaining(['authorization', 'content-type', 'last-event-id', 'mcp-session-id', 'mcp-protocol-version', 'mcp-method', 'mcp-name', 'mcp-param-region']))
    expect(names).not.toContain('x-evil')
    expect(names).not.toContain('mcp-param-a b')
    const refused = await send(port, { verb: 'OPTIONS', headers: { origin: 'https://evil.example', ...preflight } })
    expect(refused.status).toBe(403)
    expect(refused.headers['access-control-allow-origin']).toBeUndefined()
  })
})

describe('trusted proxies', () => {
  const forwarded = { 'x-forwarded-for': '9.9.9.9, 203.0.113.7, 10.0.0.2', 'x-forwarded-host': 'mcp.example', 'x-forwarded-proto': 'https' }

  it('believes nobody by default', async () => {
    const { port } = await startListener(seeing)
    expect((await send(port, { headers: forwarded })).text).toBe('127.0.0.1')
  })

  it('believes a named proxy back to the first address that is not one', async () => {
    const { port } = await startListener(seeing, { trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'], publicUrl: 'https://mcp.example' })
    expect((await send(port, { headers: { ...forwarded, host: 'internal' } })).text).toBe('203.0.113.7')
    expect((await send(port, { headers: { ...forwarded, 'x-forwarded-host': 'evil.example' } })).text).toBe('forbidden_host')
    expect((await send(port, { headers: { 'x-forwarded-for': 'unknown' } })).text).toBe('127.0.0.1')
    expect((await send(port, { headers: { 'x-forwarded-for': '[2001:db8::1]:99' } })).text).toBe('2001:db8::1')
  })

  it('believes no other peer', async () => {
    const { port } = await startListener(seeing, { trustedProxies: ['10.0.0.0/8'] })
    expect((await send(port, { headers: forwarded })).text).toBe('127.0.0.1')
  })

  it('reads Forwarded only where it was chosen, and then nothing else', async () => {
    const headers = { ...forwarded, forwarded: 'for=9.9.9.9, for="[2001:db8::7]:4711";host=localhost;proto=https' }
    const chosen = await startListener(seeing, { trustedProxies: ['127.0.0.1'], forwardedHeaders: 'forwarded' })
    expect((await send(chosen.port, { headers })).text).toBe('2001:db8::7')
    const other = await startListener(seeing, { trustedProxies: ['127.0.0.1'] })
    expect((await send(other.port, { headers: { forwarded: 'for=9.9.9.9' } })).text).toBe('127.0.0.1')
  })
})
