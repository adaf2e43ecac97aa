/** What the listener serves itself, before MCP: at exact paths, or everything below one. */
import type { HttpRequest, HttpResponse } from '../../core/gateway/http-exchange.ts'

export interface ControlRoute {
  /** One that ends with a slash takes all paths that begin with it. */
  readonly path: string
  /** True for what probes ask by address: Host and Origin are not looked at, and it answers while draining. */
  readonly open: boolean
  /** True: no page of another origin is told that it may ask or read, whatever the listener allows elsewhere. */
  readonly sameOrigin?: boolean
  handle(request: HttpRequest, response: HttpResponse): void
}

const TEXT = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' } as const

/** Alive: touches nothing. */
export function healthRoute(): ControlRoute {
  return { path: '/healthz', open: true, handle: (request, response) => probe(request, response, true) }
}

/** Ready for traffic, as `isReady` says. */
export function readyRoute(isReady: () => boolean): ControlRoute {
  return { path: '/readyz', open: true, handle: (request, response) => probe(request, response, isReady()) }
}

function probe(request: HttpRequest, response: HttpResponse, good: boolean): void {
  if (request.verb !== 'GET' && request.verb !== 'HEAD') response.answer(405, { ...TEXT, allow: 'GET, HEAD' }, 'method not allowed\n')
  else response.answer(good ? 200 : 503, TEXT, good ? 'ok\n' : 'not ready\n')
}
