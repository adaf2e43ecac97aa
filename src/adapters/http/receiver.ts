/** What happens to each request, whoever listens: probes, Host, Origin and preflights, and whether there is room for it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpHandler, HttpRefusal } from '../../core/gateway/http-exchange.ts'
import type { HostCheck } from './allowed-host.ts'
import type { Connections } from './connection.ts'
import type { ControlRoute } from './control-route.ts'
import { isPreflight } from './cors.ts'
import type { Cors } from './cors.ts'
import type { ListenerLog } from './listener-log.ts'
import { NodeRequest } from './node-request.ts'
import { NodeResponse } from './node-response.ts'

export interface ReceiverParts {
  readonly mcp: HttpHandler
  readonly routes: readonly ControlRoute[]
  readonly log: ListenerLog
}

export interface Receiver {
  readonly parts: ReceiverParts
  readonly connections: Connections
  readonly hosts: HostCheck
  readonly cors: Cors
  readonly context: ConstructorParameters<typeof NodeRequest>[1]
  busy(): HttpRefusal | undefined
}

export type Receive = (incoming: IncomingMessage, outgoing: ServerResponse, awaitsContinue: boolean) => void

export function createReceiver({ parts, connections, hosts, cors, context, busy }: Receiver): Receive {
  const routes = new Map(parts.routes.map((route) => [route.path, route]))
  const trees = parts.routes.filter(({ path }) => path.endsWith('/'))

  function treeAt(path: string): ControlRoute | undefined {
    for (const tree of trees) if (path.startsWith(tree.path)) return tree
    return undefined
  }

  function hostAllowed(request: NodeRequest): boolean {
    const { targetAuthority } = request
    return hosts.allows(request.peer.host) && (targetAuthority === '' || hosts.allows(targetAuthority))
  }

  return (incoming, outgoing, awaitsContinue) => {
    const request = new NodeRequest(incoming, context)
    if (awaitsContinue) request.awaitsContinue(outgoing)
    const origin = request.header('origin')
    const originAllowed = origin === undefined || cors.allows(origin)
    const route = routes.get(request.path) ?? treeAt(request.path)
    const isShared = origin !== undefined && originAllowed && route?.sameOrigin !== true
    const response = new NodeResponse(incoming, outgoing, request, connections.of(incoming.socket), isShared ? cors.answerHeaders(origin) : undefined)
    try {
      if (route?.open === true) route.handle(request, response)
      else if (!hostAllowed(request)) parts.mcp.handle(request, response, { code: 'forbidden_host' })
      else if (!originAllowed) parts.mcp.handle(request, response, { code: 'forbidden_origin' })
      else if (isShared && isPreflight(request)) response.answer(204, cors.preflightHeaders(origin, request), '')
      else if (route !== undefined) route.handle(request, response)
      else parts.mcp.handle(request, response, busy())
    } catch (error) {
      parts.log.error({ reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }, 'A request handler threw')
      if (response.headSent) response.destroy()
      else response.answer(500, {}, '')
    }
  }
}
