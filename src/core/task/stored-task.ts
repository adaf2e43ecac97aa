/** One task that Portolan owns, as every store keeps it. What never changes is its `origin`; all else moves by `task-state.ts`. */

import type { InputCapability } from '../../protocol/capability.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Era } from '../../protocol/revision.ts'
import type { TaskState, TaskStatus } from '../../protocol/task.ts'

/** Where a task stands; clients see less of it (`STATUS_OF`). */
export const TASK_PHASES = ['queued', 'running', 'asking', 'completed', 'failed', 'dead', 'cancelled'] as const
export type TaskPhase = (typeof TASK_PHASES)[number]

/** What a phase is to clients (ext-tasks, Task Status). `dead` has failed, too, and waits for an operator. */
export const STATUS_OF: Readonly<Record<TaskPhase, TaskStatus>> = {
  queued: 'working',
  running: 'working',
  asking: 'input_required',
  completed: 'completed',
  failed: 'failed',
  dead: 'failed',
  cancelled: 'cancelled',
}

export const OVER_PHASES = ['completed', 'failed', 'dead', 'cancelled'] as const satisfies readonly TaskPhase[]

export function isOverPhase(phase: TaskPhase): boolean {
  return phase === 'completed' || phase === 'failed' || phase === 'dead' || phase === 'cancelled'
}

/** Why an attempt failed, as far as it matters for another one. */
export const FAILURE_CLASSES = ['transport', 'timeout', 'busy', 'code'] as const
export type FailureClass = (typeof FAILURE_CLASSES)[number]

/** What the configuration said of the tool when the task was made: a reload does not change what a client was promised. */
export interface TaskTerms {
  /** From creation; the result stays at least so long. */
  readonly ttlMs: number
  /** The result stays so long after the end at least. */
  readonly retentionMs: number
  /** All attempts, waiting and input together; then it has failed. */
  readonly deadlineMs: number
  readonly attemptMs: number
  readonly maxAttempts: number
  readonly retryOn: readonly FailureClass[]
  /** JSON-RPC codes of the server after which another attempt is wanted. */
  readonly retryCodes: readonly number[]
  readonly baseDelayMs: number
  readonly maxDelayMs: number
  /** It may run twice (guarantee 1): the operator says so, or the server, which is trusted to. */
  readonly isRepeatable: boolean
}

/** The task of a server that this one is kept of: it is followed there, and never tried. */
export interface AdoptedFrom {
  /** The server's own id of it; '' for a call that it has made no task of, which a legacy client has as one. */
  readonly taskId: string
  /** What is sealed into the client's id of it. */
  readonly subject: string
  /** The replica whose child made it; '' for none. */
  readonly heldBy: string
  /** The child process that made it: no other one knows it, though it may give the same id to another task. Undefined over HTTP. */
  readonly child?: ChildOf
  /** Of the server: its words are kept as they are. */
  readonly era: Era
  /** What its client can be asked for in it, where Portolan asks. */
  readonly input?: readonly InputCapability[]
  /** What it said when it made the task. */
  readonly said: TaskState
}

export interface ChildOf {
  /** '' where the child is not any one replica's. */
  readonly replicaId: string
  /** It is there for one client's session or call. */
  readonly isOwn: boolean
}

export interface TaskOrigin {
  readonly ownerKey: string
  readonly bindingKey: string
  /** Of the principal, for records. */
  readonly label: string
  readonly scopes: readonly string[]
  readonly endpoint: string
  /** The virtual server that its id is bound to; '' for none. */
  readonly scope: string
  readonly upstreamId: string
  /** The server's own name of the tool. */
  readonly tool: string
  /** The request of 2026-07-28 that each attempt sends; '' for an adopted one. Holds no credential. */
  readonly requestText: WireText
  readonly terms: TaskTerms
  /** Undefined: the task is Portolan's own. */
  readonly adopted?: AdoptedFrom
}

/** The replica that alone can follow it, as long as it lives; '' where any can. */
export function homeOf({ adopted }: TaskOrigin): string {
  return adopted?.child?.replicaId ?? ''
}

/** What the server of an adopted task says of it, and what it waits for, by its own keys. */
export interface SaidOf {
  readonly said: TaskState
  readonly questions: Readonly<Record<string, WireText>>
}

export interface TaskFailure {
  readonly attempt: number
  readonly atMs: number
  readonly reason: FailureClass | 'lost' | 'deadline'
  /** For people; what the client may see. */
  readonly message: string
}

/** What moves and is never searched for. */
export interface TaskProgress {
  /** Begun so far; input that was given continues one. */
  readonly attempts: number
  readonly statusMessage: string
  /** The last ones, the newest last. */
  readonly failures: readonly TaskFailure[]
  /** Rounds of input so far. */
  readonly rounds: number
  /** Open entries of `inputRequests`, by a key that is never used again (ext-tasks, Task Update Requests). */
  readonly questions: Readonly<Record<string, WireText>>
  readonly answers: Readonly<Record<string, WireText>>
  /** `requestState` of the round as a JSON string; '' for none. */
  readonly stateText: WireText
  /** Its next run brings answers: no attempt of its own. */
  readonly isResuming: boolean
  /** The id of the task that an operator made of this one; '' for none. */
  readonly retriedAs: string
  /** What the server of an adopted one last said of it; undefined: no more than when it made it. */
  readonly said?: TaskState
}

export interface TaskIdempotency {
  /** Digest of server, tool and the client's key: unique for its owner. */
  readonly key: string
  /** Digest of the arguments (RFC 8785). */
  readonly digest: string
}

/** All times are the store's. */
export interface StoredTask {
  readonly id: string
  readonly origin: TaskOrigin
  readonly idempotency: TaskIdempotency | undefined
  readonly phase: TaskPhase
  /** One more at each change: who changes it says which one he saw. */
  readonly version: number
  /** Of the lease: one more at each claim, and never less. */
  readonly epoch: number
  /** The replica that tries it, or tried it last and may hold what its next run needs; '' for none. */
  readonly holder: string
  readonly leaseUntilMs: number
  /** Not tried before. */
  readonly runAtMs: number
  /** This attempt may have reached the server: durable before a byte leaves. */
  readonly isDispatched: boolean
  readonly createdAtMs: number
  readonly updatedAtMs: number
  readonly deadlineAtMs: number
  /** Of what has ended: not kept beyond, never removed before. */
  readonly expiresAtMs: number
  /** The `result`, or the `error`; '' while there is none. */
  readonly resultText: WireText
  readonly progress: TaskProgress
}

export const NO_PROGRESS: TaskProgress = {
  attempts: 0, statusMessage: '', failures: [], rounds: 0, questions: {}, answers: {}, stateText: '', isResuming: false, retriedAs: '',
}

/** What its owner's quota counts. */
export function heldBytes({ origin, resultText, progress: { questions, answers, stateText, said } }: Pick<StoredTask, 'origin' | 'resultText' | 'progress'>): number {
  return saidBytes(origin.adopted?.said) + saidBytes(said) + origin.requestText.length + resultText.length + stateText.length + textsBytes(questions) + textsBytes(answers)
}

function saidBytes(said: TaskState | undefined): number {
  return said === undefined ? 0 : JSON.stringify(said).length
}

export function textsBytes(texts: Readonly<Record<string, WireText>>): number {
  return Object.values(texts).reduce((sum, text) => sum + text.length, 0)
}
