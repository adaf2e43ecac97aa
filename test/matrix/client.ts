/** What every client of the matrix can do, whatever its revision, its transport and who wrote it. */
import type { Era } from '../../src/protocol/revision.ts'
import type { Reached } from '../sdk1-client.ts'

export type Json = Readonly<Record<string, unknown>>

/** A response. `code` only where it is a JSON-RPC error, 0 where the client gave up by itself. */
export interface Reply {
  readonly result?: Json
  readonly code?: number
  readonly message?: string
  readonly data?: unknown
  /** As it stood on the wire: clients that write by hand only. */
  readonly text?: string
  /** The HTTP status: clients that write by hand only. */
  readonly status?: number
}

/** What came besides responses, and when responses came, in the order of the transport. */
export interface Heard {
  /** '' for a response. */
  readonly method: string
  readonly params: Json
}

export interface RequestOptions {
  /** Asks for progress. */
  readonly progress?: boolean
  /** Cancels as this client cancels. */
  readonly signal?: AbortSignal
  /** Goes away without a word: clients that write by hand only. */
  readonly gone?: AbortSignal
  /** Loses the connection; the client takes the stream up again: clients that write by hand only. */
  readonly drop?: AbortSignal
  /** Replaced in the text of the request: clients that write by hand only. */
  readonly replace?: readonly [from: string, to: string]
}

/** Any message, as it came. */
export interface Message {
  readonly id?: unknown
  readonly method?: string
  readonly params?: Json
  readonly result?: Json
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
}

/** Answers a question of the server; throws to refuse. */
export type Answerer = (method: string, params: Json) => Json

export interface Wanted {
  readonly lists?: boolean
  readonly uri?: string
}

/** One connection of a client. */
export interface Driver {
  /** The revision that was agreed on. */
  readonly revision: string
  /** What the server said of itself: `capabilities`, `serverInfo`, `instructions`. */
  readonly about: Json
  readonly heard: Heard[]
  /** Methods of what the server asked. */
  readonly asked: string[]
  answer: Answerer
  request(method: string, params?: Json, options?: RequestOptions): Promise<Reply>
  notify(method: string, params?: Json): Promise<void>
  /** How many of its requests a balancer answered in place of Portolan: clients that write by hand only, the others say so themselves. */
  cuts?(): number
  /** Posts a body as it is, and resolves with all that came back: clients that write by hand only. */
  raw?(body: string): Promise<{ readonly status: number; readonly messages: readonly Message[] }>
  /** Asks to be told; resolves once the server agreed. The result ends it. */
  watch(wanted: Wanted): Promise<() => Promise<void>>
  /** From now on messages of this level and above; '' for what was before, where a request says its level. */
  setLevel(level: string): Promise<void>
  close(): Promise<void>
}

export type Transport = 'http' | 'sse' | 'stdio'
/** Whether a client declares all the input that its revision knows, and extensions, or none. */
export type Declares = 'all' | 'none'

export interface MatrixClient {
  readonly id: string
  /** How the page names it. */
  readonly title: string
  readonly era: Era
  readonly revision: string
  readonly transport: Transport
  /** Who wrote it: the official SDKs hide some of the wire. */
  readonly kind: 'sdk1' | 'sdk2' | 'raw'
  /** At `/<server>/mcp` over HTTP; on stdio at all servers as one. */
  connect(to: Reached & { readonly configPath: string; readonly dataDir?: string }, server: string, declares: Declares): Promise<Driver>
}

/** Extensions that every client can declare: one that Portolan knows, and one that nobody does. */
export const EXTENSIONS: Json = { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] }, 'com.example/tables': { level: 2, nested: { a: [null] } } }

/** All that a client can declare in its revision. */
export function capabilitiesOf(revision: string, declares: Declares): Json {
  return declares === 'none' ? {} : { ...inputOf(revision), extensions: EXTENSIONS }
}

function inputOf(revision: string): Json {
  if (revision < '2025-06-18') return { sampling: {}, roots: { listChanged: true } }
  if (revision < '2025-11-25') return { sampling: {}, elicitation: {}, roots: { listChanged: true } }
  return { sampling: { tools: {} }, elicitation: { form: {}, url: {} }, roots: revision < '2026' ? { listChanged: true } : {} }
}

const FIELDS: Readonly<Record<string, unknown>> = { name: 'Ada', color: 'blue', context: 'the sea', response: 'yes', ok: true }
const TOOL_USE = { type: 'tool_use', id: 'use-1', name: 'weather', input: { city: 'Oslo' } }

/** Accepts everything. */
export const acceptAll: Answerer = (method, params) => {
  if (method === 'roots/list') return { roots: [{ uri: 'file:///work', name: 'work' }] }
  if (method === 'sampling/createMessage') {
    const usesTools = params['tools'] !== undefined
    return { model: 'a-model', role: 'assistant', content: usesTools ? [TOOL_USE] : { type: 'text', text: 'Paris' }, stopReason: usesTools ? 'toolUse' : 'endTurn' }
  }
  if (params['mode'] === 'url') return { action: 'accept' }
  const schema = params['requestedSchema'] as { readonly properties?: Json } | undefined
  const content = Object.fromEntries(Object.keys(schema?.properties ?? {}).flatMap((field) => (field in FIELDS ? [[field, FIELDS[field]]] : [])))
  return { action: 'accept', content }
}

/** What a failed request of an official client says. */
export function replyOf(error: unknown): Reply {
  if (!(error instanceof Error)) return { code: 0, message: String(error) }
  const { message } = error
  // The v2 client keeps the body that came with a 404 as text.
  const fields = { code: 'code' in error ? error.code : undefined, data: 'data' in error ? error.data : undefined }
  const body = /"code":\s*(-?\d+)/.exec(`${message} ${JSON.stringify(fields.data ?? {}).replaceAll('\\"', '"')}`)?.[1]
  if (typeof fields.code === 'number' && fields.code < 0) return { code: fields.code, message, data: fields.data }
  if (typeof fields.code === 'number' && body === undefined) return { code: fields.code, message, data: fields.data }
  return { code: body === undefined ? 0 : Number(body), message, data: fields.data }
}
