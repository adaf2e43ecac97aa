/**
 * The operations listener: `/status` and `/metrics` on a unix socket that only its owner can open, and on a loopback port
 * where asked for. It never shares a port with clients. What changes something (`POST /reload`), the configuration
 * (`/config`) and tasks (`/tasks`) are served on the socket only.
 */

import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { isLoopback } from '../../adapters/http/allowed-host.ts'
import { bind } from '../../adapters/http/bind.ts'
import type { ListenTarget } from '../../adapters/http/bind.ts'
import type { ReloadReport } from './config-change.ts'
import type { ConfigModel } from './config-diff.ts'
import type { TaskOperations } from '../../core/task/task-operations.ts'
import type { ProcessStatus } from './status.ts'
import { taskAnswer } from './task-answer.ts'

export interface Operations {
  /** Base URLs or socket paths. */
  readonly addresses: readonly string[]
  close(): Promise<void>
}

export interface OperationsSource {
  status(): ProcessStatus
  metrics(): string
  /** Reads the configuration again. */
  reload(): ReloadReport
  /** What is served, without a secret. */
  config(): ConfigModel
  readonly tasks?: TaskOperations | undefined
}

/** Rejects with ListenError; nothing is bound then. */
export async function openOperations(targets: readonly ListenTarget[], source: OperationsSource): Promise<Operations> {
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
        const server = createServer({ maxHeaderSize: 8_192, requestTimeout: 10_000 }, (request, response) => answer(request, response, source, 'socketPath' in target))
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

function answer(request: IncomingMessage, response: ServerResponse, source: OperationsSource, isPrivate: boolean): void {
  // A page whose name resolves to this machine must not read it (DNS rebinding).
  const named = /^(.*?)(?::\d+)?$/.exec(request.headers.host ?? '')?.[1] ?? ''
  if (named !== '' && !isLoopback(named)) return send(response, 403, 'text/plain', 'Host is not allowed\n')
  // Any page and any user of the machine can send something to a port of loopback.
  if (isPrivate && request.method === 'POST' && request.url === '/reload') return send(response, 200, 'application/json', `${JSON.stringify(source.reload())}\n`)
  if (isPrivate && request.url?.startsWith('/tasks') === true) return answerTasks(request, response, source.tasks)
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', 'Only GET is answered here\n')
  if (request.url === '/status') return send(response, 200, 'application/json', `${JSON.stringify(source.status())}\n`)
  if (request.url === '/metrics') return send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', source.metrics())
  if (isPrivate && request.url === '/config') return send(response, 200, 'application/json', `${JSON.stringify(source.config())}\n`)
  send(response, 404, 'text/plain', 'Here are /status and /metrics\n')
}

function answerTasks({ method = '', url = '' }: IncomingMessage, response: ServerResponse, tasks: TaskOperations | undefined): void {
  taskAnswer(tasks, method, url).then(
    ({ status, body }) => send(response, status, 'application/json', `${JSON.stringify(body)}\n`),
    (error: unknown) => send(response, 503, 'application/json', `${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`),
  )
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}
