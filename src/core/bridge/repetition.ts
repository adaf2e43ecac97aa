/** Whether a call whose outcome is unknown may be sent once more (guarantee 1). */

import type { Message } from '../../protocol/message.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Route } from '../gateway/exchange.ts'
import type { Source } from './party.ts'

/** Methods that change nothing by definition. What no revision defines may do anything (guarantee 1). */
const READ_ONLY: ReadonlySet<string> = new Set(['prompts/get', 'resources/read', 'completion/complete', 'tasks/get', 'tasks/result'])

export interface Repeated {
  readonly context: GatewayContext
  readonly message: Message | undefined
  readonly route: Route
  readonly source: Source
}

/** The tool says that it may run twice, and its server is trusted to say so. */
export function isSafe({ context, message, route, source }: Repeated): boolean {
  if (!route.upstream.config.trustAnnotations || message === undefined) return false
  if (message.method !== 'tools/call') return READ_ONLY.has(message.method)
  return context.catalog.known(source, 'tools')?.byKey.get(route.subject)?.repeatable ?? false
}
