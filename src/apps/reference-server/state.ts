// What outlives one request: which optional fixtures are visible, how often a call was cancelled, and the key of
// `requestState`. Every change is published on `bus` after it happened, so that whoever is told and asks again sees it.
import { randomBytes } from 'node:crypto'
import { createRequestStateCodec, InMemoryServerEventBus } from '@modelcontextprotocol/server'
import type { RequestStateCodec, ServerEventBus } from '@modelcontextprotocol/server'
import { createTaskBook } from './task-book.ts'
import type { TaskBook } from './task-book.ts'

/** The lists that a trigger tool can change. */
export type ListName = 'tools' | 'prompts' | 'resources'

/** What a tool seals into `requestState` between two rounds. `tool` is checked, so that no tool accepts another's state. */
export type RoundState = {
  readonly tool: string
  readonly round?: number
  readonly name?: string
  readonly elicitationId?: string
}

/** The resource whose text is the number of cancelled `test_wait` calls. */
export const CANCELLED_CALLS_URI = 'test://cancelled-calls'

/** Shared by all connections of one process. */
export type ReferenceState = {
  readonly bus: ServerEventBus
  /** Sealed with a key of this process: a retry must reach the process that asked. Lives 10 minutes. */
  readonly requestState: RequestStateCodec<RoundState>
  /** Whether the optional fixture of `list` is listed now. */
  readonly shows: (list: ListName) => boolean
  /** Shows or hides the optional fixture of `list`, then publishes the list change. */
  readonly toggle: (list: ListName) => void
  /** Publishes that the resource at `uri` changed. */
  readonly touch: (uri: string) => void
  /** Gone with the process. */
  readonly tasks: TaskBook
  readonly cancelledCallCount: () => number
  /** Counts one cancelled call and publishes the change of `CANCELLED_CALLS_URI`. */
  readonly countCancelledCall: () => void
}

/** A state in which no optional fixture is visible. */
export function createReferenceState(): ReferenceState {
  const bus = new InMemoryServerEventBus()
  const shown = new Set<ListName>()
  let cancelledCallCount = 0
  const touch = (uri: string): void => bus.publish({ kind: 'resource_updated', uri })
  return {
    bus,
    requestState: createRequestStateCodec<RoundState>({ key: randomBytes(32) }),
    shows: (list) => shown.has(list),
    toggle: (list) => {
      if (!shown.delete(list)) shown.add(list)
      bus.publish({ kind: `${list}_list_changed` })
    },
    touch,
    tasks: createTaskBook(),
    cancelledCallCount: () => cancelledCallCount,
    countCancelledCall: () => {
      cancelledCallCount += 1
      touch(CANCELLED_CALLS_URI)
    },
  }
}
