/**
 * The listener's rules for requests of a server that somebody else runs: Host, Origin and CORS, trusted proxies, sizes and
 * times of bodies. What belongs to the listening itself (TLS, header limits, connections) is that server's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { DEFAULT_LIMITS } from '../../core/gateway/snapshot.ts'
import { createHostCheck } from './allowed-host.ts'
import { createConnections } from './connection.ts'
import { createCors } from './cors.ts'
import { createDeadlines } from './deadlines.ts'
import { createForwarding } from './forwarding.ts'
import type { HttpListenerOptions, HttpListenerParts } from './listener.ts'
import { createReceiver } from './receiver.ts'

export type RequestHandlerOptions = Pick<HttpListenerOptions, 'publicUrl' | 'allowedHosts' | 'allowedOrigins' | 'trustedProxies' | 'forwardedHeaders' | 'limits'>

export interface RequestHandler {
  /** Answers the request, always; the body must not have been read. */
  handle(incoming: IncomingMessage, outgoing: ServerResponse): void
  /** New requests are refused as `draining` from now on. */
  drain(): void
  /** Answers due. */
  readonly openCount: number
}

/** Throws TypeError for options that cannot work. */
export function createRequestHandler(options: RequestHandlerOptions, parts: HttpListenerParts): RequestHandler {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  let isDraining = false
  const connections = createConnections(() => false)
  const receive = createReceiver({
    parts,
    connections,
    hosts: createHostCheck({ ...options, boundHost: '' }),
    cors: createCors(options),
    context: {
      bodyBytes: limits.bodyBytes,
      bodyDeadlines: createDeadlines(parts.clock, limits.bodyTimeoutMs),
      forwarding: createForwarding(options, false),
    },
    busy: () => (isDraining ? { code: 'draining', retryAfterSec: 1 } : undefined),
  })
  return {
    handle(incoming, outgoing) {
      if (incoming.readableDidRead && incoming.method === 'POST') {
        parts.log.error({ reason: 'the body was read before' }, 'Hand requests over before any body parser sees them')
        outgoing.writeHead(500).end()
        return
      }
      receive(incoming, outgoing, false)
    },
    drain: () => void (isDraining = true),
    get openCount() {
      return connections.dueCount
    },
  }
}
