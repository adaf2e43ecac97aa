/**
 * Follows a server's own task for whoever holds its lease, by `tasks/get`: as often as the server says and less, the longer nothing
 * changes. What a client asks about it through this replica is news, too. It is never called again: following repeats nothing.
 */

import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { PortolanError } from '../../protocol/error.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { TaskState } from '../../protocol/task.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Attempt, AttemptSink } from '../task/attempt.ts'
import type { AttemptOutcome } from '../task/attempt-end.ts'
import { homeOf } from '../task/stored-task.ts'
import type { StoredTask } from '../task/stored-task.ts'
import type { Tasks } from '../task/tasks.ts'
import type { Channel } from '../upstream/channel.ts'
import { ask } from '../upstream/request.ts'
import { endOf, lostOutcome, mayBeKnown, sightOf } from './adopted-sight.ts'
import { leaseFor, principalOf } from './party.ts'
import { askTask } from './task-ask.ts'
import type { LegacyTask } from './legacy-task.ts'
import type { HeldTask } from './held-task.ts'
import { withTasksDeclared } from './task-support.ts'

export interface Follows {
  /** `channel`: the session in which the task was made, where there is one. */
  begin(task: StoredTask, sink: AttemptSink, channel?: Channel): Attempt
  /** It was just seen, going on. */
  heard(id: string): void
  /** Something may have happened: look now. */
  poke(id: string): void
}

const DEFAULT_POLL_MS = 5_000
const MIN_POLL_MS = 250
const MAX_POLL_MS = 30_000
const GROWTH = 1.5
/** Where its end is waited for, and its server says nothing of how often to ask. */
const HURRIED_POLL_MS = 500
/** What a server keeps for a short time is looked at so often meanwhile. */
const LOOKS_PER_TTL = 4
/** A server that is being restarted may not know it for a moment: it is asked once more. */
const UNKNOWN_MS = 1_000
const CANCEL_TRIES = 5

/** Never sooner than the server asks for (S25 tasks, Polling; ext-tasks, Task Polling). `quiet`: looks in a row without news. */
export function lookDelayMs({ pollIntervalMs = DEFAULT_POLL_MS, ttlMs }: Pick<TaskState, 'pollIntervalMs' | 'ttlMs'>, quiet: number): number {
  const asked = Math.max(MIN_POLL_MS, pollIntervalMs)
  const patient = Math.min(asked * GROWTH ** quiet, Math.max(asked, MAX_POLL_MS))
  return ttlMs === null ? patient : Math.max(asked, Math.min(patient, ttlMs / LOOKS_PER_TTL))
}

export function createFollows(context: GatewayContext, tasks: Tasks): Follows {
  const { clock } = context.deps
  const looks = new Map<string, { readonly now: () => void; readonly later: () => void }>()

  const begin: Follows['begin'] = (task, sink, made) => {
    const { ownerKey, upstreamId, adopted } = task.origin
    const entry = adopted === undefined ? undefined : context.tasksAtLegacy.find(ownerKey, adopted.subject)
    // Its lease was another's for a while; what holds it for its client was here all the time.
    if (entry !== undefined) return followHere(context, entry, sink)
    const channel = made ?? context.taskSessions.channelOf({ ownerKey, upstreamId, taskId: adopted?.taskId ?? '' })
    let said = task.progress.said ?? task.origin.adopted?.said
    let told = JSON.stringify(said)
    let quiet = 0
    let unknownSinceTicks: number | undefined
    let isHurried = false
    let isOver = false
    let isLooking = false
    /** Whoever follows it in its place. */
    let inner: Attempt | undefined
    let stopTimer = (): void => undefined
    const again = (ms: number): void => {
      stopTimer()
      if (!isOver) stopTimer = clock.after(ms, () => void look())
    }
    const pace = (): number => (isHurried ? Math.max(MIN_POLL_MS, said?.pollIntervalMs ?? HURRIED_POLL_MS) : lookDelayMs(said ?? { pollIntervalMs: undefined, ttlMs: null }, quiet))
    const stop = (): void => {
      isOver = true
      stopTimer()
      if (looks.get(task.id) === own) looks.delete(task.id)
    }
    const end = (outcome: AttemptOutcome): void => {
      stop()
      sink.end(outcome)
    }
    /** Looks that somebody asked for in between do not count. */
    const unseen = async (): Promise<void> => {
      unknownSinceTicks ??= clock.ticksMs()
      const leftMs = unknownSinceTicks + UNKNOWN_MS - clock.ticksMs()
      if (leftMs > 0) return again(leftMs)
      const isLeft = await isOfLiving(context, task).catch(() => undefined)
      if (isOver) return
      if (isLeft === undefined) again(UNKNOWN_MS)
      else end(isLeft ? { kind: 'unbegun' } : lostOutcome())
    }
    const look = async (): Promise<void> => {
      if (isLooking || isOver) return
      isLooking = true
      const sight = await sightOf(context, task, channel)
      if (!isOver && sight.kind === 'going') inner = await heldAgain(context, task, sight.said, sink).catch(() => undefined)
      isLooking = false
      if (inner !== undefined) return isOver ? inner.abort('no longer followed') : stop()
      if (isOver) return
      if (sight.kind === 'ended') return end(sight.outcome)
      if (sight.kind === 'unknown') return unseen()
      unknownSinceTicks = undefined
      quiet += 1
      if (sight.kind === 'going') {
        const text = JSON.stringify([sight.said, sight.questions])
        said = sight.said
        if (text !== told) {
          told = text
          quiet = 0
          sink.note(said.statusMessage ?? '', sight)
        }
      }
      again(pace())
    }
    const own = { now: () => void look(), later: () => again(pace()) }
    looks.set(task.id, own)
    again(pace())
    return {
      hurry() {
        isHurried = true
        if (inner === undefined) again(pace())
      },
      abort(reason, phase) {
        stop()
        if (inner !== undefined) inner.abort(reason, phase)
        else if (phase === 'cancelled') void cancelThere(context, tasks, task, channel)
      },
    }
  }

  return { begin, heard: (id) => looks.get(id)?.later(), poke: (id) => looks.get(id)?.now() }
}

/** Whether the replica whose child made it is another one, and lives: that one may follow it. Rejects where that cannot be found out. */
async function isOfLiving({ deps, membership }: GatewayContext, { origin }: StoredTask): Promise<boolean> {
  const home = homeOf(origin)
  return home !== '' && home !== deps.peers.replicaId && (await membership?.isAlive(home)) === true
}

/**
 * A modern client's task at a legacy server whose replica was lost: it is held here from now on, under the same id, in another session
 * for the same client, where its server may ask again. Undefined for others.
 */
async function heldAgain(context: GatewayContext, task: StoredTask, state: TaskState, sink: AttemptSink): Promise<Attempt | undefined> {
  const { adopted, upstreamId, ownerKey } = task.origin
  const upstream = context.upstreams.byId(upstreamId)
  if (adopted?.input === undefined || upstream === undefined) return undefined
  const known = context.tasksAtLegacy.find(ownerKey, adopted.subject)
  if (known !== undefined) return followHere(context, known, sink)
  const input = new Set(adopted.input)
  const leased = input.size === 0 ? undefined : await leaseFor(context, principalOf(task.origin), upstream, input)
  const channel = leased?.channel ?? (await context.pool.shared(upstream, ownerKey))
  try {
    const { taskId, subject } = adopted
    // It is held where it is known, and nowhere else: the result of another one is another's.
    const sight = mayBeKnown(context, adopted) ? await sightOf(context, task, channel) : undefined
    if (sight?.kind !== 'going') return void leased?.release()
    return followHere(context, context.tasksAtLegacy.begin({ ownerKey, upstream, channel, leased, input, taskId, state, token: '' }, { key: subject, asker: `input-${task.epoch}` }), sink)
  } catch (error) {
    leased?.release()
    throw error
  }
}

/** A task that this process follows for its client anyway: its words are taken from there. */
export function followHere({ tasksAtLegacy }: GatewayContext, entry: LegacyTask, sink: AttemptSink): Attempt {
  let isOver = false
  const look = (): void => {
    if (isOver) return
    const { state: said } = entry
    if (!entry.isOver) return sink.note(said.statusMessage ?? '', { said, questions: Object.fromEntries(Array.from(entry.questions, ([key, { entry: text }]) => [key, text])) })
    stop()
    sink.end(entryEnd(entry))
  }
  const stopWatch = tasksAtLegacy.watch(entry, look)
  const stop = (): void => {
    isOver = true
    stopWatch()
  }
  look()
  return {
    abort(_reason, phase) {
      stop()
      if (phase === 'cancelled') void tasksAtLegacy.cancel(entry).catch(() => undefined)
    },
  }
}

function entryEnd({ state, responseText }: LegacyTask): AttemptOutcome {
  if (state.status === 'cancelled') return { kind: 'cancelled', said: state }
  return responseEnd(responseText, state)
}

function responseEnd(responseText: WireText, said: TaskState): AttemptOutcome {
  const response = parseMessage(responseText)
  return response.ok ? endOf(response.value, said) : lostOutcome()
}

/** A legacy client's call that its server has made no task of: its end is the task's. Where this process is lost, nobody knows what became of it. */
export function followHeld({ tasksAtModern }: GatewayContext, task: HeldTask, sink: AttemptSink): Attempt {
  let isOver = false
  const stop = (): void => {
    isOver = true
    stopWatch()
  }
  const look = (): void => {
    if (isOver || !task.isOver || task.taskId !== undefined) return
    stop()
    sink.end(task.state.status === 'cancelled' ? { kind: 'cancelled', said: task.state } : responseEnd(task.responseText, task.state))
  }
  const stopWatch = tasksAtModern.watch(task, look)
  look()
  return {
    abort(_reason, phase) {
      stop()
      if (phase === 'cancelled') void tasksAtModern.cancel(task).catch(() => undefined)
    },
  }
}

/** It was cancelled by who does not speak to the server: another replica, or an operator. */
async function cancelThere(context: GatewayContext, tasks: Tasks, task: StoredTask, channel: Channel | undefined, triesLeft = CANCEL_TRIES): Promise<void> {
  const { id, origin } = task
  const { adopted, upstreamId, ownerKey } = origin
  const upstream = context.upstreams.byId(upstreamId)
  if (adopted === undefined || upstream === undefined || triesLeft === 0) return
  try {
    const found = await tasks.find(ownerKey, id)
    // The server said so itself.
    if (found?.kind === 'found' && found.task.progress.said?.status === 'cancelled') return
    const sight = await sightOf(context, task, channel)
    if (sight.kind === 'away') throw new PortolanError('upstream_unavailable')
    // What has the id by now may be another's.
    if (sight.kind !== 'going') return
    if (adopted.era === 'modern') await askTask(context, { upstream, ownerKey, taskId: adopted.taskId, capabilities: withTasksDeclared('{}') }, 'tasks/cancel')
    else await ask(channel?.closed === false ? channel : await context.pool.shared(upstream, ownerKey), 'tasks/cancel', { taskId: asciiJson(adopted.taskId) }, context.deps)
  } catch {
    context.deps.clock.after(DEFAULT_POLL_MS, () => void cancelThere(context, tasks, task, channel, triesLeft - 1))
  }
}
