/** An upstream server reached over HTTP: Streamable HTTP of every revision, and HTTP+SSE of 2024-11-05 where that is refused. */
import { fail, ok } from '../../protocol/result.ts'
import { LATEST_LEGACY, LATEST_MODERN } from '../../protocol/revision.ts'
import type { ModernRevision } from '../../protocol/revision.ts'
import type { HttpServer } from '../gateway/snapshot.ts'
import type { Channel, OpenLegacy } from './channel.ts'
import type { Egress } from './egress.ts'
import { endStandingSession, openHttpLegacyChannel, resumeHttpLegacyChannel } from './http-legacy-channel.ts'
import type { HttpLegacyOptions } from './http-legacy-session.ts'
import { createHttpModernChannel } from './http-modern-channel.ts'
import { openHttpSseChannel } from './http-sse-channel.ts'
import type { LinkOptions, UpstreamLink } from './link.ts'
import { probeModern } from './probe.ts'

export interface HttpLinkOptions extends LinkOptions {
  readonly target: HttpServer
  readonly egress: Egress
}

/** Of a session that is only ended. */
const NOBODY: Omit<OpenLegacy, 'headers'> = {
  clientInfo: '{}', capabilities: '{}', revision: LATEST_LEGACY, ownerKey: '', shared: false, listener: { onMessage: () => undefined, onClosed: () => undefined },
}

export function createHttpLink(options: HttpLinkOptions): UpstreamLink {
  const { config, target, egress, clock, random, limits, health, self, probeTimeoutMs, requestTimeoutMs } = options
  const shared = {
    egress,
    clock,
    random,
    health,
    url: target.url,
    requestTimeoutMs,
    resultBytes: limits.resultBytes,
  }
  let modern: Channel | undefined
  let headers = Object.entries(target.headers)
  const latestHeaders = (): typeof headers => headers
  const current = (): typeof shared & Pick<HttpLegacyOptions, 'headers' | 'latestHeaders' | 'connectTimeoutMs'> => ({
    ...shared,
    headers,
    latestHeaders,
    connectTimeoutMs: config.connectTimeoutMs,
  })
  /** The server refused Streamable HTTP and took HTTP+SSE. */
  let isSse = false

  function hurried(hurry: Promise<unknown> | undefined): { readonly hurry?: Promise<unknown>; readonly hurryMs?: number } {
    return hurry === undefined ? {} : { hurry, hurryMs: probeTimeoutMs }
  }

  return {
    async probeModern(hurry) {
      const channel = createHttpModernChannel({ ...current(), revision: LATEST_MODERN, isProbe: true })
      return await probeModern({ channel, clock, self, timeoutMs: requestTimeoutMs, ...hurried(hurry) })
    },
    openModern(revision: ModernRevision) {
      if (modern === undefined || modern.closed || modern.revision !== revision) {
        modern = createHttpModernChannel({ ...current(), revision })
      }
      return Promise.resolve(ok(modern))
    },
    async openLegacy(open, hurry) {
      if (!isSse) {
        // A session id is for the server that gave it.
        const resumed = open.standing?.url === target.url ? await resumeHttpLegacyChannel({ ...current(), open }, open.standing) : ok(undefined)
        if (!resumed.ok) return resumed
        if (resumed.value !== undefined) return ok(resumed.value)
        const streamable = await openHttpLegacyChannel({ ...current(), open, ...hurried(hurry) })
        if (streamable.ok || streamable.fault.reason !== 'refused') return streamable
        // S26 transports/streamable-http, Backward Compatibility: 400, 404 or 405 may be a server of 2024-11-05.
        const sse = await openHttpSseChannel({ ...current(), open })
        if (!sse.ok) return fail(sse.fault.reason === 'refused' ? streamable.fault : sse.fault)
        isSse = true
        return sse
      }
      const sse = await openHttpSseChannel({ ...current(), open })
      if (!sse.ok && sse.fault.reason === 'refused') isSse = false
      return sse
    },
    async endStanding(standing, own) {
      // Its id is for the address that gave it.
      if (standing.url !== target.url) return 'ended'
      return endStandingSession({ ...current(), open: { ...NOBODY, headers: own } }, standing)
    },
    useHeaders(next) {
      headers = Object.entries(next)
      // Legacy sessions ask for the latest ones; modern calls in flight keep the channel that they were sent on.
      modern = undefined
    },
    retire: () => undefined,
    children: () => 0,
    processes: () => [],
    restarts: () => 0,
    async close() {
      await modern?.close()
    },
  }
}
