/** What a server says of a task that it made, in either form: it goes on, has ended, or is not known any more. Nothing is changed by looking. */

import { asciiJson, member, readJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import { isOver, readDetailedTask, readTask, unrelated } from '../../protocol/task.ts'
import type { TaskState } from '../../protocol/task.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { AttemptOutcome } from '../task/attempt-end.ts'
import type { AdoptedFrom, SaidOf, StoredTask } from '../task/stored-task.ts'
import type { Channel } from '../upstream/channel.ts'
import { ask } from '../upstream/request.ts'
import { readError } from './client-response.ts'
import { errorTexts } from './error-text.ts'
import { askTask } from './task-ask.ts'
import { UNKNOWN_CODE } from './legacy-task.ts'
import { withTasksDeclared } from './task-support.ts'

export type Sight =
  | ({ readonly kind: 'going' } & SaidOf)
  | { readonly kind: 'ended'; readonly outcome: AttemptOutcome }
  /** The server does not know it. */
  | { readonly kind: 'unknown' }
  /** The server could not be asked, or said nothing that can be read. */
  | { readonly kind: 'away' }

const AWAY: Sight = { kind: 'away' }
const UNKNOWN: Sight = { kind: 'unknown' }

/** `made`: the session in which it was made, where this process has it; `other`: one that may know it, too. Never rejects. */
export async function sightOf(context: GatewayContext, { origin }: Pick<StoredTask, 'origin'>, made: Channel | undefined, other?: () => Channel | Promise<Channel>): Promise<Sight> {
  const { adopted, upstreamId, ownerKey } = origin
  const upstream = context.upstreams.byId(upstreamId)
  if (adopted === undefined || upstream === undefined) return AWAY
  if (made?.closed !== false && !mayBeKnown(context, adopted)) return UNKNOWN
  try {
    if (adopted.era === 'modern') return ofSame(adopted, modernSight(await askTask(context, { upstream, ownerKey, taskId: adopted.taskId, capabilities: withTasksDeclared('{}') }, 'tasks/get')))
    const asked = made?.closed === false ? made : await (other?.() ?? context.pool.shared(upstream, ownerKey))
    return await legacySight(context, asked, adopted)
  } catch {
    return AWAY
  }
}

/** Whether anybody but who made it can know it. A child that cannot is not asked: what it has under this id is somebody else's (guarantee 3). */
export function mayBeKnown({ deps }: GatewayContext, { child, heldBy }: AdoptedFrom): boolean {
  // Rows of versions that named no child.
  const { replicaId, isOwn } = child ?? { replicaId: heldBy, isOwn: false }
  return !isOwn && (replicaId === '' || replicaId === deps.peers.replicaId)
}

/** Servers, and children that were restarted, give ids twice; `createdAt` is required in both forms, and never changes. */
export function isSameTask({ said: { createdAt } }: AdoptedFrom, said: TaskState): boolean {
  return said.createdAt === createdAt
}

/** What is said of another task is nothing of this one. */
function ofSame(adopted: AdoptedFrom, sight: Sight): Sight {
  const said = saidIn(sight)
  return said === undefined || isSameTask(adopted, said) ? sight : UNKNOWN
}

function saidIn(sight: Sight): TaskState | undefined {
  if (sight.kind === 'going') return sight.said
  return sight.kind === 'ended' && 'said' in sight.outcome ? sight.outcome.said : undefined
}

/** By the answer to `tasks/get`, which brings the result (ext-tasks, Task Polling). */
export function modernSight(answer: Message): Sight {
  if (answer.kind === 'error') return readError(answer).code === UNKNOWN_CODE ? UNKNOWN : AWAY
  const task = readDetailedTask(answer)
  if (task === undefined) return AWAY
  const { state: said, resultText, errorText } = task
  switch (said.status) {
    case 'completed':
      return resultText === undefined ? AWAY : { kind: 'ended', outcome: { kind: 'completed', resultText, said } }
    case 'failed':
      return { kind: 'ended', outcome: failure(errorText ?? asciiJson({ code: -32603, message: said.statusMessage ?? 'The task failed' }), said) }
    case 'cancelled':
      return { kind: 'ended', outcome: { kind: 'cancelled', said } }
    default:
      return { kind: 'going', said, questions: questionsOf(answer) }
  }
}

/** The result has a request of its own; before the end it is not asked for, since it would take the client's questions (S25 tasks, Input Required). */
async function legacySight(context: GatewayContext, channel: Channel, adopted: AdoptedFrom): Promise<Sight> {
  const named = { taskId: asciiJson(adopted.taskId) }
  const answer = await ask(channel, 'tasks/get', named, context.deps)
  if (answer.kind === 'error') return readError(answer).code === UNKNOWN_CODE ? UNKNOWN : AWAY
  const said = legacyState(answer)
  if (said === undefined) return AWAY
  if (!isSameTask(adopted, said)) return UNKNOWN
  if (!isOver(said.status)) return { kind: 'going', said, questions: {} }
  if (said.status === 'cancelled') return { kind: 'ended', outcome: { kind: 'cancelled', said } }
  return { kind: 'ended', outcome: endOf(await ask(channel, 'tasks/result', named, context.deps), said) }
}

export function legacyState({ text, body }: Message): TaskState | undefined {
  return body === undefined ? undefined : readTask(readJson(text, body), 'legacy')?.state
}

/** By the response to `tasks/result`, or to the call itself. A legacy `failed` that has a result is `completed` to Portolan; what the server called it is kept (bridge-rulings §4, Tasks). */
export function endOf(response: Message, said: TaskState): AttemptOutcome {
  const { kind, text, body } = unrelated(response)
  if (body === undefined) return failure(errorTexts(new PortolanError('upstream_malformed')).errorText, said)
  const bodyText = text.slice(body.start, body.end)
  return kind === 'result' ? { kind: 'completed', resultText: bodyText, said } : failure(bodyText, said)
}

/** Nobody knows what became of it. */
export function lostOutcome(): AttemptOutcome {
  const { errorText } = errorTexts(new PortolanError('outcome_unknown', { message: 'Outcome unknown: the server has forgotten the task, or was lost with it, before its result was seen' }))
  return failure(errorText, undefined)
}

function failure(errorText: WireText, said: TaskState | undefined): AttemptOutcome {
  const error: unknown = JSON.parse(errorText)
  const message = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : ''
  return { kind: 'failed', errorText, message, reason: undefined, code: undefined, mayHaveRun: true, retryAfterMs: undefined, ...(said === undefined ? {} : { said }) }
}

function questionsOf({ text, body }: Message): Record<string, WireText> {
  return Object.fromEntries(Array.from(member(body, 'inputRequests')?.members ?? [], ([key, { value }]) => [key, text.slice(value.start, value.end)]))
}

/** As much of its server as its words depend on. */
export function eraOf({ origin }: { readonly origin: { readonly adopted?: AdoptedFrom } }): AdoptedFrom['era'] {
  return origin.adopted?.era ?? 'modern'
}
