/**
 * A server does what it is asked to whichever task has the id by now. So before a kept task is cancelled, answered or its result
 * fetched, its server is asked whether it is still the same (guarantee 3), and whether it has ended: what has is no more cancelled.
 */

import { PortolanError } from '../../protocol/error.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import type { AdoptedFrom, StoredTask } from '../task/stored-task.ts'
import { answerFromKept } from './adopted-answer.ts'
import { keepEnd } from './adopted-relay.ts'
import { mayBeKnown, sightOf } from './adopted-sight.ts'
import { madeIn } from './made-in.ts'
import { answerOwnedTask } from './owned-answer.ts'
import { partyOf } from './party.ts'
import type { Source } from './party.ts'

const GUARDED: ReadonlySet<string> = new Set(['tasks/cancel', 'tasks/result', 'tasks/update'])

/** Undefined, at once or in the end: the server is to be asked. Rejects with PortolanError. */
export function guardKept(context: GatewayContext, exchange: Exchange, source: Source): Promise<Outcome | undefined> | undefined {
  const { route, era, message } = exchange
  const kept = route?.kept
  if (kept?.kind !== 'found' || route === undefined || message === undefined) return undefined
  const { adopted } = kept.task.origin
  // What it is asked of has an end of its own: the call, or the session that holds the task.
  if (adopted === undefined || adopted.taskId === '' || isHeldHere(context, exchange, source)) return undefined
  const isOurs = era === 'legacy' && source.era === 'modern'
  const isKnowable = mayBeKnown(context, adopted) || madeIn(context, exchange, source) !== undefined
  return GUARDED.has(message.method) || isOurs || !isKnowable ? guarded(context, exchange, source, kept.task, adopted) : undefined
}

async function guarded(context: GatewayContext, exchange: Exchange, source: Source, task: StoredTask, adopted: AdoptedFrom): Promise<Outcome | undefined> {
  const { owned } = context
  const kept = { kind: 'found', task } as const
  const sight = await sightOf(context, task, madeIn(context, exchange, source), exchange.era === adopted.era ? source.channel : undefined)
  switch (sight.kind) {
    case 'going':
      return undefined
    case 'ended':
      return owned !== undefined && (await keepEnd(owned, task, sight.outcome).catch(() => false)) ? answerOwnedTask(context, exchange) : undefined
    case 'unknown': {
      const answer = answerFromKept(context, exchange, kept)
      if (answer === undefined) throw new PortolanError('task_not_found')
      return answer
    }
    case 'away':
      // Nobody here holds it for its modern client: the row says so.
      if (exchange.era === 'modern' && source.era === 'legacy') return undefined
      throw new PortolanError('upstream_unavailable')
  }
}

/** A modern client's task at a legacy server stays in the session that it was made in, or that was asked whose it is. */
function isHeldHere({ tasksAtLegacy }: GatewayContext, exchange: Exchange, source: Source): boolean {
  if (exchange.era !== 'modern' || source.era !== 'legacy') return false
  return tasksAtLegacy.find(partyOf(exchange).principal.ownerKey, exchange.route?.subject ?? '') !== undefined
}
