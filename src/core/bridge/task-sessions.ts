/**
 * Sessions at legacy servers in which tasks of legacy clients go on. A task lives in the session where it was made: whichever session
 * of its owner asks for it, that one is asked, and it outlives the client's session that opened it (bridge-rulings §3, `DELETE`).
 */

import { asciiJson } from '../../protocol/json.ts'
import { isOver, readLegacyTask } from '../../protocol/task.ts'
import type { Channel } from '../upstream/channel.ts'
import { ask } from '../upstream/request.ts'
import type { Asker } from '../upstream/request.ts'
import { MAX_TASK_MS } from './task-index.ts'

/** Whose task it is, at which server, and that server's own id of it. */
export interface TaskName {
  readonly ownerKey: string
  readonly upstreamId: string
  readonly taskId: string
}

export interface TaskSessions {
  /** A call in this session became a task. */
  note(name: TaskName, channel: Channel, ttlMs: number | null): void
  /** The session in which it was made, where that still stands. */
  channelOf(name: TaskName): Channel | undefined
  /** It has ended: for a while its result is there still. `isFetched`: nobody needs that any more. */
  ended(name: TaskName, isFetched: boolean): void
  /** False where no task needs the session; else `onUnneeded` runs as soon as none does. */
  keep(channel: Channel, onUnneeded: () => void): boolean
  /** Whether it is only there for its tasks, and was long enough to make room for another one of its owner. */
  mayYield(channel: Channel): boolean
}

/** What has ended is there for so long to be fetched, or to be asked for once more. */
const RESULT_MS = 5 * 60_000
const POLL_MS = 10_000
/** Of one session; the oldest give way. */
const MAX_TASKS = 256

interface Noted {
  readonly name: TaskName
  isOver: boolean
  stop(): void
}

interface Kept {
  readonly tasks: Map<string, Noted>
  /** Since when it is there for its tasks only. */
  sinceTicks: number | undefined
  onUnneeded: (() => void) | undefined
}

export interface TaskSessionsDeps extends Asker {
  readonly yieldMs: () => number
}

export function createTaskSessions(deps: TaskSessionsDeps): TaskSessions {
  const { clock } = deps
  const sessions = new Map<Channel, Kept>()
  const byTask = new Map<string, Channel>()
  const keyOf = ({ ownerKey, upstreamId, taskId }: TaskName): string => JSON.stringify([ownerKey, upstreamId, taskId])

  const end = (key: string): void => {
    const channel = byTask.get(key)
    const kept = channel === undefined ? undefined : sessions.get(channel)
    if (channel === undefined || kept === undefined) return
    byTask.delete(key)
    kept.tasks.get(key)?.stop()
    kept.tasks.delete(key)
    if (kept.tasks.size > 0) return
    sessions.delete(channel)
    kept.onUnneeded?.()
  }

  const over = (name: TaskName, isFetched: boolean): void => {
    const key = keyOf(name)
    const channel = byTask.get(key)
    const noted = channel === undefined ? undefined : sessions.get(channel)?.tasks.get(key)
    if (noted === undefined) return
    if (isFetched) return end(key)
    if (noted.isOver) return
    noted.isOver = true
    noted.stop()
    noted.stop = clock.after(RESULT_MS, () => end(key))
  }

  const isGoing = async (channel: Channel, { taskId }: TaskName): Promise<boolean | undefined> => {
    const answer = channel.closed ? undefined : await ask(channel, 'tasks/get', { taskId: asciiJson(taskId) }, deps).catch(() => undefined)
    if (channel.closed || answer?.kind === 'error') return undefined
    const task = answer === undefined ? undefined : readLegacyTask(answer)
    return task === undefined || !isOver(task.state.status)
  }

  /** Its client does not ask any more: whether a task still goes on, only we find out. */
  const look = async (channel: Channel, kept: Kept): Promise<void> => {
    for (const [key, { name, isOver: isKnown }] of Array.from(kept.tasks)) {
      const isLeft = isKnown ? true : await isGoing(channel, name)
      if (isLeft === undefined) end(key)
      else if (!isLeft) over(name, false)
    }
    if (sessions.get(channel) === kept) watch(channel, kept)
  }
  const watch = (channel: Channel, kept: Kept): void => void clock.after(POLL_MS, () => sessions.get(channel) === kept && void look(channel, kept))

  return {
    note(name, channel, ttlMs) {
      const kept = sessions.get(channel) ?? { tasks: new Map<string, Noted>(), sinceTicks: undefined, onUnneeded: undefined }
      sessions.set(channel, kept)
      const key = keyOf(name)
      byTask.set(key, channel)
      kept.tasks.set(key, { name, isOver: false, stop: clock.after(Math.min(ttlMs ?? MAX_TASK_MS, MAX_TASK_MS), () => end(key)) })
      if (kept.tasks.size > MAX_TASKS) for (const oldest of kept.tasks.keys()) return end(oldest)
    },
    channelOf(name) {
      const channel = byTask.get(keyOf(name))
      return channel?.closed === false ? channel : undefined
    },
    ended: over,
    keep(channel, onUnneeded) {
      const kept = channel.closed ? undefined : sessions.get(channel)
      if (kept === undefined) return false
      kept.onUnneeded = onUnneeded
      kept.sinceTicks = clock.ticksMs()
      watch(channel, kept)
      return true
    },
    mayYield(channel) {
      const since = sessions.get(channel)?.sinceTicks
      return since !== undefined && clock.ticksMs() - since >= deps.yieldMs()
    },
  }
}
