/**
 * A call that its server made a task of (the extension io.modelcontextprotocol/tasks): followed until it has ended, asked what it asks,
 * cancelled with the call. Whoever called gets the result as if there had been none.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { TASKS_EXTENSION } from '../../protocol/capability.ts'
import { member } from '../../protocol/json.ts'
import { scanJson } from '../../protocol/json-scan.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { ClientError, RpcError } from './client-error.ts'
import { answerRound } from './input.ts'
import type { InputHandler } from './input.ts'
import type { RawResult } from './tap.ts'

/** What a client declares that takes a task instead of a result. */
export const TASK_CAPABILITIES = { extensions: { [TASKS_EXTENSION]: {} } }

export interface FollowOptions {
  /** One request about the task; `headers` name it (ext-tasks, Routing Headers). */
  readonly ask: (method: string, params: JsonObject, signal: AbortSignal | undefined) => Promise<RawResult>
  readonly input: InputHandler | undefined
  readonly signal: AbortSignal | undefined
  /** Called with what the task says of itself, when that changes. */
  readonly onStatus: (message: string) => void
}

const MIN_POLL_MS = 50
const MAX_POLL_MS = 30_000
const DEFAULT_POLL_MS = 1_000

/** Whether this is a task instead of the result. Only tools may answer so (ext-tasks, Capability Negotiation). */
export function isTask(method: string, { value }: RawResult): boolean {
  return method === 'tools/call' && value['resultType'] === 'task' && typeof value['taskId'] === 'string'
}

/** Resolves with the call's result. Rejects with RpcError where the task failed, ClientError where it was cancelled. */
export async function followTask(created: RawResult, options: FollowOptions): Promise<RawResult> {
  const taskId = String(created.value['taskId'])
  const { ask, signal } = options
  try {
    return await follow(taskId, created, options)
  } catch (error) {
    // `notifications/cancelled` is not for tasks (ext-tasks, Task Cancellation).
    if (signal?.aborted === true) await ask('tasks/cancel', { taskId }, undefined).catch(() => undefined)
    throw error
  }
}

async function follow(taskId: string, created: RawResult, { ask, input, signal, onStatus }: FollowOptions): Promise<RawResult> {
  const answered = new Set<string>()
  let said = ''
  for (let task = created; ; task = await ask('tasks/get', { taskId }, signal)) {
    const { status, statusMessage, pollIntervalMs } = task.value
    if (typeof statusMessage === 'string' && statusMessage !== said) onStatus((said = statusMessage))
    if (status === 'completed') return resultOf(task)
    if (status === 'failed') throw failureOf(task)
    if (status === 'cancelled') throw new ClientError('cancelled', 'The task was cancelled.')
    if (status === 'input_required') {
      // A key that was answered may still be there at the next poll.
      const fresh = Object.entries(objectAt(task.value, 'inputRequests')).filter(([key]) => !answered.has(key))
      if (fresh.length > 0) {
        const inputResponses = await answerRound(input, Object.fromEntries(fresh), signal ?? new AbortController().signal)
        for (const [key] of fresh) answered.add(key)
        await ask('tasks/update', { taskId, inputResponses }, signal)
        continue
      }
    }
    const pollMs = typeof pollIntervalMs === 'number' ? Math.min(MAX_POLL_MS, Math.max(MIN_POLL_MS, pollIntervalMs)) : DEFAULT_POLL_MS
    await sleep(pollMs, undefined, { ...(signal !== undefined && { signal }) })
  }
}

function objectAt(value: JsonObject, key: string): JsonObject {
  const inner = value[key]
  return isJsonObject(inner) ? inner : {}
}

/** The result as the server wrote it. */
function resultOf({ text, value }: RawResult): RawResult {
  const result = objectAt(value, 'result')
  const wire = Buffer.from(text, 'utf8').toString('latin1')
  const scan = scanJson(wire, {})
  const node = scan.ok ? member(scan.value, 'result') : undefined
  return { text: node === undefined ? JSON.stringify(result) : Buffer.from(wire.slice(node.start, node.end), 'latin1').toString('utf8'), value: result }
}

function failureOf({ value }: RawResult): RpcError {
  const { code, message, data } = objectAt(value, 'error')
  return new RpcError(typeof code === 'number' ? code : 0, typeof message === 'string' ? message : 'The task failed', { text: JSON.stringify(value['error'] ?? {}), data })
}
