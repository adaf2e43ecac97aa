/**
 * Tasks that servers make are kept: a row beside each, durable before its client has its id, and found by that id. While the server
 * knows the task, what it says is what the client gets; once it has ended the row answers, whatever has become of the server, its
 * session or child, or the replica (decision 0019).
 */

import type { InputCapability } from '../../protocol/capability.ts'
import type { Era } from '../../protocol/revision.ts'
import type { TaskState } from '../../protocol/task.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import type { ServerSnapshot } from '../gateway/snapshot.ts'
import type { BeginAttempt } from '../task/attempt.ts'
import { boundedSaid, isKeepable } from '../task/bounded-said.ts'
import { isOverPhase } from '../task/stored-task.ts'
import type { ChildOf, StoredTask, TaskTerms } from '../task/stored-task.ts'
import { LEASE_MS } from '../task/task-runner.ts'
import type { NewTask } from '../task/task-store.ts'
import type { Found, Making } from '../task/tasks.ts'
import { holderOf } from './call-look.ts'
import { sealTask } from './handles.ts'
import type { OwnedTasks } from './owned-tasks.ts'
import { partyOf } from './party.ts'
import { HELD_KEY } from './held-task.ts'
import { settingOf } from './task-owner.ts'

export interface MadeTask {
  readonly exchange: Exchange
  readonly route: Route
  /** What is sealed into the client's id of it. */
  readonly subject: string
  /** The server's own id of it, in the form of this era; '' where it has made no task of the call. */
  readonly taskId: string
  readonly era: Era
  readonly said: TaskState
  readonly input?: ReadonlySet<InputCapability>
  /** Made in a session that is its client's alone. */
  readonly isOwn?: boolean
  /** How it is followed as long as this replica does. */
  readonly begin: BeginAttempt
}

/** For servers that say nothing of time, and tools that have no setting. */
const TTL_MS = 24 * 60 * 60_000
const RETENTION_MS = 60 * 60_000
/** No task is followed for longer. */
const MAX_FOLLOWED_MS = 30 * 24 * 60 * 60_000
/** Its server is asked once more when the time that it gave is over. */
const GRACE_MS = 60_000

/** Undefined: the server's tasks are not kept, and go when it forgets them. */
function adoptionTerms(config: Pick<ServerSnapshot, 'tasks'>, tool: string, { ttlMs }: TaskState, isAtServer: boolean): TaskTerms | undefined {
  const setting = settingOf(config, tool)
  if (setting?.adopt === false) return undefined
  const { retentionMs = RETENTION_MS, ttlMs: keptMs = TTL_MS } = setting?.terms ?? {}
  const deadlineMs = Math.min(ttlMs ?? MAX_FOLLOWED_MS, MAX_FOLLOWED_MS) + GRACE_MS
  return {
    ttlMs: Math.min(ttlMs ?? keptMs, MAX_FOLLOWED_MS), retentionMs, deadlineMs, attemptMs: deadlineMs + GRACE_MS,
    // Following is reading: it may be done twice, and is never another call. A call that is in flight here cannot be followed elsewhere.
    maxAttempts: 1, retryOn: [], retryCodes: [], baseDelayMs: 0, maxDelayMs: 0, isRepeatable: isAtServer,
  }
}

/** One name for a task's whole life: a task at a modern server may be named before that server's id of it is known. */
function nameOf(subject: string): string {
  const [prefix, id] = subject.split(':', 2)
  return prefix === HELD_KEY ? `${prefix}:${id}` : subject
}

/** Of the row: by owner, server and what the client's id holds; the children of two replicas count alike. */
export function adoptedId({ sha256 }: Pick<OwnedTasks, 'sha256'>, ownerKey: string, upstreamId: string, subject: string, heldBy = ''): string {
  return sha256(JSON.stringify(['adopted', ownerKey, upstreamId, nameOf(subject), ...(heldBy === '' ? [] : [heldBy])]))
}

/** Durable once it resolves with true; false where the task stays its server's alone. Never rejects: the task runs already. */
export async function adopt(context: GatewayContext, made: MadeTask): Promise<boolean> {
  const { owned } = context
  const task = owned === undefined ? undefined : newRow(context, owned, made)
  if (owned === undefined || task === undefined) return false
  try {
    if (!isKeepable(made.taskId, made.said)) {
      // What has its name is of the call that has become it, or of a task that is over.
      await owned.store.drop(task.id, 0)
      return counted(context, false, 'its id, or the time when it was made, is too long')
    }
    const making = await makeAnew(owned, task)
    const isKept = making.kind === 'made'
    if (isKept && made.taskId !== '') owned.runner.take(making, made.begin)
    else if (isKept) owned.runner.adopt(making, made.begin)
    return counted(context, isKept, isKept ? '' : making.kind === 'full' ? `the owner may have no more: ${making.what}` : 'its id is taken')
  } catch (error) {
    return counted(context, false, error instanceof Error ? error.message : String(error))
  }
}

function counted({ deps }: GatewayContext, isKept: boolean, detail: string): boolean {
  deps.telemetry.count('portolan_tasks_adopted_total', { outcome: isKept ? 'kept' : 'not_kept' })
  if (!isKept) deps.log({ level: 'warn', event: 'task_not_kept', fields: { detail } })
  return isKept
}

/**
 * A server that gives an id twice means the newer task, and so does who holds the id. Two that go on, of two sessions, say, cannot be
 * told apart by it: neither is kept.
 */
async function makeAnew({ tasks, store }: OwnedTasks, task: NewTask): Promise<Making> {
  const making = await tasks.make(task)
  if (making.kind !== 'same') return making
  if (!areTwo(making.task, task)) return tasks.replace(task)
  await store.drop(task.id, 0)
  return making
}

/** A call that a legacy client has as a task becomes one of the server's later. */
function areTwo({ phase, origin: { adopted } }: StoredTask, { origin }: NewTask): boolean {
  return !isOverPhase(phase) && adopted !== undefined && adopted.taskId !== '' && origin.adopted?.said.createdAt !== adopted.said.createdAt
}

function newRow(context: GatewayContext, owned: OwnedTasks, { exchange, route, subject, taskId, era, said, input, isOwn = false }: MadeTask): NewTask | undefined {
  const { upstream, scope = '' } = route
  const { principal } = partyOf(exchange)
  const { ownerKey, bindingKey, label, scopes } = principal
  const terms = adoptionTerms(upstream.config, route.subject, said, taskId !== '')
  if (terms === undefined) return undefined
  const heldBy = holderOf(context, exchange, route, { era })
  const child = childOf(context, route, isOwn)
  return {
    id: adoptedId(owned, ownerKey, upstream.id, subject, heldBy),
    origin: {
      ownerKey, bindingKey, label, scopes: [...scopes], endpoint: exchange.endpoint, scope, upstreamId: upstream.id, tool: route.subject, requestText: '', terms,
      adopted: { taskId, subject, heldBy, ...(child === undefined ? {} : { child }), era, said: boundedSaid(said), ...(input === undefined ? {} : { input: [...input] }) },
    },
    idempotency: undefined,
    lease: { holder: owned.replicaId, leaseMs: LEASE_MS, isDispatched: taskId === '' },
  }
}

function childOf({ deps }: GatewayContext, { upstream }: Route, isOwn: boolean): ChildOf | undefined {
  if (upstream.config.target.transport !== 'stdio') return undefined
  return { replicaId: upstream.placement === undefined ? deps.peers.replicaId : '', isOwn }
}

/** What is kept of the task that a client's id holds; undefined for nothing, also where the store cannot be reached: its server can be asked. */
export async function findKept(context: GatewayContext, ownerKey: string, upstreamId: string, subject: string, heldBy: string | undefined): Promise<Found> {
  const { owned } = context
  if (owned === undefined) return undefined
  return owned.tasks.find(ownerKey, adoptedId(owned, ownerKey, upstreamId, subject, heldBy)).catch(() => undefined)
}

/** The same id as its client has. */
export function adoptedHandle({ deps }: GatewayContext, exchange: Exchange, { upstreamId, scope, adopted }: StoredTask['origin']): string {
  return sealTask(deps.keyring, partyOf(exchange).principal, upstreamId, adopted?.subject ?? '', scope, adopted?.heldBy)
}

