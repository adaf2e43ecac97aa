/**
 * The operations listener: `/status` and `/metrics` on a unix socket that only its owner can open, and on a loopback port
 * where asked for. It never shares a port with clients. The configuration (`/config`) and the admin API (`/api/v1`) are served on the
 * socket only.
 */

import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { isLoopback } from '../../adapters/http/allowed-host.ts'
import { bind } from '../../adapters/http/bind.ts'
import type { ControlRoute } from '../../adapters/http/control-route.ts'
import { createRequestHandler } from '../../adapters/http/request-handler.ts'
import type { RequestHandler } from '../../adapters/http/request-handler.ts'
import { createSystemClock } from '../../adapters/node/clock.ts'
import type { ListenTarget } from '../../adapters/http/bind.ts'
import type { ConfigModel } from './config-diff.ts'
import type { Log } from './log.ts'
import type { ProcessStatus } from './status.ts'

export interface Operations {
  /** Base URLs or socket paths. */
  readonly addresses: readonly string[]
  close(): Promise<void>
}

export interface OperationsSource {
  status(): ProcessStatus
  metrics(): string
  /** What is served, without a secret. */
  config(): ConfigModel
  /** The admin API, which asks nobody for a token here. */
  readonly api: ControlRoute
  readonly log: Log
}

/** Rejects with ListenError; nothing is bound then. */
export function openOperations(targets: readonly ListenTarget[], source: OperationsSource): Promise<Operations> {
  const api = apiHandler(source)
  return openOperationsListener(targets, (request, response, isPrivate) => answer(request, response, source, isPrivate ? api : undefined))
}

/** `isPrivate`: it came over the socket, which only its owner can open. */
export type OperationsHandler = (request: IncomingMessage, response: ServerResponse, isPrivate: boolean) => void

/** Rejects with ListenError; nothing is bound then. */
export async function openOperationsListener(targets: readonly ListenTarget[], handle: OperationsHandler): Promise<Operations> {
  const servers: Server[] = []
  const addresses: string[] = []
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })))
  }
  try {
    for (const target of targets) {
      const bound = await bind(target, () => {
        const server = createServer({ maxHeaderSize: 8_192, requestTimeout: 10_000 }, (request, response) => admit(request, response, handle, 'socketPath' in target))
        servers.push(server)
        return server
      })
      for (const address of bound.addresses) addresses.push(address.kind === 'unix' ? address.path : `http://${hostText(address.host)}:${address.port}`)
    }
  } catch (error) {
    await close()
    throw error
  }
  return { addresses, close }
}

function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function apiHandler({ api, log }: OperationsSource): RequestHandler {
  return createRequestHandler({}, { mcp: { handle: (_request, response) => response.answer(404, {}, '') }, routes: [api], log, clock: createSystemClock() })
}

/** A page whose name resolves to this machine must not read it (DNS rebinding). */
function admit(request: IncomingMessage, response: ServerResponse, handle: OperationsHandler, isPrivate: boolean): void {
  const named = /^(.*?)(?::\d+)?$/.exec(request.headers.host ?? '')?.[1] ?? ''
  if (named !== '' && !isLoopback(named)) send(response, 403, 'text/plain', 'Host is not allowed\n')
  else handle(request, response, isPrivate)
}

/** `api` undefined: any page and any user of the machine can send something to a port of loopback. */
function answer(request: IncomingMessage, response: ServerResponse, source: OperationsSource, api: RequestHandler | undefined): void {
  if (api !== undefined && request.url?.startsWith(source.api.path) === true) return api.handle(request, response)
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', 'Only GET is answered here\n')
  if (request.url === '/status') return send(response, 200, 'application/json', `${JSON.stringify(source.status())}\n`)
  if (request.url === '/metrics') return send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', source.metrics())
  if (api !== undefined && request.url === '/config') return send(response, 200, 'application/json', `${JSON.stringify(source.config())}\n`)
  send(response, 404, 'text/plain', 'Here are /status and /metrics\n')
}

export function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}
