/** `portolan/adapters/http`: a gateway's way to the network, as a listener, behind a node:http server, or behind Fetch. */

export { ListenError } from '../../adapters/http/bind.ts'
export type { Address, ListenTarget } from '../../adapters/http/bind.ts'
export { healthRoute, readyRoute } from '../../adapters/http/control-route.ts'
export type { ControlRoute } from '../../adapters/http/control-route.ts'
export { createFetchHandler } from '../../adapters/http/fetch-handler.ts'
export { createHttpListener } from '../../adapters/http/listener.ts'
export type { HttpListener, HttpListenerOptions, HttpListenerParts } from '../../adapters/http/listener.ts'
export type { ListenerLog } from '../../adapters/http/listener-log.ts'
export { createRequestHandler } from '../../adapters/http/request-handler.ts'
export type { RequestHandler, RequestHandlerOptions } from '../../adapters/http/request-handler.ts'
