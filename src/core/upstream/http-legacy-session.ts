/**
 * A legacy session with a server over Streamable HTTP (2025-03-26 … 2025-11-25), opened: the session id on every request, resumed
 * streams, the GET stream, DELETE at the end. One channel is one session.
 */
import { HEADER } from '../../protocol/header.ts'
import { asciiJson, member, readJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { isBatch, parseMessage, splitBatch } from '../../protocol/message.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import { traitsOf } from '../../protocol/revision.ts'
import type { LegacyRevision } from '../../protocol/revision.ts'
import { LiveMap } from '../live-map.ts'
import type { Clock } from '../clock.ts'
import type { Random } from '../random.ts'
import { createCancellations } from './cancellations.ts'
import type { LegacyChannel, OpenLegacy } from './channel.ts'
import type { Egress } from './egress.ts'
import type { ChannelHealth } from './health.ts'
import { mergeHeaders } from './header-pairs.ts'
import { HttpCall } from './http-call.ts'
import { isEstranged, refuseByStatus } from './http-status.ts'
import type { HeaderPairs } from './header-pairs.ts'
import type { HttpCallRules } from './http-call.ts'
import { createEventStream } from './http-event-stream.ts'
import { exchangeStatus, postMessage } from './http-post.ts'
import type { HttpStatus } from './http-post.ts'
import { requestOnce } from './request-once.ts'
import { cancelledText } from './legacy-handshake.ts'
import type { Handshake } from './legacy-handshake.ts'

export interface HttpLegacyOptions {
  readonly egress: Egress
  readonly clock: Clock
  readonly random: Random
  readonly health: ChannelHealth
  readonly url: string
  readonly headers: HeaderPairs
  /** What a reload made of `headers` since, for the session's further requests. */
  readonly latestHeaders?: () => HeaderPairs
  readonly connectTimeoutMs: number
  /** For the handshake and the channel's own messages. */
  readonly requestTimeoutMs: number
  readonly resultBytes: number
  readonly open: OpenLegacy
  /** Once this has settled, `initialize` may take `hurryMs` more. */
  readonly hurry?: Promise<unknown>
  readonly hurryMs?: number
}

const DEFAULT_RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000
const MAX_RESUME_TRIES = 6

/** Of each request to the server, in a session or before there is one. */
export function baseOf({ open }: HttpLegacyOptions, configured: HeaderPairs): HeaderPairs {
  const own: HeaderPairs = [
    ['content-type', 'application/json'],
    ['accept', 'application/json, text/event-stream'],
  ]
  return mergeHeaders(mergeHeaders(own, configured), open.headers)
}

export function headersOfSession(sessionId: string, revision: LegacyRevision): HeaderPairs {
  return [
    ...(sessionId === '' ? [] : ([[HEADER.sessionId, sessionId]] as const)),
    ...(traitsOf(revision).versionHeader ? ([[HEADER.protocolVersion, revision]] as const) : []),
  ]
}

/** `all`: of a request in the session. Never rejects. */
export function deleteSession({ egress, clock, url, connectTimeoutMs, requestTimeoutMs }: HttpLegacyOptions, all: HeaderPairs): Promise<HttpStatus> {
  const headers = all.filter(([name]) => name !== 'content-type')
  return exchangeStatus(egress, clock, { method: 'DELETE', url, headers, connectTimeoutMs }, requestTimeoutMs)
}

/** `idPrefix`: of a further holder, so that no id is used twice in one session (S25 basic, Requests). */
export function createHttpLegacySession(options: HttpLegacyOptions, base: HeaderPairs, sessionId: string, handshake: Handshake, idPrefix = ''): LegacyChannel {
  const { egress, clock, random, health, url, open, connectTimeoutMs, requestTimeoutMs, resultBytes } = options
  const traits = traitsOf(handshake.revision)
  const ofSession = headersOfSession(sessionId, handshake.revision)
  let configured = options.headers
  let fixed: HeaderPairs = [...base, ...ofSession]
  const fixedNow = (): HeaderPairs => {
    const latest = options.latestHeaders?.() ?? configured
    if (latest === configured) return fixed
    configured = latest
    fixed = [...baseOf(options, latest), ...ofSession]
    return fixed
  }
  const calls = new LiveMap<IdText, HttpCall>()
  const cancels = createCancellations(clock)
  let lastId = 0
  let isClosed = false
  let isDisowned = false

  /** An unknown session is 404 (S25, Session Management); some servers say 400 with −32000. */
  const isSessionGone = (status: number, body: Message | undefined, idText: IdText): boolean => {
    if (sessionId === '') return false
    const code = body === undefined ? undefined : readCode(body)
    if (status === 404) return !(code === -32601 && body?.idText === idText)
    return status === 400 && code === -32000
  }

  const rules: HttpCallRules = {
    clock,
    resultBytes,
    batches: traits.batches,
    serverRequests: true,
    refuse(status, body, idText) {
      if (isSessionGone(status, body, idText)) return 'session_gone'
      if (isEstranged('legacy', status, body)) health.estranged(`status ${status} from a legacy server`)
      return refuseByStatus(status, body)
    },
    takeUp(call) {
      if (isClosed || call.lastEventId === '' || call.resumeTries >= MAX_RESUME_TRIES) return false
      const delayMs = Math.min(Math.max(MAX_RETRY_MS, call.retryMs ?? 0), (call.retryMs ?? DEFAULT_RETRY_MS) * 2 ** call.resumeTries)
      call.resumeTries += 1
      call.suspended(delayMs)
      clock.after(delayMs, () => resume(call))
      return true
    },
    onAbort(call, reason) {
      // Disconnecting is not cancelling in this era (S25 basic/transports, Sending Messages).
      if (!isClosed) cancels.add(post(cancelledText(call.idText, reason), []))
    },
    onOver(call, outcome) {
      calls.delete(call.idText)
      if (outcome === 'response') health.seen()
      else if (outcome === 'aborted') return
      else if (outcome.reason === 'unreachable') health.unreachable(outcome.detail)
      else if (outcome.reason === 'session_gone') queueMicrotask(() => lose('the server does not know the session'))
    },
    onStray: (detail) => health.stray(detail),
  }

  function resume(call: HttpCall): void {
    if (call.isOver) return
    call.beginResume()
    const headers: HeaderPairs = [
      ...fixedNow().filter(([name]) => name !== 'content-type' && name !== 'accept'),
      ['accept', 'text/event-stream'],
      [HEADER.lastEventId, call.lastEventId],
    ]
    call.attach(egress.send({ method: 'GET', url, headers, connectTimeoutMs }, call))
  }

  async function post(text: WireText, headers: HeaderPairs): Promise<void> {
    try {
      await postMessage({
        egress,
        clock,
        url,
        headers: mergeHeaders(fixedNow(), headers),
        text,
        connectTimeoutMs,
        requestTimeoutMs,
        isSessionGone(status, body) {
          const scan = parseMessage(body)
          return isSessionGone(status, scan.ok ? scan.value : undefined, '')
        },
      })
    } catch (error) {
      if (error instanceof PortolanError && error.code === 'session_not_found') lose('the server does not know the session')
      throw error
    }
  }

  const stream = createEventStream({
    egress,
    clock,
    random,
    url,
    headers: fixedNow,
    connectTimeoutMs,
    eventBytes: resultBytes,
    onText(text) {
      for (const item of traits.batches && isBatch(text) ? (splitBatch(text) ?? []) : [text]) {
        const scan = parseMessage(item)
        if (scan.ok && scan.value.method !== '') open.listener.onMessage(scan.value)
        else health.stray(scan.ok ? 'a response on the GET stream' : `the GET stream: ${scan.fault.detail}`)
      }
    },
    onGone: (wasOpen) => (wasOpen ? lose('the server does not know the session') : askWhetherGone()),
  })

  function end(detail: string): void {
    isClosed = true
    stream.close()
    for (const call of calls.values()) call.fail({ reason: 'closed', sent: true, detail })
  }

  /** Nothing new goes there. What is in flight may still be answered, each on its own connection. */
  function lose(detail: string): void {
    if (isClosed) return
    isClosed = true
    stream.close()
    open.listener.onClosed({ gone: true, detail })
  }

  /** A server without a route for GET answers 404, too (S25 has it answer 405): a request in the session finds it lost, or not. */
  function askWhetherGone(): void {
    if (sessionId === '' || isClosed) return
    const idText = channel.nextId()
    void requestOnce(channel, clock, { text: `{"jsonrpc":"2.0","id":${idText},"method":"ping"}`, idText, method: 'ping', headers: [], timeoutMs: requestTimeoutMs })
  }

  const channel: LegacyChannel = {
    era: 'legacy',
    transport: 'http',
    revision: handshake.revision,
    initializeResult: handshake.result,
    ...(sessionId === '' ? {} : { standing: { url, sessionId, revision: handshake.revision } }),
    nextId() {
      lastId += 1
      return idPrefix === '' ? String(lastId) : asciiJson(`${idPrefix}-${lastId}`)
    },
    send(request) {
      const call = new HttpCall(rules, request, request.handler)
      if (isClosed) {
        queueMicrotask(() => call.fail({ reason: 'session_gone', sent: false, detail: 'the session has ended' }))
        return call
      }
      calls.set(call.idText, call)
      const headers = mergeHeaders(fixedNow(), request.headers)
      call.attach(egress.send({ method: 'POST', url, headers, body: request.text, connectTimeoutMs }, call))
      return call
    },
    async notify(text, headers = []) {
      if (isClosed) throw new PortolanError('session_not_found')
      await post(text, headers)
    },
    openStream: () => (isClosed || isDisowned ? Promise.resolve() : stream.open()),
    disown() {
      isDisowned = true
      stream.close()
    },
    async close() {
      if (isClosed) return
      end('the session was closed')
      if (sessionId === '' || isDisowned) return
      // DELETE has a connection of its own, on which it would overtake what cancels a call of the session.
      await cancels.heard()
      await deleteSession(options, fixedNow())
    },
    get closed() {
      return isClosed
    },
  }
  return channel
}

export function readCode(message: Message): number | undefined {
  const code = member(message.body, 'code')
  const value = code === undefined ? undefined : readJson(message.text, code)
  return typeof value === 'number' ? value : undefined
}
