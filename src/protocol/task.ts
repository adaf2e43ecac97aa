/**
 * Tasks in the words of either era: what is called `ttl` and `pollInterval`, and nested, in 2025-11-25 is `ttlMs` and
 * `pollIntervalMs`, and flat, in the tasks extension (S25 basic/utilities/tasks; ext-tasks). Pure translation.
 */

import { asciiJson, member, readJson, readString } from './json.ts'
import type { JsonNode, WireText } from './json.ts'
import { scanJson } from './json-scan.ts'
import { isJsonObject } from './json-value.ts'
import type { JsonObject, JsonValue } from './json-value.ts'
import { parseMessage } from './message.ts'
import type { Message } from './message.ts'
import { META } from './meta.ts'
import type { Era } from './revision.ts'
import { splice } from './splice.ts'

export const TASK_STATUSES = ['working', 'input_required', 'completed', 'cancelled', 'failed'] as const
export type TaskStatus = (typeof TASK_STATUSES)[number]

/** What is said of a task besides its id, whichever era said it. */
export interface TaskState {
  readonly status: TaskStatus
  readonly statusMessage: string | undefined
  /** ISO 8601. */
  readonly createdAt: string
  readonly lastUpdatedAt: string
  /** From creation; null for unlimited. */
  readonly ttlMs: number | null
  readonly pollIntervalMs: number | undefined
  /** Members that no revision has: passed on unchanged. */
  readonly other: JsonObject
}

/** Whether a tool may be called as a task (2025-11-25 `execution.taskSupport`). */
export type TaskSupport = 'forbidden' | 'optional' | 'required'

const TERMS = {
  legacy: { ttl: 'ttl', poll: 'pollInterval' },
  modern: { ttl: 'ttlMs', poll: 'pollIntervalMs' },
} as const

const OWN = new Set(['taskId', 'status', 'statusMessage', 'createdAt', 'lastUpdatedAt', '_meta', 'resultType', 'result', 'error', 'inputRequests', 'requestState'])

/** Once there, it stays so. */
export function isOver(status: TaskStatus): boolean {
  return status !== 'working' && status !== 'input_required'
}

/** A task, and its server's id of it. */
export interface ReadTask {
  readonly taskId: string
  readonly state: TaskState
}

/** Reads a task in the words of `era`; undefined for what is none. */
export function readTask(value: unknown, era: Era): ReadTask | undefined {
  if (!isJsonObject(value)) return undefined
  const { taskId, createdAt, lastUpdatedAt = createdAt, statusMessage } = value
  const { [TERMS[era].ttl]: ttl = null, [TERMS[era].poll]: poll } = value
  const status = TASK_STATUSES.find((one) => one === value['status'])
  if (typeof taskId !== 'string' || status === undefined || typeof createdAt !== 'string' || typeof lastUpdatedAt !== 'string') return undefined
  const terms: readonly string[] = Object.values(TERMS[era])
  const other = Object.fromEntries(Object.entries(value).filter(([key]) => !OWN.has(key) && !terms.includes(key)))
  const state: TaskState = {
    status,
    statusMessage: typeof statusMessage === 'string' ? statusMessage : undefined,
    createdAt,
    lastUpdatedAt,
    ttlMs: typeof ttl === 'number' ? ttl : null,
    pollIntervalMs: typeof poll === 'number' ? poll : undefined,
    other,
  }
  return { taskId, state }
}

/** The task as an object of `era`, under this id. */
export function writeTask(taskId: string, state: TaskState, era: Era): { readonly [key: string]: JsonValue } {
  const { status, statusMessage, createdAt, lastUpdatedAt, ttlMs, pollIntervalMs, other } = state
  return {
    ...other,
    taskId,
    status,
    ...(statusMessage === undefined ? {} : { statusMessage }),
    createdAt,
    lastUpdatedAt,
    [TERMS[era].ttl]: ttlMs,
    ...(pollIntervalMs === undefined ? {} : { [TERMS[era].poll]: pollIntervalMs }),
  }
}

/** Requests about one task, in 2025-11-25. */
export const TASK_METHODS: ReadonlySet<string> = new Set(['tasks/get', 'tasks/result', 'tasks/cancel'])

/** The task that a legacy server made of a call; undefined where its result is none. */
export function legacyTaskOf(message: Message): ReadTask | undefined {
  const task = message.kind === 'result' ? member(message.body, 'task') : undefined
  return task === undefined ? undefined : readTask(readJson(message.text, task), 'legacy')
}

/** Reads the result of a legacy `tasks/get` or `tasks/cancel`, or the `params` of `notifications/tasks/status`; undefined for what is no task. */
export function readLegacyTask({ kind, text, body }: Message): ReadTask | undefined {
  return body === undefined || kind === 'error' ? undefined : readTask(readJson(text, body), 'legacy')
}

/** What `tasks/get` of a modern server says: the task, and texts of what its status brings. */
export interface DetailedTask extends ReadTask {
  readonly resultText: WireText | undefined
  readonly errorText: WireText | undefined
}

/** Reads the `result` of `tasks/get`, or the `params` of `notifications/tasks`; undefined for what is no task. */
export function readDetailedTask({ text, body }: Message): DetailedTask | undefined {
  if (body?.members === undefined) return undefined
  const fields: { [key: string]: unknown } = {}
  for (const [key, { value }] of body.members) if (!BULKY.has(key)) fields[key] = readJson(text, value)
  const task = readTask(fields, 'modern')
  const textOf = (node: JsonNode | undefined): WireText | undefined => (node?.kind === 'object' ? text.slice(node.start, node.end) : undefined)
  return task === undefined ? undefined : { ...task, resultText: textOf(member(body, 'result')), errorText: textOf(member(body, 'error')) }
}

/** Members that are passed on as text, and never built. */
const BULKY: ReadonlySet<string> = new Set(['result', 'error', 'inputRequests', '_meta'])

/** The server's id of the task that a message belongs to; undefined where it names none. */
export function relatedTaskId({ text, body, method }: Message): string | undefined {
  const task = method === 'notifications/tasks/status' ? body : member(member(body, '_meta'), META.relatedTask)
  return readString(text, member(task, 'taskId'))
}

/** A JSON-RPC response or request with the task that it belongs to in its `_meta` (S25 tasks, Related Task Metadata). */
export function relateTask(text: WireText, taskId: string): WireText {
  const related = asciiJson({ taskId })
  const meta = `{${asciiJson(META.relatedTask)}:${related}}`
  const { root, body } = openMeta(text)
  if (root === undefined) return text
  const within = member(body, '_meta')
  if (within?.members !== undefined) return splice(text, [{ node: within, set: { [META.relatedTask]: related } }])
  return splice(text, [body?.members === undefined ? { node: root, set: { params: `{"_meta":${meta}}` } } : { node: body, set: { _meta: meta } }])
}

/** The same without it: the other era has no such thing, and the id in it is the server's own. */
export function unrelateTask(text: WireText): WireText {
  const meta = member(openMeta(text).body, '_meta')
  return meta?.members?.has(META.relatedTask) === true ? splice(text, [{ node: meta, remove: [META.relatedTask] }]) : text
}

/** The message without it. */
export function unrelated(message: Message): Message {
  if (!message.text.includes(META.relatedTask)) return message
  const scan = parseMessage(unrelateTask(message.text))
  return scan.ok ? scan.value : message
}

function openMeta(text: WireText): { readonly root: JsonNode | undefined; readonly body: JsonNode | undefined } {
  // Its depth was bounded when it arrived.
  const scan = scanJson(text, { params: { _meta: {} }, result: { _meta: {} } }, Infinity)
  const root = scan.ok ? scan.value : undefined
  return { root, body: member(root, 'params') ?? member(root, 'result') }
}

/** Of a legacy tool result `isError` makes the task `failed` (S25 tasks, Task Status); a modern one is `completed` then. */
export function isToolError(resultText: WireText): boolean {
  const scan = scanJson(resultText, {}, Infinity)
  return scan.ok && member(scan.value, 'isError')?.kind === 'true'
}
