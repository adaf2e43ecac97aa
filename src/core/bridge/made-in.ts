/** The session in which a legacy client's task was made: whichever session of its owner asks for it, that one is asked. */

import { TASK_METHODS } from '../../protocol/task.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { Channel } from '../upstream/channel.ts'
import type { Source } from './party.ts'

export function madeIn(context: GatewayContext, { session, message, route }: Exchange, { era }: Pick<Source, 'era'>): Channel | undefined {
  if (session === undefined || route === undefined || era !== 'legacy' || !TASK_METHODS.has(message?.method ?? '')) return undefined
  return context.taskSessions.channelOf({ ownerKey: session.data.ownerKey, upstreamId: route.upstream.id, taskId: route.subject })
}
