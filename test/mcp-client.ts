/** MCP clients that hide nothing: requests of every revision as they stand on the wire, and streams read event by event. */
import { request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { send } from './http-rig.ts'
import type { Answer } from './http-rig.ts'
import { asciiJson } from '../src/protocol/json.ts'
import { until } from './fixtures/upstream/support.ts'

const MODERN = '2026-07-28'
const BOTH = 'application/json, text/event-stream'

export interface Asked {
  readonly path?: string
  readonly token?: string
  readonly id?: number | string
  /** Members of `_meta`, beside or instead of the usual ones; `undefined` leaves one out. */
  readonly meta?: Record<string, unknown>
  /** HTTP headers, beside or instead of the usual ones; '' leaves one out. */
  readonly headers?: Record<string, string>
  /** Instead of the message made from method and params. */
  readonly body?: string
}

export interface WireRequest {
  readonly verb: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string
}

function without(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''))
}

/** A 2026-07-28 request as it stands on the wire. */
export function modernRequest(method: string, params: Record<string, unknown> = {}, asked: Asked = {}): WireRequest {
  const { path = '/mcp', token = 'alice', id = 1, meta = {}, headers = {} } = asked
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': MODERN,
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
    ...meta,
  }
  const subject = /^(tools\/call|prompts\/get)$/.test(method) ? params['name'] : method === 'resources/read' ? params['uri'] : undefined
  return {
    verb: 'POST',
    path,
    headers: without({
      authorization: token === '' ? '' : `Bearer ${token}`,
      'content-type': 'application/json',
      accept: BOTH,
      'mcp-protocol-version': MODERN,
      'mcp-method': method,
      'mcp-name': typeof subject === 'string' ? subject : '',
      ...headers,
    }),
    body: asked.body ?? asciiJson({ jsonrpc: '2.0', id, method, params: { ...params, _meta } }),
  }
}

/** The request byte for byte, for clients that stop or go on where they should not. */
export function wireText({ verb, path, headers, body }: WireRequest): string {
  const lines = Object.entries({ host: '127.0.0.1', 'content-length': String(body.length), ...headers })
  return `${verb} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}

export function modern(port: number, method: string, params?: Record<string, unknown>, asked?: Asked): Promise<Answer> {
  return send(port, modernRequest(method, params, asked))
}

/** A request without `_meta`. `session` '' for none. */
export function legacyRequest(session: string, method: string, params: Record<string, unknown> = {}, asked: Asked = {}): WireRequest {
  const { path = '/mcp', token = 'alice', id = 1, headers = {} } = asked
  return {
    verb: 'POST',
    path,
    headers: without({
      authorization: token === '' ? '' : `Bearer ${token}`,
      'content-type': 'application/json',
      accept: BOTH,
      'mcp-session-id': session,
      ...headers,
    }),
    body: asked.body ?? asciiJson({ jsonrpc: '2.0', id, method, params }),
  }
}

export function legacy(port: number, session: string, method: string, params?: Record<string, unknown>, asked?: Asked): Promise<Answer> {
  return send(port, legacyRequest(session, method, params, asked))
}

export interface Opened extends Asked {
  readonly revision?: string
  readonly capabilities?: Record<string, unknown>
}

/** Opens a session; resolves with its id. */
export async function openSession(port: number, opened: Opened = {}): Promise<string> {
  const { revision = '2025-11-25', capabilities = {}, ...asked } = opened
  const params = { protocolVersion: revision, capabilities, clientInfo: { name: 'test', version: '1' } }
  const answer = await legacy(port, '', 'initialize', params, asked)
  const session = answer.headers['mcp-session-id']
  if (typeof session !== 'string') throw new Error(`initialize was answered ${answer.status}: ${answer.text}`)
  const body = '{"jsonrpc":"2.0","method":"notifications/initialized"}'
  await legacy(port, session, '', {}, { ...asked, body })
  return session
}

export function getRequest(session: string, headers: Record<string, string> = {}, path = '/mcp'): WireRequest {
  return { verb: 'GET', path, headers: without({ authorization: 'Bearer alice', accept: 'text/event-stream', 'mcp-session-id': session, ...headers }), body: '' }
}

export interface SseEvent {
  readonly id: string
  readonly event: string
  readonly retry: string
  readonly data: string
}

export interface Stream {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly events: readonly SseEvent[]
  /** Everything, as it came. */
  text(): string
  /** Parsed data of all events that have any. */
  messages(): Record<string, unknown>[]
  /** Resolves when so many messages have come; rejects after 5 s. */
  count(messages: number): Promise<Record<string, unknown>[]>
  readonly ended: boolean
  readonly incoming: IncomingMessage
  /** Goes away without a word. */
  drop(): void
  close(): Promise<void>
}

/** Sends the request and reads its answer as a stream of events; resolves with the head. */
export function openStream(port: number, wire: WireRequest): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const { verb, path, headers, body } = wire
    const outgoing: ClientRequest = httpRequest({ host: '127.0.0.1', port, method: verb, path, headers, agent: false }, (incoming) => {
      const stream = readStream(outgoing, incoming)
      resolve(stream)
    })
    outgoing.on('error', reject)
    outgoing.end(body, 'latin1')
  })
}

function readStream(outgoing: ClientRequest, incoming: IncomingMessage): Stream {
  const events: SseEvent[] = []
  let rest = ''
  let whole = ''
  let ended = false
  incoming.setEncoding('utf8').on('data', (chunk: string) => {
    whole += chunk
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) if (!block.startsWith(':')) events.push(readEvent(block))
  })
  incoming.on('end', () => (ended = true)).on('error', () => (ended = true))
  const messages = (): Record<string, unknown>[] =>
    events.flatMap(({ data }) => (data.startsWith('{') || data.startsWith('[') ? [JSON.parse(data) as Record<string, unknown>] : []))
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    events,
    text: () => whole,
    messages,
    async count(wanted) {
      await until(() => messages().length >= wanted || ended)
      return messages()
    },
    get ended() {
      return ended
    },
    incoming,
    drop: () => outgoing.destroy(),
    close: () => Promise.resolve(void outgoing.destroy()),
  }
}

function readEvent(block: string): SseEvent {
  const field = (name: string): string =>
    block
      .split('\n')
      .filter((line) => line.startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).trimStart())
      .join('\n')
  return { id: field('id'), event: field('event'), retry: field('retry'), data: field('data') }
}

/** The JSON-RPC message in an answer, whether it came as JSON or as the last event of a stream. */
export function messageOf(answer: Answer): Record<string, unknown> {
  const isStream = String(answer.headers['content-type']).startsWith('text/event-stream')
  const text = isStream ? (answer.text.split('\n').findLast((line) => line.startsWith('data: {')) ?? '').slice(6) : answer.text
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
}

/** The JSON-RPC error code in an answer; 0 where there is none. */
export function codeOf(answer: Answer): number {
  const { error } = messageOf(answer)
  return typeof error === 'object' && error !== null && 'code' in error ? Number(error.code) : 0
}
