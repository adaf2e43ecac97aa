/**
 * A modern server that answers a tool only with a task, called by a legacy client that asked for none: it refused before it
 * ran anything (−32021), so Portolan takes the task, and the client gets its result as that of the call.
 */

import { TASKS_EXTENSION, declaresExtension } from '../../protocol/capability.ts'
import type { WireErrorObject } from '../../protocol/error.ts'
import { PortolanError } from '../../protocol/error.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { Message } from '../../protocol/message.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import type { ResponseLook } from './client-response.ts'
import { awaitResult } from './task-for-legacy.ts'
import { hasTasks } from './task-support.ts'

const NEEDS_MORE = -32021

/** Whether the server would answer if it could do so with a task. */
export function demandsTask({ era, session }: Exchange, { upstream }: Route, { code, data }: WireErrorObject, method: string): boolean {
  if (era !== 'legacy' || session === undefined || method !== 'tools/call' || code !== NEEDS_MORE || !isJsonObject(data)) return false
  const required = data['requiredCapabilities']
  return isJsonObject(required) && declaresExtension(required, TASKS_EXTENSION) && hasTasks(upstream.knownProfile()?.modern)
}

/** Takes what the server answers then, and resolves with what the client gets. Throws `overloaded`. */
export function followTask(context: GatewayContext, exchange: Exchange, { upstream, scope = '' }: Route, look: ResponseLook): (message: Message) => Promise<Outcome> {
  const { session } = exchange
  if (session === undefined) throw new PortolanError('internal')
  const { tasksAtModern } = context
  const task = tasksAtModern.begin({ ownerKey: session.data.ownerKey, upstream, session, scope, ttlMs: undefined, abort: () => undefined })
  exchange.onFinished.push(() => {
    const isLeft = !task.isOver && task.taskId !== undefined
    void (isLeft ? tasksAtModern.cancel(task) : Promise.resolve()).catch(() => undefined).then(() => tasksAtModern.forget(task))
  })
  return async (message) => {
    tasksAtModern.answered(task, message)
    return awaitResult(context, exchange, session, task, look)
  }
}
