/**
 * What a legacy client gets of a task that Portolan owns: `tasks/get`, `tasks/cancel`, and a `tasks/result` that waits until the task
 * has ended, and meanwhile asks its client what the task needs (S25 basic/utilities/tasks).
 */

import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { JsonValue } from '../../protocol/json-value.ts'
import { declaredInput, inputNeededBy } from '../../protocol/capability.ts'
import { legacyInputRequest, objectText, readInputRequired } from '../../protocol/input-required.ts'
import type { InputRequest } from '../../protocol/input-required.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import { PortolanError, toErrorObject } from '../../protocol/error.ts'
import type { WireErrorObject } from '../../protocol/error.ts'
import { traitsOf } from '../../protocol/revision.ts'
import { relateTask, unrelated, writeTask } from '../../protocol/task.ts'
import { translateUpstreamError } from '../../protocol/upstream-error.ts'
import { handleScope, upstreamsAt } from '../catalog/endpoint-scope.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { resultText } from '../gateway/render.ts'
import { waitForStore } from '../gateway/store-wait.ts'
import type { LiveSession } from '../session/live-session.ts'
import { STATUS_OF, isOverPhase } from '../task/stored-task.ts'
import type { StoredTask } from '../task/stored-task.ts'
import { eraOf } from './adopted-sight.ts'
import { readError } from './client-response.ts'
import type { OwnedTasks } from './owned-tasks.ts'
import { errorResponse, handleFor, responseFor, sought, stateOf, storedResponse } from './owned-view.ts'
import { partyOf, sessionCapabilities } from './party.ts'
import { addPending } from './server-message.ts'
import { ALIVE_MS, createBell, failedWith } from './task-for-legacy.ts'
import { taskLook } from './task-for-modern.ts'

/** Answers `tasks/*` of a legacy client. Rejects with PortolanError. */
export async function answerLegacyOwned(context: GatewayContext, owned: OwnedTasks, exchange: Exchange, id: string): Promise<Outcome> {
  const { message, session } = exchange
  if (message === undefined || session === undefined) throw new PortolanError('internal')
  const { ownerKey } = partyOf(exchange).principal
  const task = await waitForStore(context, exchange, sought(owned, ownerKey, id, false))
  if (exchange.outcome !== undefined) return exchange.outcome
  if (message.method === 'tasks/result') return awaitOwned(context, owned, exchange, session, task)
  const shown = message.method === 'tasks/cancel' ? await waitForStore(context, exchange, cancelled(owned, task)) : task
  if (exchange.outcome !== undefined) return exchange.outcome
  return { kind: 'answered', text: resultText(message.idText, asciiJson(legacyTask(context, exchange, shown))), status: 200, failed: false }
}

export function legacyTask(context: GatewayContext, exchange: Exchange, task: StoredTask): JsonValue {
  return writeTask(handleFor(context, exchange, task), stateOf(task, 'legacy'), 'legacy')
}

/** Must be `cancelled` before the answer, and must be refused for what has ended (S25 tasks, Task Cancellation). */
async function cancelled(owned: OwnedTasks, task: StoredTask): Promise<StoredTask> {
  const after = isOverPhase(task.phase) ? undefined : await owned.tasks.cancel(task.origin.ownerKey, task.id)
  if (after?.phase === 'cancelled') return after
  throw new PortolanError('invalid_params', { message: `Cannot cancel task: already in terminal status '${STATUS_OF[(after ?? task).phase]}'` })
}

/** The owner's that can be named at this endpoint, after `after` (S25 tasks, Task Listing). */
export async function ownedPage(context: GatewayContext, { endpoint }: Exchange, ownerKey: string, after: string, count: number): Promise<readonly StoredTask[]> {
  const { owned } = context
  const servers = new Set(upstreamsAt(context, endpoint).map(({ id }) => id))
  const scope = handleScope(context, endpoint)
  const page: StoredTask[] = []
  const [createdAtMs = '', lastId = ''] = after.split('/')
  let mark = lastId === '' ? undefined : { createdAtMs: Number(createdAtMs), id: lastId }
  // Those of other endpoints lie between them.
  while (owned !== undefined && page.length < count) {
    const { tasks } = await owned.store.list({ ownerKey, count, after: mark })
    page.push(...tasks.filter(({ origin }) => origin.scope === scope && servers.has(origin.upstreamId)))
    mark = tasks.at(-1)
    if (tasks.length < count) break
  }
  return page.slice(0, count)
}

/** Where a page ends. */
export function pageMark({ createdAtMs, id }: StoredTask): string {
  return `${createdAtMs}/${id}`
}

async function awaitOwned(context: GatewayContext, owned: OwnedTasks, exchange: Exchange, session: LiveSession, first: StoredTask): Promise<Outcome> {
  const bell = createBell()
  const questions = createQuestions(context, owned, exchange, session, bell.ring)
  const stopWatch = owned.tasks.watch(first.id, bell.ring)
  exchange.carriage = { abort: bell.ring, resume: () => undefined }
  exchange.onFinished.push(bell.ring)
  let task = first
  try {
    while (!isOverPhase(task.phase) && exchange.outcome === undefined) {
      if (task.phase === 'asking') questions.ask(task)
      if (questions.refusal !== undefined) throw questions.refusal
      exchange.awaitsInput = questions.isAsking
      const { clock } = context.deps
      if (clock.ticksMs() - exchange.lastActivityTicks > ALIVE_MS / 2) exchange.lastActivityTicks = clock.ticksMs()
      await bell.wait((ring) => clock.after(ALIVE_MS / 2, ring))
      task = await sought(owned, first.origin.ownerKey, first.id, false)
    }
  } finally {
    stopWatch()
    questions.close()
  }
  return exchange.outcome ?? ended(context, exchange, task)
}

/** What the call would have been answered (S25 tasks, Result Retrieval), and which task it was. */
function ended(context: GatewayContext, exchange: Exchange, task: StoredTask): Outcome {
  if (task.phase === 'cancelled') throw new PortolanError('cancelled', { message: 'The task was cancelled' })
  const era = eraOf(task)
  const related = (text: WireText): Message => parsed(relateTask(text, exchange.route?.subject ?? ''))
  if (task.phase === 'completed') return responseFor(context, exchange, related(storedResponse(task).text), era)
  const error = readError(errorResponse(task)) as WireErrorObject
  const verdict = translateUpstreamError(error, { from: era, to: 'legacy', method: 'tools/call' })
  const look = taskLook(context, exchange, { era })
  return failedWith(verdict.kind === 'relay' ? toErrorObject(verdict.error) : { code: -32603, message: error.message }, look)
}

function parsed(text: WireText): Message {
  const scan = parseMessage(text)
  if (!scan.ok) throw new PortolanError('internal')
  return scan.value
}

interface Questions {
  /** Asks what was not asked before. Throws `upstream_malformed` for what nobody may ask of this client. */
  ask(task: StoredTask): void
  readonly isAsking: boolean
  /** Why the client cannot be asked any more; undefined while it can. */
  readonly refusal: PortolanError | undefined
  /** Withdraws what is open: another `tasks/result` will ask it. */
  close(): void
}

function createQuestions(context: GatewayContext, owned: OwnedTasks, exchange: Exchange, session: LiveSession, changed: () => void): Questions {
  const open = new Map<IdText, string>()
  const asked = new Set<string>()
  let refusal: PortolanError | undefined
  const refuse = (error: unknown): void => {
    refusal ??= error instanceof PortolanError ? error : new PortolanError('internal', { cause: error })
    changed()
  }
  const answered = (task: StoredTask, idText: IdText, key: string, message: Message): void => {
    open.delete(idText)
    const answer = unrelated(message)
    if (answer.kind !== 'result' || answer.body === undefined) return refuse(new PortolanError('input_refused', { cause: 'the client answered with an error' }))
    const text = answer.text.slice(answer.body.start, answer.body.end)
    owned.tasks.answer(task.origin.ownerKey, task.id, { [key]: text }).then(changed, refuse)
  }
  const ask = (task: StoredTask, request: InputRequest): void => {
    const { upstream } = exchange.route ?? {}
    if (upstream === undefined) return
    const gather = { answer: (message: Message) => answered(task, idText, request.key, message), giveUp: () => refuse(new PortolanError('input_refused', { cause: 'too many open questions' })) }
    const idText: IdText = addPending(session, { channel: undefined, upstream, upstreamIdText: '', upstreamToken: '', method: request.method, gather })
    open.set(idText, request.key)
    asked.add(request.key)
    const words = { hasUrlMode: traitsOf(session.data.revision).elicitation === 'form+url', elicitationId: context.deps.random.id() }
    exchange.reply.send(relateTask(legacyInputRequest(request, idText, words), handleFor(context, exchange, task)))
  }
  return {
    ask(task) {
      const read = readInputRequired(`{"result":{"inputRequests":${objectText(Object.entries(task.progress.questions))}}}`)
      if (!read.ok) throw new PortolanError('upstream_malformed', { cause: read.fault.detail })
      const declared = declaredInput(sessionCapabilities(session), session.data.revision)
      for (const request of read.value.requests) {
        const missing = inputNeededBy(request.method, request.params).find((needed) => !declared.has(needed))
        if (missing !== undefined) throw new PortolanError('input_refused', { message: `The task asks for ${missing}, which this client does not declare` })
        if (!asked.has(request.key)) ask(task, request)
      }
    },
    get isAsking() {
      return open.size > 0
    },
    get refusal() {
      return refusal
    },
    close() {
      for (const idText of open.keys()) {
        if (!session.pending.delete(idText) || exchange.outcome !== undefined) continue
        const params = asciiJson({ requestId: Number(idText), reason: 'The task is over' })
        exchange.reply.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}`)
      }
      open.clear()
    },
  }
}
