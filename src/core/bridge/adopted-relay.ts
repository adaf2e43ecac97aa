/** What passes through between a client and the server of its task is kept before the client has it: a task that was made, and how it ended. */

import type { Message } from '../../protocol/message.ts'
import { isOver, isToolError, legacyTaskOf, readDetailedTask } from '../../protocol/task.ts'
import type { TaskState } from '../../protocol/task.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { forgetTask } from '../session/live-session.ts'
import { boundedSaid } from '../task/bounded-said.ts'
import { endEvent } from '../task/attempt-end.ts'
import type { AttemptOutcome } from '../task/attempt-end.ts'
import { isOverPhase } from '../task/stored-task.ts'
import type { StoredTask } from '../task/stored-task.ts'
import type { Channel } from '../upstream/channel.ts'
import { answerFromKept } from './adopted-answer.ts'
import { endOf, isSameTask, legacyState, modernSight } from './adopted-sight.ts'
import type { Sight } from './adopted-sight.ts'
import { adopt } from './adopted-task.ts'
import type { Call } from './call-state.ts'
import type { OwnedTasks } from './owned-tasks.ts'
import { UNKNOWN_CODE } from './legacy-task.ts'

/** Undefined: nothing of it is to be kept. */
export function keptFirst(call: Call, channel: Channel, message: Message, outcome: Outcome): Promise<Outcome> | undefined {
  const { owned } = call.context
  if (owned === undefined) return undefined
  if (outcome.kind === 'task') return adoptRelayed(call, channel, message).then(() => outcome)
  const kept = call.route.kept
  if (kept?.kind !== 'found') return undefined
  const { task } = kept
  if (isOfAnother(task, message)) return answerFromKept(call.context, call.exchange, kept)
  return hear(owned, task, saidBy(call.look.method, task, message)).catch(() => undefined).then(() => outcome)
}

async function adoptRelayed(call: Call, channel: Channel, message: Message): Promise<void> {
  const { context, exchange, route } = call
  const made = channel.era === 'legacy' ? legacyTaskOf(message) : readDetailedTask(message)
  const { owned } = context
  if (made === undefined || owned === undefined) return
  const { taskId, state: said } = made
  const isKept = await adopt(context, {
    exchange, route, subject: taskId, taskId, era: channel.era, said, isOwn: call.source.isOwn,
    begin: (task, sink) => owned.follows.begin(task, sink, channel.era === 'legacy' ? channel : undefined),
  })
  if (!isKept || exchange.session === undefined) return
  forgetTask(exchange.session, route.upstream.id, taskId)
  void context.sessions.changed(exchange.session)
}

/** Whatever was asked, a task that is shown says when it was made. */
function isOfAnother({ origin: { adopted } }: StoredTask, message: Message): boolean {
  if (adopted === undefined || adopted.taskId === '' || message.kind !== 'result') return false
  const said = adopted.era === 'modern' ? readDetailedTask(message)?.state : legacyState(message)
  return said !== undefined && !isSameTask(adopted, said)
}

async function hear(owned: OwnedTasks, task: StoredTask, sight: Sight | undefined): Promise<void> {
  if (sight === undefined) return owned.follows.poke(task.id)
  if (sight.kind === 'ended') await keepEnd(owned, task, sight.outcome)
  if (sight.kind === 'going') {
    owned.follows.heard(task.id)
    const said = boundedSaid(sight.said)
    const before = task.progress.said ?? task.origin.adopted?.said
    if (before?.status !== said.status || before.statusMessage !== said.statusMessage) await owned.tasks.move(task, { kind: 'note', epoch: task.epoch, statusMessage: said.statusMessage ?? '', heard: sight })
  }
}

/** Who follows it may have changed since the request was routed, and changes once more meanwhile: seldom twice. */
const KEEP_TRIES = 3

/** How it ended, whoever follows it by now. False: the row is gone, or another's. */
export async function keepEnd({ tasks }: Pick<OwnedTasks, 'tasks'>, { id, origin, createdAtMs }: StoredTask, outcome: AttemptOutcome): Promise<boolean> {
  for (let tries = 0; tries < KEEP_TRIES; tries += 1) {
    const found = await tasks.find(origin.ownerKey, id)
    if (found?.kind !== 'found' || found.task.createdAtMs !== createdAtMs) return false
    if (isOverPhase(found.task.phase)) return true
    const moved = await tasks.move(found.task, endEvent(found.task, outcome, tasks.time.nowMs(), () => 0))
    if (moved.ok) return true
  }
  return false
}

/** Undefined: something may have happened, and only its server knows what. */
function saidBy(method: string, { origin: { adopted }, progress }: StoredTask, message: Message): Sight | undefined {
  if (adopted?.era === 'modern') return method === 'tasks/get' ? modernSight(message) : undefined
  if (message.kind !== 'result' || message.body === undefined) return undefined
  if (method === 'tasks/result') {
    const before = progress.said ?? adopted?.said
    return before === undefined ? undefined : { kind: 'ended', outcome: resultOutcome(message, before) }
  }
  const said = legacyState(message)
  if (said === undefined) return undefined
  if (!isOver(said.status)) return { kind: 'going', said, questions: {} }
  return said.status === 'cancelled' ? { kind: 'ended', outcome: { kind: 'cancelled', said } } : undefined
}

function resultOutcome(message: Message, before: TaskState): AttemptOutcome {
  const { text, body } = message
  const isFailed = body !== undefined && isToolError(text.slice(body.start, body.end))
  return endOf(message, { ...before, status: isFailed ? 'failed' : 'completed' })
}

/**
 * A server that does not know the task any more, or not here: the row says what is known. Undefined: its answer is the client's, as is
 * the refusal to cancel what has just ended, which has the same code (S25 tasks, Task Cancellation).
 */
export function answerForServer(call: Call, code: number): Promise<Outcome> | undefined {
  const { context, exchange, look: { method }, route: { kept } } = call
  return code === UNKNOWN_CODE && kept !== undefined && method !== 'tasks/cancel' ? answerFromKept(context, exchange, kept) : undefined
}
