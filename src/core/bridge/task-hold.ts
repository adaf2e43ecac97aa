/**
 * A legacy client's call that asked to be a task, at a modern server (bridge-rulings §4, Tasks): it is answered with a task
 * at once, and goes on without its client. What is asked in it waits for `tasks/result`.
 */

import { asciiJson, member } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import { relateTask, writeTask } from '../../protocol/task.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import { finish, refusalOf } from '../gateway/finish.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { resultText } from '../gateway/render.ts'
import type { FinalAnswer, Reply } from '../gateway/reply.ts'
import { deliver } from '../session/live-session.ts'
import type { LiveSession } from '../session/live-session.ts'
import { followHeld } from './adopted-follow.ts'
import { adopt, adoptedId } from './adopted-task.ts'
import { carryCall } from './call.ts'
import type { Source } from './party.ts'
import { heldHandle } from './held-task.ts'
import type { HeldTask } from './held-task.ts'

/** So long a server may take to refuse the call, or to make a task of its own; longer is not "at once". */
const GRACE_MS = 250

/** The task, or the error where the call was refused at once. Rejects with PortolanError. */
export async function holdTask(context: GatewayContext, exchange: Exchange, source: Source, ttlMs: number | undefined): Promise<Outcome> {
  const { message, route, session, principal } = exchange
  if (message === undefined || route === undefined || session === undefined || principal === undefined) throw new PortolanError('internal')
  const { tasksAtModern } = context
  let refusal: FinalAnswer | undefined
  const abort = (): void => {
    shadow.carriage?.abort('the task was cancelled')
    finish(context, shadow, { kind: 'cancelled', reason: 'the task was cancelled' })
  }
  const task = tasksAtModern.begin({ ownerKey: principal.ownerKey, upstream: route.upstream, session, scope: route.scope ?? '', ttlMs, abort })
  const shadow = shadowOf(context, exchange, taskReply(context, session, task, (answer) => (refusal = answer)))
  exchange.carriage = { abort: () => tasksAtModern.forget(task), resume: () => undefined }
  begin(context, shadow, source, task)
  await decided(context, task)
  if (exchange.outcome !== undefined) return exchange.outcome
  if (task.hasFailed && refusal !== undefined) {
    tasksAtModern.forget(task)
    return { kind: 'answered', text: refusal.text, status: refusal.status, failed: true }
  }
  tasksAtModern.named(task)
  await keep(context, exchange, task)
  // A task begins as `working`, whatever has become of it already (S25 tasks, Task Status Lifecycle).
  const created = writeTask(heldHandle(context, task), { ...task.state, status: 'working' }, 'legacy')
  return { kind: 'task', text: resultText(message.idText, asciiJson({ task: created })) }
}

/** The same request, served for the task: it has no time limit but the task's. */
function shadowOf(context: GatewayContext, exchange: Exchange, reply: Reply): Exchange {
  return { ...exchange, id: context.nextExchangeId(), text: '', http: undefined, release: undefined, carriage: undefined, onSession: undefined, outcome: undefined, onFinished: [], reply }
}

function begin(context: GatewayContext, shadow: Exchange, source: Source, task: HeldTask): void {
  const take = (message: Message): Outcome => {
    context.tasksAtModern.answered(task, message)
    if (task.isNamed && task.taskId !== undefined) void keep(context, shadow, task)
    return task.taskId === undefined ? { kind: 'answered', text: '', status: 200, failed: member(message.body, 'isError')?.kind === 'true' } : { kind: 'task', text: '' }
  }
  Promise.resolve()
    .then(() => carryCall(context, shadow, source, take))
    .catch((error: unknown) => finish(context, shadow, refusalOf(context, error)))
}

/** Durable before the client has its id; once more where its server makes a task of it later. Its status here is told to whoever follows it there. */
async function keep(context: GatewayContext, exchange: Exchange, task: HeldTask): Promise<void> {
  const { owned, tasksAtModern } = context
  const { route } = exchange
  if (owned === undefined || route === undefined) return
  const { subject, taskId = '', state: said } = task
  const isKept = await adopt(context, {
    exchange, route, subject, taskId, era: 'modern', said: { ...said, status: 'working' },
    begin: (row, sink) => (taskId === '' ? followHeld(context, task, sink) : owned.follows.begin(row, sink)),
  })
  if (!isKept || taskId === '') return void (isKept && tasksAtModern.kept(task))
  tasksAtModern.kept(task)
  const id = adoptedId(owned, task.ownerKey, route.upstream.id, subject)
  const look = (): void => {
    // Latched here: its server may go on for a while (S25 tasks, Task Cancellation).
    if (task.state.status === 'cancelled') void owned.tasks.cancel(task.ownerKey, id).catch(() => undefined)
    else owned.follows.poke(id)
  }
  tasksAtModern.watch(task, look)
  if (task.isOver) look()
}

function decided(context: GatewayContext, task: HeldTask): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stopWatch()
      stopTimer()
      resolve()
    }
    const check = (): void => void ((task.isOver || task.taskId !== undefined) && done())
    const stopWatch = context.tasksAtModern.watch(task, check)
    const stopTimer = context.deps.clock.after(GRACE_MS, done)
    check()
  })
}

/** What the call would have said to its client: questions wait for `tasks/result`, the rest goes to the session. */
function taskReply(context: GatewayContext, session: LiveSession, task: HeldTask, refused: (answer: FinalAnswer) => void): Reply {
  const send = (text: WireText): boolean => {
    const scan = parseMessage(text)
    if (scan.ok && scan.value.kind === 'request') context.tasksAtModern.ask(task, scan.value.idText, text)
    else if (!session.ended) deliver(session, task.isNamed ? relateTask(text, heldHandle(context, task)) : text)
    return true
  }
  return {
    send,
    onDrain: () => undefined,
    finish(answer) {
      if (answer === undefined || answer.text === '') return 0
      refused(answer)
      context.tasksAtModern.failed(task, answer.text)
      return answer.text.length
    },
    suspend: () => undefined,
    keepAlive: () => undefined,
  }
}
