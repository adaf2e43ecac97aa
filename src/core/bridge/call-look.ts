/** Handles of one call: what is sealed for its client, and what of the client's is opened for the server. */

import { member, readString } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import type { ResponseLook } from './client-response.ts'
import { boundsOf } from '../gateway/snapshot.ts'
import { CURSOR_METHOD, openTask, sealCursor, sealState, sealTask } from './handles.ts'
import { partyOf } from './party.ts'
import type { Source } from './party.ts'

/** What an answer becomes for the client of this exchange. */
export function responseLook(context: GatewayContext, exchange: Exchange, message: Message, route: Route, source: Pick<Source, 'era'>): ResponseLook {
  const { keyring, clock } = context.deps
  const { principal, revision } = partyOf(exchange)
  const here = holderOf(context, exchange, route, source)
  // The same task has the same id everywhere; a state is of the child that made it, which may be another one than made the last.
  const taskHeldBy = route.requestState === undefined ? (route.heldBy ?? here) : here
  return {
    clientIdText: message.idText,
    method: message.method,
    clientEra: exchange.era,
    clientRevision: revision,
    upstreamEra: source.era,
    slug: route.marked ? context.upstreams.slugOf(route.upstream) : undefined,
    bounds: boundsOf(exchange.snapshot.apps, route.upstream.name),
    selfText: context.selfText,
    sealTask: (taskId) => sealTask(keyring, principal, route.upstream.id, taskId, route.scope, taskHeldBy),
    sealCursor: message.method === CURSOR_METHOD ? (cursor) => sealCursor(keyring, principal, { upstreamId: route.upstream.id, method: CURSOR_METHOD, subject: route.subject, scope: route.scope }, cursor) : undefined,
    sealState(state) {
      const binding = { upstreamId: route.upstream.id, method: message.method, subject: route.subject, scope: route.scope }
      return sealState(keyring, principal, binding, state, clock.nowMs() + exchange.snapshot.limits.requestStateMs, here)
    },
  }
}

/** A modern client's next request may come to any replica; what a child of its own remembers, only this one has. Legacy clients come back to their session. */
export function holderOf({ deps }: GatewayContext, { era }: Exchange, { upstream }: Pick<Route, 'upstream'>, source: Pick<Source, 'era'>): string {
  const hasOwnChild = upstream.config.target.transport === 'stdio' && upstream.placement === undefined
  return era === 'modern' && source.era === 'modern' && hasOwnChild ? deps.peers.replicaId : ''
}

/** What is no handle of this client's must not reach the server, who cannot tell whose task it would name. Throws `task_not_found`. */
export function relatedTask(context: GatewayContext, exchange: Exchange, { upstream, scope }: Route, message: Message): string | undefined {
  const related = member(member(message.body, '_meta'), META.relatedTask)
  if (related === undefined) return undefined
  const handle = readString(message.text, member(related, 'taskId'))
  const task = handle === undefined ? undefined : openTask(context.deps.keyring, partyOf(exchange).principal, handle, scope)
  if (task?.upstreamId !== upstream.id) throw new PortolanError('task_not_found')
  return task.taskId
}
