/**
 * What a legacy client gets of a task at a modern server: `tasks/get`, `tasks/cancel`, `tasks/list`, and a `tasks/result`
 * that waits until the task has ended (S25 basic/utilities/tasks).
 */

import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { JsonValue } from '../../protocol/json-value.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import { PortolanError, toErrorObject } from '../../protocol/error.ts'
import type { WireErrorObject } from '../../protocol/error.ts'
import { relateTask, writeTask } from '../../protocol/task.ts'
import type { TaskState } from '../../protocol/task.ts'
import { translateUpstreamError } from '../../protocol/upstream-error.ts'
import { handleScope, upstreamsAt } from '../catalog/endpoint-scope.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { resultText } from '../gateway/render.ts'
import type { LiveSession } from '../session/live-session.ts'
import { clientResponse, readError } from './client-response.ts'
import type { ResponseLook } from './client-response.ts'
import type { Source } from './party.ts'
import { heldHandle } from './held-task.ts'
import type { HeldTask } from './held-task.ts'
import { taskLook } from './task-for-modern.ts'
import { createTaskQuestions } from './task-questions.ts'

/** Answers `tasks/*`. Rejects with PortolanError. */
export async function answerLegacyTask(context: GatewayContext, exchange: Exchange, source: Source): Promise<Outcome> {
  const { message, route, session } = exchange
  if (message === undefined || route === undefined || session === undefined) throw new PortolanError('internal')
  const { tasksAtModern } = context
  const task = tasksAtModern.find(session, { upstream: route.upstream, subject: route.subject, scope: route.scope ?? '', isKept: route.kept?.kind === 'found' })
  if (task === undefined) throw new PortolanError('task_not_found')
  if (message.method === 'tasks/result') return awaitResult(context, exchange, session, task, taskLook(context, exchange, source))
  if (message.method === 'tasks/cancel') await tasksAtModern.cancel(task)
  else await tasksAtModern.refresh(task)
  const text = resultText(message.idText, asciiJson(writeTask(heldHandle(context, task), shownState(task), 'legacy')))
  return { kind: 'answered', text, status: 200, failed: false }
}

/** The owner's tasks that can be named at this endpoint, whichever session made them (S25 tasks, Task Listing). */
export function heldTasks(context: GatewayContext, { endpoint }: Exchange, ownerKey: string): readonly HeldTask[] {
  const upstreams = upstreamsAt(context, endpoint)
  const scope = handleScope(context, endpoint)
  return context.tasksAtModern.of(ownerKey).filter((task) => task.isNamed && !task.isKept && task.scope === scope && upstreams.includes(task.upstream))
}

/** A server that does not answer takes nothing from the list: what was last known stands. */
export async function listedTask(context: GatewayContext, task: HeldTask): Promise<JsonValue | undefined> {
  const isKnown = await context.tasksAtModern.refresh(task).then(() => true, (error: unknown) => !(error instanceof PortolanError && error.code === 'task_not_found'))
  return isKnown ? writeTask(heldHandle(context, task), shownState(task), 'legacy') : undefined
}

/** What waits for the client is its to answer, whatever the server said last. */
function shownState({ state, questions, session }: HeldTask): TaskState {
  const isAsking = [...questions.keys()].some((idText) => session.pending.has(idText))
  return state.status === 'working' && isAsking ? { ...state, status: 'input_required' } : state
}

const MIN_POLL_MS = 50
const MAX_POLL_MS = 60_000
/** Quiet is no sign of trouble here, but keep-alive counts from the last sign of life. */
export const ALIVE_MS = 60_000
const MAX_FAILURES = 5

/** Blocks until the task has ended, and meanwhile asks its client what the task needs. Rejects with PortolanError. */
export async function awaitResult(context: GatewayContext, exchange: Exchange, session: LiveSession, task: HeldTask, look: ResponseLook): Promise<Outcome> {
  const { tasksAtModern, deps } = context
  const bell = createBell()
  const questions = createTaskQuestions(context, exchange, session, task, bell.ring)
  const stopWatch = tasksAtModern.watch(task, bell.ring)
  const sent = new Set<string>()
  exchange.carriage = { abort: bell.ring, resume: () => undefined }
  exchange.onFinished.push(bell.ring)
  let failures = 0
  try {
    while (!task.isOver && exchange.outcome === undefined) {
      try {
        const news = await tasksAtModern.refresh(task)
        failures = 0
        if (news !== undefined && task.state.status === 'input_required' && exchange.outcome === undefined) await questions.ask(news)
      } catch (error) {
        failures += 1
        const mayPass = error instanceof PortolanError && (error.code === 'upstream_unavailable' || error.code === 'upstream_timeout')
        if (!mayPass || failures > MAX_FAILURES) throw error
      }
      for (const [idText, text] of task.questions) {
        if (task.session !== session || sent.has(idText) || !session.pending.has(idText)) continue
        sent.add(idText)
        exchange.reply.send(relateTask(text, heldHandle(context, task)))
      }
      if (questions.refusal !== undefined) throw questions.refusal
      exchange.awaitsInput = questions.isAsking || sent.size > 0
      const aliveMs = Math.min(ALIVE_MS, task.upstream.config.requestIdleTimeoutMs / 2)
      if (deps.clock.ticksMs() - exchange.lastActivityTicks > aliveMs) exchange.lastActivityTicks = deps.clock.ticksMs()
      const pollMs = Math.max(MIN_POLL_MS, Math.min(MAX_POLL_MS, task.state.pollIntervalMs ?? 1_000))
      if (!task.isOver && exchange.outcome === undefined) await bell.wait((ring) => deps.clock.after(pollMs, ring))
    }
  } finally {
    stopWatch()
    questions.close()
  }
  return exchange.outcome ?? ended(context, task, look)
}

/** Something happened: whoever waits looks again. */
export function createBell(): { ring(): void; wait(timer: (ring: () => void) => () => void): Promise<void> } {
  let rung = false
  let wake: (() => void) | undefined
  const ring = (): void => {
    rung = true
    wake?.()
  }
  return {
    ring,
    async wait(timer) {
      if (!rung) {
        await new Promise<void>((resolve) => {
          const stop = timer(resolve)
          wake = () => {
            stop()
            resolve()
          }
        })
      }
      rung = false
      wake = undefined
    },
  }
}

/** What the call would have been answered (S25 tasks, Result Retrieval), and which task it was. */
async function ended(context: GatewayContext, task: HeldTask, look: ResponseLook): Promise<Outcome> {
  if (task.state.status === 'cancelled') throw new PortolanError('cancelled', { message: 'The task was cancelled' })
  if (task.hasFailed) return failedWith(errorOf(task.responseText), look)
  const related = (text: WireText): Message => messageFrom(task.isNamed ? relateTask(text, task.subject) : text)
  if (task.responseText !== '') return clientResponse(related(task.responseText), look)
  if (task.taskId === undefined) throw new PortolanError('task_not_found')
  const { resultText: result, errorText } = await context.tasksAtModern.result(task)
  if (result !== undefined) return clientResponse(related(resultText('0', result)), look)
  const text = errorText ?? asciiJson({ code: -32603, message: 'The server says nothing of the result' })
  const error = readError(messageFrom(`{"jsonrpc":"2.0","id":0,"error":${text}}`)) as WireErrorObject
  const verdict = translateUpstreamError(error, { from: 'modern', to: 'legacy', method: 'tools/call' })
  return failedWith(verdict.kind === 'relay' ? toErrorObject(verdict.error) : { code: -32603, message: error.message }, look)
}

function messageFrom(text: WireText): Message {
  const scan = parseMessage(text)
  if (!scan.ok) throw new PortolanError('upstream_malformed')
  return scan.value
}

function errorOf(responseText: WireText): WireErrorObject {
  return readError(messageFrom(responseText)) as WireErrorObject
}

export function failedWith(error: WireErrorObject, { clientIdText }: ResponseLook): Outcome {
  return { kind: 'answered', text: `{"jsonrpc":"2.0","id":${clientIdText},"error":${asciiJson(error)}}`, status: 200, failed: true }
}
