/**
 * Tasks of legacy clients at modern servers (bridge-rulings §4, Tasks). A call that asked to be a task is one from the
 * beginning, whatever its server makes of it: a result that comes at once is held, a task of the server's is followed.
 *
 *   calling ──result or error──▶ over: held until its time is up
 *      └──the server made a task──▶ followed ──its end is seen──▶ over: its server keeps the result
 *   tasks/cancel: over, and `cancelled` for good, before its answer
 */

import { asciiJson, member, readJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import { isOver, readDetailedTask } from '../../protocol/task.ts'
import type { DetailedTask, TaskState } from '../../protocol/task.ts'
import type { Clock } from '../clock.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { readError } from './client-response.ts'
import { HELD_KEY, announce, declared, legacyState } from './held-task.ts'
import type { HeldTask } from './held-task.ts'
import { askTask } from './task-ask.ts'
import { MAX_TASK_MS, createTaskIndex, whenAllEnded } from './task-index.ts'
import { watchTask } from './task-watch.ts'

export interface BegunTask {
  readonly ownerKey: string
  readonly upstream: Upstream
  readonly session: LiveSession
  readonly scope: string
  readonly ttlMs: number | undefined
  /** Gives its call up. */
  readonly abort: () => void
}

export interface TasksAtModern {
  /** Throws `overloaded`. */
  begin(begun: BegunTask): HeldTask
  /** The client has its id from now on. */
  named(task: HeldTask): void
  kept(task: HeldTask): void
  /** By what the client's id of it holds; the server's own task where only it still knows. */
  find(session: LiveSession, at: { readonly upstream: Upstream; readonly subject: string; readonly scope: string; readonly isKept?: boolean }): HeldTask | undefined
  of(ownerKey: string): readonly HeldTask[]
  /** Asks the server for news; undefined where it has none to tell. Rejects with PortolanError. */
  refresh(task: HeldTask): Promise<Message | undefined>
  /** The result that its server keeps. Rejects with PortolanError. */
  result(task: HeldTask): Promise<DetailedTask>
  /** The call was answered, by a result or by a task of the server's. */
  answered(task: HeldTask, message: Message): void
  failed(task: HeldTask, errorText: WireText): void
  ask(task: HeldTask, idText: string, text: WireText): void
  /** Tells the server first. Rejects with PortolanError; one that has ended, with `invalid_params`. */
  cancel(task: HeldTask): Promise<void>
  /** Tells the server what the client answered. */
  update(task: HeldTask, key: string, answer: WireText): Promise<void>
  watch(task: HeldTask, run: () => void): () => void
  forget(task: HeldTask): void
  /** Runs `run` once no call of a task is in flight there. */
  whenIdle(upstream: Upstream, run: () => void): void
  close(): void
}

interface Entry extends HeldTask {
  /** Where its call is in flight, or was. */
  readonly begunAt: Upstream
  taskId: string | undefined
  subject: string
  state: TaskState
  responseText: WireText
  hasFailed: boolean
  heldBytes: number
  isOver: boolean
  readonly questions: Map<string, WireText>
  isNamed: boolean
  isKept: boolean
  readonly abort: () => void
  stopWatch: (() => void) | undefined
  readonly watchers: Set<() => void>
}

/** For who did not say how long. */
const DEFAULT_TTL_MS = 60 * 60_000
const DEFAULT_POLL_MS = 1_000

export function createTasksAtModern(clock: Clock, context: () => GatewayContext): TasksAtModern {
  const index = createTaskIndex<Entry>(clock)
  const entryOf = (task: HeldTask): Entry | undefined => index.get(task.ownerKey, task.key)
  let made = 0
  const isoNow = (): string => new Date(clock.nowMs()).toISOString()

  const changed = (entry: Entry, before: TaskState): void => {
    for (const run of entry.watchers) run()
    if (before.status !== entry.state.status) announce(context(), entry)
  }
  const move = (entry: Entry, state: TaskState): void => {
    // Terminal states never change again (S25 tasks, Task Status Lifecycle).
    if (entry.isOver) return
    const before = entry.state
    entry.state = state
    if (state.ttlMs !== before.ttlMs) index.renew(entry, state.ttlMs ?? MAX_TASK_MS)
    if (isOver(state.status)) {
      entry.isOver = true
      entry.stopWatch?.()
      entry.questions.clear()
      index.settled(entry)
    }
    changed(entry, before)
  }
  const settle = (entry: Entry, status: TaskState['status'], text: WireText, hasFailed: boolean): void => {
    if (entry.isOver) return
    Object.assign(entry, { responseText: text, heldBytes: text.length, hasFailed })
    move(entry, { ...entry.state, status, lastUpdatedAt: isoNow() })
  }
  const follow = (entry: Entry, task: DetailedTask): void => {
    entry.taskId = task.taskId
    move(entry, legacyState(task))
    if (entry.isOver) return
    const run = (message: Message): void => {
      const seen = readDetailedTask(message)
      if (seen !== undefined) move(entry, legacyState(seen))
    }
    const { ready, stop } = watchTask(context(), { upstream: entry.upstream, ownerKey: entry.ownerKey, taskId: task.taskId, capabilities: declared(entry), run })
    entry.stopWatch = stop
    // What changed before the server agreed to tell it is told by nobody.
    ready.then((isAgreed) => (isAgreed && !entry.isOver ? refresh(entry) : undefined)).catch(() => undefined)
  }
  const create = (begun: BegunTask, id: string, state: TaskState): Entry => {
    const { ownerKey, upstream: begunAt, session, scope, abort } = begun
    const key = `${HELD_KEY}:${id}`
    made += 1
    const entry: Entry = {
      key, ownerKey, begunAt, session, scope, abort, taskId: undefined, subject: key, state, responseText: '', hasFailed: false, heldBytes: 0, isOver: false,
      questions: new Map(), asked: new Map(), isNamed: false, isKept: false, order: made, stopWatch: undefined, watchers: new Set(),
      // A reload may have put another in its place: the task is that server's now.
      get upstream() {
        return context().upstreams.byId(begunAt.id) ?? begunAt
      },
      forget() {
        entry.stopWatch?.()
        if (!entry.isOver && entry.taskId === undefined) entry.abort()
        entry.isOver = true
        for (const run of entry.watchers) run()
      },
    }
    return entry
  }
  const requestOf = (task: HeldTask, method: string, more: Readonly<Record<string, WireText>> = {}): Promise<Message> =>
    askTask(context(), { upstream: task.upstream, ownerKey: task.ownerKey, taskId: task.taskId ?? '', capabilities: declared(task) }, method, more)

  const detail = async (task: HeldTask): Promise<readonly [Message, DetailedTask]> => {
    const answer = await requestOf(task, 'tasks/get')
    const detailed = answer.kind === 'result' ? readDetailedTask(answer) : undefined
    if (detailed === undefined) {
      const error = refused(answer)
      const entry = entryOf(task)
      if (error.code === 'task_not_found' && entry !== undefined) index.renew(entry, 0)
      throw error
    }
    return [answer, detailed]
  }
  const refresh = async (task: HeldTask): Promise<Message | undefined> => {
    if (task.taskId === undefined || task.isOver) return undefined
    const [answer, detailed] = await detail(task)
    const entry = entryOf(task)
    if (entry !== undefined) move(entry, legacyState(detailed))
    return answer
  }

  /** Must be refused for what has ended (S25 tasks, Task Cancellation), also just now. */
  const stillGoing = async (entry: Entry): Promise<void> => {
    await refresh(entry)
    if (entry.isOver) throw new PortolanError('invalid_params', { message: `Cannot cancel task: already in terminal status '${entry.state.status}'` })
  }

  return {
    begin(begun) {
      const now = isoNow()
      const ttlMs = Math.min(begun.ttlMs ?? DEFAULT_TTL_MS, MAX_TASK_MS)
      const entry = create(begun, context().deps.random.id(), { status: 'working', statusMessage: undefined, createdAt: now, lastUpdatedAt: now, ttlMs, pollIntervalMs: DEFAULT_POLL_MS, other: {} })
      index.add(entry, ttlMs)
      return entry
    },
    named(task) {
      const entry = entryOf(task)
      if (entry === undefined) return
      entry.isNamed = true
      if (entry.taskId !== undefined) entry.subject = `${entry.key}:${entry.taskId}`
    },
    kept(task) {
      const entry = entryOf(task)
      if (entry !== undefined) entry.isKept = true
    },
    find(session, { upstream, subject, scope, isKept }) {
      const { ownerKey } = session.data
      const [prefix, id = '', ...rest] = subject.split(':')
      if (prefix !== HELD_KEY) return undefined
      const known = index.get(ownerKey, `${prefix}:${id}`)
      if (known !== undefined || rest.length === 0) return known?.upstream.id === upstream.id ? known : undefined
      // Portolan was restarted, and the server was not: what it says of the task is all there is to know.
      const now = isoNow()
      const state: TaskState = { status: 'working', statusMessage: undefined, createdAt: now, lastUpdatedAt: now, ttlMs: null, pollIntervalMs: undefined, other: {} }
      const entry = create({ ownerKey, upstream, session, scope, ttlMs: undefined, abort: () => undefined }, id, state)
      Object.assign(entry, { taskId: rest.join(':'), subject, isNamed: true, isKept: isKept === true })
      index.add(entry, DEFAULT_TTL_MS)
      return entry
    },
    of: (ownerKey) => index.of(ownerKey),
    refresh,
    result: async (task) => (await detail(task))[1],
    answered(task, message) {
      const entry = entryOf(task)
      const made = readDetailedTask(message)
      if (entry === undefined) return
      if (made !== undefined && isTask(message)) return follow(entry, made)
      const isFailed = member(message.body, 'isError')?.kind === 'true'
      settle(entry, isFailed ? 'failed' : 'completed', message.text, false)
    },
    failed(task, errorText) {
      const entry = entryOf(task)
      if (entry !== undefined) settle(entry, 'failed', errorText, true)
    },
    ask(task, idText, text) {
      const entry = entryOf(task)
      if (entry === undefined || entry.isOver) return
      entry.questions.set(idText, text)
      changed(entry, { ...entry.state, status: 'working' })
    },
    async cancel(task) {
      const entry = entryOf(task)
      if (entry === undefined) throw new PortolanError('task_not_found')
      await stillGoing(entry)
      if (entry.taskId === undefined) entry.abort()
      else {
        const answer = await requestOf(entry, 'tasks/cancel')
        if (answer.kind === 'error') await stillGoing(entry)
        if (answer.kind === 'error') throw refused(answer)
      }
      settle(entry, 'cancelled', '', false)
    },
    async update(task, key, answer) {
      const response = await requestOf(task, 'tasks/update', { inputResponses: `{${asciiJson(key)}:${answer}}` })
      if (response.kind === 'error') throw refused(response)
    },
    watch(task, run) {
      const entry = entryOf(task)
      entry?.watchers.add(run)
      return () => void entry?.watchers.delete(run)
    },
    forget(task) {
      const entry = entryOf(task)
      if (entry !== undefined) index.renew(entry, 0)
    },
    whenIdle(upstream, run) {
      const isLeft = ({ isOver: over, taskId }: Entry): boolean => !over && taskId === undefined
      const tasks = index.all().filter((entry) => entry.begunAt === upstream && isLeft(entry))
      whenAllEnded(tasks, isLeft, (entry, look) => (entry.watchers.add(look), () => void entry.watchers.delete(look)), run)
    },
    close: () => index.close(),
  }
}

function isTask({ text, body }: Message): boolean {
  const node = member(body, 'resultType')
  return node !== undefined && readJson(text, node) === 'task'
}

/** Why a server does not speak of a task; its message is the server's to the client. */
function refused(answer: Message): PortolanError {
  if (answer.kind !== 'error') return new PortolanError('upstream_malformed')
  const { code, message } = readError(answer)
  return code === -32602 ? new PortolanError('task_not_found', { message }) : new PortolanError('upstream_malformed', { message })
}
