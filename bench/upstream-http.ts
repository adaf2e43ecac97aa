// The MCP server behind the HTTP cases: raw node:http, both eras, JSON replies. It refuses modern requests whose headers
// disagree with their body (streamable-http, Mcp-Method and Mcp-Name), so a proxy that forgets them is seen to fail.
// Prints its port on the first line of stdout; ends when its stdin does.
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { REVISION } from './cases.ts'
import { answer, readRequest, type UpstreamRequest } from './upstream-tools.ts'

const sessions = new Set<string>()

function reply(response: ServerResponse, status: number, message: unknown, headers: Record<string, string> = {}): void {
  // All replies are ASCII, so characters are bytes; a string leaves with the head in one write.
  const body = JSON.stringify(message)
  response.sendDate = false
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length, ...headers })
  response.end(body, 'latin1')
}

function refuse(response: ServerResponse, status: number, request: UpstreamRequest | null, code: number, message: string): void {
  reply(response, status, { jsonrpc: '2.0', id: request?.id ?? null, error: { code, message } })
}

function serveModern(request: UpstreamRequest, incoming: IncomingMessage, response: ServerResponse): void {
  const { headers } = incoming
  const named = request.method === 'tools/call' ? request.params['name'] : undefined
  if (headers['mcp-protocol-version'] !== REVISION.modern || headers['mcp-method'] !== request.method || headers['mcp-name'] !== named) {
    refuse(response, 400, request, -32020, 'Header mismatch')
    return
  }
  if (request.id === null) {
    response.writeHead(202).end()
    return
  }
  if (request.method === 'subscriptions/listen') {
    const params = { _meta: { 'io.modelcontextprotocol/subscriptionId': request.id }, notifications: request.params['notifications'] ?? {} }
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params })}\n\n`)
    return
  }
  const outcome = answer(request)
  reply(response, 'error' in outcome && outcome.error.code === -32601 ? 404 : 200, { jsonrpc: '2.0', id: request.id, ...outcome })
}

function serveLegacy(request: UpstreamRequest, incoming: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'initialize') {
    const sessionId = randomUUID()
    sessions.add(sessionId)
    reply(response, 200, { jsonrpc: '2.0', id: request.id, ...answer(request) }, { 'Mcp-Session-Id': sessionId })
    return
  }
  const sessionId = incoming.headers['mcp-session-id']
  if (typeof sessionId !== 'string') refuse(response, 400, request, -32000, 'Missing session id')
  else if (!sessions.has(sessionId)) refuse(response, 404, request, -32001, 'Unknown session')
  else if (request.id === null) response.writeHead(202).end()
  else reply(response, 200, { jsonrpc: '2.0', id: request.id, ...answer(request) })
}

function servePost(incoming: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
  incoming.on('end', () => {
    let message: unknown
    try {
      message = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    } catch {
      refuse(response, 400, null, -32700, 'Parse error')
      return
    }
    const request = readRequest(message)
    if (request === null) refuse(response, 400, null, -32600, 'Invalid request')
    else if (request.era === 'modern') serveModern(request, incoming, response)
    else serveLegacy(request, incoming, response)
  })
}

const server = createServer((incoming, response) => {
  if (incoming.method === 'POST') servePost(incoming, response)
  else if (incoming.method === 'DELETE') response.writeHead(sessions.delete(String(incoming.headers['mcp-session-id'])) ? 200 : 404).end()
  else response.writeHead(405, { Allow: 'POST, DELETE' }).end()
})
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', () => {
  const address = server.address() as AddressInfo
  process.stdout.write(`${address.port}\n`)
})
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
