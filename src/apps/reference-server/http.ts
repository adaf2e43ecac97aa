// The reference server over HTTP, on the loopback interface: one endpoint for every revision. What carries the envelope of
// 2026-07-28, or claims to, is served without state; everything else belongs to a session.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node'
import type { NodeIncomingMessageLike } from '@modelcontextprotocol/node'
import {
  classifyInboundRequest,
  createMcpHandler,
  DEFAULT_MAX_REQUEST_BODY_SIZE as MAX_BODY_BYTES,
  isInitializeRequest,
  isJsonContentType,
  SUPPORTED_PROTOCOL_VERSIONS,
} from '@modelcontextprotocol/server'
import { createRequestServer } from './server.ts'
import { createSessionTable } from './sessions.ts'
import type { SessionLimits, SessionTable } from './sessions.ts'
import type { ReferenceState } from './state.ts'
import { readTaskListen, serveTaskListen } from './task-listen.ts'
import { refusalWithoutTasks } from './tools-task.ts'

const ENDPOINT = '/mcp'
const LOOPBACK = '127.0.0.1'
const CLOSE_GRACE_MS = 1000

/** What the HTTP server is given. `port` 0 takes any free one. `log` gets one line without a line end. */
export type HttpOptions = SessionLimits & { readonly port: number; readonly log: (line: string) => void }

/** A listening server. `close` ends listen streams and sessions, then the connections, within about a second. */
export type HttpHandle = { readonly url: string; readonly sessionCount: () => number; readonly close: () => Promise<void> }

/** Listens on the loopback interface. Rejects when the port is taken. */
export async function serveHttp(state: ReferenceState, options: HttpOptions): Promise<HttpHandle> {
  const sessions = createSessionTable(state, options, Date.now)
  const handler = createMcpHandler(() => createRequestServer(state), {
    legacy: 'reject',
    bus: state.bus,
    onerror: (error) => options.log(error.message),
  })
  const serveModern = toNodeHandler(handler)
  const checkHost = localhostHostValidation()
  const checkOrigin = localhostOriginValidation()

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // DNS rebinding: a page that made its name resolve to this address must not reach a server on loopback.
    if (!checkHost(request, response) || !checkOrigin(request, response)) return
    const { pathname } = new URL(request.url ?? '/', `http://${LOOPBACK}`)
    if (pathname !== ENDPOINT) return refuse(response, 404, -32601, `Only ${ENDPOINT} is served`)
    const body = request.method === 'POST' ? await readBody(request) : ({ ok: true, value: undefined } as const)
    if (!body.ok) return refuse(response, body.fault.status, body.fault.code, body.fault.message)
    const protocolVersion = oneHeader(request, 'mcp-protocol-version')
    const method = oneHeader(request, 'mcp-method')
    const inbound = classifyInboundRequest({
      httpMethod: request.method ?? 'GET',
      body: body.value,
      ...(protocolVersion !== undefined && { protocolVersionHeader: protocolVersion }),
      ...(method !== undefined && { mcpMethodHeader: method }),
    })
    const isModern = inbound.kind !== 'legacy' || (inbound.reason === 'http-method' && !isSessionMethod(request, protocolVersion))
    const refusal = isModern ? refusalWithoutTasks(body.value) : undefined
    if (refusal !== undefined) return void response.writeHead(400, { 'Content-Type': 'application/json' }).end(JSON.stringify(refusal))
    const listen = isModern ? readTaskListen(body.value) : undefined
    if (listen !== undefined) return serveTaskListen(state, listen, response)
    // The SDK's type of a request is not written for exactOptionalPropertyTypes.
    if (isModern) await serveModern(request as NodeIncomingMessageLike, response, body.value)
    else await serveSession(sessions, request, response, body.value)
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      options.log(String(error))
      if (response.headersSent) response.destroy()
      else refuse(response, 500, -32603, 'Internal error')
    })
  })
  server.listen(options.port, LOOPBACK)
  await once(server, 'listening')
  const sweep = setInterval(() => sessions.evictIdle(Date.now()), Math.min(options.idleTimeoutMs, 60_000))
  sweep.unref()

  return {
    url: `http://${LOOPBACK}:${portOf(server.address())}${ENDPOINT}`,
    sessionCount: sessions.count,
    close: async () => {
      clearInterval(sweep)
      const closed = once(server, 'close')
      server.close()
      await handler.close()
      await sessions.close()
      server.closeIdleConnections()
      const force = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
      await closed
      clearTimeout(force)
    },
  }
}

/** GET and DELETE belong to sessions, so to the revisions that have them; everywhere else the answer is 405. */
function isSessionMethod(request: IncomingMessage, protocolVersion: string | undefined): boolean {
  if (request.method !== 'GET' && request.method !== 'DELETE') return false
  return protocolVersion === undefined || SUPPORTED_PROTOCOL_VERSIONS.includes(protocolVersion)
}

async function serveSession(
  sessions: SessionTable,
  request: IncomingMessage,
  response: ServerResponse,
  body: unknown,
): Promise<void> {
  const sessionId = oneHeader(request, 'mcp-session-id')
  if (sessionId !== undefined) {
    const transport = sessions.use(sessionId, response)
    if (transport === undefined) refuse(response, 404, -32001, 'Session not found')
    else await transport.handleRequest(request, response, body)
    return
  }
  if (!isInitializeRequest(body)) return refuse(response, 400, -32000, 'Bad Request: Mcp-Session-Id header is required')
  const transport = await sessions.open()
  if (transport === undefined) {
    response.setHeader('Retry-After', '1')
    refuse(response, 503, -32000, 'Too many sessions')
  } else {
    await transport.handleRequest(request, response, body)
  }
}

type BodyFault = { readonly status: number; readonly code: number; readonly message: string }
type Body = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly fault: BodyFault }

async function readBody(request: IncomingMessage): Promise<Body> {
  const contentType = request.headers['content-type'] ?? null
  if (!isJsonContentType(contentType)) return bodyFault(415, -32000, 'Content-Type must be application/json')
  const chunks: Buffer[] = []
  let lengthBytes = 0
  // Leaving the loop must not destroy the request: its connection still carries the refusal.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    lengthBytes += chunk.byteLength
    if (lengthBytes > MAX_BODY_BYTES) return bodyFault(413, -32000, `The body exceeds ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString())
    // The SDK takes null for "not read yet" and would wait for a body that was read here.
    return value === null ? bodyFault(400, -32600, 'The body is not a JSON-RPC message') : { ok: true, value }
  } catch {
    return bodyFault(400, -32700, 'Parse error: Invalid JSON')
  }
}

function bodyFault(status: number, code: number, message: string): Body {
  return { ok: false, fault: { status, code, message } }
}

function refuse(response: ServerResponse, status: number, code: number, message: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...(status === 413 && { Connection: 'close' }) })
  response.end(JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }))
}

function oneHeader(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  if (address === null || typeof address === 'string') throw new TypeError('The server does not listen on TCP')
  return address.port
}
