/**
 * Connects to any MCP server: over HTTP (streamable, or HTTP+SSE of 2024-11-05 where nothing else answers) or as a child
 * process; in the era asked for, or the newest that both speak.
 */

import { Client, SSEClientTransport, SdkError, SdkErrorCode, SdkHttpError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { Transport, VersionNegotiationMode } from '@modelcontextprotocol/client'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { SUPPORTED_LEGACY, SUPPORTED_MODERN, eraOf, isRevision } from '../../protocol/revision.ts'
import type { Era } from '../../protocol/revision.ts'
import { ClientError, RpcError } from './client-error.ts'
import { createConnection, failure } from './connection.ts'
import type { Connection } from './connection.ts'
import { answerInput, inputCapabilities } from './input.ts'
import type { InputHandler } from './input.ts'
import { createStdioTransport } from './stdio-transport.ts'
import { createTap } from './tap.ts'
import { TASK_CAPABILITIES } from './task.ts'
import type { Fetch, Heard, Tap } from './tap.ts'

/** Where a server is. `headers` go with every request, to this origin only. */
export type Target =
  | { readonly kind: 'http'; readonly url: string; readonly headers: Readonly<Record<string, string>> }
  | {
      readonly kind: 'stdio'
      readonly command: string
      readonly args: readonly string[]
      readonly env: Readonly<Record<string, string>>
      readonly cwd: string | undefined
    }

export interface ConnectOptions {
  readonly target: Target
  /** `auto`: modern where the server speaks it. */
  readonly era: Era | 'auto'
  /** The one revision to speak; it decides the era. */
  readonly revision?: string | undefined
  readonly clientInfo: { readonly name: string; readonly version: string }
  /** Who answers for the client; absent: no elicitation, sampling or roots are offered. */
  readonly input?: InputHandler | undefined
  /** Asked for with every request in the modern era. */
  readonly logLevel?: string | undefined
  /** Every request and notification of the server. */
  readonly onHeard?: (heard: Heard) => void
  /** Lines that a child process writes to standard error. */
  readonly onStderrLine?: (line: string) => void
  /** Aborting gives up connecting. */
  readonly signal?: AbortSignal
}

/** Slow starters (npx that downloads) need the time; a silent strict server is asked in the old way after it. */
const PROBE_MS = 15_000
const CONNECT_MS = 60_000

/** Connects, or rejects with ClientError: `unreachable`, `unauthorized`, `no_mcp`, `era_mismatch`, `command_failed`, `cancelled`. */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const plan = planOf(options)
  try {
    return await open(options, plan, 'default')
  } catch (error) {
    const retry = retryFor(options, plan, error)
    if (retry === undefined) throw explained(error, options, plan)
    try {
      return await open(options, { ...plan, mode: 'legacy' }, retry)
    } catch (second) {
      throw explained(retry === 'sse' && !(second instanceof SdkError) ? error : second, options, plan)
    }
  }
}

interface Plan {
  readonly mode: VersionNegotiationMode
  readonly versions: readonly string[]
}

function planOf({ era, revision }: ConnectOptions): Plan {
  if (revision !== undefined) {
    if (!isRevision(revision)) {
      const known = [...SUPPORTED_LEGACY, ...SUPPORTED_MODERN].join(', ')
      throw new ClientError('usage', `${revision} is no revision that this client speaks.`, `Known revisions: ${known}`)
    }
    if (era !== 'auto' && eraOf(revision) !== era) throw new ClientError('usage', `Revision ${revision} is not of the ${era} era.`, 'Leave one of --era and --revision out.')
    return { mode: eraOf(revision) === 'modern' ? { pin: revision } : 'legacy', versions: [revision] }
  }
  const [latest = ''] = SUPPORTED_MODERN
  const legacy = [...SUPPORTED_LEGACY].reverse()
  if (era === 'modern') return { mode: { pin: latest }, versions: [latest] }
  return era === 'legacy' ? { mode: 'legacy', versions: legacy } : { mode: 'auto', versions: [...SUPPORTED_MODERN, ...legacy] }
}

type Way = 'default' | 'again' | 'sse'

/** A strict old server on a pipe may have died of the probe; an old HTTP server may only know HTTP+SSE. */
function retryFor({ target, signal }: ConnectOptions, { mode }: Plan, error: unknown): Way | undefined {
  if (signal?.aborted === true || typeof mode === 'object') return undefined
  if (target.kind === 'stdio') return mode === 'auto' && error instanceof ClientError && error.message.includes('exited') ? 'again' : undefined
  const status = statusOf(error)
  return status === 400 || status === 404 || status === 405 ? 'sse' : undefined
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof SdkHttpError) return error.status
  return error instanceof Error && error.cause !== undefined ? statusOf(error.cause) : undefined
}

async function open(options: ConnectOptions, plan: Plan, way: Way): Promise<Connection> {
  const { target, input, clientInfo } = options
  const tap = createTap((heard) => options.onHeard?.(heard))
  const { transport, ended, closeSession } = transportOf(options, tap, way)
  const client = new Client({ ...clientInfo }, {
    capabilities: { ...inputCapabilities(input), ...TASK_CAPABILITIES },
    supportedProtocolVersions: [...plan.versions],
    versionNegotiation: { mode: plan.mode, probe: { timeoutMs: PROBE_MS } },
    inputRequired: { autoFulfill: false },
  })
  client.onerror = () => undefined
  if (input !== undefined) answerRequests(client, input)
  const { settled, answer } = tap.follow(() => client.connect(transport, { timeout: CONNECT_MS, ...(options.signal !== undefined && { signal: options.signal }) }))
  try {
    await raced(settled, options.signal)
  } catch (error) {
    const gone = ended()
    await client.close().catch(() => undefined)
    await transport.close().catch(() => undefined)
    throw statusOf(error) === undefined ? failure(error, answer, gone) : error
  }
  return createConnection({
    client,
    tap,
    isHttp: target.kind === 'http',
    input,
    logLevel: options.logLevel,
    ended,
    async close(isLeft) {
      if (!isLeft) await closeSession().catch(() => undefined)
      await client.close().catch(() => undefined)
    },
  })
}

function raced<T>(settled: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return settled
  const aborted = new Promise<never>((_, reject) => {
    const stop = (): void => reject(new ClientError('cancelled', 'Cancelled.'))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  return Promise.race([settled, aborted])
}

interface Opened {
  readonly transport: Transport
  readonly ended: () => ClientError | undefined
  /** A legacy session over HTTP is ended with DELETE, so that the server need not keep it. */
  readonly closeSession: () => Promise<void>
}

function transportOf(options: ConnectOptions, tap: Tap, way: Way): Opened {
  const { target } = options
  const nothing = (): Promise<void> => Promise.resolve()
  if (target.kind === 'stdio') {
    const transport = createStdioTransport({
      ...target,
      onSent: tap.sent,
      onReceived: tap.received,
      onStderrLine: (line) => options.onStderrLine?.(line),
    })
    return { transport, ended: transport.ended, closeSession: nothing }
  }
  const url = new URL(target.url)
  const parts = { fetch: tap.wrapFetch((address, init) => fetch(address, init)), requestInit: { headers: { ...target.headers } } }
  if (way === 'sse') {
    // The request that opens the stream takes no headers from the SDK; another origin must not get ours.
    const own: Fetch = (address, init) => {
      const headers = new Headers(init?.headers)
      if (new URL(address).origin === url.origin) for (const [name, value] of Object.entries(target.headers)) headers.set(name, value)
      return fetch(address, { ...init, headers })
    }
    return { transport: new SSEClientTransport(url, { ...parts, fetch: tap.wrapFetch(own) }), ended: () => undefined, closeSession: nothing }
  }
  const transport = new StreamableHTTPClientTransport(url, parts)
  const closeSession = (): Promise<void> => (transport.sessionId === undefined ? nothing() : transport.terminateSession())
  return { transport, ended: () => undefined, closeSession }
}

/** Requests of a legacy server. */
function answerRequests(client: Client, input: InputHandler): void {
  const params = (request: { readonly params?: unknown }): JsonObject => (isJsonObject(request.params) ? request.params : {})
  client.setRequestHandler('elicitation/create', async (request, context) => {
    const answer = await answerInput(input, request.method, params(request), context.mcpReq.signal)
    const { action, content } = answer
    if (action !== 'accept') return { action: action === 'decline' ? 'decline' : 'cancel' }
    return { action, ...(isJsonObject(content) && { content: formContent(content) }) }
  })
  client.setRequestHandler('sampling/createMessage', async (request, context) => {
    const result = await input.sample(params(request), context.mcpReq.signal)
    if (result === undefined) throw new Refused()
    const { model, content } = result
    const text = isJsonObject(content) && typeof content['text'] === 'string' ? content['text'] : ''
    return { role: 'assistant', model: typeof model === 'string' ? model : 'person', content: { type: 'text', text } }
  })
  client.setRequestHandler('roots/list', () => ({
    roots: input.roots().map(({ uri, name }) => ({ uri: String(uri), ...(typeof name === 'string' && { name }) })),
  }))
}

/** S25 client/sampling, error handling: -1 where the person refuses. */
class Refused extends Error {
  readonly code = -1

  constructor() {
    super('User rejected sampling request')
  }
}

function formContent(content: JsonObject): Record<string, string | number | boolean | string[]> {
  return Object.fromEntries(Object.entries(content).flatMap(([name, value]): [string, string | number | boolean | string[]][] => {
    if (Array.isArray(value)) return [[name, value.map(String)]]
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [[name, value]] : []
  }))
}

/** What failed, in words for whoever typed the address. */
function explained(error: unknown, { target, era, revision, signal }: ConnectOptions, plan: Plan): Error {
  if (signal?.aborted === true) return new ClientError('cancelled', 'Cancelled.')
  const where = target.kind === 'http' ? target.url : target.command
  const status = statusOf(error)
  if (status === 401 || status === 403) {
    return new ClientError('unauthorized', `${where} refused the credentials (HTTP ${status}).`, 'Give a valid token with --token, or the header that the server wants with --header.', error)
  }
  const code = networkCode(error)
  if (code !== undefined) return new ClientError('unreachable', `${where} cannot be reached: ${REASONS[code] ?? code}.`, 'Start the server, or check the address and port.', error)
  const broken = fetchFailure(error)
  if (broken !== undefined) return new ClientError('unreachable', `${where} cannot be reached: ${broken}.`, 'Check the address and port.', error)
  if (isMismatch(error, plan)) {
    const asked = revision ?? `the ${era} era`
    const other = typeof plan.mode === 'object' ? '--era legacy' : '--era modern'
    return new ClientError('era_mismatch', `${where} does not speak ${era === 'auto' && revision === undefined ? 'a revision that this client knows' : asked}.`, `Try ${other}, or leave --era and --revision out.`, error)
  }
  if (status !== undefined) {
    const advice = status === 404 ? 'Check the path: the endpoint is often /mcp.' : status === 503 ? 'It cannot take this now: try again in a moment.' : status >= 500 ? 'See the log of the server.' : 'Is it an MCP server? Check the path: the endpoint is often /mcp.'
    return new ClientError('no_mcp', `${where} answered HTTP ${status}.`, advice, error)
  }
  if (error instanceof ClientError) return error
  const detail = error instanceof Error ? error.message : String(error)
  return new ClientError('no_mcp', `${where} does not answer as an MCP server: ${detail}`, 'Check the address: the endpoint is often /mcp.', error)
}

function isMismatch(error: unknown, plan: Plan): boolean {
  const cause = error instanceof ClientError && error.cause !== undefined ? error.cause : error
  if (cause instanceof SdkError && cause.code === SdkErrorCode.EraNegotiationFailed) return true
  if (cause instanceof RpcError) return cause.rpcCode === -32022 || (cause.rpcCode === -32601 && plan.mode !== 'auto')
  return cause instanceof Error && /protocol version is not supported|Unsupported protocol version/i.test(cause.message)
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name cannot be looked up',
  ECONNRESET: 'the connection was closed',
  ETIMEDOUT: 'no answer in time',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted',
}

/** What undici says where there is no system error, for example of a port that no fetch may use. */
function fetchFailure(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if (error instanceof TypeError && error.message === 'fetch failed') return error.cause instanceof Error ? error.cause.message : error.message
  const data = error instanceof SdkError && isJsonObject(error.data) ? error.data['cause'] : undefined
  return fetchFailure(error.cause) ?? fetchFailure(data)
}

function networkCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if (error instanceof AggregateError) return networkCode(error.errors[0])
  if (!(error instanceof SdkError) && 'code' in error && typeof error.code === 'string' && /^E[A-Z]+$|CERT|SIGNATURE/.test(error.code)) return error.code
  if (error.cause !== undefined) return networkCode(error.cause)
  return error instanceof SdkError && isJsonObject(error.data) ? networkCode(error.data['cause']) : undefined
}
