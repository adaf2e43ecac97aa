/**
 * The life of a task: one table of what may follow what, and what each event changes. Every store moves tasks by it and by
 * nothing else. Pure: times are given, and are the store's.
 *
 *             claim                    complete ──▶ completed
 *   queued ─────────▶ running ────────▶ fail ─────▶ failed      the server answered with an error
 *    ▲ ▲  retry, release │ │ ▲          giveUp ───▶ dead        attempts, outcome or deadline: for operators
 *    │ └─────────────────┘ │ └─ claim: its lease is over
 *    │ resume              │ ask
 *    └────────── asking ◀──┘        cancel, from every one of the three ──▶ cancelled
 *                answer ↺           overdue, likewise ──▶ dead
 *
 *   complete and fail also lead from `queued` where a server's task is kept: it goes on there, whoever follows it.
 */

import type { WireText } from '../../protocol/json.ts'
import type { Result } from '../../protocol/result.ts'
import { isToolError } from '../../protocol/task.ts'
import type { TaskState } from '../../protocol/task.ts'
import { boundedMessage, boundedQuestions, boundedSaid } from './bounded-said.ts'
import { homeOf, isOverPhase } from './stored-task.ts'
import type { SaidOf, StoredTask, TaskFailure, TaskPhase, TaskProgress } from './stored-task.ts'

/** What the holder of a lease says carries the epoch of that lease: a stale one is refused. */
export type TaskEvent =
  | { readonly kind: 'claim'; readonly holder: string; readonly leaseMs: number }
  | { readonly kind: 'dispatch'; readonly epoch: number }
  | { readonly kind: 'note'; readonly epoch: number; readonly statusMessage: string; readonly heard?: SaidOf | undefined }
  /** `isHeld`: what its next run needs is at the replica that held it. */
  | { readonly kind: 'ask'; readonly epoch: number; readonly isHeld: boolean; readonly questions: Readonly<Record<string, WireText>>; readonly stateText: WireText }
  | { readonly kind: 'complete'; readonly epoch: number; readonly resultText: WireText; readonly said?: TaskState | undefined }
  | { readonly kind: 'fail'; readonly epoch: number; readonly errorText: WireText; readonly message: string; readonly said?: TaskState | undefined }
  | { readonly kind: 'giveUp'; readonly epoch: number; readonly errorText: WireText; readonly failure: TaskFailure }
  /** `isAfresh`: from the beginning; else the same answers once more. */
  | { readonly kind: 'retry'; readonly epoch: number; readonly delayMs: number; readonly failure: TaskFailure; readonly isAfresh: boolean }
  /** It was not tried after all: another replica may, at once; of an adopted one, the one that has its child. */
  | { readonly kind: 'release'; readonly epoch: number }
  | { readonly kind: 'answer'; readonly answers: Readonly<Record<string, WireText>> }
  /** An answer to the last question that was open. */
  | { readonly kind: 'resume'; readonly answers: Readonly<Record<string, WireText>> }
  | { readonly kind: 'cancel'; readonly said?: TaskState | undefined }
  | { readonly kind: 'overdue'; readonly errorText: WireText }
  /** An operator made another task of it. */
  | { readonly kind: 'retried'; readonly as: string }

export type TaskEventKind = TaskEvent['kind']

export type TaskTable = Readonly<Record<TaskPhase, Readonly<Partial<Record<TaskEventKind, TaskPhase>>>>>

/** What is not here is refused. Terminal phases never change again (ext-tasks, Task Status). */
export const TASK_TABLE: TaskTable = {
  queued: { claim: 'running', complete: 'completed', fail: 'failed', cancel: 'cancelled', overdue: 'dead' },
  running: {
    claim: 'running', dispatch: 'running', note: 'running', ask: 'asking', retry: 'queued', release: 'queued',
    complete: 'completed', fail: 'failed', giveUp: 'dead', cancel: 'cancelled', overdue: 'dead',
  },
  asking: { answer: 'asking', resume: 'queued', cancel: 'cancelled', overdue: 'dead' },
  completed: {},
  failed: {},
  dead: { retried: 'dead' },
  cancelled: {},
}

export interface MoveFault {
  /** `not_now`: the table has no such event in this phase. `stale`: the lease is another's. `not_due`: it may not be claimed yet. */
  readonly reason: 'not_now' | 'stale' | 'not_due'
}

/** The task after the event, one version later. */
export function moveTask(task: StoredTask, event: TaskEvent, nowMs: number): Result<StoredTask, MoveFault> {
  const phase = TASK_TABLE[task.phase][event.kind]
  if (phase === undefined) return { ok: false, fault: { reason: 'not_now' } }
  if (task.phase === 'queued' && (event.kind === 'complete' || event.kind === 'fail') && task.origin.adopted === undefined) return { ok: false, fault: { reason: 'not_now' } }
  if ('epoch' in event && event.epoch !== task.epoch) return { ok: false, fault: { reason: 'stale' } }
  // Two operators who retry at once make one task.
  if (event.kind === 'retried' && task.progress.retriedAs !== '') return { ok: false, fault: { reason: 'not_now' } }
  if (event.kind === 'claim' && !isDue(task, nowMs)) return { ok: false, fault: { reason: 'not_due' } }
  const moved = { ...task, phase, version: task.version + 1, updatedAtMs: Math.max(nowMs, task.updatedAtMs), ...changesOf(task, event, nowMs) }
  return { ok: true, value: isOverPhase(phase) && !isOverPhase(task.phase) ? ended(moved, nowMs) : moved }
}

/** Whether it may be claimed. */
export function isDue({ phase, runAtMs, leaseUntilMs }: Pick<StoredTask, 'phase' | 'runAtMs' | 'leaseUntilMs'>, nowMs: number): boolean {
  return phase === 'queued' ? runAtMs <= nowMs : phase === 'running' && leaseUntilMs <= nowMs
}

/** What a claimed task is to be: tried, or given up because it may have run already (guarantee 1). */
export function takeOver({ isDispatched, origin }: Pick<StoredTask, 'isDispatched' | 'origin'>): 'run' | 'lost' {
  return isDispatched && !origin.terms.isRepeatable ? 'lost' : 'run'
}

type Changes = Partial<Omit<StoredTask, 'id' | 'origin' | 'phase' | 'version' | 'updatedAtMs'>>

/** Kept of one task; older ones tell nothing new. */
const MAX_FAILURES = 10

function changesOf(task: StoredTask, event: TaskEvent, nowMs: number): Changes {
  const { progress } = task
  const progressing = (more: Partial<TaskProgress>): Changes => ({ progress: { ...progress, ...more } })
  switch (event.kind) {
    case 'claim':
      // Counted anew where a lease ran out, too: it was begun.
      return {
        holder: event.holder, epoch: task.epoch + 1, leaseUntilMs: nowMs + event.leaseMs,
        ...progressing({ attempts: progress.attempts + (progress.isResuming && task.phase === 'queued' ? 0 : 1) }),
      }
    case 'dispatch':
      return { isDispatched: true }
    case 'note':
      return progressing({ statusMessage: boundedMessage(event.statusMessage), ...heard(event.heard) })
    case 'ask':
      return {
        isDispatched: false, holder: event.isHeld ? task.holder : '',
        ...progressing({ rounds: progress.rounds + 1, questions: event.questions, answers: {}, stateText: event.stateText, isResuming: false }),
      }
    case 'answer':
      return progressing(answered(progress, event.answers))
    case 'resume':
      return { runAtMs: nowMs, ...progressing({ ...answered(progress, event.answers), isResuming: true }) }
    case 'retry': {
      // What continues an attempt is not counted when it is claimed: it was one of its own after all.
      const isRepeated = progress.isResuming && !event.isAfresh
      const next = isRepeated ? { attempts: progress.attempts + 1 } : { isResuming: false, stateText: '', answers: {} }
      return { isDispatched: false, holder: '', runAtMs: nowMs + event.delayMs, ...progressing({ ...failed(progress, event.failure), ...next }) }
    }
    case 'release':
      return { isDispatched: false, holder: homeOf(task.origin), runAtMs: nowMs, ...progressing({ attempts: progress.attempts - (progress.isResuming ? 0 : 1) }) }
    case 'complete':
      // What was said on the way would read as if it went on.
      return { resultText: event.resultText, ...progressing({ statusMessage: endOf(event.resultText), ...lastWords(event.said) }) }
    case 'fail':
      return { resultText: event.errorText, ...progressing({ statusMessage: boundedMessage(event.message), ...lastWords(event.said) }) }
    case 'giveUp':
      return { resultText: event.errorText, ...progressing({ ...failed(progress, event.failure), statusMessage: boundedMessage(event.failure.message) }) }
    case 'overdue': {
      const failure: TaskFailure = { attempt: progress.attempts, atMs: nowMs, reason: 'deadline', message: 'Its deadline has passed' }
      return { resultText: event.errorText, ...progressing({ ...failed(progress, failure), statusMessage: failure.message }) }
    }
    case 'retried':
      return progressing({ retriedAs: event.as })
    case 'cancel':
      return progressing({ statusMessage: 'Cancelled', ...lastWords(event.said) })
  }
}

/** Most results have no such member: they are not read. */
function endOf(resultText: WireText): string {
  return resultText.includes('"isError"') && isToolError(resultText) ? 'Completed: the tool reports an error' : 'Completed'
}

/** Of the server of an adopted task. */
function lastWords(said: TaskState | undefined): Partial<TaskProgress> {
  return said === undefined ? {} : { said: boundedSaid(said) }
}

/** Of a task that goes on. */
function heard(of: SaidOf | undefined): Partial<TaskProgress> {
  return of === undefined ? {} : { said: boundedSaid(of.said), questions: boundedQuestions(of.questions) }
}

/** Keys that are not open are ignored (ext-tasks, Task Update Requests). */
function answered({ questions, answers }: TaskProgress, given: Readonly<Record<string, WireText>>): Partial<TaskProgress> {
  const taken = Object.entries(given).filter(([key]) => Object.hasOwn(questions, key))
  const open = Object.entries(questions).filter(([key]) => !Object.hasOwn(given, key))
  return { questions: Object.fromEntries(open), answers: { ...answers, ...Object.fromEntries(taken) } }
}

function failed({ failures }: TaskProgress, failure: TaskFailure): Partial<TaskProgress> {
  const message = boundedMessage(failure.message)
  return { failures: [...failures, { ...failure, message }].slice(-MAX_FAILURES), statusMessage: boundedMessage(`Attempt ${failure.attempt} failed: ${message}`) }
}

/** The result stays until both its times are over. What only a run needs goes. */
function ended(task: StoredTask, nowMs: number): StoredTask {
  const { ttlMs, retentionMs } = task.origin.terms
  const expiresAtMs = Math.max(task.createdAtMs + ttlMs, nowMs + retentionMs)
  return { ...task, holder: '', expiresAtMs, progress: { ...task.progress, questions: {}, answers: {}, stateText: '', isResuming: false } }
}

/** Which of two events an answer is; undefined where it answers nothing that is open. */
export function answerEvent({ progress: { questions } }: StoredTask, answers: Readonly<Record<string, WireText>>): TaskEvent | undefined {
  const open = Object.keys(questions)
  const taken = open.filter((key) => Object.hasOwn(answers, key))
  if (taken.length === 0) return undefined
  return { kind: taken.length === open.length ? 'resume' : 'answer', answers }
}
