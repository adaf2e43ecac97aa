/**
 * Every outgoing HTTP request, on undici's `dispatch`: one keep-alive pool per origin, redirects never followed, no
 * timeout but the connection's own (the rest belongs to the gateway). HTTP(S)_PROXY and NO_PROXY are honoured; extra
 * certificate authorities come through NODE_EXTRA_CA_CERTS. One request costs one object besides undici's own.
 */
import { EnvHttpProxyAgent, Pool } from 'undici'
import type { Dispatcher } from 'undici'
import type { Egress, EgressControl, EgressFailure, EgressHandler, EgressRequest } from '../../core/upstream/egress.ts'

export interface EgressOptions {
  /** A pool that served nothing for so long is closed. */
  readonly poolIdleMs?: number
  /** Sockets per origin; open streams hold one each. `null`: no limit. */
  readonly connectionsPerOrigin?: number | null
  /** Where the proxy variables are looked up. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

interface Target {
  readonly pool: PoolEntry
  readonly origin: string
  readonly path: string
  readonly connectTimeoutMs: number
}

interface PoolEntry {
  readonly key: string
  readonly dispatcher: Dispatcher
  active: number
  idleSinceMs: number
  closed: boolean
}

/** URLs differ per session where a 2024-11-05 server names its endpoint, so the cache is bounded. */
const MAX_TARGETS = 4_096

/** Creates the egress of one process. `close` ends idle connections and destroys what is still open. */
export function createEgress(options: EgressOptions = {}): Egress {
  const { poolIdleMs = 60_000, connectionsPerOrigin = null, env = process.env } = options
  const proxied = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'].some((name) => (env[name] ?? '') !== '')
  const pools = new Map<string, PoolEntry>()
  const targets = new Map<string, Target>()
  let isClosed = false

  const sweep = setInterval(() => {
    const nowMs = Date.now()
    for (const entry of pools.values()) {
      if (entry.active > 0 || nowMs - entry.idleSinceMs < poolIdleMs) continue
      pools.delete(entry.key)
      entry.closed = true
      void entry.dispatcher.close().catch(() => undefined)
    }
    for (const [url, target] of targets) if (target.pool.closed) targets.delete(url)
  }, Math.max(50, poolIdleMs / 2))
  sweep.unref()

  function openPool(origin: string, connectTimeoutMs: number): PoolEntry {
    const key = proxied ? `proxy ${connectTimeoutMs}` : `${origin} ${connectTimeoutMs}`
    const existing = pools.get(key)
    if (existing !== undefined) return existing
    const settings = {
      connect: { timeout: connectTimeoutMs },
      connections: connectionsPerOrigin,
      headersTimeout: 0,
      bodyTimeout: 0,
      // Cancelling a call closes its connection; over HTTP/2 the others on it would have to be trusted to survive that.
      allowH2: false,
      pipelining: 1,
    }
    const dispatcher = proxied ? new EnvHttpProxyAgent({ ...settings, ...proxyVariables(env) }) : new Pool(origin, settings)
    const entry: PoolEntry = { key, dispatcher, active: 0, idleSinceMs: Date.now(), closed: false }
    pools.set(key, entry)
    return entry
  }

  function findTarget(url: string, connectTimeoutMs: number): Target {
    const known = targets.get(url)
    if (known !== undefined && known.connectTimeoutMs === connectTimeoutMs && !known.pool.closed) return known
    const { origin, pathname, search } = new URL(url)
    const target = { pool: openPool(origin, connectTimeoutMs), origin, path: pathname + search, connectTimeoutMs }
    if (targets.size >= MAX_TARGETS) targets.clear()
    targets.set(url, target)
    return target
  }

  function send(request: EgressRequest, handler: EgressHandler): EgressControl {
    if (isClosed) {
      queueMicrotask(() => handler.onFailure({ reason: 'unreachable', sent: false, detail: 'shutting down' }))
      return { abort: () => undefined, pause: () => undefined, resume: () => undefined }
    }
    const target = findTarget(request.url, request.connectTimeoutMs)
    const exchange = new EgressExchange(target, handler)
    target.pool.active += 1
    const headers: string[] = []
    for (const pair of request.headers) headers.push(pair[0], pair[1])
    target.pool.dispatcher.dispatch(
      {
        origin: target.origin,
        path: target.path,
        method: request.method,
        headers,
        body: request.body === undefined ? null : Buffer.from(request.body, 'latin1'),
      },
      exchange,
    )
    return exchange
  }

  return {
    send,
    async close() {
      isClosed = true
      clearInterval(sweep)
      targets.clear()
      const all = [...pools.values()]
      pools.clear()
      await Promise.all(all.map((entry) => entry.dispatcher.destroy().catch(() => undefined)))
    },
  }
}

function proxyVariables(env: Readonly<Record<string, string | undefined>>): EnvHttpProxyAgent.Options {
  const httpProxy = env['http_proxy'] ?? env['HTTP_PROXY']
  const httpsProxy = env['https_proxy'] ?? env['HTTPS_PROXY']
  const noProxy = env['no_proxy'] ?? env['NO_PROXY']
  return {
    ...(httpProxy === undefined || httpProxy === '' ? {} : { httpProxy }),
    ...(httpsProxy === undefined || httpsProxy === '' ? {} : { httpsProxy }),
    ...(noProxy === undefined ? {} : { noProxy }),
  }
}

type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>

/** One request: undici's handler and our control in one object. */
class EgressExchange implements Dispatcher.DispatchHandler, EgressControl {
  #target: Target
  #handler: EgressHandler | undefined
  #controller: Dispatcher.DispatchController | undefined = undefined
  #pauseWanted = false
  #done = false

  constructor(target: Target, handler: EgressHandler) {
    this.#target = target
    this.#handler = handler
  }

  /** undici calls this after a connection was found and before it writes the first byte. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#done) controller.abort(new Error('aborted'))
    else if (this.#pauseWanted) controller.pause()
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    if (this.#done || status < 200) return
    this.#handler?.onHead(status, (name) => {
      const value = headers[name]
      return typeof value === 'string' ? value : value?.join(', ')
    })
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#done) this.#handler?.onChunk(chunk)
  }

  onResponseEnd(): void {
    this.#finish()?.onEnd()
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    const failure = toFailure(error, this.#controller !== undefined, this.#target.origin)
    const settle = (): void => {
      this.#finish()?.onFailure(failure)
    }
    // undici refuses a bad header before `dispatch` returns; the caller must have its control by then.
    if (failure.sent) settle()
    else queueMicrotask(settle)
  }

  abort(): void {
    const controller = this.#controller
    if (this.#finish() !== undefined) controller?.abort(new Error('aborted'))
  }

  pause(): void {
    this.#pauseWanted = true
    this.#controller?.pause()
  }

  resume(): void {
    this.#pauseWanted = false
    this.#controller?.resume()
  }

  /** The handler, the first time; what is over holds on to nothing (`core/live-map.ts` says why). */
  #finish(): EgressHandler | undefined {
    if (this.#done) return undefined
    this.#done = true
    const { pool } = this.#target
    pool.active -= 1
    if (pool.active === 0) pool.idleSinceMs = Date.now()
    const handler = this.#handler
    this.#handler = undefined
    this.#controller = undefined
    return handler
  }
}

/** Says what happened with the origin only: a path or query may hold a secret. */
function toFailure(error: Error, sent: boolean, origin: string): EgressFailure {
  const cause = error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
  const what = DESCRIPTIONS[code] ?? (code === '' ? cause.message : code)
  if (!sent) return { reason: 'unreachable', sent, detail: `${what}: ${origin}` }
  const broken = cause.name === 'HTTPParserError' || code.startsWith('UND_ERR_RES_')
  return { reason: broken ? 'protocol' : 'closed', sent, detail: `${what}: ${origin}` }
}

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name server does not answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ETIMEDOUT: 'connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'connection timed out',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  UND_ERR_SOCKET: 'connection closed',
}
