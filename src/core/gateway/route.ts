/** Stage 4: which upstream server a request goes to, and what it calls there what the client named. */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import { isMethod, routedBy } from '../../protocol/method.ts'
import { NO_TOOL_HEADERS } from '../../protocol/tool-header.ts'
import type { ToolHeaders } from '../../protocol/tool-header.ts'
import { findKept } from '../bridge/adopted-task.ts'
import { isRemoved, localAnswer } from '../bridge/carrier-table.ts'
import { CURSOR_METHOD, openCursor, openState, openTask } from '../bridge/handles.ts'
import type { OpenedState } from '../bridge/handles.ts'
import { checkedHeaders } from '../bridge/param-headers.ts'
import { partyOf, sourceOf } from '../bridge/party.ts'
import { ownerOf } from '../bridge/task-owner.ts'
import { demandTasks } from '../bridge/task-support.ts'
import type { Source } from '../bridge/party.ts'
import { aloneAt, handleScope, isMerged, upstreamsAt, virtualAt } from '../catalog/endpoint-scope.ts'
import type { ListKind } from '../catalog/list-kind.ts'
import type { Views } from '../catalog/view.ts'
import { isOverPhase } from '../task/stored-task.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange, Route } from './exchange.ts'
import { uriNotFound } from './uri-not-found.ts'
import { findAtVirtual } from './virtual-route.ts'

/** Where a request goes, before its headers and handles are looked at. */
export type Found = Pick<Route, 'upstream' | 'subject' | 'renamed' | 'params' | 'fixed' | 'scope' | 'isOwned' | 'kept' | 'heldBy'> & {
  readonly headers?: ToolHeaders
  readonly marked?: boolean
}

/** Throws or rejects with PortolanError; leaves `exchange.route` unset for what Portolan answers itself. */
export function route(context: GatewayContext, views: Views, exchange: Exchange): void | Promise<void> {
  const { message, era } = exchange
  if (message?.kind === 'notification') return routeUnknown(context, exchange, message.method)
  if (message === undefined || message.kind !== 'request') return undefined
  const { method } = message
  const answer = localAnswer(era, method)
  if (answer !== undefined && answer !== 'subscribe' && answer !== 'unsubscribe') return undefined
  if (isRemoved(era, method)) throw new PortolanError('method_not_found')
  const found = find(context, views, exchange)
  if (found instanceof Promise) return found.then((one) => settle(context, exchange, one))
  return settle(context, exchange, found)
}

function find(context: GatewayContext, views: Views, exchange: Exchange): Found | Promise<Found> {
  const { message, endpoint } = exchange
  if (message === undefined) throw new PortolanError('internal')
  const { text, body, method } = message
  const by = routedBy(method)
  if (by === 'taskId') return findTask(context, exchange, readString(text, member(body, 'taskId')))
  const ref = by === 'ref' ? member(body, 'ref') : undefined
  const isPrompt = method === 'prompts/get' || readString(text, member(ref, 'type')) === 'ref/prompt'
  const named = by === 'ref' ? ref : body
  const subject = readString(text, member(named, by === 'uri' || (by === 'ref' && !isPrompt) ? 'uri' : 'name'))
  if (by !== 'none' && subject === undefined) throw new PortolanError('invalid_params', { message: 'Invalid params: what to use is not named' })
  if (endpoint !== '') {
    const upstream = context.upstreams.byName(endpoint)
    if (upstream !== undefined) return { upstream, subject: subject ?? '' }
    const virtual = virtualAt(context, endpoint)
    if (virtual === undefined) throw new PortolanError('unknown_server')
    const asked = { by: by === 'ref' ? (isPrompt ? 'name' : 'uri') : by, kind: isPrompt ? 'prompts' : 'tools', subject: subject ?? '' } as const
    return findAtVirtual(context, views, exchange, virtual, asked)
  }
  if (by === 'none' || subject === undefined) return onlyUpstream(context)
  if (by === 'name' || isPrompt) return findByName(views, exchange, isPrompt ? 'prompts' : 'tools', subject)
  return findByUri(context, message, subject)
}

/** A method that no table knows has a route on `/mcp` only where there is nothing to choose (bridge-rulings §5). */
function onlyUpstream(context: GatewayContext): Found {
  const only = aloneAt(context, '')
  if (only === undefined) throw new PortolanError('method_not_found')
  return { upstream: only, subject: '' }
}

/** A notification that no table knows goes where such a method would go; where that is nowhere, it is accepted and dropped. */
function routeUnknown(context: GatewayContext, exchange: Exchange, method: string): void {
  const upstream = isMethod(method) ? undefined : aloneAt(context, exchange.endpoint)
  if (upstream !== undefined) exchange.route = { upstream, subject: '', marked: false, paramHeaders: [], requestState: undefined }
}

function findTask(context: GatewayContext, exchange: Exchange, handle: string | undefined): Found | Promise<Found> {
  if (exchange.era === 'modern') demandTasks(exchange.message)
  const scope = handleScope(context, exchange.endpoint)
  const task = handle === undefined ? undefined : openTask(context.deps.keyring, partyOf(exchange).principal, handle, scope)
  const upstream = task === undefined ? undefined : context.upstreams.byId(task.upstreamId)
  if (task === undefined || upstream === undefined) throw new PortolanError('task_not_found')
  if (!upstreamsAt(context, exchange.endpoint).includes(upstream)) throw new PortolanError('task_not_found')
  const isOwned = ownerOf(task.taskId) === 'portolan'
  const found: Found = { upstream, subject: task.taskId, scope, heldBy: task.heldBy, isOwned, marked: isMerged(context, exchange.endpoint) }
  if (isOwned || context.owned === undefined) return found
  return findKept(context, partyOf(exchange).principal.ownerKey, upstream.id, task.taskId, task.heldBy).then((kept) => ({ ...found, kept, isOwned: kept?.kind === 'found' && isOverPhase(kept.task.phase) }))
}

function findByName(views: Views, exchange: Exchange, kind: ListKind, name: string): Found | Promise<Found> {
  const pick = (view: Awaited<ReturnType<Views['view']>>): Found => {
    const entry = view.byName.get(name) ?? view.byOwnName.get(name)
    if (entry === undefined) {
      const down = view.missing.find((upstream) => name.startsWith(`${upstream.name}${exchange.snapshot.separator}`))
      if (down !== undefined) throw new PortolanError('upstream_unavailable', { message: `Upstream server unavailable: ${down.name}` })
      const code = kind === 'tools' ? 'unknown_tool' : 'unknown_prompt'
      throw new PortolanError(code, { message: `Unknown ${kind === 'tools' ? 'tool' : 'prompt'}: ${name.slice(0, 128)}` })
    }
    return { upstream: entry.upstream, subject: entry.item.key, headers: entry.item.headers }
  }
  const view = views.view(partyOf(exchange), '', kind)
  return view instanceof Promise ? view.then(pick) : pick(view)
}

function findByUri(context: GatewayContext, message: Message, marked: string): Found {
  const found = context.upstreams.byMarkedUri(marked)
  if (found === undefined) throw uriNotFound(message)
  return { upstream: found.upstream, subject: found.uri }
}

function settle(context: GatewayContext, exchange: Exchange, found: Found): void | Promise<void> {
  if (exchange.message?.method === 'tools/call' && mayMirror(exchange, found.upstream)) return settleTool(context, exchange, found)
  exchange.route = routeTo(context, exchange, found, NO_TOOL_HEADERS)
  return undefined
}

/** Modern clients send headers that must agree; to modern servers over HTTP they go, whatever the client knows of them. */
function mayMirror({ era }: Exchange, upstream: Upstream): boolean {
  if (era === 'modern') return true
  return upstream.config.target.transport === 'http' && upstream.knownProfile()?.legacy === undefined
}

/** `x-mcp-header` rules come from the catalog; a server whose list cannot be had gets its call without them. */
function settleTool(context: GatewayContext, exchange: Exchange, found: Found): void | Promise<void> {
  const finish = (headers: ToolHeaders): void => {
    exchange.route = routeTo(context, exchange, found, headers)
  }
  if (found.headers !== undefined) return finish(found.headers)
  const source = sourceOf(context, partyOf(exchange), found.upstream)
  const headersOf = (ready: Source): ToolHeaders | Promise<ToolHeaders> => {
    if (exchange.era === 'legacy' && ready.era === 'legacy') return NO_TOOL_HEADERS
    const known = context.catalog.known(ready, 'tools')
    if (known !== undefined) return known.byKey.get(found.subject)?.headers ?? NO_TOOL_HEADERS
    const list = context.catalog.list(ready, 'tools')
    if (!(list instanceof Promise)) return list.byKey.get(found.subject)?.headers ?? NO_TOOL_HEADERS
    return list.then((fetched) => fetched.byKey.get(found.subject)?.headers ?? NO_TOOL_HEADERS).catch(() => NO_TOOL_HEADERS)
  }
  const headers = source instanceof Promise ? source.then(headersOf) : headersOf(source)
  return headers instanceof Promise ? headers.then(finish) : finish(headers)
}

function routeTo(context: GatewayContext, exchange: Exchange, found: Found, headers: ToolHeaders): Route {
  const opened = openedState(context, exchange, found)
  return {
    upstream: found.upstream,
    subject: found.subject,
    marked: found.marked ?? exchange.endpoint === '',
    renamed: found.renamed,
    params: openedCursor(context, exchange, found) ?? found.params,
    fixed: found.fixed,
    scope: found.scope,
    isOwned: found.isOwned,
    kept: found.kept,
    paramHeaders: checkedHeaders(exchange, found.upstream, headers, found.fixed),
    heldBy: opened?.heldBy ?? found.heldBy,
    requestState: opened?.state,
  }
}

/** The server's own, in place of the handle that the client has of it (bridge-rulings §2). */
function openedCursor(context: GatewayContext, exchange: Exchange, { upstream, subject, scope }: Found): Found['params'] {
  const { message } = exchange
  const node = message?.method === CURSOR_METHOD ? member(message.body, 'cursor') : undefined
  if (message === undefined || node === undefined) return undefined
  const handle = readString(message.text, node)
  const binding = { upstreamId: upstream.id, method: CURSOR_METHOD, subject, scope }
  const cursor = handle === undefined ? undefined : openCursor(context.deps.keyring, partyOf(exchange).principal, binding, handle)
  if (cursor === undefined) throw new PortolanError('invalid_cursor')
  return { cursor: asciiJson(cursor) }
}

function openedState(context: GatewayContext, exchange: Exchange, { upstream, subject, scope }: Found): OpenedState | undefined {
  const { message } = exchange
  const node = exchange.era === 'modern' ? member(message?.body, 'requestState') : undefined
  if (message === undefined || node === undefined) return undefined
  const handle = readString(message.text, node)
  const binding = { upstreamId: upstream.id, method: message.method, subject, scope }
  const { keyring, clock } = context.deps
  const state = handle === undefined ? undefined : openState(keyring, partyOf(exchange).principal, binding, handle, clock.nowMs())
  if (state === undefined) throw new PortolanError('invalid_request_state')
  return state
}
