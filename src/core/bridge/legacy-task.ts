/** A task at a legacy server as modern clients have it: what it is made of, what is known of it, and what can be done with it. */

import type { InputCapability } from '../../protocol/capability.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import type { TaskState } from '../../protocol/task.ts'
import type { Channel } from '../upstream/channel.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Leased } from './input-pool.ts'
import type { IndexedTask } from './task-index.ts'

/** What the server says of an id that it does not know (S25 tasks, Protocol Errors). */
export const UNKNOWN_CODE = -32602
/** Begins what is sealed into the client's id of one. */
export const TASK_KEY = 'portolan-task'

/** A task as the server made it of a call. */
export interface MadeTask {
  readonly ownerKey: string
  readonly upstream: Upstream
  readonly channel: Channel
  /** The session of its call, where the server may ask for something: it keeps a place there. */
  readonly leased: Leased | undefined
  readonly input: ReadonlySet<InputCapability>
  readonly taskId: string
  readonly state: TaskState
  /** Under which the server reports progress; '' for none. */
  readonly token: WireText
}

/** By another replica, or an earlier process. */
export interface FollowedBefore {
  readonly key: string
  /** Begins the keys of questions: none is used again (ext-tasks, Task Update Requests). */
  readonly asker: string
}

export interface LegacyTask extends IndexedTask {
  readonly upstream: Upstream
  /** As a modern client may see it. */
  readonly state: TaskState
  /** What the server waits for: entries of `inputRequests`, by key. */
  readonly questions: ReadonlyMap<string, { readonly entry: WireText }>
  /** The response to `tasks/result`; '' where there is none, or the task was lost. */
  readonly responseText: WireText
}

export interface TasksAtLegacy {
  hasRoom(ownerKey: string): boolean
  /** Follows it from now on; `before`: as it was where it was followed until now. Throws `overloaded`. */
  begin(made: MadeTask, before?: FollowedBefore): LegacyTask
  find(ownerKey: string, key: string): LegacyTask | undefined
  /** Brings it up to date. Rejects with `task_not_found` where the server says nothing of it, or as `ask`. */
  refresh(task: LegacyTask): Promise<void>
  /** Answers what is asked; what is not is ignored (ext-tasks, Task Update Requests). */
  answer(task: LegacyTask, answers: ReadonlyMap<string, WireText>): void
  /** Tells the server. Rejects as `ask`. */
  cancel(task: LegacyTask): Promise<void>
  /** Calls `run` at every change. Returns a function that ends it. */
  watch(task: LegacyTask, run: () => void): () => void
  /** Runs `run` once no task goes on in a session of this server that it shares with others. */
  whenIdle(upstream: Upstream, run: () => void): void
  /** `notifications/tasks/status` of a session that nobody has for himself. */
  announce(channel: Channel, message: Message): void
  close(): void
}
