/**
 * `subscriptions/listen` (2026-07-28, Subscriptions): acknowledged first, then only what was asked for, every message
 * under this listen's id, ended by a result when Portolan ends it.
 */

import { asciiJson, member, readJson, readString } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { JsonValue } from '../../protocol/json-value.ts'
import type { Message } from '../../protocol/message.ts'
import { LATEST_MODERN } from '../../protocol/revision.ts'
import { acknowledgedText, honourable, listenResultText, readFilter, subscriptionMeta } from '../../protocol/subscription.ts'
import type { SubscriptionFilter } from '../../protocol/subscription.ts'
import { isUriHeard, slugAt, upstreamsAt, virtualAt } from '../catalog/endpoint-scope.ts'
import { reachResource } from '../catalog/reach.ts'
import { markUri } from '../catalog/uri-mark.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { resultText } from '../gateway/render.ts'
import { admitStream } from '../gateway/streams.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { endpointProfile } from './endpoint-profile.ts'
import { onListNews } from './list-news.ts'
import type { Noun } from './list-news.ts'
import { ensureLists, partyOf, sourceOf } from './party.ts'
import { watchTasks } from './task-listen.ts'
import { demandTasks } from './task-support.ts'

const FLAG: Readonly<Record<Noun, keyof SubscriptionFilter>> = {
  tools: 'toolsListChanged',
  prompts: 'promptsListChanged',
  resources: 'resourcesListChanged',
}

/** Opens it; it ends with its exchange. Rejects with PortolanError before anything was sent. */
export async function openListen(context: GatewayContext, exchange: Exchange): Promise<void> {
  const { message } = exchange
  const asked = member(message?.body, 'notifications')
  const filter = readFilter(message === undefined || asked === undefined ? undefined : (readJson(message.text, asked) as JsonValue))
  if (message === undefined || !filter.ok) throw new PortolanError('invalid_params', { message: 'Invalid params: notifications is missing or malformed' })
  if (filter.value.taskIds.length > 0) demandTasks(message)
  admitStream(context, exchange)
  const { capabilities } = await endpointProfile(context, exchange.endpoint, LATEST_MODERN, 'modern')
  // What is begun for a client that went away meanwhile would never end.
  if (exchange.outcome !== undefined) return
  const wanted = { ...honourable(filter.value, capabilities), taskIds: [], other: {} }
  const queue = createQueue(exchange, message.idText)
  const stopLists = watchLists(context, exchange, wanted, queue)
  exchange.onFinished.push(stopLists)
  const [resourceSubscriptions, taskIds] = await Promise.all([
    watchResources(context, exchange, wanted, queue),
    watchTasks(context, exchange, filter.value.taskIds, (members) => queue.send('notifications/tasks', members)),
  ])
  queue.acknowledge({ ...wanted, resourceSubscriptions, taskIds })
}

/** The graceful end (Subscriptions, Graceful Closure). */
export function listenEnded(exchange: Exchange): Outcome {
  const idText = exchange.message?.idText ?? ''
  return { kind: 'answered', text: resultText(idText, listenResultText(idText)), status: 200, failed: false }
}

interface Queue {
  send(method: string, params?: WireText): void
  acknowledge(filter: SubscriptionFilter): void
}

/** Nothing may come before the acknowledgement: what happens meanwhile waits for it. */
function createQueue(exchange: Exchange, idText: string): Queue {
  let waiting: WireText[] | undefined = []
  const meta = subscriptionMeta(idText)
  const write = (text: WireText): void => {
    if (exchange.outcome === undefined) exchange.reply.send(text)
  }
  return {
    send(method, params = '') {
      const text = `{"jsonrpc":"2.0","method":"${method}","params":{${meta}${params}}}`
      if (waiting === undefined) write(text)
      else waiting.push(text)
    },
    acknowledge(filter) {
      write(acknowledgedText(idText, filter))
      for (const text of waiting ?? []) write(text)
      waiting = undefined
    },
  }
}

function watchLists(context: GatewayContext, exchange: Exchange, wanted: SubscriptionFilter, queue: Queue): () => void {
  const party = partyOf(exchange)
  const flags = wanted.toolsListChanged || wanted.promptsListChanged || wanted.resourcesListChanged
  const watch = (): void => {
    if (flags) for (const upstream of upstreamsAt(context, exchange.endpoint)) void ensureLists(context, party, upstream)
  }
  watch()
  return onListNews(context, exchange.endpoint, {
    renew: watch,
    tell(noun) {
      if (wanted[FLAG[noun]] === true) queue.send(`notifications/${noun}/list_changed`)
    },
  })
}

async function watchResources(
  context: GatewayContext,
  exchange: Exchange,
  wanted: SubscriptionFilter,
  queue: Queue,
): Promise<readonly string[]> {
  const watches = wanted.resourceSubscriptions.map(async (asked) => {
    const target = await targetOf(context, exchange, asked)
    if (target === undefined) return undefined
    const source = await Promise.resolve(sourceOf(context, partyOf(exchange), target.upstream)).catch(() => undefined)
    if (source === undefined) return undefined
    const watch = context.watches.watchResource(target.upstream, source.era, target.uri, (message) => {
      if (!isHeard(context, exchange, target.upstream, message)) return
      const updated = updatedParams(message, slugAt(context, exchange.endpoint, target.upstream))
      if (updated !== undefined) queue.send(message.method, updated)
    })
    exchange.onFinished.push(() => watch.stop())
    if (exchange.outcome !== undefined) watch.stop()
    if (await watch.ready) return asked
    // What was not agreed to is not told, and does not keep who asks next from being agreed with.
    watch.stop()
    return undefined
  })
  return (await Promise.all(watches)).filter((uri) => uri !== undefined)
}

/** What cannot be read cannot be watched. */
async function targetOf(
  context: GatewayContext,
  exchange: Exchange,
  asked: string,
): Promise<{ readonly upstream: Upstream; readonly uri: string } | undefined> {
  if (exchange.endpoint === '') return context.upstreams.byMarkedUri(asked)
  const upstream = context.upstreams.byName(exchange.endpoint)
  if (upstream !== undefined) return { upstream, uri: asked }
  const virtual = virtualAt(context, exchange.endpoint)
  return virtual === undefined ? undefined : reachResource(context, partyOf(exchange), virtual, asked).catch(() => undefined)
}

function isHeard(context: GatewayContext, { endpoint }: Exchange, upstream: Upstream, message: Message): boolean {
  return isUriHeard(context, endpoint, upstream, readString(message.text, member(message.body, 'uri')) ?? '')
}

/** The members of `params` besides `_meta`, the URI marked on `/mcp`. */
function updatedParams(message: Message, slug: string | undefined): WireText | undefined {
  const uri = readString(message.text, member(message.body, 'uri'))
  if (uri === undefined) return undefined
  let members = `,"uri":${asciiJson(slug === undefined ? uri : markUri(slug, uri))}`
  for (const [key, { value }] of message.body?.members ?? []) {
    if (key !== 'uri' && key !== '_meta') members += `,${asciiJson(key)}:${message.text.slice(value.start, value.end)}`
  }
  return members
}
