/** The servers of a configuration by their transport, and how to run one by hand. */

import type { HttpServer, ServerSnapshot, StdioServer } from '../../core/gateway/snapshot.ts'
import { createRedaction } from '../../core/upstream/redaction.ts'
import { shellText } from './check.ts'

export interface StdioCase {
  readonly server: ServerSnapshot
  readonly target: StdioServer
}

export interface HttpCase {
  readonly server: ServerSnapshot
  readonly target: HttpServer
}

export function stdioServers(servers: readonly ServerSnapshot[]): readonly StdioCase[] {
  return servers.flatMap((server) => (server.target.transport === 'stdio' ? [{ server, target: server.target }] : []))
}

export function httpServers(servers: readonly ServerSnapshot[]): readonly HttpCase[] {
  return servers.flatMap((server) => (server.target.transport === 'http' ? [{ server, target: server.target }] : []))
}

/** Its command line for a shell, secrets taken out; its variables are left out. */
export function byHand({ command, args, cwd, env }: StdioServer): string {
  const line = createRedaction({ args, env })(shellText([command, ...args]))
  return cwd === undefined ? line : `cd ${shellText([cwd])} && ${line}`
}

/** Scheme, host and path: a query or user may be secret. */
export function plainUrl(text: string): string {
  const { origin, pathname } = new URL(text)
  return origin + pathname
}
