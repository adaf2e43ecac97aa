/** Tasks on the operations socket, as JSON: `GET /tasks`, `GET /tasks/<id>`, `POST /tasks/<id>/cancel`, `/retry` and `/drop`. */

import type { OperationFault, TaskOperations } from '../../core/task/task-operations.ts'
import { TASK_PHASES } from '../../core/task/stored-task.ts'
import type { StoredTask, TaskFailure, TaskPhase } from '../../core/task/stored-task.ts'
import { utf8Of } from '../../protocol/json.ts'
import type { Result } from '../../protocol/result.ts'

/** One line of a list. Holds neither arguments nor results. */
export interface TaskRow {
  readonly id: string
  readonly phase: TaskPhase
  readonly server: string
  readonly tool: string
  /** Of the principal, for people. */
  readonly owner: string
  readonly attempts: number
  readonly message: string
  readonly createdAtMs: number
  readonly updatedAtMs: number
  /** Not tried before; 0 where it is not queued. */
  readonly nextAtMs: number
  /** The replica that tries it; '' for none. */
  readonly holder: string
  readonly retriedAs: string
}

/** One task in full; `request` and `result` only where they were asked for. */
export interface TaskDetail extends TaskRow {
  readonly endpoint: string
  readonly epoch: number
  readonly isDispatched: boolean
  readonly isRepeatable: boolean
  readonly maxAttempts: number
  /** The server's own id of it; '' for a task of Portolan's. */
  readonly serverTask: string
  readonly deadlineAtMs: number
  readonly expiresAtMs: number
  readonly requestBytes: number
  readonly resultBytes: number
  /** Keys of what it waits for. */
  readonly asks: readonly string[]
  readonly failures: readonly TaskFailure[]
  readonly request?: string
  readonly result?: string
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

const MAX_COUNT = 1_000
const DEFAULT_COUNT = 100

/** `url` with its query. Rejects where the store cannot be reached. */
export async function taskAnswer(tasks: TaskOperations | undefined, method: string, url: string): Promise<Answer> {
  if (tasks === undefined) return refusal(404, 'This gateway has no store for tasks')
  const { pathname, searchParams } = new URL(url, 'http://localhost')
  const [, root, id, action] = pathname.split('/')
  if (root !== 'tasks') return refusal(404, 'Here is /tasks')
  if (id === undefined || id === '') return method === 'GET' ? list(tasks, searchParams) : refusal(405, 'Only GET is answered here')
  if (action === undefined) return method === 'GET' ? show(tasks, id, searchParams.get('full') === '1') : refusal(405, 'Only GET is answered here')
  if (method !== 'POST') return refusal(405, 'Only POST is answered here')
  if (action !== 'cancel' && action !== 'retry' && action !== 'drop') return refusal(404, 'A task can be cancelled, retried and dropped')
  return done(action, await tasks[action](id))
}

async function list(tasks: TaskOperations, query: URLSearchParams): Promise<Answer> {
  const wanted = query.get('phase')?.split(',') ?? []
  const phases = TASK_PHASES.filter((phase) => wanted.includes(phase))
  if (phases.length < wanted.length) return refusal(400, `A phase is one of ${TASK_PHASES.join(', ')}`)
  const count = Math.min(MAX_COUNT, Math.max(1, Number(query.get('count') ?? DEFAULT_COUNT) || DEFAULT_COUNT))
  const [createdAtMs, id] = query.get('after')?.split('/') ?? []
  const after = id === undefined ? undefined : { createdAtMs: Number(createdAtMs), id }
  const found = await tasks.list({ count, after, ...(phases.length === 0 ? {} : { phases }) })
  const last = found.at(-1)
  return { status: 200, body: { tasks: found.map(rowOf), ...(last === undefined || found.length < count ? {} : { next: `${last.createdAtMs}/${last.id}` }) } }
}

async function show(tasks: TaskOperations, id: string, isFull: boolean): Promise<Answer> {
  const task = await tasks.find(id)
  return task === undefined ? refusal(404, NO_SUCH_TASK) : { status: 200, body: detailOf(task, isFull) }
}

const NO_SUCH_TASK = 'There is no such task: list them with portolan task ls'

const CANNOT: Readonly<Record<'cancel' | 'retry' | 'drop', string>> = {
  cancel: 'It has ended: nothing is left to cancel',
  retry: 'Only a dead task can be retried: list them with portolan task ls --phase dead',
  drop: 'It has not ended: cancel it first',
}

function done(action: keyof typeof CANNOT, result: Result<StoredTask, OperationFault>): Answer {
  if (result.ok) return { status: 200, body: rowOf(result.value) }
  const { fault } = result
  if (fault.reason === 'unknown') return refusal(404, NO_SUCH_TASK)
  return refusal(409, fault.reason === 'retried' ? `It was retried already, as ${fault.as}` : CANNOT[action])
}

function refusal(status: number, error: string): Answer {
  return { status, body: { error } }
}

function rowOf({ id, phase, origin, progress, createdAtMs, updatedAtMs, runAtMs, holder }: StoredTask): TaskRow {
  const { upstreamId, tool, label } = origin
  const { attempts, statusMessage, retriedAs } = progress
  return { id, phase, server: upstreamId, tool, owner: label, attempts, message: statusMessage, createdAtMs, updatedAtMs, nextAtMs: phase === 'queued' ? runAtMs : 0, holder, retriedAs }
}

function detailOf(task: StoredTask, isFull: boolean): TaskDetail {
  const { origin, progress, epoch, isDispatched, deadlineAtMs, expiresAtMs, resultText } = task
  const { endpoint, terms, requestText } = origin
  return {
    ...rowOf(task), endpoint, epoch, isDispatched, isRepeatable: terms.isRepeatable, maxAttempts: terms.maxAttempts, serverTask: origin.adopted?.taskId ?? '', deadlineAtMs, expiresAtMs,
    requestBytes: requestText.length, resultBytes: resultText.length, asks: Object.keys(progress.questions), failures: progress.failures,
    ...(isFull ? { request: utf8Of(requestText), result: utf8Of(resultText) } : {}),
  }
}
