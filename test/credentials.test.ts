import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { closeAfter, startRig } from './gateway-rig.ts'
import { legacy, modern, openSession } from './mcp-client.ts'

/** A server that speaks both eras, and keeps every header name and value that it was ever sent. */
async function startListening() {
  const heard: string[] = []
  const server = createServer((incoming, response) => {
    heard.push(...incoming.rawHeaders)
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      if (incoming.method !== 'POST') return void response.writeHead(405).end()
      const body = Buffer.concat(chunks).toString()
      heard.push(body)
      const { id, method } = JSON.parse(body) as { id?: number; method: string }
      if (id === undefined) return void response.writeHead(202).end()
      const hints = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' }
      const results: Record<string, unknown> = {
        initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'listening', version: '1' } },
        'server/discover': { ...hints, supportedVersions: ['2026-07-28'], capabilities: { tools: {} } },
        'tools/list': { ...hints, tools: [{ name: 'echo', inputSchema: { type: 'object' } }] },
        'tools/call': { resultType: 'complete', content: [] },
      }
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result: results[method] ?? {} }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closeAfter({ close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))) })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, heard }
}

describe('the token of a client', () => {
  it('goes to no server, in either era; the server gets its own credential', async () => {
    const upstream = await startListening()
    const headers = { authorization: 'Bearer configured-for-the-server' }
    const rig = await startRig({ servers: { up: { transport: 'http', url: upstream.url, headers } } })
    const session = await openSession(rig.port, { path: '/up/mcp' })
    await legacy(rig.port, session, 'tools/call', { name: 'echo', arguments: {} }, { path: '/up/mcp' })
    await modern(rig.port, 'tools/call', { name: 'echo', arguments: {} }, { path: '/up/mcp' })
    expect(upstream.heard.filter((one) => one.includes('"tools/call"'))).toHaveLength(2)
    expect(upstream.heard).toContain('Bearer configured-for-the-server')
    expect(upstream.heard.filter((one) => /alice/.test(one))).toEqual([])
  })
})
