/** Who owns a task: the one table. What its id holds says it, so that nobody has to look. */

import { matchesGlob } from '../catalog/selection.ts'
import type { ServerSnapshot, ToolTasks } from '../gateway/snapshot.ts'
import { TASK_KEY } from './legacy-task.ts'
import { HELD_KEY } from './held-task.ts'

export type TaskOwner =
  /** Portolan itself: kept in the store, tried again, at any replica. */
  | 'portolan'
  /** A legacy server; followed for a modern client, in memory. */
  | 'legacy server'
  /** A modern server, or a call to one; followed for a legacy client, in memory. */
  | 'modern server'
  /** A server of the client's own era: every request about it is carried. */
  | 'server'

const OWNED_KEY = 'portolan-owned'

const OWNERS: Readonly<Record<string, TaskOwner>> = { [OWNED_KEY]: 'portolan', [TASK_KEY]: 'legacy server', [HELD_KEY]: 'modern server' }

/** By what is sealed into the client's id of it. */
export function ownerOf(subject: string): TaskOwner {
  const prefix = subject.slice(0, Math.max(0, subject.indexOf(':')))
  return Object.hasOwn(OWNERS, prefix) ? (OWNERS[prefix] ?? 'server') : 'server'
}

export function ownedSubject(id: string): string {
  return `${OWNED_KEY}:${id}`
}

/** The id of a task of Portolan's own; undefined for another's. */
export function ownedId(subject: string): string | undefined {
  return ownerOf(subject) === 'portolan' ? subject.slice(OWNED_KEY.length + 1) : undefined
}

/**
 * Who is to own the task that a call becomes: Portolan, where the configuration says so for the tool; undefined leaves it to the
 * server (bridge-rulings §4, Tasks).
 */
export function ownTerms(config: Pick<ServerSnapshot, 'tasks'>, tool: string): ToolTasks | undefined {
  const setting = settingOf(config, tool)
  return setting?.mode === 'never' ? undefined : setting
}

/** What the configuration says of a tool's tasks, whoever owns them. */
export function settingOf({ tasks }: Pick<ServerSnapshot, 'tasks'>, tool: string): ToolTasks | undefined {
  if (tasks === undefined) return undefined
  const known = found.get(tasks) ?? new Map<string, ToolTasks | undefined>()
  if (!found.has(tasks)) found.set(tasks, known)
  if (!known.has(tool)) {
    // Names come from clients, too.
    if (known.size >= MAX_KNOWN) known.clear()
    known.set(tool, tasks.find(({ pattern }) => matchesGlob(pattern, tool)))
  }
  return known.get(tool)
}

const MAX_KNOWN = 1_000
const found = new WeakMap<readonly ToolTasks[], Map<string, ToolTasks | undefined>>()

/** Whether any of its tools may have one. */
export function ownsAny({ tasks }: Pick<ServerSnapshot, 'tasks'>): boolean {
  return tasks?.some(({ mode }) => mode !== 'never') ?? false
}
