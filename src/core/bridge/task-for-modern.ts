/**
 * What a modern client gets of a task at a legacy server: the task instead of a result, and the answers to `tasks/get`,
 * `tasks/update` and `tasks/cancel`, in the words of the tasks extension.
 */

import { asciiJson, member } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { InputCapability } from '../../protocol/capability.ts'
import { objectText } from '../../protocol/input-required.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import { PortolanError, toErrorObject, toWire } from '../../protocol/error.ts'
import type { WireErrorObject } from '../../protocol/error.ts'
import { unrelateTask, writeTask } from '../../protocol/task.ts'
import type { ReadTask } from '../../protocol/task.ts'
import { taskError } from '../../protocol/upstream-error.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { resultText } from '../gateway/render.ts'
import type { Channel } from '../upstream/channel.ts'
import { followHere } from './adopted-follow.ts'
import { adopt } from './adopted-task.ts'
import { responseLook } from './call-look.ts'
import { clientResponse, readError } from './client-response.ts'
import type { ResponseLook } from './client-response.ts'
import type { Leased } from './input-pool.ts'
import { answersOf } from './parked-calls.ts'
import { partyOf } from './party.ts'
import type { Source } from './party.ts'
import type { LegacyTask } from './legacy-task.ts'

/** A call that a legacy server made a task of. */
export interface MadeOf {
  readonly exchange: Exchange
  readonly route: Route
  readonly look: ResponseLook
  readonly channel: Channel
  readonly leased: Leased | undefined
  readonly input: ReadonlySet<InputCapability>
  readonly token: string
}

/** The task instead of the result (ext-tasks, Task Creation), kept by then where it is to be. Throws `overloaded`. */
export function createdTask(context: GatewayContext, { exchange, route, look, ...made }: MadeOf, message: Message, { taskId, state }: ReadTask): Outcome | Promise<Outcome> {
  const { ownerKey } = partyOf(exchange).principal
  const task = context.tasksAtLegacy.begin({ ...made, ownerKey, upstream: route.upstream, taskId, state })
  const text = unrelateTask(message.text)
  const scan = parseMessage(text)
  const meta = scan.ok ? member(scan.value.body, '_meta') : undefined
  const members = { resultType: '"task"', ...taskTexts(task, look), ...(meta === undefined ? {} : { _meta: text.slice(meta.start, meta.end) }) }
  const outcome: Outcome = { kind: 'task', text: resultText(look.clientIdText, objectText(Object.entries(members))) }
  if (context.owned === undefined) return outcome
  return adopt(context, { exchange, route, subject: task.key, taskId, era: 'legacy', said: state, input: made.input, isOwn: made.leased !== undefined, begin: (_row, sink) => followHere(context, task, sink) }).then(() => outcome)
}

/** Answers `tasks/*`. Rejects with PortolanError. */
export async function answerModernTask(context: GatewayContext, exchange: Exchange, source: Source): Promise<Outcome> {
  const { message, route } = exchange
  if (message === undefined || route === undefined) throw new PortolanError('internal')
  const { tasksAtLegacy } = context
  const task = tasksAtLegacy.find(partyOf(exchange).principal.ownerKey, route.subject)
  if (task === undefined || task.upstream.id !== route.upstream.id) throw new PortolanError('task_not_found')
  const look = taskLook(context, exchange, source)
  if (message.method === 'tasks/update') tasksAtLegacy.answer(task, answersOf(exchange))
  else if (message.method === 'tasks/cancel') await tasksAtLegacy.cancel(task)
  else await tasksAtLegacy.refresh(task)
  const members = message.method === 'tasks/get' ? detailedTexts(task, look) : {}
  const text = resultText(message.idText, objectText(Object.entries({ resultType: '"complete"', ...members })))
  return { kind: 'answered', text, status: 200, failed: false }
}

/** How a client of this exchange sees a task of this route: as the result of the call that it was. */
export function taskLook(context: GatewayContext, exchange: Exchange, source: Pick<Source, 'era'>): ResponseLook {
  const { message, route } = exchange
  if (message === undefined || route === undefined) throw new PortolanError('internal')
  return { ...responseLook(context, exchange, message, route, source), method: 'tools/call' }
}

/** The members of a whole task: `tasks/get` without its `resultType`, or `notifications/tasks` without its subscription. */
export function detailedTexts(task: LegacyTask, look: ResponseLook): Record<string, WireText> {
  const texts = taskTexts(task, look)
  switch (task.state.status) {
    case 'input_required':
      return { ...texts, inputRequests: objectText(Array.from(task.questions, ([key, { entry }]) => [key, entry] as const)) }
    case 'completed':
      return { ...texts, result: resultOf(task, look) }
    case 'failed':
      return { ...texts, error: asciiJson(errorOf(task)) }
    default:
      return texts
  }
}

function taskTexts({ key, state }: LegacyTask, look: ResponseLook): Record<string, WireText> {
  return Object.fromEntries(Object.entries(writeTask(look.sealTask(key), state, 'modern')).map(([name, value]) => [name, asciiJson(value)]))
}

/** As the call would have been answered. */
function resultOf({ responseText }: LegacyTask, look: ResponseLook): WireText {
  const response = parseMessage(unrelateTask(responseText))
  if (!response.ok) throw new PortolanError('upstream_malformed')
  const outcome = clientResponse(response.value, look)
  const { body, text } = bodyOf('text' in outcome ? outcome.text : '')
  return text.slice(body.start, body.end)
}

function bodyOf(text: WireText): { readonly text: WireText; readonly body: { readonly start: number; readonly end: number } } {
  const scan = parseMessage(text)
  if (!scan.ok || scan.value.body === undefined) throw new PortolanError('upstream_malformed')
  return { text, body: scan.value.body }
}

function errorOf({ responseText }: LegacyTask): WireErrorObject {
  const response = parseMessage(responseText)
  if (!response.ok) return toErrorObject(toWire(new PortolanError('outcome_unknown', { message: 'Outcome unknown: the server lost the task' }), 'modern'))
  const error = readError(response.value) as WireErrorObject
  return taskError(error)
}
