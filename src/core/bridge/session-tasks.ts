/**
 * Tasks that go on in a session beside one call. All that belongs to a task names it (S25 basic/utilities/tasks, Related Task
 * Metadata: MUST), so what names none is the call's. Where there is no call, and one task alone, it can only be that one's.
 */

import type { Message } from '../../protocol/message.ts'
import { relatedTaskId } from '../../protocol/task.ts'

export type Listener = (message: Message) => void

export interface SessionTasks {
  readonly size: number
  /** Returns a function that ends it: false where it had ended before. */
  keep(taskId: string, listener: Listener): () => boolean
  /** Who hears it, besides whoever watches the server; `call` is the listener of the call in flight. */
  listeners(message: Message, call: Listener | undefined): readonly Listener[]
}

/** What a server still asks for a task that is over is nobody's; of so many it is remembered. */
const ENDED_LENGTH = 256

export function createSessionTasks(): SessionTasks {
  const tasks = new Map<string, Listener>()
  const ended = new Set<string>()
  const noteEnded = (taskId: string): void => {
    ended.add(taskId)
    if (ended.size > ENDED_LENGTH) for (const oldest of ended) return void ended.delete(oldest)
  }
  const unnamed = (): readonly Listener[] => (tasks.size === 1 ? Array.from(tasks.values()) : [])
  return {
    get size() {
      return tasks.size
    },
    keep(taskId, listener) {
      tasks.set(taskId, listener)
      return () => {
        if (tasks.get(taskId) !== listener) return false
        noteEnded(taskId)
        return tasks.delete(taskId)
      }
    },
    listeners(message, call) {
      const ofCall = call === undefined ? [] : [call]
      // It names a request: who was not asked that takes no notice.
      if (message.method === 'notifications/cancelled') return [...ofCall, ...tasks.values()]
      const taskId = relatedTaskId(message)
      if (taskId === undefined) return call === undefined ? unnamed() : ofCall
      const ofTask = tasks.get(taskId)
      // A call may have a task that nobody was given: Portolan follows it, or it is being made.
      return ofTask !== undefined ? [ofTask] : ended.has(taskId) ? [] : ofCall
    },
  }
}
