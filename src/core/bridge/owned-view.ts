/** A task that Portolan owns, as a client of either era is shown it where it asks. */

import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { JsonValue } from '../../protocol/json-value.ts'
import { objectText } from '../../protocol/input-required.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import { OWN_META } from '../../protocol/meta.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { WireErrorObject } from '../../protocol/error.ts'
import { isOver, isToolError, writeTask } from '../../protocol/task.ts'
import type { TaskState } from '../../protocol/task.ts'
import type { Era } from '../../protocol/revision.ts'
import { taskError } from '../../protocol/upstream-error.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { resultText } from '../gateway/render.ts'
import { STATUS_OF, isOverPhase } from '../task/stored-task.ts'
import type { AdoptedFrom, StoredTask } from '../task/stored-task.ts'
import { eraOf } from './adopted-sight.ts'
import { adoptedHandle } from './adopted-task.ts'
import { responseLook } from './call-look.ts'
import { clientResponse, readError } from './client-response.ts'
import { sealTask } from './handles.ts'
import type { OwnedTasks } from './owned-tasks.ts'
import { partyOf } from './party.ts'
import { ownedSubject } from './task-owner.ts'

const POLL_MS = 1_000

/** The task instead of the result. It is durable by now. */
export function createdOutcome(context: GatewayContext, exchange: Exchange, task: StoredTask): Outcome {
  const { era, message } = exchange
  const handle = handleFor(context, exchange, task)
  // A legacy task begins as `working`, whatever has become of it already (S25 tasks, Task Status Lifecycle).
  const members = era === 'legacy' ? { task: writeTask(handle, { ...stateOf(task, era), status: 'working' }, era) } : { resultType: 'task', ...writeTask(handle, stateOf(task, era), era) }
  return { kind: 'task', text: resultText(message?.idText ?? 'null', asciiJson(members)) }
}

/** The task, cancelled where it is to be and still can. Throws `task_not_found`, which says where it has expired. */
export async function sought({ tasks }: OwnedTasks, ownerKey: string, id: string, isCancelled: boolean): Promise<StoredTask> {
  const found = await tasks.find(ownerKey, id)
  if (found === undefined) throw new PortolanError('task_not_found')
  if (found.kind === 'expired') throw new PortolanError('task_not_found', { message: expiredText(found) })
  return isCancelled ? ((await tasks.cancel(ownerKey, id)) ?? found.task) : found.task
}

export function expiredText({ expiredAtMs }: { readonly expiredAtMs: number }): string {
  return `Task has expired: at ${new Date(expiredAtMs).toISOString()}`
}

/** The members of a whole task: `tasks/get` without its `resultType`, or `notifications/tasks` without its subscription. */
export function detailedTexts(context: GatewayContext, exchange: Exchange, task: StoredTask): Record<string, WireText> {
  const state = writeTask(handleFor(context, exchange, task), stateOf(task, 'modern'), 'modern')
  const texts: Record<string, WireText> = Object.fromEntries(Object.entries(state).map(([name, value]) => [name, asciiJson(value)]))
  const { phase, progress } = task
  if (phase === 'asking' || (phase === 'running' && state['status'] === 'input_required')) texts['inputRequests'] = objectText(Object.entries(progress.questions))
  if (phase === 'completed') texts['result'] = bodyOf(responseFor(context, exchange, storedResponse(task), eraOf(task)))
  if (STATUS_OF[phase] === 'failed') texts['error'] = errorFor(task)
  const meta = ownMeta(context, exchange, task)
  if (Object.keys(meta).length > 0) texts['_meta'] = asciiJson(meta)
  return texts
}

/** In the words of the extension. */
function errorFor(task: StoredTask): WireText {
  if (eraOf(task) === 'modern') return task.resultText
  const error = readError(errorResponse(task)) as WireErrorObject
  return asciiJson(taskError(error))
}

/** Attempts, where there was more than one (docs/extensions.md). */
function ownMeta(context: GatewayContext, exchange: Exchange, { origin, progress }: StoredTask): { readonly [key: string]: JsonValue } {
  const { attempts, failures, retriedAs } = progress
  // Nobody tried it but its server.
  if (origin.adopted !== undefined) return {}
  return {
    ...(attempts > 1 || failures.length > 0 ? { [OWN_META.attempts]: attempts } : {}),
    ...(failures.length > 0 ? { [OWN_META.failures]: failures.map(({ attempt, atMs, reason, message }) => ({ attempt, at: new Date(atMs).toISOString(), reason, message })) } : {}),
    ...(retriedAs === '' ? {} : { [OWN_META.retriedAs]: sealTask(context.deps.keyring, partyOf(exchange).principal, origin.upstreamId, ownedSubject(retriedAs), origin.scope) }),
  }
}

/** The task in the words of `writeTask`. */
export function stateOf(task: StoredTask, era: Era): TaskState {
  const { adopted } = task.origin
  return adopted === undefined ? ownState(task, era) : adoptedState(task, era, adopted)
}

/** As its server said it, while that may still change; then until when it is kept here. */
function adoptedState(task: StoredTask, era: Era, adopted: AdoptedFrom): TaskState {
  const { phase, progress: { said = adopted.said, statusMessage } } = task
  if (!isOverPhase(phase)) return isOver(said.status) ? { ...said, status: 'working' } : said
  const own = ownState(task, era)
  const { createdAt } = said
  // Cancelled, or given up, here: its server has not said so.
  if (!isOver(said.status)) return { ...own, createdAt, statusMessage: statusMessage === '' ? undefined : statusMessage, other: said.other }
  // What a failed tool is called differs between the forms.
  const isSame = era === adopted.era && (said.status === 'cancelled') === (phase === 'cancelled')
  return { ...said, status: isSame ? said.status : own.status, ttlMs: own.ttlMs }
}

function ownState(task: StoredTask, era: Era): TaskState {
  const { phase, progress, createdAtMs, updatedAtMs, expiresAtMs, origin, resultText: result } = task
  const isToolFault = era === 'legacy' && phase === 'completed' && isToolError(result)
  return {
    // A legacy result with `isError` is `failed`; one of the extension `completed` (S25 tasks, Task Status; ext-tasks, Task Status).
    status: isToolFault ? 'failed' : STATUS_OF[phase],
    statusMessage: progress.statusMessage === '' ? undefined : progress.statusMessage,
    createdAt: new Date(createdAtMs).toISOString(),
    lastUpdatedAt: new Date(updatedAtMs).toISOString(),
    ttlMs: isOverPhase(phase) ? expiresAtMs - createdAtMs : origin.terms.ttlMs,
    pollIntervalMs: POLL_MS,
    other: {},
  }
}

export function handleFor(context: GatewayContext, exchange: Exchange, { id, origin }: StoredTask): string {
  const { deps } = context
  if (origin.adopted !== undefined) return adoptedHandle(context, exchange, origin)
  return sealTask(deps.keyring, partyOf(exchange).principal, origin.upstreamId, ownedSubject(id), origin.scope)
}

/** The answer to the call, as a modern server would have given it at its own endpoint. */
export function storedResponse({ resultText: result }: Pick<StoredTask, 'resultText'>): Message {
  const scan = parseMessage(resultText('0', result))
  if (!scan.ok) throw new PortolanError('internal')
  return scan.value
}

/** The error that the call was answered with. */
export function errorResponse({ resultText: error }: Pick<StoredTask, 'resultText'>): Message {
  const scan = parseMessage(`{"jsonrpc":"2.0","id":0,"error":${error}}`)
  if (!scan.ok) throw new PortolanError('internal')
  return scan.value
}

/** The same as this client gets it where it asks. */
export function responseFor(context: GatewayContext, exchange: Exchange, response: Message, era: Era = 'modern'): Outcome {
  const { message, route } = exchange
  if (message === undefined || route === undefined) throw new PortolanError('internal')
  return clientResponse(response, { ...responseLook(context, exchange, message, route, { era }), method: 'tools/call' })
}

function bodyOf(outcome: Outcome): WireText {
  const scan = parseMessage('text' in outcome ? outcome.text : '')
  if (!scan.ok || scan.value.body === undefined) throw new PortolanError('internal')
  return scan.value.text.slice(scan.value.body.start, scan.value.body.end)
}
