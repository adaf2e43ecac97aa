/** The official clients of both generations behind one face, for what every client can do whatever its revision. */
import { Client as Sdk2, StreamableHTTPClientTransport as Sdk2Http } from '@modelcontextprotocol/client'
import { StdioClientTransport as Sdk2Stdio } from '@modelcontextprotocol/client/stdio'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { EmptyResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { bearer } from './gateway-process.ts'
import type { Command, Reached } from './sdk1-client.ts'
import { COMPILED, connectSdk1 } from './sdk1-client.ts'

type Ref = { readonly type: 'ref/prompt'; readonly name: string } | { readonly type: 'ref/resource'; readonly uri: string }

export interface AnyClient {
  readonly era: 'legacy' | 'modern'
  /** The revision that was agreed on. */
  readonly revision: string
  /** Of all pages. */
  toolNames(): Promise<string[]>
  resourceUris(): Promise<string[]>
  /** The text of a result; progress as it arrived at the transport. */
  call(name: string, args?: Record<string, unknown>, signal?: AbortSignal): Promise<{ readonly text: string; readonly progress: number[] }>
  read(uri: string): Promise<string>
  prompt(name: string, args?: Record<string, string>): Promise<string>
  complete(ref: Ref, name: string, value: string): Promise<string[]>
  /** A method that nobody knows. */
  unknown(): Promise<unknown>
  /** Asks for everything that can be announced, updates of this resource among it. */
  watch(uri: string): Promise<void>
  /** Lists that changed, and URIs of resources that did, in order. */
  readonly told: string[]
  close(): Promise<void>
}

const INFO = { name: 'test', version: '1.0.0' }

function firstText(result: object): string {
  const content: unknown = 'content' in result ? result.content : undefined
  return Array.isArray(content) ? String(content[0]?.text ?? '') : ''
}

function listOf(method: string): string | undefined {
  return /^notifications\/(\w+)\/list_changed$/.exec(method)?.[1]
}

interface Received {
  readonly method?: unknown
  readonly params?: Readonly<Record<string, unknown>> | undefined
}

/** Sorts what arrives: both clients forget a call's progress handler before they have handled all of its progress. */
function sorter() {
  const told: string[] = []
  let progress: number[] = []
  return {
    told,
    take(message: object): void {
      const { method, params }: Received = message
      if (typeof method !== 'string') return
      const list = listOf(method)
      if (method === 'notifications/progress') progress.push(Number(params?.['progress']))
      else if (method === 'notifications/resources/updated') told.push(String(params?.['uri']))
      else if (list !== undefined) told.push(list)
    },
    startCall: (): number[] => (progress = []),
  }
}

interface Receiver<Message, Extra> {
  onmessage?: ((message: Message, extra?: Extra) => void) | undefined
}

function sniff<Message extends object, Extra>(transport: Receiver<Message, Extra>, take: (message: Message) => void): void {
  const deliver = transport.onmessage
  transport.onmessage = (message, extra) => {
    take(message)
    deliver?.(message, extra)
  }
}

/** The v1 client without capabilities of its own, at a revision before 2026-07-28. */
export async function legacyClient(transport: Transport, revision?: string): Promise<AnyClient> {
  const { client, close } = await connectSdk1(transport, {}, revision)
  const { told, take, startCall } = sorter()
  sniff(transport, take)
  return {
    era: 'legacy',
    get revision() {
      return agreedRevision(transport) ?? revision ?? ''
    },
    async toolNames() {
      const names: string[] = []
      for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
        const page = await client.listTools(cursor === undefined ? {} : { cursor })
        names.push(...page.tools.map((tool) => tool.name))
        cursor = page.nextCursor
      }
      return names
    },
    async resourceUris() {
      const uris: string[] = []
      for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
        const page = await client.listResources(cursor === undefined ? {} : { cursor })
        uris.push(...page.resources.map((resource) => resource.uri))
        cursor = page.nextCursor
      }
      return uris
    },
    async call(name, args = {}, signal) {
      const progress = startCall()
      const options = { onprogress: () => undefined, ...(signal === undefined ? {} : { signal }) }
      return { text: firstText(await client.callTool({ name, arguments: args }, undefined, options)), progress }
    },
    read: async (uri) => (await client.readResource({ uri })).contents.map((content) => ('text' in content ? content.text : content.blob)).join(),
    prompt: async (name, args) => JSON.stringify((await client.getPrompt({ name, ...(args === undefined ? {} : { arguments: args }) })).messages),
    complete: async (ref, name, value) => (await client.complete({ ref, argument: { name, value } })).completion.values,
    unknown: () => client.request({ method: 'vendor/method' }, EmptyResultSchema),
    watch: async (uri) => void (await client.subscribeResource({ uri })),
    told,
    close,
  }
}

function agreedRevision(transport: Transport): string | undefined {
  return 'protocolVersion' in transport && typeof transport.protocolVersion === 'string' ? transport.protocolVersion : undefined
}

/** The v2 client, pinned to 2026-07-28. */
export async function modernClient(transport: Sdk2Http | Sdk2Stdio): Promise<AnyClient> {
  const client = new Sdk2(INFO, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  const { told, take, startCall } = sorter()
  await client.connect(transport)
  sniff(transport, take)
  return {
    era: 'modern',
    revision: '2026-07-28',
    toolNames: async () => (await client.listTools({}, { cacheMode: 'bypass' })).tools.map((tool) => tool.name),
    resourceUris: async () => (await client.listResources({}, { cacheMode: 'bypass' })).resources.map((resource) => resource.uri),
    async call(name, args = {}, signal) {
      const progress = startCall()
      const options = { onprogress: () => undefined, ...(signal === undefined ? {} : { signal }) }
      return { text: firstText(await client.callTool({ name, arguments: args }, options)), progress }
    },
    read: async (uri) => (await client.readResource({ uri }, { cacheMode: 'bypass' })).contents.map((content) => ('text' in content ? content.text : '')).join(),
    prompt: async (name, args) => JSON.stringify((await client.getPrompt({ name, ...(args === undefined ? {} : { arguments: args }) })).messages),
    complete: async (ref, name, value) => (await client.complete({ ref, argument: { name, value } })).completion.values,
    unknown: () => client.request({ method: 'vendor/method' } as never, EmptyResultSchema as never),
    watch: async (uri) => {
      await client.listen({ toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true, resourceSubscriptions: [uri] })
    },
    told,
    close: () => client.close(),
  }
}

export function modernHttp(at: Reached, path: string): Sdk2Http {
  return new Sdk2Http(new URL(`${at.url}${path}`), { requestInit: { headers: bearer(at) } })
}

export function modernStdio({ command, args }: Command): Sdk2Stdio {
  return new Sdk2Stdio({ command, args: [...args], stderr: 'ignore', env: COMPILED })
}
