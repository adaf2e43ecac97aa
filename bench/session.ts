// Opens and ends sessions of the legacy era for the load generator (initialize, initialized, DELETE).
import { postHeaders, REVISION, type Target } from './cases.ts'
import { askOnce, type Connection } from './connection.ts'
import { headerOf } from './reply-reader.ts'

function post(target: Target, message: { method: string }, sessionId: string | null): Buffer {
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))
  const headers: Record<string, string> = postHeaders(target, 'legacy', message.method, null)
  // S25 lifecycle: the version header follows the negotiation, so initialize has none.
  if (sessionId === null) delete headers['MCP-Protocol-Version']
  else headers['Mcp-Session-Id'] = sessionId
  return Buffer.concat([head('POST', target, { ...headers, 'Content-Length': String(body.length) }), body])
}

function head(method: string, target: Target, headers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`${method} ${target.path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
}

/** A session ready for calls; its id. Rejects with an Error that names the step that failed. */
export async function openSession(connection: Connection, target: Target): Promise<string> {
  const params = { protocolVersion: REVISION.legacy, capabilities: {}, clientInfo: { name: 'portolan-bench', version: '1.0.0' } }
  const initialize = { id: 1, method: 'initialize', params }
  const reply = await askOnce(connection, post(target, initialize, null))
  const sessionId = headerOf(reply.head, 'mcp-session-id')
  if (reply.status !== 200 || sessionId === null) throw new Error(`initialize: status ${reply.status}, ${reply.body.toString('utf8', 0, 160)}`)
  const accepted = await askOnce(connection, post(target, { method: 'notifications/initialized' }, sessionId))
  if (accepted.status !== 202) throw new Error(`notifications/initialized: status ${accepted.status}`)
  return sessionId
}

/** Ends a session. A server may refuse (405); that is no error here. */
export async function closeSession(connection: Connection, target: Target, sessionId: string): Promise<void> {
  const { Host = '' } = postHeaders(target, 'legacy', 'DELETE', null)
  await askOnce(connection, head('DELETE', target, { Host, ...target.headers, 'Mcp-Session-Id': sessionId, 'MCP-Protocol-Version': REVISION.legacy }))
}
