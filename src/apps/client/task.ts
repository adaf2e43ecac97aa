/**
 * A call that its server made a task of, in either form (the extension io.modelcontextprotocol/tasks; S25 basic/utilities/tasks): followed
 * until it has ended, asked what it asks, cancelled with the call. Whoever called gets the result as if there had been none.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { TASKS_EXTENSION } from '../../protocol/capability.ts'
import { member } from '../../protocol/json.ts'
import { scanJson } from '../../protocol/json-scan.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import type { Era } from '../../protocol/revision.ts'
import { TASK_STATUSES, isOver } from '../../protocol/task.ts'
import { ClientError, RpcError } from './client-error.ts'
import { MAX_ROUNDS, answerRound, tooManyRounds } from './input.ts'
import type { InputHandler } from './input.ts'
import type { RawResult } from './tap.ts'

/** What a client declares that takes a task instead of a result. */
export const TASK_CAPABILITIES = { extensions: { [TASKS_EXTENSION]: {} } }

export interface FollowOptions {
  /** One request about the task; the SDK names it in a header (ext-tasks, Routing Headers). */
  readonly ask: (method: string, params: JsonObject, signal: AbortSignal | undefined) => Promise<RawResult>
  readonly input: InputHandler | undefined
  readonly signal: AbortSignal | undefined
  /** Called with what the task says of itself, when that changes. */
  readonly onStatus: (message: string) => void
}

const MIN_POLL_MS = 50
const MAX_POLL_MS = 30_000
const DEFAULT_POLL_MS = 1_000

/**
 * The id of the task that this is instead of a result; undefined for a result. Only tools may answer so (ext-tasks, Capability
 * Negotiation), and a legacy one only where it was asked to: else a member `task` is the tool's own (S25 tasks, Creating Tasks).
 */
export function createdTaskId(method: string, { value }: RawResult, era: Era, isAsked: boolean): string | undefined {
  const isOne = era === 'modern' ? value['resultType'] === 'task' : isAsked
  const { taskId } = isOne ? taskIn(value, era) : {}
  return method === 'tools/call' && typeof taskId === 'string' ? taskId : undefined
}

/** A created task stands flat in the extension's result, nested in that of 2025-11-25. */
function taskIn(value: JsonObject, era: Era): JsonObject {
  return era === 'modern' ? value : objectAt(value, 'task')
}

/** Resolves with the call's result; the task is cancelled with the call. Rejects with RpcError where it failed, ClientError where it was cancelled. */
export async function followCall(taskId: string, era: Era, options: FollowOptions): Promise<RawResult> {
  try {
    return await followTask(taskId, era, options)
  } catch (error) {
    // `notifications/cancelled` is not for tasks (ext-tasks, Task Cancellation; S25 basic/utilities/cancellation).
    if (options.signal?.aborted === true) await options.ask('tasks/cancel', { taskId }, undefined).catch(() => undefined)
    throw error
  }
}

/** The same of a task that goes on where nobody waits for it any more. */
export function followTask(taskId: string, era: Era, options: FollowOptions): Promise<RawResult> {
  return era === 'modern' ? followModern(taskId, options) : followLegacy(taskId, options)
}

async function followModern(taskId: string, { ask, input, signal, onStatus }: FollowOptions): Promise<RawResult> {
  const answered = new Set<string>()
  const say = sayer(onStatus)
  for (let rounds = 0; ;) {
    const task = await ask('tasks/get', { taskId }, signal)
    const { status, statusMessage, pollIntervalMs } = task.value
    say(statusMessage)
    if (status === 'completed') return resultOf(task)
    if (status === 'failed') throw failureOf(task)
    if (status === 'cancelled') throw wasCancelled()
    if (status === 'input_required') {
      // A key that was answered may still be there at the next poll.
      const fresh = Object.entries(objectAt(task.value, 'inputRequests')).filter(([key]) => !answered.has(key))
      if (fresh.length > 0) {
        if (++rounds > MAX_ROUNDS) throw tooManyRounds()
        const inputResponses = await answerRound(input, Object.fromEntries(fresh), signal ?? new AbortController().signal)
        for (const [key] of fresh) answered.add(key)
        await ask('tasks/update', { taskId, inputResponses }, signal)
      }
    }
    await pause(pollIntervalMs, signal)
  }
}

/** What it asks comes as requests of the server while `tasks/result` waits, which then gives the result (S25 tasks, Input Required Status). */
async function followLegacy(taskId: string, { ask, signal, onStatus }: FollowOptions): Promise<RawResult> {
  const say = sayer(onStatus)
  let outcome: Promise<RawResult> | undefined
  for (;;) {
    const { value } = await ask('tasks/get', { taskId }, signal)
    const { status, statusMessage, pollInterval } = value
    say(statusMessage)
    if (status === 'cancelled') throw wasCancelled()
    const known = TASK_STATUSES.find((one) => one === status)
    if (known !== undefined && isOver(known)) return await (outcome ?? ask('tasks/result', { taskId }, signal))
    if (status === 'input_required' && outcome === undefined) {
      outcome = ask('tasks/result', { taskId }, signal)
      outcome.catch(() => undefined)
    }
    const result = await within(pollInterval, outcome, signal)
    if (result !== undefined) return result
  }
}

function wasCancelled(): ClientError {
  return new ClientError('cancelled', 'The task was cancelled.')
}

/** Tells what a task says of itself when that changes. */
function sayer(onStatus: (message: string) => void): (message: unknown) => void {
  let said = ''
  return (message) => {
    if (typeof message === 'string' && message !== said) onStatus((said = message))
  }
}

/** The outcome, where it comes before the next poll is due. */
async function within(wantedMs: unknown, outcome: Promise<RawResult> | undefined, signal: AbortSignal | undefined): Promise<RawResult | undefined> {
  if (outcome === undefined) return pause(wantedMs, signal)
  const over = new AbortController()
  try {
    return await Promise.race([pause(wantedMs, AbortSignal.any(signal === undefined ? [over.signal] : [over.signal, signal])), outcome])
  } finally {
    // A timer that is left keeps the process.
    over.abort()
  }
}

async function pause(wantedMs: unknown, signal: AbortSignal | undefined): Promise<undefined> {
  const pollMs = typeof wantedMs === 'number' ? Math.min(MAX_POLL_MS, Math.max(MIN_POLL_MS, wantedMs)) : DEFAULT_POLL_MS
  await sleep(pollMs, undefined, { ...(signal !== undefined && { signal }) })
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
