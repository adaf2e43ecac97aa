/** One task of a legacy client at a modern server, as the client knows it: its id, its state in legacy terms, what it is told of it. */

import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import { isToolError, writeTask } from '../../protocol/task.ts'
import type { DetailedTask, TaskState } from '../../protocol/task.ts'
import type { GatewayContext } from '../gateway/context.ts'
import { deliver } from '../session/live-session.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { sealTask } from './handles.ts'
import { modernCapabilities } from './party.ts'
import type { IndexedTask } from './task-index.ts'
import { withTasksDeclared } from './task-support.ts'

/** In what is sealed into its id. */
export const HELD_KEY = 'portolan-held'

/** One task as a legacy client knows it. */
export interface HeldTask extends IndexedTask {
  readonly upstream: Upstream
  readonly session: LiveSession
  /** The virtual server that it belongs to; '' for none. */
  readonly scope: string
  /** The server's own id of it; undefined while its call has not become a task there. */
  readonly taskId: string | undefined
  /** What is sealed into the client's id of it. */
  readonly subject: string
  /** In legacy terms: a result with `isError` is `failed` (S25 tasks, Task Status). */
  readonly state: TaskState
  /** The server's response to the call, or the error that the client gets; '' where its server keeps the result. */
  readonly responseText: WireText
  readonly hasFailed: boolean
  /** Requests to the client that wait for it to ask for the result, by their ids. */
  readonly questions: ReadonlyMap<string, WireText>
  /** What the server's task asked for, by its own keys: those that the client is asked at the moment, and has answered. */
  readonly asked: Map<string, 'open' | 'answered'>
  /** The client has its id. */
  readonly isNamed: boolean
  /** It is listed from where it is kept. */
  readonly isKept: boolean
  /** Later ones have higher numbers. */
  readonly order: number
}

/** The client's id of the task. */
export function heldHandle({ deps }: GatewayContext, { session: { data }, upstream, subject, scope }: HeldTask): string {
  const principal = { ownerKey: data.ownerKey, bindingKey: data.bindingKey, label: '', scopes: new Set<string>() }
  return sealTask(deps.keyring, principal, upstream.id, subject, scope)
}

/** What the server may know of the client: what this session declared, and that it takes tasks. */
export function declared({ session }: HeldTask): WireText {
  return withTasksDeclared(modernCapabilities(session))
}

/** A result with `isError` is `failed` there (S25 tasks, Task Status), and a failure says why. */
export function legacyState({ state, resultText, errorText }: DetailedTask): TaskState {
  if (state.status === 'completed' && resultText !== undefined && isToolError(resultText)) return { ...state, status: 'failed' }
  if (state.status !== 'failed' || state.statusMessage !== undefined || errorText === undefined) return state
  const error: unknown = JSON.parse(errorText)
  const message = isJsonObject(error) ? error['message'] : undefined
  return { ...state, statusMessage: typeof message === 'string' ? message : undefined }
}

/** `notifications/tasks/status` to the session that made it. */
export function announce(context: GatewayContext, task: HeldTask): void {
  if (task.session.ended || !task.isNamed) return
  const params = asciiJson(writeTask(heldHandle(context, task), task.state, 'legacy'))
  deliver(task.session, `{"jsonrpc":"2.0","method":"notifications/tasks/status","params":${params}}`)
}
