/** Clients that write every byte by hand and hide nothing: 2025-03-26, 2025-11-25 and 2026-07-28 over Streamable HTTP. */
import { request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { getRequest, legacyRequest, modernRequest } from '../mcp-client.ts'
import type { WireRequest } from '../mcp-client.ts'
import type { Reached } from '../sdk1-client.ts'
import { acceptAll, capabilitiesOf } from './client.ts'
import type { Declares, Driver, Json, Message, Reply, RequestOptions } from './client.ts'

const MAX_ROUNDS = 10
const REOPEN_MS = 50
/** Longer than a session needs to find its next replica. */
const MAX_RESUMES = 80
const META = 'io.modelcontextprotocol'
/** What goes along in an array: its response is told apart by its id. */
const PING = '{"jsonrpc":"2.0","id":"beside","method":"ping"}'

interface Exchange {
  readonly outgoing: ClientRequest
  /** Resolves with the head. */
  readonly head: Promise<IncomingMessage>
  /** Resolves when the body ended, or the connection. */
  readonly done: Promise<{ readonly status: number }>
}

type Take = (message: Message, text: string, eventId: string, status: number) => void

/** Sends, and gives each message of the answer, JSON or stream, as it comes. */
function exchange(url: string, { verb, path, headers, body }: WireRequest, take: Take): Exchange {
  const head = Promise.withResolvers<IncomingMessage>()
  const done = Promise.withResolvers<{ status: number }>()
  let eventId = ''
  const outgoing = httpRequest(`${url}${path}`, { method: verb, headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) }, agent: false }, (incoming) => {
    head.resolve(incoming)
    const contentType = String(incoming.headers['content-type'])
    const isStream = contentType.startsWith('text/event-stream')
    // A balancer answers with a page where it reached nobody.
    const isJson = contentType.startsWith('application/json')
    const status = incoming.statusCode ?? 0
    let rest = ''
    /** Batches are of 2025-03-26. */
    const takeAll = (text: string): void => {
      const parsed = JSON.parse(text) as Message | Message[]
      for (const message of Array.isArray(parsed) ? parsed : [parsed]) take(message, text, eventId, status)
    }
    const block = (text: string): void => {
      // Not by a pattern with ^ and $: JSON may hold U+2028, where a line ends for those, but not for the stream.
      const field = (name: string): string[] => text.split('\n').flatMap((line) => (line.startsWith(`${name}:`) ? [line.slice(name.length + 1).replace(/^ /, '')] : []))
      const [id] = field('id')
      if (id !== undefined) eventId = id
      const data = field('data').join('\n')
      if (data !== '') takeAll(data)
      else if (id !== undefined) take({}, data, eventId, status)
    }
    incoming.setEncoding('utf8').on('data', (chunk: string) => {
      rest += chunk
      if (!isStream) return
      const blocks = rest.split('\n\n')
      rest = blocks.pop() ?? ''
      for (const one of blocks) block(one)
    })
    incoming.on('end', () => {
      if (isJson && rest !== '') takeAll(rest)
      done.resolve({ status })
    })
    incoming.on('error', () => done.resolve({ status }))
    incoming.on('close', () => done.resolve({ status }))
  })
  outgoing.on('error', (error) => {
    head.reject(error)
    done.resolve({ status: 0 })
  })
  head.promise.catch(() => undefined)
  outgoing.end(body)
  return { outgoing, head: head.promise, done: done.promise }
}

const BAD_GATEWAY = 502

/** Counts the exchanges that a balancer answered. */
function createCutCount(): { readonly cuts: () => number; readonly counted: (sent: Exchange) => Exchange } {
  let cuts = 0
  const counted = (sent: Exchange): Exchange => {
    void sent.done.then(({ status }) => (cuts += status === BAD_GATEWAY ? 1 : 0))
    return sent
  }
  return { cuts: () => cuts, counted }
}

function replyOf({ result, error }: Message, text: string, status: number): Reply {
  if (error === undefined) return { ...(result === undefined ? {} : { result }), text, status }
  return { code: error.code, message: error.message, data: error.data, text, status }
}

function replaced(wire: WireRequest, replace: RequestOptions['replace']): WireRequest {
  return replace === undefined ? wire : { ...wire, body: wire.body.replace(replace[0], replace[1]) }
}

const ended = (what: string): Reply => ({ code: 0, message: what })
/** 0: not even a head came. */
const withoutResponse = (status: number): Reply => ({ ...ended(`the answer, with status ${status}, ended without a response`), status })

/** A client of this revision, its GET stream open from the start, and again when it ends. In 2025-03-26 whatever it sends is in an array, and no request is alone there. */
export async function connectRawLegacy(at: Reached, path: string, declares: Declares, revision: '2025-03-26' | '2025-11-25' = '2025-11-25'): Promise<Driver> {
  const batches = revision === '2025-03-26'
  const heard: Driver['heard'] = []
  const asked: string[] = []
  const { token } = at
  const { cuts, counted } = createCutCount()
  let session = ''
  let lastId = 0
  let isClosed = false
  const headers: Record<string, string> = batches ? {} : { 'mcp-protocol-version': revision }

  const send = (body: string, take: Take = () => undefined, replace?: RequestOptions['replace']): Exchange =>
    counted(exchange(at.url, replaced(legacyRequest(session, '', {}, { path, token, headers: session === '' ? {} : headers, body }), replace), take))
  const post = (message: Message, take?: Take, replace?: RequestOptions['replace']): Exchange => {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message })
    const isRequest = message.method !== undefined && message.id !== undefined
    return send(batches && session !== '' ? `[${text}${isRequest ? `,${PING}` : ''}]` : text, take, replace)
  }

  const reply = (message: Message): void => {
    asked.push(String(message.method))
    try {
      post({ id: message.id, result: driver.answer(String(message.method), message.params ?? {}) })
    } catch (error) {
      post({ id: message.id, error: { code: -1, message: error instanceof Error ? error.message : 'refused' } })
    }
  }
  const sort = (message: Message): void => {
    if (message.method !== undefined && message.id !== undefined) reply(message)
    else if (message.method !== undefined) heard.push({ method: message.method, params: message.params ?? {} })
  }

  const driver: Driver = {
    revision,
    about: {},
    heard,
    asked,
    cuts,
    answer: acceptAll,
    async request(method, params = {}, { progress = false, signal, gone, drop, replace } = {}) {
      const id = (lastId += 1)
      const settled = Promise.withResolvers<Reply>()
      const _meta = { ...(params['_meta'] as object | undefined), ...(progress ? { progressToken: `token-${id}` } : {}) }
      const body = { ...params, ...(Object.keys(_meta).length > 0 ? { _meta } : {}) }
      let eventId = ''
      let hasResponse = false
      const take: Take = (message, text, at, status) => {
        if (at !== '') eventId = at
        if (message.method !== undefined || (message.result === undefined && message.error === undefined)) return sort(message)
        if (message.id !== id) return
        hasResponse = true
        heard.push({ method: '', params: {} })
        settled.resolve(replyOf(message, text, status))
      }
      const sent = post({ id, method, params: body }, take, replace)
      signal?.addEventListener('abort', () => {
        post({ method: 'notifications/cancelled', params: { requestId: id } })
        settled.resolve(ended('aborted'))
      })
      gone?.addEventListener('abort', () => {
        sent.outgoing.destroy()
        settled.resolve(ended('gone'))
      })
      drop?.addEventListener('abort', () => sent.outgoing.destroy())
      // Transports, Resumability: a stream that ends without the response is taken up where it ended.
      void sent.done.then(async (end) => {
        let { status } = end
        const isOver = (): boolean => hasResponse || isClosed || eventId === '' || status === 404 || signal?.aborted === true || gone?.aborted === true
        for (let tries = 0; tries < MAX_RESUMES && !isOver(); tries += 1) {
          if (tries > 0) await new Promise((resolve) => setTimeout(resolve, REOPEN_MS))
          const get = getRequest(session, { ...headers, authorization: `Bearer ${token}`, 'last-event-id': eventId }, path)
          ;({ status } = await exchange(at.url, get, take).done)
        }
        if (!hasResponse) settled.resolve(withoutResponse(status))
      })
      return settled.promise
    },
    async raw(body) {
      const messages: Message[] = []
      const { status } = await send(body, (message) => void messages.push(message)).done
      return { status, messages }
    },
    notify: async (method, params) => void (await post({ method, ...(params === undefined ? {} : { params }) }).done),
    async watch({ uri }) {
      if (uri === undefined) return () => Promise.resolve()
      await driver.request('resources/subscribe', { uri })
      return async () => void (await driver.request('resources/unsubscribe', { uri }))
    },
    setLevel: async (level) => void (level !== '' && (await driver.request('logging/setLevel', { level }))),
    async close() {
      isClosed = true
      stream.outgoing.destroy()
      await exchange(at.url, { ...getRequest(session, { ...headers, authorization: `Bearer ${token}` }, path), verb: 'DELETE' }, () => undefined).done
    },
  }

  let about: Json = {}
  const opening = post({ id: 0, method: 'initialize', params: { protocolVersion: revision, capabilities: capabilitiesOf(revision, declares), clientInfo: { name: 'matrix-raw', version: '1' } } }, (message) => {
    about = message.result ?? {}
  })
  session = String((await opening.head).headers['mcp-session-id'])
  await opening.done
  await post({ method: 'notifications/initialized' }).done
  let heardId = ''
  const openStream = (): Exchange => {
    const take: Take = (message, _text, eventId) => {
      if (eventId !== '') heardId = eventId
      sort(message)
    }
    const opened = exchange(at.url, getRequest(session, { ...headers, authorization: `Bearer ${token}`, 'last-event-id': heardId }, path), take)
    void opened.done.then(async () => {
      await new Promise((resolve) => setTimeout(resolve, REOPEN_MS))
      if (!isClosed) stream = openStream()
    })
    return opened
  }
  let stream = openStream()
  await stream.head
  return Object.assign(driver, { about, revision: String(about['protocolVersion']) })
}

/** A 2026-07-28 client. */
export async function connectRawModern(at: Reached, path: string, declares: Declares): Promise<Driver> {
  const heard: Driver['heard'] = []
  const asked: string[] = []
  const { token } = at
  const { cuts, counted } = createCutCount()
  const open = new Set<Exchange>()
  let lastId = 0
  let isClosed = false
  let level: string | undefined

  const ask = (method: string, params: Json, options: RequestOptions): { readonly sent: Exchange; readonly reply: Promise<Reply> } => {
    const id = (lastId += 1)
    const settled = Promise.withResolvers<Reply>()
    const meta = {
      [`${META}/clientCapabilities`]: capabilitiesOf('2026-07-28', declares),
      ...(params['_meta'] as object | undefined),
      ...(options.progress === true ? { progressToken: id } : {}),
      ...(level === undefined ? {} : { [`${META}/logLevel`]: level }),
    }
    const wire = modernRequest(method, params, { path, token, id, meta, headers: { ...mirrored(params), ...(typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : {}) } })
    const sent = counted(exchange(at.url, replaced(wire, options.replace), (message, text, _eventId, status) => {
      if (message.method !== undefined) return void heard.push({ method: message.method, params: message.params ?? {} })
      heard.push({ method: '', params: {} })
      settled.resolve(replyOf(message, text, status))
    }))
    void sent.done.then((end) => settled.resolve(withoutResponse(end.status)))
    for (const stop of [options.signal, options.gone]) stop?.addEventListener('abort', () => sent.outgoing.destroy())
    return { sent, reply: settled.promise }
  }
  const answersTo = (requests: Json): Json => Object.fromEntries(Object.entries(requests).map(([key, value]) => {
    const { method, params } = value as { readonly method: string; readonly params?: Json }
    asked.push(method)
    return [key, driver.answer(method, params ?? {})]
  }))

  const driver: Driver = {
    revision: '2026-07-28',
    about: {},
    heard,
    asked,
    cuts,
    answer: acceptAll,
    async request(method, params = {}, options = {}) {
      let more: Json = {}
      for (let round = 0; round < MAX_ROUNDS; round += 1) {
        const reply = await ask(method, { ...params, ...more }, options).reply
        if (reply.result?.['resultType'] !== 'input_required') return reply
        const { inputRequests, requestState } = reply.result
        try {
          more = { ...(inputRequests === undefined ? {} : { inputResponses: answersTo(inputRequests as Json) }), ...(requestState === undefined ? {} : { requestState }) }
        } catch (error) {
          return ended(error instanceof Error ? error.message : 'refused')
        }
      }
      return ended('too many rounds')
    },
    async raw(body) {
      const messages: Message[] = []
      const wire = modernRequest('tools/call', {}, { path, token, body })
      const { status } = await exchange(at.url, wire, (message) => void messages.push(message)).done
      return { status, messages }
    },
    async notify(method, params = {}) {
      const wire = modernRequest(method, params, { path, token })
      const body = JSON.stringify({ jsonrpc: '2.0', method, params })
      await counted(exchange(at.url, { ...wire, body }, () => undefined)).done
    },
    async watch({ lists = false, uri }) {
      const notifications = { ...(lists ? { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true } : {}), ...(uri === undefined ? {} : { resourceSubscriptions: [uri] }) }
      let isWanted = true
      let last: Exchange | undefined
      const listen = async (): Promise<void> => {
        const { sent } = ask('subscriptions/listen', { notifications }, {})
        last = sent
        const count = heard.length
        open.add(sent)
        // A listen that ends is opened anew (2026-07-28, Subscriptions).
        void sent.done.then(async () => {
          open.delete(sent)
          await new Promise((resolve) => setTimeout(resolve, REOPEN_MS))
          if (isWanted && !isClosed) await listen()
        }).catch(() => undefined)
        await sent.head
        while (!heard.slice(count).some(({ method }) => method === 'notifications/subscriptions/acknowledged')) await new Promise((resolve) => setTimeout(resolve, 5))
      }
      await listen()
      return async () => {
        isWanted = false
        last?.outgoing.destroy()
        await last?.done
      }
    },
    setLevel: (wanted) => Promise.resolve(void (level = wanted === '' ? undefined : wanted)),
    close() {
      isClosed = true
      for (const sent of open) sent.outgoing.destroy()
      return Promise.resolve()
    },
  }
  const { result = {} } = await driver.request('server/discover')
  return Object.assign(driver, { about: result })
}

/** Custom headers of the reference server's `test_x_mcp_header` (2026-07-28, Transports). */
function mirrored(params: Json): Record<string, string> {
  if (params['name'] !== 'test_x_mcp_header') return {}
  const args = (params['arguments'] ?? {}) as Json
  return { 'mcp-param-region': String(args['region']), 'mcp-param-depth': String(args['depth']) }
}
