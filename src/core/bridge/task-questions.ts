/**
 * What a modern server's task asks for, as requests to a legacy client on the stream of its `tasks/result` (bridge-rulings
 * §4, Tasks): each once, its answer a `tasks/update`.
 */

import { declaredInput, inputNeededBy } from '../../protocol/capability.ts'
import { PortolanError } from '../../protocol/error.ts'
import { asciiJson } from '../../protocol/json.ts'
import { legacyInputRequest, readInputRequired } from '../../protocol/input-required.ts'
import type { InputRequest } from '../../protocol/input-required.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import { traitsOf } from '../../protocol/revision.ts'
import { relateTask, unrelated } from '../../protocol/task.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { LiveSession } from '../session/live-session.ts'
import { sessionCapabilities } from './party.ts'
import { addPending } from './server-message.ts'
import { heldHandle } from './held-task.ts'
import type { HeldTask } from './held-task.ts'

export interface TaskQuestions {
  /** Asks what was not asked before. Throws or rejects with `upstream_malformed` for what nobody may ask of this client. */
  ask(message: Message): Promise<void>
  readonly isAsking: boolean
  /** Why the client cannot be asked any more; undefined while it can. */
  readonly refusal: PortolanError | undefined
  /** Withdraws what is open: another `tasks/result` will ask it. */
  close(): void
}

/** Asks through this exchange; `changed` is called when the server got an answer, or will get none. */
export function createTaskQuestions(context: GatewayContext, exchange: Exchange, session: LiveSession, task: HeldTask, changed: () => void): TaskQuestions {
  const open = new Map<IdText, string>()
  let refusal: PortolanError | undefined
  const refuse = (error: unknown): void => {
    refusal ??= error instanceof PortolanError ? error : new PortolanError('internal', { cause: error })
    changed()
  }
  const answered = (idText: IdText, key: string, message: Message): void => {
    open.delete(idText)
    const answer = unrelated(message)
    if (answer.kind !== 'result' || answer.body === undefined) {
      task.asked.delete(key)
      return refuse(new PortolanError('input_refused', { cause: 'the client answered with an error' }))
    }
    task.asked.set(key, 'answered')
    context.tasksAtModern.update(task, key, answer.text.slice(answer.body.start, answer.body.end)).then(changed, (error: unknown) => {
      task.asked.delete(key)
      refuse(error)
    })
  }
  const ask = async (request: InputRequest): Promise<void> => {
    const { key, method } = request
    task.asked.set(key, 'open')
    const channel = await task.upstream.modern()
    const idText: IdText = addPending(session, {
      channel, upstream: task.upstream, upstreamIdText: '', upstreamToken: '', method,
      gather: { answer: (message) => answered(idText, key, message), giveUp: () => refuse(new PortolanError('input_refused', { cause: 'too many open questions' })) },
    })
    open.set(idText, key)
    const words = { hasUrlMode: traitsOf(session.data.revision).elicitation === 'form+url', elicitationId: context.deps.random.id() }
    const text = legacyInputRequest(request, idText, words)
    exchange.reply.send(task.isNamed ? relateTask(text, heldHandle(context, task)) : text)
  }
  return {
    async ask(message) {
      const read = readInputRequired(message.text)
      if (!read.ok) throw new PortolanError('upstream_malformed', { cause: read.fault.detail })
      const declared = declaredInput(sessionCapabilities(session), session.data.revision)
      for (const request of read.value.requests) {
        const missing = inputNeededBy(request.method, request.params).find((needed) => !declared.has(needed))
        if (missing !== undefined) throw new PortolanError('upstream_malformed', { cause: `asks for ${missing}, which is not declared` })
        // A key is never used twice in a task (ext-tasks, Task Update Requests).
        if (!task.asked.has(request.key)) await ask(request)
      }
    },
    get isAsking() {
      return open.size > 0
    },
    get refusal() {
      return refusal
    },
    close() {
      for (const [idText, key] of open) {
        task.asked.delete(key)
        if (!session.pending.delete(idText) || exchange.outcome !== undefined) continue
        const params = asciiJson({ requestId: Number(idText), reason: 'The task is over' })
        exchange.reply.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}`)
      }
      open.clear()
    },
  }
}
