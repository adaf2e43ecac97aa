/** Stage 8 for what Portolan answers itself: the handshakes, and the state of a legacy session. */

import { asciiJson, member, readJson, readString, utf8Of } from '../../protocol/json.ts'
import { PortolanError } from '../../protocol/error.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonValue } from '../../protocol/json-value.ts'
import { readInitializeParams, writeInitializeResult } from '../../protocol/legacy/initialize.ts'
import { isLogLevel } from '../../protocol/meta.ts'
import { writeDiscoverResult } from '../../protocol/modern/discover.ts'
import { LATEST_MODERN, negotiateLegacy } from '../../protocol/revision.ts'
import { HEADER } from '../../protocol/header.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { resultText } from '../gateway/render.ts'
import { waitForStore } from '../gateway/store-wait.ts'
import type { LiveSession } from '../session/live-session.ts'
import { ask } from '../upstream/request.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { handleScope, isUriHeard, upstreamsAt } from '../catalog/endpoint-scope.ts'
import { markUri } from '../catalog/uri-mark.ts'
import { splice } from '../../protocol/splice.ts'
import type { Message } from '../../protocol/message.ts'
import { endpointProfile } from './endpoint-profile.ts'
import { onListNews } from './list-news.ts'
import { sealTask } from './handles.ts'
import { legacyTask, ownedPage, pageMark } from './owned-for-legacy.ts'
import { ensureLists, partyOf, sourceOf } from './party.ts'
import type { Party, Source } from './party.ts'
import { heldTasks, listedTask } from './task-for-legacy.ts'

/** How long a client may keep what `server/discover` says, once every server is known. */
const DISCOVER_TTL_MS = 60_000

export function answerWith(exchange: Exchange, result: JsonValue, headers?: Readonly<Record<string, string>>): Outcome {
  const text = resultText(exchange.message?.idText ?? '', asciiJson(result))
  return headers === undefined ? { kind: 'answered', text, status: 200, failed: false } : { kind: 'opened', text, headers }
}

export async function answerInitialize(context: GatewayContext, exchange: Exchange): Promise<Outcome> {
  const { message, principal } = exchange
  if (message === undefined || principal === undefined) throw new PortolanError('internal')
  refuseLengthy(message)
  const value = message.body === undefined ? undefined : (JSON.parse(utf8Of(message.text.slice(message.body.start, message.body.end))) as JsonValue)
  const params = readInitializeParams(value)
  if (!params.ok) {
    const where = params.fault.key ?? 'params'
    throw new PortolanError('invalid_params', { message: `Invalid params: ${where} is missing or malformed` })
  }
  const revision = negotiateLegacy(params.value.protocolVersion)
  const profile = await endpointProfile(context, exchange.endpoint, revision, 'legacy')
  const opening = context.sessions.open(principal, {
    endpoint: exchange.endpoint,
    revision,
    clientInfo: JSON.stringify(params.value.clientInfo),
    clientCapabilities: JSON.stringify(params.value.capabilities),
    withHandle: exchange.transport === 'http',
  })
  const session = await waitForStore(context, exchange, opening)
  if (exchange.outcome !== undefined) {
    // The client went away meanwhile, or was told to come again: nobody will ever name this session.
    await context.sessions.end(session)
    return { kind: 'disconnected' }
  }
  exchange.revision = revision
  exchange.session = session
  announceLists(context, session, partyOf(exchange))
  const { capabilities, serverInfo, instructions } = profile
  const result = writeInitializeResult({ revision, capabilities, serverInfo, ...(instructions === undefined ? {} : { instructions }) })
  return exchange.transport === 'http' ? answerWith(exchange, result, { [HEADER.sessionId]: session.handle }) : answerWith(exchange, result)
}

/** What a session keeps of its client, in bytes: it lives as long as the session does, and is read for each call. */
const MAX_CLIENT_BYTES = 64 * 1024

function refuseLengthy({ body }: Message): void {
  let bytes = 0
  for (const key of ['clientInfo', 'capabilities']) {
    const node = member(body, key)
    if (node !== undefined) bytes += node.end - node.start
  }
  if (bytes > MAX_CLIENT_BYTES) {
    throw new PortolanError('invalid_params', { message: `Invalid params: clientInfo and capabilities are beyond ${MAX_CLIENT_BYTES} bytes` })
  }
}

export async function answerDiscover(context: GatewayContext, exchange: Exchange): Promise<Outcome> {
  const { capabilities, serverInfo, instructions, complete } = await endpointProfile(context, exchange.endpoint, LATEST_MODERN, 'modern')
  return answerWith(
    exchange,
    writeDiscoverResult({
      capabilities,
      serverInfo,
      ...(instructions === undefined ? {} : { instructions }),
      ttlMs: complete ? DISCOVER_TTL_MS : 0,
      cacheScope: 'private',
    }),
  )
}

/** The level belongs to the session: it goes to the session's own upstream sessions, and is stamped on modern requests. */
export async function answerSetLevel(context: GatewayContext, exchange: Exchange): Promise<Outcome> {
  const { session, message } = exchange
  const level = message === undefined ? undefined : readString(message.text, member(message.body, 'level'))
  if (session === undefined || !isLogLevel(level)) throw new PortolanError('invalid_params', { message: 'Invalid params: level is not a log level' })
  session.data.logLevel = level
  await context.sessions.changed(session)
  const own = await Promise.allSettled(session.own.values())
  await Promise.allSettled(
    own.flatMap((one) => (one.status === 'fulfilled' ? [ask(one.value.channel, 'logging/setLevel', { level: asciiJson(level) }, context.deps)] : [])),
  )
  return answerWith(exchange, {})
}

/** `resources/subscribe` and `resources/unsubscribe` of a legacy session, at whatever its server speaks. */
export async function answerSubscribe(context: GatewayContext, exchange: Exchange, subscribes: boolean): Promise<Outcome> {
  const { session, route } = exchange
  if (session === undefined || route === undefined) throw new PortolanError('internal')
  const { upstream, subject, marked } = route
  const source = await sourceOf(context, partyOf(exchange), upstream)
  if (subscribes) refuseMany(session, upstream.id, subject)
  const method = subscribes ? 'resources/subscribe' : 'resources/unsubscribe'
  if (source.isOwn) await askOrThrow(context, await source.channel(), method, subject)
  else await watchShared(context, session, source, { uri: subject, marked, subscribes })
  // Read now: others may have been made while this one was.
  const others = (session.data.subscriptions[upstream.id] ?? []).filter((uri) => uri !== subject)
  session.data.subscriptions[upstream.id] = subscribes ? [...others, subject] : others
  await context.sessions.changed(session)
  const ownNow = await session.own.get(upstream.id)
  if (subscribes) void ownNow?.channel.openStream()
  return answerWith(exchange, {})
}

/** Of one session at one server: a change of any costs work for all of them. */
const MAX_SUBSCRIPTIONS = 1_000

function refuseMany({ data }: LiveSession, upstreamId: string, uri: string): void {
  const uris = data.subscriptions[upstreamId] ?? []
  if (uris.length < MAX_SUBSCRIPTIONS || uris.includes(uri)) return
  throw new PortolanError('invalid_params', { message: `Invalid params: more than ${MAX_SUBSCRIPTIONS} subscriptions` })
}

async function askOrThrow(context: GatewayContext, channel: Parameters<typeof ask>[0], method: string, uri: string): Promise<void> {
  const answer = await ask(channel, method, { uri: asciiJson(uri) }, context.deps)
  if (answer.kind === 'error') throw new PortolanError('resource_not_found', { data: { uri } })
}

const watching = new WeakMap<LiveSession, Map<string, () => void>>()

export interface Subscription {
  readonly uri: string
  readonly marked: boolean
  readonly subscribes: boolean
}

export async function watchShared(
  context: GatewayContext,
  session: LiveSession,
  { upstream, era }: Source,
  { uri, marked, subscribes }: Subscription,
): Promise<void> {
  const stops = watching.get(session) ?? new Map<string, () => void>()
  watching.set(session, stops)
  const key = JSON.stringify([upstream.id, uri])
  const stop = stops.get(key)
  if (!subscribes || stop !== undefined) {
    if (subscribes) return
    stop?.()
    stops.delete(key)
    if (stop !== undefined) session.onEnded.delete(stop)
    return
  }
  const watch = context.watches.watchResource(upstream, era, uri, (message) => deliverUpdated(context, session, upstream, marked, message))
  const isReady = await watch.ready
  const isWanted = isReady && !session.ended && !stops.has(key)
  if (!isWanted) watch.stop()
  if (!isReady) {
    throw new PortolanError('resource_not_found', { data: { uri } })
  }
  if (!isWanted) return
  const end = (): void => watch.stop()
  stops.set(key, end)
  session.onEnded.add(end)
}

function deliverUpdated(context: GatewayContext, session: LiveSession, upstream: Upstream, marked: boolean, message: Message): void {
  const uri = member(message.body, 'uri')
  const value = readString(message.text, uri)
  if (uri === undefined || value === undefined || !isUriHeard(context, session.data.endpoint, upstream, value)) return
  const slug = context.upstreams.slugOf(upstream)
  const text = splice(message.text, [
    { node: uri, text: asciiJson(marked ? markUri(slug, value) : value) },
    ...(member(message.body, '_meta') !== undefined && message.body !== undefined ? [{ node: message.body, remove: ['_meta'] }] : []),
  ])
  context.deliver(session, text)
}

/** Sessions hear of list changes on channels that are not their own; their own channels speak for themselves. */
export function announceLists(context: GatewayContext, session: LiveSession, party: Party): void {
  const stop = onListNews(context, session.data.endpoint, {
    hears: ({ id }) => !session.own.has(id) && session.streams.length > 0,
    tell: (noun) => context.deliver(session, `{"jsonrpc":"2.0","method":"notifications/${noun}/list_changed"}`),
    renew() {
      if (session.streams.length === 0) return
      for (const upstream of upstreamsAt(context, session.data.endpoint)) if (!session.own.has(upstream.id)) void ensureLists(context, party, upstream)
    },
  })
  session.onEnded.add(stop)
}

/** Asked about at a time. */
const TASKS_AT_ONCE = 16

/**
 * Answered from the session's own index, and from the tasks at modern servers that its owner has: what other clients of
 * the same server started stays theirs. A server that does not answer keeps nobody from the others' (guarantee 6).
 */
export async function answerTaskList(context: GatewayContext, exchange: Exchange): Promise<Outcome> {
  const { session, principal, message, endpoint, snapshot } = exchange
  if (session === undefined || principal === undefined || message === undefined) throw new PortolanError('internal')
  const { keyring } = context.deps
  const cursor = readString(message.text, member(message.body, 'cursor'))
  // How many of the session's own come before, and the last of the others: these may be forgotten between two pages.
  const [ofEndpoint, kind, at, after, ownedAfter] = cursor === undefined ? [endpoint, 'tasks', '0', '0', ''] : (keyring.open('cursor', principal.bindingKey, cursor)?.split('|') ?? [])
  if (ofEndpoint !== endpoint || kind !== 'tasks' || at === undefined || after === undefined || ownedAfter === undefined) throw new PortolanError('invalid_cursor')
  const ownLeft = Object.entries(session.data.tasks).flatMap(([upstreamId, ids]) => ids.map((id) => [upstreamId, id] as const)).slice(Number(at))
  const heldLeft = heldTasks(context, exchange, principal.ownerKey).filter(({ order }) => order > Number(after))
  const own = ownLeft.slice(0, snapshot.pageSize)
  const held = heldLeft.slice(0, snapshot.pageSize - own.length)
  const room = snapshot.pageSize - own.length - held.length
  const owned = await waitForStore(context, exchange, ownedPage(context, exchange, principal.ownerKey, ownedAfter, room))
  const last = owned.at(-1)
  const isMore = ownLeft.length + heldLeft.length > snapshot.pageSize || (last !== undefined && owned.length === room)
  const next = [endpoint, 'tasks', Number(at) + own.length, held.at(-1)?.order ?? after, last === undefined ? ownedAfter : pageMark(last)].join('|')
  const reading = [...own.map(([upstreamId, id]) => () => ownTask(context, exchange, upstreamId, id)), ...held.map((task) => () => listedTask(context, task))]
  const read: PromiseSettledResult<JsonValue | undefined>[] = []
  for (let from = 0; from < reading.length; from += TASKS_AT_ONCE) {
    read.push(...(await Promise.allSettled(reading.slice(from, from + TASKS_AT_ONCE).map((run) => run()))))
  }
  const failed = read.find((one) => one.status === 'rejected')
  if (failed !== undefined && read.every(({ status }) => status === 'rejected')) throw failed.reason
  return answerWith(exchange, {
    tasks: [...read.flatMap((one) => (one.status === 'fulfilled' && one.value !== undefined ? [one.value] : [])), ...owned.map((task) => legacyTask(context, exchange, task))],
    ...(isMore ? { nextCursor: keyring.seal('cursor', principal.bindingKey, next) } : {}),
  })
}

async function ownTask(context: GatewayContext, exchange: Exchange, upstreamId: string, id: string): Promise<JsonValue | undefined> {
  const { keyring } = context.deps
  const party = partyOf(exchange)
  const upstream = context.upstreams.byId(upstreamId)
  if (upstream === undefined) return undefined
  const source = await sourceOf(context, party, upstream)
  const answer = await ask(await source.channel(), 'tasks/get', { taskId: asciiJson(id) }, context.deps)
  const task = answer.kind === 'result' && answer.body !== undefined ? readJson(answer.text, answer.body) : undefined
  if (!isJsonObject(task)) return undefined
  const { _meta: _dropped, ...fields } = task
  return { ...fields, taskId: sealTask(keyring, party.principal, upstreamId, id, handleScope(context, exchange.endpoint)) }
}
