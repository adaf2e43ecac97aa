/** The official v2 client as a driver, negotiating or pinned to 2026-07-28. */
import { Client } from '@modelcontextprotocol/client'
import type { modernHttp, modernStdio } from '../any-client.ts'
import { EmptyResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { acceptAll, capabilitiesOf, replyOf } from './client.ts'
import type { Declares, Driver, Json } from './client.ts'

const INFO = { name: 'matrix-sdk2', version: '1.0.0' }
const REVISION = '2026-07-28'
const TIMEOUT_MS = 30_000
const ANY = EmptyResultSchema.loose()

interface SdkOptions {
  readonly timeout: number
  readonly onprogress?: () => undefined
  readonly signal?: AbortSignal
}

function send(client: Client, method: string, params: never, options: SdkOptions): Promise<object> {
  const fresh = { ...options, cacheMode: 'bypass' } as const
  switch (method) {
    case 'tools/list':
      return client.listTools(params, fresh)
    case 'tools/call':
      return client.callTool(params, options)
    case 'prompts/list':
      return client.listPrompts(params, fresh)
    case 'prompts/get':
      return client.getPrompt(params, options)
    case 'resources/list':
      return client.listResources(params, fresh)
    case 'resources/templates/list':
      return client.listResourceTemplates(params, fresh)
    case 'resources/read':
      return client.readResource(params, fresh)
    case 'completion/complete':
      return client.complete(params, options)
    default:
      return client.request({ method, params } as never, ANY as never, options as never) as Promise<object>
  }
}

export async function connectSdk2Driver(
  transport: ReturnType<typeof modernHttp> | ReturnType<typeof modernStdio>,
  mode: 'auto' | { pin: string },
  declares: Declares,
): Promise<Driver> {
  const capabilities = capabilitiesOf(REVISION, declares)
  const client = new Client(INFO, { capabilities, versionNegotiation: { mode } })
  const heard: Driver['heard'] = []
  const asked: string[] = []
  let level: string | undefined
  const driver: Driver = {
    revision: REVISION,
    about: {},
    heard,
    asked,
    answer: acceptAll,
    async request(method, params = {}, { progress = false, signal } = {}) {
      const options = { timeout: TIMEOUT_MS, ...(progress ? { onprogress: () => undefined } : {}), ...(signal === undefined ? {} : { signal }) }
      const stamped = level === undefined ? params : { ...params, _meta: { ...(params['_meta'] as object | undefined), 'io.modelcontextprotocol/logLevel': level } }
      try {
        return { result: (await send(client, method, stamped as never, options)) as Json }
      } catch (error) {
        return replyOf(error)
      }
    },
    notify: (method, params) => client.notification({ method, ...(params === undefined ? {} : { params }) } as never),
    async watch({ lists = false, uri }) {
      const filter = { ...(lists ? { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true } : {}), ...(uri === undefined ? {} : { resourceSubscriptions: [uri] }) }
      const subscription = await client.listen(filter)
      return () => subscription.close()
    },
    setLevel: (wanted) => Promise.resolve(void (level = wanted === '' ? undefined : wanted)),
    close: () => client.close(),
  }
  const reply = (method: string, params: object | undefined): never => {
    asked.push(method)
    return driver.answer(method, (params ?? {}) as Json) as never
  }
  if (declares === 'all') {
    client.setRequestHandler('elicitation/create', ({ params }) => reply('elicitation/create', params))
    client.setRequestHandler('sampling/createMessage', ({ params }) => reply('sampling/createMessage', params))
    client.setRequestHandler('roots/list', () => reply('roots/list', {}))
  }
  await client.connect(transport)
  const deliver = transport.onmessage as ((message: never, ...extra: never[]) => void) | undefined
  transport.onmessage = (message: object, ...extra: never[]) => {
    if ('method' in message && !('id' in message)) {
      const { method, params } = message as { readonly method: string; readonly params?: Json }
      heard.push({ method, params: params ?? {} })
    } else if (!('method' in message)) heard.push({ method: '', params: {} })
    deliver?.(message as never, ...extra)
  }
  const about = { capabilities: client.getServerCapabilities(), serverInfo: client.getServerVersion(), instructions: client.getInstructions() }
  return Object.assign(driver, { revision: client.getNegotiatedProtocolVersion?.() ?? REVISION, about })
}
