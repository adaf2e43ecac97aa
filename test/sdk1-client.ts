/** The official v1 client with everything that it can declare, and a record of all that it was sent and asked. */
import { InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { ClientCapabilities, CreateMessageResult, ElicitRequest, ElicitResult } from '@modelcontextprotocol/sdk/types.js'
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { bearer } from './gateway-process.ts'
import type { GatewayProcess } from './gateway-process.ts'

const INFO = { name: 'sdk1', version: '1.0.0' }
const TASKS = { list: {}, cancel: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } }

/** Everything that a client of 2025-11-25 can declare. */
export const ALL_CAPABILITIES: ClientCapabilities = {
  sampling: {},
  elicitation: { form: {}, url: {} },
  roots: { listChanged: true },
  tasks: TASKS,
}

export interface Notified {
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>>
}

export interface Sdk1Client {
  readonly client: Client
  /** Notifications, as they arrived at the transport: the client forgets handlers of calls that are over. */
  readonly notified: Notified[]
  /** Methods of the requests that the server sent. */
  readonly asked: string[]
  /** Names in the roots list; change it and send `roots/list_changed`. */
  readonly roots: { uri: string; name: string }[]
  close(): Promise<void>
}

const ANSWERS: Readonly<Record<string, string | number | boolean>> = { name: 'Ada', response: 'yes', interpretation: 'technical' }

function fill({ params }: ElicitRequest): ElicitResult {
  if (params.mode === 'url') return { action: 'accept' }
  const content = Object.fromEntries((params.requestedSchema.required ?? []).map((field) => [field, ANSWERS[field] ?? 'x']))
  return { action: 'accept', content }
}

const COMPLETION: CreateMessageResult = { model: 'test-model', role: 'assistant', content: { type: 'text', text: 'Paris' } }

/** `revision` pins what is asked for in `initialize`; what the server answers is up to it. */
export async function connectSdk1(transport: Transport, capabilities: ClientCapabilities = {}, revision?: string): Promise<Sdk1Client> {
  const taskStore = new InMemoryTaskStore()
  const client = new Client(INFO, { capabilities, taskStore })
  const notified: Notified[] = []
  const asked: string[] = []
  const roots = [{ uri: 'file:///work', name: 'work' }]
  if (capabilities.elicitation !== undefined) {
    client.setRequestHandler(ElicitRequestSchema, async (request, extra) => {
      if (request.params.task === undefined || extra.taskStore === undefined) return fill(request)
      const task = await extra.taskStore.createTask({ ttl: request.params.task.ttl ?? null })
      await extra.taskStore.storeTaskResult(task.taskId, 'completed', fill(request))
      return { task }
    })
  }
  if (capabilities.sampling !== undefined) {
    client.setRequestHandler(CreateMessageRequestSchema, async (request, extra) => {
      if (request.params.task === undefined || extra.taskStore === undefined) return COMPLETION
      const task = await extra.taskStore.createTask({ ttl: request.params.task.ttl ?? null })
      await extra.taskStore.storeTaskResult(task.taskId, 'completed', COMPLETION)
      return { task }
    })
  }
  if (capabilities.roots !== undefined) client.setRequestHandler(ListRootsRequestSchema, () => ({ roots }))
  if (revision !== undefined) pinRevision(transport, revision)
  await client.connect(transport)
  const deliver = transport.onmessage
  transport.onmessage = (message, extra) => {
    if ('method' in message && 'id' in message) asked.push(message.method)
    else if ('method' in message) notified.push({ method: message.method, ...(message.params === undefined ? {} : { params: message.params }) })
    deliver?.(message, extra)
  }
  const close = async (): Promise<void> => {
    await client.close()
    taskStore.cleanup()
  }
  return { client, notified, asked, roots, close }
}

/** The client always asks for the newest revision that it knows. */
function pinRevision(transport: Transport, revision: string): void {
  const send = transport.send.bind(transport)
  transport.send = (message, options) => {
    const isInitialize = 'method' in message && message.method === 'initialize'
    return send(isInitialize ? { ...message, params: { ...message.params, protocolVersion: revision } } : message, options)
  }
}

export type Reached = Pick<GatewayProcess, 'url' | 'token'>

/** A server, or a gateway that speaks stdio. */
export interface Command {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Record<string, string>
}

/** Streamable HTTP at a path of a gateway. */
export function httpTransport(at: Reached, path: string): Transport {
  const transport = new StreamableHTTPClientTransport(new URL(`${at.url}${path}`), { requestInit: { headers: bearer(at) } })
  // The SDK's transport is not written for exactOptionalPropertyTypes.
  return transport as Transport
}

/** HTTP+SSE of 2024-11-05 at a path of a gateway. */
export function sseTransport(at: Reached, path: string): Transport {
  return new SSEClientTransport(new URL(`${at.url}${path}`), { requestInit: { headers: bearer(at) } })
}

/** Beside the little that the SDKs' transports give a process of the environment: its modules are found compiled. */
export const COMPILED: Readonly<Record<string, string>> = { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '' }

export function stdioTransport({ command, args, env }: Command): Transport {
  return new StdioClientTransport({ command, args: [...args], stderr: 'ignore', env: { ...COMPILED, ...env } })
}
