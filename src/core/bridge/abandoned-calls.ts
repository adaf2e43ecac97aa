/**
 * Calls that nobody waits for any more, though their server may still make a task of them: nobody would ever have its id. So their
 * answer is heard for a while, and a task that it holds is cancelled, in the words of its server's era.
 *
 *   legacy, called as a task: `notifications/cancelled` MUST NOT say it (S25 basic/utilities/cancellation, Behavior Requirements 3), so
 *                             nothing does until the answer is there, or LEGACY_MS have passed
 *   modern:                   cancelled as any call (S26 basic/patterns/cancellation), MODERN_MS later: an answer on its way is heard
 */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { legacyTaskOf, readDetailedTask } from '../../protocol/task.ts'
import type { Clock } from '../clock.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { CallControl, Channel } from '../upstream/channel.ts'
import { ask } from '../upstream/request.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Call } from './call-state.ts'
import { partyOf } from './party.ts'
import { askTask } from './task-ask.ts'
import { hasTasks, withTasksDeclared } from './task-support.ts'

export interface AbandonedCalls {
  add(call: Call, channel: Channel, control: CallControl, reason: string): void
  /** None is heard any more. */
  close(): void
}

const LEGACY_MS = 30_000
/** A cancellation reaches its server within a second (bridge-rulings §4, Cancellation). */
const MODERN_MS = 150
/** Each holds its call, and over HTTP a connection: beyond, the oldest one is cancelled as if it could become no task. */
const MAX_CALLS = 256

export function createAbandonedCalls(clock: Pick<Clock, 'after'>): AbandonedCalls {
  /** What gives each one up for good, the oldest first. */
  const calls = new Set<() => void>()

  return {
    add(call, channel, control, reason) {
      if (call.onLate !== undefined) return
      const made = madeOf(call)
      // Its place in a session is kept for as long as it may be needed there, unless its client needs one for another call.
      const leased = call.parkable?.handOver()
      if (leased !== undefined) leased.mayYield = () => true
      const end = (): void => {
        stop()
        calls.delete(giveUp)
      }
      const giveUp = (): void => {
        end()
        control.abort(reason, (message) => void cancelMade(made, channel, message))
        leased?.release(true)
      }
      const stop = clock.after(channel.era === 'legacy' ? LEGACY_MS : MODERN_MS, giveUp)
      calls.add(giveUp)
      // Its client may have been slow: nobody else is.
      control.resume()
      call.onLate = (message) => {
        end()
        void (message === undefined ? Promise.resolve() : cancelMade(made, channel, message)).then(() => leased?.release(true))
      }
      const [oldest] = calls
      if (calls.size > MAX_CALLS) oldest?.()
    },
    close() {
      for (const giveUp of calls) giveUp()
    },
  }
}

/** Whether its server may make a task of it. */
export function mayBecomeTask({ exchange, message, plan, route }: Call, channel: Channel): boolean {
  if (message.method !== 'tools/call') return false
  const mayMake = channel.era === 'modern' || plan !== 'none' || (exchange.era === 'legacy' && member(message.body, 'task') !== undefined)
  return mayMake && hasTasks(route.upstream.knownProfile()?.[channel.era])
}

/** As much of a call as its task depends on: what waits for a late answer must not hold requests. */
export interface MadeFor {
  readonly context: GatewayContext
  readonly upstream: Upstream
  readonly ownerKey: string
}

export function madeOf({ context, exchange, route }: Call): MadeFor {
  return { context, upstream: route.upstream, ownerKey: partyOf(exchange).principal.ownerKey }
}

/** The task that the answer holds, where it does: nobody has its id. Never rejects. */
export async function cancelMade({ context, upstream, ownerKey }: MadeFor, channel: Channel, message: Message): Promise<void> {
  const taskId = madeTaskId(channel, message)
  if (taskId === undefined) return
  try {
    if (channel.era === 'modern') await askTask(context, { upstream, ownerKey, taskId, capabilities: withTasksDeclared('{}') }, 'tasks/cancel')
    else await ask(channel, 'tasks/cancel', { taskId: asciiJson(taskId) }, context.deps)
  } catch {
    context.deps.log({ level: 'warn', event: 'task_left_at_server', fields: { upstream: upstream.id } })
  }
}

function madeTaskId({ era }: Channel, message: Message): string | undefined {
  if (era === 'legacy') return legacyTaskOf(message)?.taskId
  const isTask = message.kind === 'result' && readString(message.text, member(message.body, 'resultType')) === 'task'
  return isTask ? readDetailedTask(message)?.taskId : undefined
}
