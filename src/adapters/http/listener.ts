/**
 * The downstream HTTP listener on node:http. It holds everything an attacker can do before MCP begins: sizes, times,
 * Host, Origin, proxies, connections. What it lets through or refuses by verdict goes to the handler, which answers; only
 * what node:http cannot parse is answered here. No framework, no web Request or Response: this is the hot path.
 */
import { createServer as createHttpServer } from 'node:http'
import type { Server, ServerOptions } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import type { Clock } from '../../core/clock.ts'
import { DEFAULT_LIMITS } from '../../core/gateway/snapshot.ts'
import type { Limits } from '../../core/gateway/snapshot.ts'
import { createHostCheck, isLoopback } from './allowed-host.ts'
import { bind } from './bind.ts'
import type { Address, ListenTarget } from './bind.ts'
import { createConnections } from './connection.ts'
import type { Connections } from './connection.ts'
import { createCors } from './cors.ts'
import { createDeadlines } from './deadlines.ts'
import { createForwarding } from './forwarding.ts'
import type { ForwardingOptions } from './forwarding.ts'
import { createLagGuard } from './lag-guard.ts'
import { endAndLinger } from './linger.ts'
import { createReceiver } from './receiver.ts'
import type { ReceiverParts } from './receiver.ts'
import { stopAccepting } from './stop-accepting.ts'
import { openTlsFiles } from './tls-files.ts'
import type { TlsContext, TlsFiles } from './tls-files.ts'

/** Connections that another process accepts at `listen`, and deals to this one. */
export interface Dealt {
  /** Where this process listens besides, privately: node:http keeps time only for a server that listens. */
  readonly socketPath: string
  /** What the other process has bound. */
  readonly addresses: readonly Address[]
  /** `take`: undefined where the connection is for another process, since this one drains; else what begins to serve it. */
  begin(take: (socket: Socket) => { start(): void } | undefined): void
}

export interface HttpListenerOptions extends ForwardingOptions {
  readonly listen: ListenTarget
  /** Instead of listening there. */
  readonly dealt?: Dealt
  readonly tls?: TlsFiles
  /** How clients reach us: its host and origin are allowed. */
  readonly publicUrl?: string
  /** See `createHostCheck`. */
  readonly allowedHosts?: readonly string[]
  /** See `createCors`. */
  readonly allowedOrigins?: readonly string[]
  readonly limits?: Partial<Pick<Limits, 'headerBytes' | 'bodyBytes' | 'headerTimeoutMs' | 'bodyTimeoutMs'>>
  /** Further connections are closed at once. Default 16,384. */
  readonly maxConnections?: number
  /** How long an idle connection is kept. Default 65 s: longer than common balancers', so that they close first. */
  readonly keepAliveTimeoutMs?: number
  /** Event loop lag beyond which requests are refused as `overloaded`; 0: never. Default 1 s. */
  readonly maxLagMs?: number
  /** How often certificate files are looked at. Default 10 s. */
  readonly tlsPollMs?: number
}

export interface HttpListenerParts extends ReceiverParts {
  readonly clock: Clock
}

export interface HttpListener {
  /** Rejects with ListenError; nothing is bound then. */
  listen(): Promise<Address[]>
  /**
   * Others take new connections from now on. Resolves when none is accepted any more, within half a second; none is cut, and what still
   * comes on open ones is answered as ever, also in the drain that follows.
   */
  leave(): Promise<void>
  /** New requests are refused as `draining`; resolves when the open ones were answered, or cut after `graceMs`. */
  drain(graceMs: number): Promise<void>
  /** Cuts everything. */
  close(): Promise<void>
  /** Looks at the certificate files now. False without TLS, or where nothing new and usable is there. */
  reloadTls(): boolean
  /** Answers due. */
  readonly openCount: number
}

const RETRY_AFTER_SEC = 1

function busyMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/** Throws TypeError for options that cannot work or are not safe. */
export function createHttpListener(options: HttpListenerOptions, parts: HttpListenerParts): HttpListener {
  refuseUnsafe(options)
  const { clock, log } = parts
  const boundHost = 'host' in options.listen ? options.listen.host : ''
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const maxConnections = options.maxConnections ?? 16_384
  let draining = false
  /** Each answer is the last one on its connection. */
  let closing = false
  let servers: Server[] = []
  /** What ends when all connections have, once none is accepted. */
  let left: Promise<void>[] | undefined
  let tls: TlsContext | undefined
  const connections = createConnections(() => closing)
  const lag = createLagGuard({ clock, busyMs, maxLagMs: options.maxLagMs ?? 1_000 })
  const receive = createReceiver({
    parts,
    connections,
    hosts: createHostCheck({ ...options, boundHost }),
    cors: createCors(options),
    context: {
      bodyBytes: limits.bodyBytes,
      bodyDeadlines: createDeadlines(clock, limits.bodyTimeoutMs),
      forwarding: createForwarding(options, options.tls !== undefined),
    },
    busy: () =>
      draining
        ? { code: 'draining', retryAfterSec: RETRY_AFTER_SEC }
        : lag.overloaded
          ? { code: 'overloaded', retryAfterSec: RETRY_AFTER_SEC }
          : undefined,
  })
  if (options.tls !== undefined) {
    const surroundings = { clock, log, pollMs: options.tlsPollMs ?? 10_000 }
    tls = openTlsFiles(options.tls, surroundings, (context) => {
      for (const server of servers) if ('setSecureContext' in server) setSecureContext(server, context)
    })
  }

  function open(): Server {
    const base = serverOptions(limits, options.keepAliveTimeoutMs ?? 65_000)
    const server: Server =
      tls === undefined
        ? createHttpServer(base)
        : createHttpsServer({ ...base, ...tls.options, handshakeTimeout: limits.headerTimeoutMs })
    server.maxConnections = maxConnections
    // 0 is no limit: beyond a limit node:http drops headers without a word, and the bytes are bounded already.
    server.maxHeadersCount = 0
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => connections.opened(socket))
    server.on('request', (incoming, outgoing) => receive(incoming, outgoing, false))
    server.on('checkContinue', (incoming, outgoing) => receive(incoming, outgoing, true))
    server.on('clientError', (error, socket) => refuseUnparsed(error, socket, connections))
    return server
  }

  async function bindAll(target: ListenTarget): Promise<Address[]> {
    const bound = await bind(target, open)
    servers = bound.servers.filter((server): server is Server => 'closeAllConnections' in server)
    return bound.addresses
  }

  async function listenDealt({ socketPath, addresses, begin }: Dealt): Promise<Address[]> {
    await bindAll({ socketPath })
    const [server] = servers
    begin((socket) => {
      if (closing) return undefined
      return { start: () => (connections.openCount >= maxConnections ? void socket.destroy() : server?.emit('connection', socket)) }
    })
    return [...addresses]
  }

  async function close(): Promise<void> {
    draining = true
    closing = true
    lag.close()
    tls?.close()
    const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    for (const server of servers) server.closeAllConnections()
    servers = []
    await Promise.all(closed)
  }

  return {
    async listen() {
      return options.dealt === undefined ? bindAll(options.listen) : listenDealt(options.dealt)
    },
    async leave() {
      closing = true
      left = await stopAccepting(servers, clock)
    },
    async drain(graceMs) {
      closing = true
      draining = left === undefined
      const endAtMs = clock.ticksMs() + graceMs
      if (left !== undefined) await new Promise<void>((resolve) => void clock.after(Math.min(LATE_MS, graceMs), resolve))
      for (const server of servers) server.closeIdleConnections()
      await quiet(clock, connections, graceMs)
      // What was answered may still be on its way to slow readers.
      connections.cutUnused()
      const stopped = left ?? servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
      // A server knows nothing of those that were dealt to it.
      stopped.push(connections.ended())
      const cancel = clock.after(Math.max(0, endAtMs - clock.ticksMs()), () => {
        for (const server of servers) server.closeAllConnections()
      })
      await Promise.all(stopped)
      cancel()
      servers = []
      await close()
    },
    close,
    reloadTls: () => tls?.reload() ?? false,
    get openCount() {
      return connections.dueCount
    },
  }
}

/** Answers what node:http could not parse or would not wait for, then closes (RFC 9112 §9.6). */
function refuseUnparsed(error: Error, stream: unknown, connections: Connections): void {
  if (!(stream instanceof Socket)) return
  // With an answer due, a refusal would be taken for that answer.
  if (!stream.writable || connections.of(stream).dueCount > 0) {
    stream.destroy()
    return
  }
  const code = 'code' in error ? error.code : ''
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    stream.destroy()
    return
  }
  const status =
    code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW'
          ? '413 Payload Too Large'
          : '400 Bad Request'
  endAndLinger(stream, `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

function serverOptions(limits: Limits, keepAliveTimeout: number): ServerOptions {
  return {
    insecureHTTPParser: false,
    requireHostHeader: true,
    // Joined, a repeated Host or Authorization is no valid one; node:http would keep the first and drop the rest.
    joinDuplicateHeaders: true,
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headerTimeoutMs,
    // Behind our own body timeout: for bodies that nobody asked for.
    requestTimeout: limits.headerTimeoutMs + limits.bodyTimeoutMs + 1_000,
    connectionsCheckingInterval: Math.min(1_000, Math.max(20, Math.floor(limits.headerTimeoutMs / 4))),
    keepAliveTimeout,
    noDelay: true,
  }
}

function refuseUnsafe(options: HttpListenerOptions): void {
  if (!('host' in options.listen) || isLoopback(options.listen.host)) return
  const { host } = options.listen
  const proxied = options.trustedProxies !== undefined && options.trustedProxies.length > 0
  if (options.tls === undefined && !proxied) {
    throw new TypeError(
      `listen.host: ${host} is reachable from other machines, and tokens would travel in the clear. ` +
        'Set tls (certFile, keyFile), or name the TLS-terminating proxy in trustedProxies, or listen on localhost.',
    )
  }
  const wildcard = host === '0.0.0.0' || host === '::'
  if (wildcard && options.publicUrl === undefined && options.allowedHosts === undefined) {
    throw new TypeError(`listen.host: ${host} says not by which name clients reach it. Set publicUrl or allowedHosts.`)
  }
}

function setSecureContext(server: object, context: SecureContextOptions): void {
  if ('setSecureContext' in server && typeof server.setSecureContext === 'function') server.setSecureContext(context)
}

/** How long a request may be under way on a connection that a balancer opened, or took from its pool, before it could know. */
const LATE_MS = 500

/** Resolves when no answer is due, or after `graceMs`. */
function quiet(clock: Clock, connections: Connections, graceMs: number): Promise<void> {
  const endAtMs = clock.ticksMs() + graceMs
  return new Promise((resolve) => {
    const look = (): void => {
      if (connections.dueCount === 0 || clock.ticksMs() >= endAtMs) resolve()
      else clock.after(Math.min(50, graceMs), look)
    }
    look()
  })
}
