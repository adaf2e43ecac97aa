/** What is kept of a server's task, where whoever follows it between eras is not here, or has nothing to say. */

import { PortolanError } from '../../protocol/error.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { isOverPhase } from '../task/stored-task.ts'
import type { Found } from '../task/tasks.ts'
import { answerOwnedTask } from './owned-answer.ts'
import { expiredText } from './owned-view.ts'

/** Undefined where the row knows no better than whoever was asked. Rejects with `task_not_found` for what has expired. */
export function answerFromKept(context: GatewayContext, exchange: Exchange, kept: NonNullable<Found>): Promise<Outcome> | undefined {
  if (kept.kind === 'expired') return Promise.reject(new PortolanError('task_not_found', { message: expiredText(kept) }))
  // Answers that nobody takes are not taken.
  if (exchange.message?.method === 'tasks/update' && !isOverPhase(kept.task.phase)) return undefined
  context.owned?.follows.poke(kept.task.id)
  return answerOwnedTask(context, exchange)
}

/** The answer, or else what the row says. */
export async function orKept(context: GatewayContext, exchange: Exchange, answering: Promise<Outcome>): Promise<Outcome> {
  try {
    return await answering
  } catch (error) {
    const kept = error instanceof PortolanError && error.code === 'task_not_found' ? exchange.route?.kept : undefined
    const answer = kept === undefined ? undefined : answerFromKept(context, exchange, kept)
    if (answer === undefined) throw error
    return answer
  }
}
