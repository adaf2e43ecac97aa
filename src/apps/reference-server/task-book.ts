// The tasks of one process (the extension io.modelcontextprotocol/tasks): work that goes on after its call was answered, asks in
// the middle, and keeps its result for ten minutes.
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { ProtocolError } from '@modelcontextprotocol/server'
import type { CallToolResult, InputRequests } from '@modelcontextprotocol/server'

const TTL_MS = 600_000
const POLL_MS = 200

type Status = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled'
type Answers = Readonly<Record<string, unknown>>

/** What a task's work may do besides ending. */
export type TaskWork = {
  readonly signal: AbortSignal
  /** Resolves once everything is answered. */
  readonly ask: (requests: InputRequests) => Promise<Answers>
}

/** The members of a task, as `tools/call` answers them. */
export type SeedTask = {
  readonly taskId: string
  readonly status: Status
  readonly createdAt: string
  readonly lastUpdatedAt: string
  readonly ttlMs: number
  readonly pollIntervalMs: number
}

/** The same, with what its status brings (ext-tasks, Task Status). */
export type DetailedTask = SeedTask & {
  readonly inputRequests?: InputRequests
  readonly result?: CallToolResult
  readonly error?: { readonly code: number; readonly message: string }
}

/** All tasks of a process. Unknown ids are undefined; answers to what is not asked are ignored. */
export type TaskBook = {
  readonly create: (work: (task: TaskWork) => Promise<CallToolResult>) => SeedTask
  readonly get: (taskId: string) => DetailedTask | undefined
  readonly update: (taskId: string, answers: Answers) => boolean
  readonly cancel: (taskId: string) => boolean
  /** Calls `tell` at each change. Returns what ends it. */
  readonly watch: (taskId: string, tell: (task: DetailedTask) => void) => () => void
}

type Entry = {
  task: DetailedTask
  readonly abort: AbortController
  readonly watchers: Set<(task: DetailedTask) => void>
  answers: Record<string, unknown>
  resume: (() => void) | undefined
}

export function createTaskBook(): TaskBook {
  const entries = new Map<string, Entry>()

  const isOver = ({ task }: Entry): boolean => task.status !== 'working' && task.status !== 'input_required'
  const move = (entry: Entry, status: Status, more: Partial<DetailedTask> = {}): void => {
    if (isOver(entry)) return
    const { inputRequests: _asked, ...kept } = entry.task
    entry.task = { ...kept, ...more, status, lastUpdatedAt: new Date().toISOString() }
    for (const tell of entry.watchers) tell(entry.task)
  }
  const ask = (entry: Entry, requests: InputRequests): Promise<Answers> =>
    new Promise((resolve) => {
      entry.answers = {}
      entry.resume = () => {
        entry.resume = undefined
        move(entry, 'working')
        resolve(entry.answers)
      }
      move(entry, 'input_required', { inputRequests: requests })
    })
  const run = async (entry: Entry, work: (task: TaskWork) => Promise<CallToolResult>): Promise<void> => {
    try {
      const result = await work({ signal: entry.abort.signal, ask: (requests) => ask(entry, requests) })
      move(entry, 'completed', { result })
    } catch (error) {
      const code = error instanceof ProtocolError ? error.code : -32603
      move(entry, 'failed', { error: { code, message: error instanceof Error ? error.message : String(error) } })
    }
    await delay(TTL_MS, undefined, { ref: false })
    entries.delete(entry.task.taskId)
  }

  return {
    create(work) {
      const now = new Date().toISOString()
      const seed: SeedTask = { taskId: randomUUID(), status: 'working', createdAt: now, lastUpdatedAt: now, ttlMs: TTL_MS, pollIntervalMs: POLL_MS }
      const entry: Entry = { task: seed, abort: new AbortController(), watchers: new Set(), answers: {}, resume: undefined }
      entries.set(seed.taskId, entry)
      void run(entry, work)
      return seed
    },
    get: (taskId) => entries.get(taskId)?.task,
    update(taskId, answers) {
      const entry = entries.get(taskId)
      const open = entry?.task.inputRequests
      if (entry === undefined || open === undefined) return entry !== undefined
      const answered = Object.keys(open).filter((key) => Object.hasOwn(answers, key))
      for (const key of answered) entry.answers[key] = answers[key]
      const left = Object.fromEntries(Object.entries(open).filter(([key]) => !answered.includes(key)))
      if (Object.keys(left).length === 0) entry.resume?.()
      else if (answered.length > 0) move(entry, 'input_required', { inputRequests: left })
      return true
    },
    cancel(taskId) {
      const entry = entries.get(taskId)
      if (entry === undefined) return false
      move(entry, 'cancelled')
      entry.abort.abort()
      return true
    },
    watch(taskId, tell) {
      const entry = entries.get(taskId)
      entry?.watchers.add(tell)
      return () => void entry?.watchers.delete(tell)
    },
  }
}
