/**
 * Tasks at legacy servers, for modern clients (bridge-rulings §4, Tasks). The server's `tasks/result` is held open from the
 * beginning: what it asks for in it appears in `tasks/get`, and its answer is what became of the task. It stays in
 * the session in which it was made, beside other tasks and calls of the same client (`session-tasks.ts`).
 *
 *   working ⇄ input_required ──tasks/result answered──▶ completed, failed only with a JSON-RPC error
 *          ├──tasks/cancel, or input that comes too late──▶ cancelled
 *          └──the session is lost──▶ failed: its outcome is unknown
 */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import { isOver, readLegacyTask } from '../../protocol/task.ts'
import type { TaskState } from '../../protocol/task.ts'
import type { Random } from '../random.ts'
import type { CallControl, ChannelFailure } from '../upstream/channel.ts'
import { ownedId } from '../replica/owned-id.ts'
import { refuseRequest } from '../upstream/refuse-request.ts'
import { ask, ownRequestText } from '../upstream/request.ts'
import type { Asker } from '../upstream/request.ts'
import { readError } from './client-response.ts'
import { TASK_KEY, UNKNOWN_CODE } from './legacy-task.ts'
import type { LegacyTask, MadeTask, TasksAtLegacy } from './legacy-task.ts'
import type { TaskPlace } from './input-pool.ts'
import { HELD_BYTES, MAX_ASKED, MAX_QUESTIONS, NOT_THIS, TOO_MANY, answerServer, questionText } from './server-question.ts'
import { MAX_TASK_MS, createTaskIndex, whenAllEnded } from './task-index.ts'

export interface TasksAtLegacyDeps extends Asker {
  readonly random: Random
  /** Ids of tasks say who follows them. */
  readonly replicaId: string
  /** How long a person may be asked something. */
  readonly inputMs: () => number
}

interface Question {
  readonly idText: WireText
  readonly method: string
  readonly entry: WireText
}

interface Entry extends LegacyTask {
  readonly made: MadeTask
  readonly asker: string
  readonly createdTicks: number
  questions: Map<string, Question>
  asked: number
  said: TaskState
  responseText: WireText
  heldBytes: number
  isOver: boolean
  tries: number
  held: CallControl | undefined
  /** In the session that it has from its call. */
  place: TaskPlace | undefined
  stopInput: (() => void) | undefined
  stopRetry: (() => void) | undefined
  readonly watchers: Set<() => void>
}

const DEFAULT_POLL_MS = 1_000
const MAX_RETRY_MS = 30_000
const MAX_TRIES = 8
/** What has ended is answered at once; a server that lets its result wait is not waited for. */
const RESULT_WAIT_MS = 5_000

export function createTasksAtLegacy(deps: TasksAtLegacyDeps): TasksAtLegacy {
  const { clock } = deps
  const index = createTaskIndex<Entry>(clock)
  const entryOf = (task: LegacyTask): Entry | undefined => index.get(task.ownerKey, task.key)
  const changed = (entry: Entry): void => {
    for (const run of entry.watchers) run()
  }

  /** What the server says of it while it goes on. */
  const note = (entry: Entry, state: TaskState): void => {
    if (entry.isOver || isOver(state.status)) return
    const { ttlMs, status, statusMessage } = entry.said
    entry.said = state
    if (state.ttlMs !== ttlMs) index.renew(entry, boundedTtlMs(state) - (clock.ticksMs() - entry.createdTicks))
    if (state.status !== status || state.statusMessage !== statusMessage) changed(entry)
  }

  const release = (entry: Entry, isSpent: boolean): void => {
    entry.held?.abort('the task is over')
    entry.held = undefined
    entry.stopInput?.()
    entry.stopRetry?.()
    entry.place?.release(isSpent || entry.questions.size > 0)
    entry.questions.clear()
  }

  const settle = (entry: Entry, state: TaskState, responseText: WireText): void => {
    if (entry.isOver) return
    entry.isOver = true
    entry.said = state
    entry.responseText = responseText
    entry.heldBytes = responseText.length
    release(entry, entry.held !== undefined)
    index.settled(entry)
    changed(entry)
  }

  const now = (entry: Entry, status: TaskState['status']): TaskState => ({ ...entry.said, status, lastUpdatedAt: new Date(clock.nowMs()).toISOString() })

  /** `unknown`: the server does not know it any more. */
  const stateAt = async (entry: Entry): Promise<TaskState | 'unknown' | undefined> => {
    const answer = await ask(entry.made.channel, 'tasks/get', { taskId: asciiJson(entry.made.taskId) }, deps)
    if (answer.kind === 'error' && readError(answer).code === UNKNOWN_CODE) return 'unknown'
    return readLegacyTask(answer)?.state
  }

  const responded = async (entry: Entry, message: Message): Promise<void> => {
    entry.held = undefined
    const seen = await stateAt(entry).catch(() => undefined)
    const state = seen === 'unknown' ? undefined : seen
    if (state?.status === 'cancelled') return settle(entry, state, '')
    if (message.kind === 'result') return settle(entry, { ...(state ?? now(entry, 'completed')), status: 'completed' }, message.text)
    if (seen === 'unknown' && readError(message).code === UNKNOWN_CODE) return settle(entry, now(entry, 'failed'), '')
    // An error is the task's own only where it has ended: a server may also refuse to be asked before.
    if (state === undefined || isOver(state.status)) return settle(entry, { ...(state ?? now(entry, 'failed')), status: 'failed' }, message.text)
    note(entry, state)
    retry(entry, state.pollIntervalMs ?? DEFAULT_POLL_MS)
  }

  const retry = (entry: Entry, delayMs: number): void => {
    if (entry.isOver) return
    entry.stopRetry = clock.after(Math.min(delayMs, MAX_RETRY_MS), () => hold(entry))
  }

  const failed = (entry: Entry, { reason }: ChannelFailure): void => {
    entry.held = undefined
    entry.tries += 1
    const isLost = reason === 'session_gone' || entry.made.channel.closed || entry.tries > MAX_TRIES
    if (isLost) settle(entry, now(entry, 'failed'), '')
    else retry(entry, DEFAULT_POLL_MS * 2 ** (entry.tries - 1))
  }

  const hold = (entry: Entry): void => {
    const { channel, taskId, token } = entry.made
    if (entry.isOver) return
    const idText = channel.nextId()
    entry.held = channel.send({
      text: ownRequestText(channel, idText, 'tasks/result', { taskId: asciiJson(taskId) }, deps.self),
      idText,
      method: 'tasks/result',
      progressToken: token,
      headers: [],
      handler: {
        onMessage(message) {
          take(entry, message)
          return true
        },
        onResponse: (message) => void responded(entry, message),
        onFailure: (failure) => failed(entry, failure),
      },
    })
  }

  /** What one server has waiting for clients must not crowd out the others. */
  const holds = ({ upstream }: Entry, moreBytes: number): boolean => {
    const all = index.all().filter((one) => one.upstream === upstream)
    const questions = all.flatMap((one) => Array.from(one.questions.values()))
    return questions.reduce((sum, { entry }) => sum + entry.length, moreBytes) <= HELD_BYTES
  }

  const question = (entry: Entry, message: Message): void => {
    const { channel, input } = entry.made
    const text = questionText(input, message)
    if (text === undefined || entry.isOver) return refuseRequest(channel, message, NOT_THIS)
    entry.asked += 1
    if (entry.asked > MAX_ASKED) return settle(entry, now(entry, 'failed'), '')
    if (entry.questions.size >= MAX_QUESTIONS || !holds(entry, text.length)) return refuseRequest(channel, message, TOO_MANY)
    // Unique over the task's lifetime (ext-tasks, Task Update Requests).
    entry.questions.set(`${entry.asker}-${entry.asked}`, { idText: message.idText, method: message.method, entry: text })
    entry.stopInput ??= clock.after(deps.inputMs(), () => void tooLate(entry))
    changed(entry)
  }

  const take = (entry: Entry, message: Message): void => {
    if (message.kind === 'request') return question(entry, message)
    const { text, body, method } = message
    if (method === 'notifications/tasks/status') {
      const task = readLegacyTask(message)
      if (task?.taskId === entry.made.taskId) note(entry, task.state)
    } else if (method === 'notifications/progress') {
      // Progress does not follow a call that became a task; what it says in words may (bridge-rulings §4, Tasks).
      const said = readString(text, member(body, 'message'))
      if (said !== undefined) note(entry, { ...entry.said, statusMessage: said })
    } else if (method === 'notifications/cancelled') {
      const id = member(body, 'requestId')
      for (const [key, { idText }] of entry.questions) if (id !== undefined && idText === text.slice(id.start, id.end)) entry.questions.delete(key)
      changed(entry)
    }
  }

  const cancel = async (entry: Entry): Promise<void> => {
    if (entry.isOver) return
    const { channel, taskId } = entry.made
    const answer = await ask(channel, 'tasks/cancel', { taskId: asciiJson(taskId) }, deps)
    // One that had ended meanwhile stays what it is; its result is on its way.
    if (answer.kind === 'result') settle(entry, { ...(readLegacyTask(answer)?.state ?? now(entry, 'cancelled')), status: 'cancelled' }, '')
  }

  /** Nobody gave the input: the task ends here, whether or not its server hears of it. */
  const tooLate = async (entry: Entry): Promise<void> => {
    await cancel(entry).catch(() => undefined)
    settle(entry, now(entry, 'cancelled'), '')
  }

  const whenOver = (entry: Entry): Promise<void> =>
    new Promise((resolve) => {
      const stop = (): void => {
        entry.watchers.delete(check)
        stopTimer()
        resolve()
      }
      const check = (): void => void (entry.isOver && stop())
      const stopTimer = clock.after(RESULT_WAIT_MS, stop)
      entry.watchers.add(check)
      check()
    })

  return {
    hasRoom: (ownerKey) => index.hasRoom(ownerKey),
    begin(made, { key, asker } = { key: `${TASK_KEY}:${ownedId(deps.replicaId, deps.random.id())}`, asker: 'input' }) {
      const entry: Entry = {
        made, key, asker, ownerKey: made.ownerKey, upstream: made.upstream, createdTicks: clock.ticksMs(), questions: new Map(), asked: 0,
        said: made.state, responseText: '', heldBytes: 0, isOver: false, tries: 0, held: undefined, place: undefined, stopInput: undefined, stopRetry: undefined, watchers: new Set(),
        get state() {
          return shownState(entry)
        },
        forget() {
          if (!entry.isOver) release(entry, true)
          entry.isOver = true
          changed(entry)
          entry.watchers.clear()
        },
      }
      index.add(entry, boundedTtlMs(made.state))
      entry.place = made.leased?.keepTask(made.taskId, (message) => take(entry, message))
      hold(entry)
      return entry
    },
    find: (ownerKey, key) => index.get(ownerKey, key),
    async refresh(task) {
      const entry = entryOf(task)
      if (entry === undefined) throw new PortolanError('task_not_found')
      if (entry.isOver) return
      const state = entry.made.channel.closed ? undefined : await stateAt(entry)
      if (entry.isOver) return
      if (entry.made.channel.closed || state === 'unknown') return settle(entry, now(entry, 'failed'), '')
      if (state === undefined) throw new PortolanError('task_not_found')
      if (state.status === 'cancelled') settle(entry, state, '')
      else if (isOver(state.status)) await whenOver(entry)
      else note(entry, state)
    },
    answer(task, answers) {
      const entry = entryOf(task)
      if (entry === undefined) return
      for (const [key, question] of entry.questions) {
        const answer = answers.get(key)
        if (answer === undefined) continue
        entry.questions.delete(key)
        answerServer(entry.made, question, answer).catch(() => undefined)
      }
      if (entry.questions.size > 0) return
      entry.stopInput?.()
      entry.stopInput = undefined
      // Until the server says otherwise it goes on.
      note(entry, { ...entry.said, status: 'working' })
    },
    async cancel(task) {
      const entry = entryOf(task)
      if (entry !== undefined) await cancel(entry)
    },
    watch(task, run) {
      const entry = entryOf(task)
      entry?.watchers.add(run)
      return () => void entry?.watchers.delete(run)
    },
    whenIdle(upstream, run) {
      const tasks = index.all().filter(({ made, isOver: over }) => made.upstream === upstream && made.leased === undefined && !over)
      whenAllEnded(tasks, (entry) => !entry.isOver, (entry, look) => (entry.watchers.add(look), () => void entry.watchers.delete(look)), run)
    },
    announce(channel, message) {
      for (const entry of index.all()) if (entry.made.channel === channel) take(entry, message)
    },
    close: () => index.close(),
  }
}

function boundedTtlMs({ ttlMs }: TaskState): number {
  return Math.min(ttlMs ?? MAX_TASK_MS, MAX_TASK_MS)
}

/** What it waits for decides, not what the server last said: questions arrive by another way than its status. */
function shownState({ said, isOver: over, questions }: Entry): TaskState {
  const ttlMs = boundedTtlMs(said)
  return over ? { ...said, ttlMs } : { ...said, ttlMs, status: questions.size > 0 ? 'input_required' : 'working' }
}
