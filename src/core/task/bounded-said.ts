/**
 * What a row keeps of what a server says of a task: as much as is worth keeping of each, so that no server fills its owner's room with
 * words. Results and questions themselves are bounded where they arrive (docs/reference/limits.md).
 */

import type { WireText } from '../../protocol/json.ts'
import type { TaskState } from '../../protocol/task.ts'

/** The mark of the cut included: what was bounded before stays as it is. */
const MAX_MESSAGE_CHARS = 4_096
/** As JSON. */
const MAX_OTHER_CHARS = 16 * 1024
const MAX_KEPT_QUESTIONS = 64
const MAX_KEY_CHARS = 256
/** Ids of gateways behind this one are sealed, and longer than others. */
const MAX_TASK_ID_CHARS = 4_096
/** A time of ISO 8601 has 35 at most. */
const MAX_TIME_CHARS = 64

/** Both tell a task from others, so that neither may be cut: a task of which one is longer is not kept. */
export function isKeepable(taskId: string, { createdAt }: Pick<TaskState, 'createdAt'>): boolean {
  return taskId.length <= MAX_TASK_ID_CHARS && createdAt.length <= MAX_TIME_CHARS
}

export function boundedSaid(said: TaskState): TaskState {
  const { statusMessage, createdAt, lastUpdatedAt, other } = said
  return {
    ...said,
    statusMessage: statusMessage === undefined ? undefined : boundedMessage(statusMessage),
    // That of a task that is kept is short: what was cut is equal to none.
    createdAt: createdAt.slice(0, MAX_TIME_CHARS),
    lastUpdatedAt: lastUpdatedAt.length > MAX_TIME_CHARS ? createdAt.slice(0, MAX_TIME_CHARS) : lastUpdatedAt,
    other: JSON.stringify(other).length > MAX_OTHER_CHARS ? {} : other,
  }
}

/** The first ones. A key is never cut: an answer to it would be to another question. */
export function boundedQuestions(questions: Readonly<Record<string, WireText>>): Readonly<Record<string, WireText>> {
  return Object.fromEntries(Object.entries(questions).filter(([key]) => key.length <= MAX_KEY_CHARS).slice(0, MAX_KEPT_QUESTIONS))
}

/** For people: the cut is seen. */
export function boundedMessage(text: string): string {
  if (text.length <= MAX_MESSAGE_CHARS) return text
  const mark = ` … [cut: ${text.length} characters in all]`
  // No half of a pair is left.
  return text.slice(0, MAX_MESSAGE_CHARS - mark.length).replace(/[\uD800-\uDBFF]$/, '') + mark
}
