/** The MCP endpoints over HTTP, all eras at once: which exchange a request is, and how it is answered. */

import { PortolanError } from '../../protocol/error.ts'
import type { ErrorCode } from '../../protocol/error.ts'
import { HEADER } from '../../protocol/header.ts'
import { isBatch } from '../../protocol/message.ts'
import { eraOf, isRevision, traitsOf } from '../../protocol/revision.ts'
import type { Era } from '../../protocol/revision.ts'
import type { Views } from '../catalog/view.ts'
import { rememberAnswered } from '../session/live-session.ts'
import { postStreamId } from './stream-id.ts'
import { createStreamReply } from '../session/stream-reply.ts'
import { runBatch } from './batch.ts'
import { beginExchange } from './begin.ts'
import type { GatewayContext } from './context.ts'
import { decodeHttp, headerFault } from './decode.ts'
import { readEndpoint } from './endpoint.ts'
import type { Exchange } from './exchange.ts'
import type { Carried, ServeCarried } from '../replica/serve-exchange.ts'
import { finish, refusalOf } from './finish.ts'
import type { HttpHandler, HttpRefusal, HttpRequest, HttpResponse } from './http-exchange.ts'
import { createHttpReply } from './http-reply.ts'
import { openGetStream } from './get-stream.ts'
import { createSseEntry } from './sse-entry.ts'
import { authenticateOnly, identify, runStages } from './stages.ts'
import { waitForStore } from './store-wait.ts'

export interface HttpEntry extends HttpHandler {
  /** What another replica was asked, and this one has to answer. */
  readonly serve: ServeCarried
}

export function createHttpEntry(context: GatewayContext, views: Views): HttpEntry {
  const sse = createSseEntry(context, views)
  const handle = (request: HttpRequest, response: HttpResponse, refusal: HttpRefusal | undefined, carried?: Carried): void => {
    const endpoint = readEndpoint(request.path)
    if (endpoint?.kind === 'sse' && refusal === undefined) return sse.handle(endpoint.name, request, response, carried)
    const exchange = begin(context, { endpoint: endpoint?.name ?? '', request, response, carried })
    if (refusal !== undefined) return refuse(context, exchange, refusal.code, refusal)
    if (endpoint === undefined) return refuse(context, exchange, 'unknown_server')
    switch (request.verb) {
      case 'POST':
        return guard(context, exchange, post(context, views, exchange, request, response))
      case 'GET':
        return guard(context, exchange, get(context, exchange, request, response))
      case 'DELETE':
        return guard(context, exchange, remove(context, exchange))
      default:
        return refuse(context, exchange, 'method_not_allowed')
    }
  }
  return { handle: (request, response, refusal) => handle(request, response, refusal), serve: (request, response, carried) => handle(request, response, undefined, carried) }
}

interface Received {
  readonly endpoint: string
  readonly request: HttpRequest
  readonly response: HttpResponse
  readonly carried: Carried | undefined
}

function begin(context: GatewayContext, { endpoint, request, response, carried }: Received): Exchange {
  const reply = createHttpReply(response)
  const exchange = beginExchange(context, { transport: 'http', endpoint, era: headerEra(request), reply, http: request, response, carried })
  response.onGone(() => gone(context, exchange))
  return exchange
}

/** A fault of our own ends its exchange and nothing else. */
function guard(context: GatewayContext, exchange: Exchange, work: Promise<void>): void {
  work.catch((error: unknown) => finish(context, exchange, refusalOf(context, error)))
}

/** Before the body is read, only the version header says in whose shape to refuse. */
function headerEra(request: HttpRequest): Era {
  const version = request.header(HEADER.protocolVersion)
  return version !== undefined && isRevision(version) ? eraOf(version) : 'legacy'
}

/**
 * A modern client that goes away has cancelled; a legacy client has not (2026-07-28, Cancellation; 2025-11-25, Transports):
 * its call goes on, and its answer waits for it to come back.
 */
function gone(context: GatewayContext, exchange: Exchange): void {
  if (exchange.session !== undefined && exchange.era === 'legacy' && exchange.message?.kind === 'request') return
  exchange.carriage?.abort('the client went away')
  finish(context, exchange, { kind: 'disconnected' })
}

function refuse(context: GatewayContext, exchange: Exchange, code: ErrorCode, refusal?: HttpRefusal): void {
  const retry = refusal?.retryAfterSec
  finish(context, exchange, { kind: 'refused', error: new PortolanError(code, retry === undefined ? {} : { retryAfterSec: retry }) })
}

const BODY_FAULTS: Readonly<Record<'too_large' | 'timeout', ErrorCode>> = { too_large: 'body_too_large', timeout: 'request_timeout' }

async function post(context: GatewayContext, views: Views, exchange: Exchange, request: HttpRequest, response: HttpResponse): Promise<void> {
  const unfit = unfitHeaders(request)
  if (unfit !== undefined) return refuse(context, exchange, unfit)
  if (mayBeLarge(request)) {
    const stopped = await authenticateOnly(context, exchange)
    if (stopped !== undefined) finish(context, exchange, stopped)
    if (exchange.outcome !== undefined) return
  }
  const body = await request.body()
  if (!body.ok) {
    const { reason } = body.fault
    if (reason === 'disconnected') finish(context, exchange, { kind: 'disconnected' })
    else refuse(context, exchange, BODY_FAULTS[reason])
    return
  }
  if (exchange.outcome !== undefined) return
  exchange.text = body.value
  if (isBatch(body.value)) return runBatch(context, views, exchange, response)
  startMessage(context, views, exchange, request, response)
}

/** The refusal of a small body can name its id; nobody may make us hold more without a token. */
const UNKNOWN_BODY_BYTES = 16 * 1024

function mayBeLarge(request: HttpRequest): boolean {
  const declared = request.header('content-length')
  return declared === undefined || !(Number(declared) <= UNKNOWN_BODY_BYTES)
}

function startMessage(context: GatewayContext, views: Views, exchange: Exchange, request: HttpRequest, response: HttpResponse): void {
  const header = (name: string): string | undefined => request.header(name)
  const decoded = decodeHttp(exchange.text, header, exchange.snapshot.limits.jsonDepth)
  exchange.era = decoded.era
  exchange.message = decoded.message
  if (!decoded.ok) {
    finish(context, exchange, { kind: 'refused', error: decoded.error }, decoded.idText)
    return
  }
  exchange.revision = decoded.revision
  const { message } = decoded
  if (decoded.era === 'modern' && message.kind === 'request') {
    const fault = headerFault(message, header)
    if (fault !== undefined) {
      finish(context, exchange, { kind: 'refused', error: fault })
      return
    }
  }
  if (message.kind === 'request' && decoded.era === 'legacy' && message.method !== 'initialize') {
    exchange.onSession = (session) => streamReply(context, exchange, session, response)
  }
  runStages(context, exchange, views)
}

function streamReply(context: GatewayContext, exchange: Exchange, session: NonNullable<Exchange['session']>, response: HttpResponse): void {
  const streamId = postStreamId(exchange)
  const reply = createStreamReply({
    response,
    events: context.deps.events,
    sessionId: session.data.id,
    streamId,
    priming: traitsOf(session.data.revision).primingEvents,
    streams: prefersStream(exchange.http?.header('accept') ?? ''),
    onDone(resumable, isAbsent) {
      session.replies.delete(streamId)
      if (resumable) rememberAnswered(session, streamId, exchange.message?.idText ?? '')
      if (resumable && isAbsent) context.sessions.keepStream(session, streamId)
    },
  })
  exchange.reply = reply
  session.replies.set(streamId, reply)
}

/** What the official SDKs send: known without looking closer. */
const USUAL_ACCEPT = 'application/json, text/event-stream'

/** Content-Type and Accept (Streamable HTTP, Sending Messages). */
function unfitHeaders(request: HttpRequest): ErrorCode | undefined {
  const type = request.header('content-type')
  if (type !== 'application/json' && type?.split(';', 1)[0]?.trim().toLowerCase() !== 'application/json') return 'unsupported_media_type'
  const given = request.header('accept') ?? ''
  if (given === USUAL_ACCEPT) return undefined
  const accept = given.toLowerCase()
  const takesAll = accept.includes('*/*')
  const takesJson = takesAll || accept.includes('application/json') || accept.includes('application/*')
  const takesStream = takesAll || accept.includes('text/event-stream') || accept.includes('text/*')
  return takesJson && takesStream ? undefined : 'not_acceptable'
}

/** Both types weigh the same to most clients (RFC 9110 §12.5.1); the order is then the only preference that they state. */
function prefersStream(accept: string): boolean {
  const stream = accept.indexOf('text/event-stream')
  return stream >= 0 && stream < accept.indexOf('application/json')
}

async function get(context: GatewayContext, exchange: Exchange, request: HttpRequest, response: HttpResponse): Promise<void> {
  if (exchange.era === 'modern') return refuse(context, exchange, 'method_not_allowed')
  const accept = request.header('accept')?.toLowerCase() ?? ''
  if (!/text\/event-stream|text\/\*|\*\/\*/.test(accept)) return refuse(context, exchange, 'not_acceptable')
  const stopped = await identify(context, exchange)
  if (stopped !== undefined) finish(context, exchange, stopped)
  else if (exchange.outcome === undefined) openGetStream(context, exchange, request, response)
}

async function remove(context: GatewayContext, exchange: Exchange): Promise<void> {
  if (exchange.era === 'modern') return refuse(context, exchange, 'method_not_allowed')
  const stopped = await identify(context, exchange)
  const { session } = exchange
  if (stopped !== undefined || session === undefined) {
    finish(context, exchange, stopped ?? refusalOf(context, new PortolanError('session_not_found')))
    return
  }
  await waitForStore(context, exchange, context.sessions.end(session))
  finish(context, exchange, { kind: 'accepted', status: 200 })
}
