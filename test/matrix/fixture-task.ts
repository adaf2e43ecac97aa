/** The fixture's tool `job` as a task: of 2025-11-25, or of the tasks extension. It is done a moment after it began, or when it is told. */
import { randomUUID } from 'node:crypto'
import type { FixtureAnswer, FixtureCall, Json } from './fixture-script.ts'

export const TASKS = 'io.modelcontextprotocol/tasks'
export const LEGACY_TASKS = '{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}'
const USUAL_MS = 80
const RESULT = { content: [{ type: 'text', text: 'job done' }] }

interface Task {
  readonly createdAt: string
  readonly doneAtMs: number
  isCancelled: boolean
}

const tasks = new Map<string, Task>()

function stateOf(taskId: string, { createdAt, doneAtMs, isCancelled }: Task, era: FixtureCall['era']): Json {
  const status = isCancelled ? 'cancelled' : Date.now() >= doneAtMs ? 'completed' : 'working'
  const times = era === 'modern' ? { ttlMs: 60_000, pollIntervalMs: 20 } : { ttl: 60_000, pollInterval: 20 }
  return { taskId, status, createdAt, lastUpdatedAt: createdAt, ...times }
}

const members = (value: Json): FixtureAnswer => ({ result: JSON.stringify(value).slice(1, -1) })

const lacksTasks = ({ revision }: FixtureCall): boolean => revision !== '' && revision < '2025-11-25'

/** Undefined where the client wants none, or the revision has none. */
export function startFixtureTask(call: FixtureCall): FixtureAnswer | undefined {
  const { era, params, text } = call
  if (lacksTasks(call)) return undefined
  if (era === 'legacy' ? params['task'] === undefined : !text.includes(TASKS)) return undefined
  // Unique among all processes that are this server to its clients (S25 tasks, Task IDs).
  const taskId = `job-${randomUUID()}`
  const args = (params['arguments'] ?? {}) as Json
  const task = { createdAt: new Date().toISOString(), doneAtMs: Date.now() + Number(args['milliseconds'] ?? USUAL_MS), isCancelled: false }
  tasks.set(taskId, task)
  return members(era === 'legacy' ? { task: stateOf(taskId, task, era) } : { resultType: 'task', ...stateOf(taskId, task, era) })
}

export async function actFixtureTask(call: FixtureCall): Promise<FixtureAnswer> {
  const { era, method, params } = call
  if (lacksTasks(call)) return { error: { code: -32601, message: 'Method not found' } }
  if (method === 'tasks/list') return members({ tasks: [...tasks].map(([taskId, task]) => stateOf(taskId, task, era)) })
  const taskId = String(params['taskId'])
  const task = tasks.get(taskId)
  if (task === undefined) return { error: { code: -32602, message: 'No such task' } }
  if (method === 'tasks/cancel') {
    task.isCancelled = true
    return members(era === 'legacy' ? stateOf(taskId, task, era) : {})
  }
  if (method === 'tasks/result') {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, task.doneAtMs - Date.now())))
    return members({ ...RESULT, _meta: { 'io.modelcontextprotocol/related-task': { taskId } } })
  }
  const state = stateOf(taskId, task, era)
  return members(era === 'modern' && state['status'] === 'completed' ? { ...state, result: RESULT } : state)
}
