/**
 * A legacy tool that is none without a task, called by who cannot take one (bridge-rulings §4, Tasks): Portolan makes the
 * task, holds its `tasks/result`, and the client gets that as the result of its call.
 */

import { asciiJson } from '../../protocol/json.ts'
import { isOver as isTerminal, readLegacyTask, unrelated } from '../../protocol/task.ts'
import type { CallControl, CallHandler, Channel, ChannelFailure } from '../upstream/channel.ts'
import { ask, ownRequestText } from '../upstream/request.ts'
import type { Asker } from '../upstream/request.ts'

export interface AwaitedTask {
  readonly channel: Channel
  readonly taskId: string
  /** Under which the server reports the call's progress, which lives on (S25 tasks, Progress); '' for none. */
  readonly token: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** As of the call that made it. */
  readonly handler: CallHandler
  /** How long the call may be quiet. */
  readonly idleMs: number
  /** Before that, while the server says that it goes on: quiet is no sign of trouble then. */
  readonly onAlive: () => void
}

const FIRST_RETRY_MS = 500
const MAX_TRIES = 5
const ALIVE_MS = 60_000
const MIN_ALIVE_MS = 500

/** Only reading is tried again, never the call. Giving it up cancels the task at its server. */
export function awaitTask(asker: Asker, awaited: AwaitedTask): CallControl {
  const { channel, taskId, token, headers, handler, idleMs, onAlive } = awaited
  let tries = 0
  let isOver = false
  let control: CallControl | undefined
  let stopTimer: (() => void) | undefined
  let stopLooking: (() => void) | undefined
  const hold = (): void => {
    const idText = channel.nextId()
    control = channel.send({
      text: ownRequestText(channel, idText, 'tasks/result', { taskId: asciiJson(taskId) }, asker.self),
      idText,
      method: 'tasks/result',
      progressToken: token,
      headers,
      handler: {
        onMessage: (message) => handler.onMessage(message),
        onSuspended: (retryMs) => handler.onSuspended?.(retryMs),
        onResponse(message) {
          end()
          handler.onResponse(unrelated(message))
        },
        onFailure: failed,
      },
    })
  }
  const failed = (failure: ChannelFailure): void => {
    tries += 1
    const isLost = failure.reason === 'session_gone' || failure.reason === 'oversized' || channel.closed || tries > MAX_TRIES
    if (!isLost) {
      stopTimer = asker.clock.after(FIRST_RETRY_MS * 2 ** (tries - 1), hold)
      return
    }
    end()
    // The task was made: that its result was not asked for is not that it did not run (guarantee 1).
    handler.onFailure({ ...failure, sent: true })
  }
  const lookLater = (): void => {
    stopLooking = asker.clock.after(Math.max(MIN_ALIVE_MS, Math.min(ALIVE_MS, idleMs / 2)), () => void look().catch(() => undefined).then(() => (isOver ? undefined : lookLater())))
  }
  const look = async (): Promise<void> => {
    const task = readLegacyTask(await ask(channel, 'tasks/get', { taskId: asciiJson(taskId) }, asker))
    if (task !== undefined && !isTerminal(task.state.status)) onAlive()
  }
  const end = (): void => {
    isOver = true
    stopTimer?.()
    stopLooking?.()
  }
  hold()
  lookLater()
  return {
    abort(reason) {
      if (isOver) return
      end()
      control?.abort(reason)
      void ask(channel, 'tasks/cancel', { taskId: asciiJson(taskId) }, asker).catch(() => undefined)
    },
    resume: () => control?.resume(),
  }
}
