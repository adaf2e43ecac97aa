/** The official v1 client as a driver, at every revision before 2026-07-28 and on every transport. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { ClientCapabilities } from '@modelcontextprotocol/sdk/types.js'
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, ResultSchema } from '@modelcontextprotocol/sdk/types.js'
import type { RequestOptions as SdkOptions } from '@modelcontextprotocol/sdk/shared/protocol.js'
import { acceptAll, capabilitiesOf, replyOf } from './client.ts'
import type { Declares, Driver, Json } from './client.ts'

const INFO = { name: 'matrix-sdk1', version: '1.0.0' }
const TIMEOUT_MS = 30_000

/** The method of the SDK for a request; undefined for what it has none for. */
function send(client: Client, method: string, params: never, options: SdkOptions): Promise<object> {
  switch (method) {
    case 'ping':
      return client.ping(options)
    case 'tools/list':
      return client.listTools(params, options)
    case 'tools/call':
      return client.callTool(params, undefined, options)
    case 'prompts/list':
      return client.listPrompts(params, options)
    case 'prompts/get':
      return client.getPrompt(params, options)
    case 'resources/list':
      return client.listResources(params, options)
    case 'resources/templates/list':
      return client.listResourceTemplates(params, options)
    case 'resources/read':
      return client.readResource(params, options)
    case 'completion/complete':
      return client.complete(params, options)
    default:
      return client.request({ method, params }, ResultSchema, options)
  }
}

/** The client always asks for the newest revision that it knows. */
function pinRevision(transport: Transport, revision: string): void {
  const plain = transport.send.bind(transport)
  transport.send = (message, options) => {
    const isInitialize = 'method' in message && message.method === 'initialize'
    return plain(isInitialize ? { ...message, params: { ...message.params, protocolVersion: revision } } : message, options)
  }
}

/** `transport` is opened, at this revision. */
export async function connectSdk1Driver(transport: Transport, revision: string, declares: Declares): Promise<Driver> {
  const capabilities = capabilitiesOf(revision, declares) as ClientCapabilities
  const client = new Client(INFO, { capabilities })
  const heard: Driver['heard'] = []
  const asked: string[] = []
  const driver: Driver = {
    revision,
    about: {},
    heard,
    asked,
    answer: acceptAll,
    async request(method, params = {}, { progress = false, signal } = {}) {
      const options = { timeout: TIMEOUT_MS, ...(progress ? { onprogress: () => undefined } : {}), ...(signal === undefined ? {} : { signal }) }
      try {
        return { result: (await send(client, method, params as never, options)) as Json }
      } catch (error) {
        return replyOf(error)
      }
    },
    notify: (method, params) => client.notification({ method, ...(params === undefined ? {} : { params }) } as never),
    async watch({ uri }) {
      if (uri === undefined) return () => Promise.resolve()
      await client.subscribeResource({ uri })
      return async () => void (await client.unsubscribeResource({ uri }))
    },
    setLevel: async (level) => void (level !== '' && (await client.setLoggingLevel(level as 'info'))),
    close: () => client.close(),
  }
  const reply = (method: string, params: object | undefined): never => {
    asked.push(method)
    return driver.answer(method, (params ?? {}) as Json) as never
  }
  if (capabilities.elicitation !== undefined) client.setRequestHandler(ElicitRequestSchema, ({ params }) => reply('elicitation/create', params))
  if (capabilities.sampling !== undefined) client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => reply('sampling/createMessage', params))
  if (capabilities.roots !== undefined) client.setRequestHandler(ListRootsRequestSchema, ({ params }) => reply('roots/list', params))
  pinRevision(transport, revision)
  await client.connect(transport)
  const deliver = transport.onmessage
  transport.onmessage = (message, extra) => {
    const isRequest = 'method' in message && 'id' in message
    if (!isRequest) heard.push('method' in message ? { method: message.method, params: (message.params ?? {}) as Json } : { method: '', params: {} })
    deliver?.(message, extra)
  }
  const agreed = 'protocolVersion' in transport && typeof transport.protocolVersion === 'string' ? transport.protocolVersion : revision
  const about = { capabilities: client.getServerCapabilities(), serverInfo: client.getServerVersion(), instructions: client.getInstructions() }
  return Object.assign(driver, { revision: agreed, about })
}
