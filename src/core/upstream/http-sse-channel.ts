/**
 * A legacy session over HTTP+SSE (2024-11-05 basic/transports): one GET stream brings everything, the `endpoint` event
 * names where to POST. The end of the stream is the end of the session.
 */
import { PortolanError } from '../../protocol/error.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { WireText } from '../../protocol/json.ts'
import { fail, ok } from '../../protocol/result.ts'
import type { Result } from '../../protocol/result.ts'
import { traitsOf } from '../../protocol/revision.ts'
import { HEADER } from '../../protocol/header.ts'
import { createSseParser } from '../../protocol/sse.ts'
import { createCancellations } from './cancellations.ts'
import type { CallControl, ChannelCall, ChannelFailure, LegacyChannel } from './channel.ts'
import { brokenAnswers, createCorrelator } from './correlator.ts'
import type { EgressControl } from './egress.ts'
import { mergeHeaders } from './header-pairs.ts'
import { isMediaType, isRefusedUnexecuted } from './http-status.ts'
import type { HeaderPairs } from './header-pairs.ts'
import type { HttpLegacyOptions } from './http-legacy-session.ts'
import { exchangeStatus, postMessage } from './http-post.ts'
import { INITIALIZED, cancelledText, initializeText, readHandshake } from './legacy-handshake.ts'
import type { Handshake, OpenFault } from './legacy-handshake.ts'
import { requestOnce } from './request-once.ts'

/** The GET stream and its endpoint, before and after the handshake. */
interface SseLink {
  readonly endpoint: string
  onText: (text: WireText) => void
  onEnd: (detail: string) => void
  close(): void
}

/** Opens the stream, awaits its endpoint, makes the handshake. Never rejects. */
export async function openHttpSseChannel(options: HttpLegacyOptions): Promise<Result<LegacyChannel, OpenFault>> {
  const { clock, open, requestTimeoutMs, health } = options
  const headers = mergeHeaders(options.headers, open.headers)
  const link = await openLink(options, headers)
  if (!link.ok) return link
  const session = createSession(options, headers, link.value)
  const text = initializeText('0', open)
  const answer = await requestOnce(session.channel, clock, {
    text,
    idText: '0',
    method: 'initialize',
    headers: [],
    timeoutMs: requestTimeoutMs,
  })
  const handshake = answer.ok ? readHandshake(answer.message) : fail<OpenFault>({ reason: 'refused', detail: answer.failure.detail })
  if (!handshake.ok) {
    link.value.close()
    return handshake
  }
  session.begin(handshake.value)
  try {
    await session.channel.notify(INITIALIZED)
  } catch {
    await session.channel.close()
    return fail({ reason: 'unavailable', detail: 'notifications/initialized was not accepted' })
  }
  health.seen()
  return ok(session.channel)
}

function openLink(options: HttpLegacyOptions, headers: HeaderPairs): Promise<Result<SseLink, OpenFault>> {
  const { egress, clock, url, connectTimeoutMs, requestTimeoutMs, resultBytes, health } = options
  return new Promise((resolve) => {
    let link: SseLink | undefined
    let refused = 'no event stream'
    let status = 0
    let isOver = false
    const parser = createSseParser({ maxEventBytes: resultBytes })
    const stopTimer = clock.after(requestTimeoutMs, () => end(`no endpoint event within ${requestTimeoutMs} ms`))

    function end(detail: string, isUnreachable = false): void {
      if (isOver) return
      isOver = true
      stopTimer()
      control.abort()
      if (link !== undefined) return link.onEnd(detail)
      const isTrouble = status === 401 || status === 403 || status >= 500
      resolve(fail({ reason: isUnreachable ? 'unreachable' : isTrouble ? 'unavailable' : 'refused', detail: `HTTP+SSE: ${detail}` }))
    }

    function begin(data: string): void {
      const endpoint = resolveEndpoint(url, data)
      if (endpoint === undefined) return end('the endpoint event names another origin')
      stopTimer()
      link = {
        endpoint,
        onText: () => undefined,
        onEnd: () => undefined,
        close() {
          isOver = true
          control.abort()
        },
      }
      resolve(ok(link))
    }

    const get: HeaderPairs = mergeHeaders(headers, [['accept', 'text/event-stream']])
    const control: EgressControl = egress.send({ method: 'GET', url, headers: get, connectTimeoutMs }, {
      onHead(code, header) {
        status = code
        if (code === 200 && isMediaType(header('content-type') ?? '', 'text/event-stream')) return
        refused = `status ${code}`
        queueMicrotask(() => end(refused))
      },
      onChunk(chunk) {
        if (isOver || status !== 200) return
        const { events, fault } = parser.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
        for (const event of events) {
          if (isOver) return
          if (event.event === 'endpoint' && link === undefined) begin(event.data.toString('utf8').trim())
          else if (event.event === 'message' && event.data.length > 0) link?.onText(event.data.toString('latin1'))
          else if (event.event !== 'endpoint') health.stray('HTTP+SSE: an event of an unknown type')
        }
        if (fault !== undefined) end('an event beyond the limit')
      },
      onEnd: () => end(refused === 'no event stream' ? 'the stream ended' : refused),
      onFailure: (failure) => end(failure.detail, failure.reason === 'unreachable'),
    })
  })
}

/** The server says where to POST; another origin would be given this server's credentials. */
function resolveEndpoint(base: string, reference: string): string | undefined {
  if (!URL.canParse(reference, base)) return undefined
  const endpoint = new URL(reference, base)
  return endpoint.origin === new URL(base).origin ? endpoint.href : undefined
}

interface SseSession {
  readonly channel: LegacyChannel
  begin(handshake: Handshake): void
}

function createSession(options: HttpLegacyOptions, base: HeaderPairs, link: SseLink): SseSession {
  const { egress, clock, health, open, connectTimeoutMs, requestTimeoutMs } = options
  let ofSession: HeaderPairs = [['content-type', 'application/json']]
  let handshake: Handshake | undefined
  const fixedNow = (): HeaderPairs => {
    const { latestHeaders } = options
    return mergeHeaders(latestHeaders === undefined ? base : mergeHeaders(latestHeaders(), open.headers), ofSession)
  }
  const correlator = createCorrelator({ isModern: false })
  const cancels = createCancellations(clock)
  let lastId = 0
  let isClosed = false

  link.onText = (text) => {
    if (isClosed) return
    const scan = parseMessage(text)
    if (!scan.ok) {
      health.stray(`HTTP+SSE: ${scan.fault.detail}`)
      for (const idText of brokenAnswers(text, scan.fault)) correlator.fail(idText, { reason: 'malformed', sent: true, detail: scan.fault.detail })
      return
    }
    const fate = correlator.route(scan.value)
    if (fate === 'stray') health.stray(`HTTP+SSE: ${scan.value.method || 'a response'} that names no call`)
    else if (fate === 'unclaimed') open.listener.onMessage(scan.value)
    else health.seen()
  }
  link.onEnd = (detail) => {
    if (isClosed) return
    isClosed = true
    correlator.failAll({ reason: 'closed', sent: true, detail })
    open.listener.onClosed({ gone: true, detail })
  }

  /** The answer to a POST is 202 and nothing else; anything but 2xx is the call's failure. */
  async function post(call: ChannelCall): Promise<void> {
    const headers = mergeHeaders(fixedNow(), call.headers)
    const request = { method: 'POST' as const, url: link.endpoint, headers, body: call.text, connectTimeoutMs }
    const answer = await exchangeStatus(egress, clock, request, requestTimeoutMs)
    // Silence on the POST means nothing as long as the stream stands: some servers accept only when they are done.
    if (answer.ok ? answer.status < 300 : answer.failure.reason === 'aborted') return
    if (!correlator.remove(call.idText)) return
    call.handler.onFailure(answer.ok ? toFailure(answer.status, answer.retryAfterSec) : { ...lost(answer.failure.sent), detail: answer.failure.detail })
  }

  const channel: LegacyChannel = {
    era: 'legacy',
    transport: 'http',
    get revision() {
      return handshake?.revision ?? '2024-11-05'
    },
    get initializeResult() {
      return handshake?.result ?? '{}'
    },
    nextId() {
      lastId += 1
      return String(lastId)
    },
    send(call): CallControl {
      if (isClosed) {
        queueMicrotask(() => call.handler.onFailure({ reason: 'session_gone', sent: false, detail: 'the session has ended' }))
        return { abort: () => undefined, resume: () => undefined }
      }
      correlator.add(call)
      void post(call)
      return {
        abort(reason) {
          if (!correlator.remove(call.idText) || call.method === 'initialize') return
          cancels.add(channel.notify(cancelledText(call.idText, reason)))
        },
        // One slow client must not stop the others on this stream.
        resume: () => undefined,
      }
    },
    async notify(text, headers = []) {
      if (isClosed) throw new PortolanError('session_not_found')
      const isSessionGone = (status: number): boolean => status === 404
      const merged = mergeHeaders(fixedNow(), headers)
      await postMessage({ egress, clock, url: link.endpoint, headers: merged, text, connectTimeoutMs, requestTimeoutMs, isSessionGone })
    },
    openStream: () => Promise.resolve(),
    async close() {
      if (isClosed) return
      isClosed = true
      correlator.failAll({ reason: 'closed', sent: true, detail: 'the session was closed' })
      // The end of the stream is the end of the session: it must not overtake what cancels a call of it.
      await cancels.heard()
      link.close()
    },
    get closed() {
      return isClosed
    },
  }
  return {
    channel,
    begin(value) {
      handshake = value
      if (traitsOf(value.revision).versionHeader) ofSession = mergeHeaders(ofSession, [[HEADER.protocolVersion, value.revision]])
    },
  }
}

function toFailure(status: number, retryAfterSec: number | undefined): ChannelFailure {
  const reason = status === 404 ? 'session_gone' : status === 429 || status === 503 ? 'overloaded' : 'status'
  const sent = !isRefusedUnexecuted(status)
  return { reason, sent, detail: `status ${status}`, status, ...(retryAfterSec === undefined ? {} : { retryAfterSec }) }
}

function lost(sent: boolean): Pick<ChannelFailure, 'reason' | 'sent'> {
  return { reason: sent ? 'closed' : 'unreachable', sent }
}
