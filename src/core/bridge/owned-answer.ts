/** The answers to `tasks/*` of a task that Portolan owns, or has kept. Its server is not asked. */

import { objectText } from '../../protocol/input-required.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { resultText } from '../gateway/render.ts'
import { waitForStore } from '../gateway/store-wait.ts'
import type { StoredTask } from '../task/stored-task.ts'
import { answerLegacyOwned } from './owned-for-legacy.ts'
import type { OwnedTasks } from './owned-tasks.ts'
import { detailedTexts, sought } from './owned-view.ts'
import { answersOf } from './parked-calls.ts'
import { partyOf } from './party.ts'
import { ownedId } from './task-owner.ts'

/** Answers `tasks/*`. Rejects with PortolanError. */
export async function answerOwnedTask(context: GatewayContext, exchange: Exchange): Promise<Outcome> {
  const { message, route } = exchange
  const { owned } = context
  const id = ownedId(route?.subject ?? '') ?? (route?.kept?.kind === 'found' ? route.kept.task.id : undefined)
  if (message === undefined || route === undefined || id === undefined) throw new PortolanError('internal')
  if (owned === undefined) throw new PortolanError('task_not_found')
  if (exchange.era === 'legacy') return answerLegacyOwned(context, owned, exchange, id)
  const { ownerKey } = partyOf(exchange).principal
  const looking = message.method === 'tasks/update' ? update(owned, exchange, ownerKey, id) : sought(owned, ownerKey, id, message.method === 'tasks/cancel')
  const task = await waitForStore(context, exchange, looking)
  if (exchange.outcome !== undefined) return exchange.outcome
  const members = message.method === 'tasks/get' ? detailedTexts(context, exchange, task) : {}
  return { kind: 'answered', text: resultText(message.idText, objectText(Object.entries({ resultType: '"complete"', ...members }))), status: 200, failed: false }
}

async function update(owned: OwnedTasks, exchange: Exchange, ownerKey: string, id: string): Promise<StoredTask> {
  const answers = Object.fromEntries(answersOf(exchange))
  return (await owned.tasks.answer(ownerKey, id, answers)) ?? sought(owned, ownerKey, id, false)
}
