/**
 * The place of one worker, whoever fills it just now:
 *
 *   starting ──says so──▶ ready ──ends──▶ waiting ──back-off──▶ starting
 *      └────────────────ends─────────────────▲
 *
 * The first replacement comes at once; whoever ends again soon is waited for, longer each time.
 */

import { backoffMs } from '../../core/upstream/backoff.ts'
import type { Random } from '../../core/random.ts'

/** A running process; a worker of node:cluster is one. */
export interface Running {
  readonly pid: number
  kill(signal: NodeJS.Signals): void
  /** It is not to call itself ready any more. */
  leave(): void
}

export interface Slot {
  readonly number: number
  state: 'starting' | 'ready' | 'waiting'
  running: Running | undefined
  /** Of whoever was ready here last; '' before anybody was. */
  replicaId: string
  startedAtMs: number
  readyAtTicks: number
  restarts: number
  /** Ends that came soon after a start, in a row. */
  failures: number
  /** Of the start that is waited for. */
  cancelStart: () => void
}

/** Whoever lived for so long did not end because of how it starts. */
const HEALTHY_MS = 30_000
const BACKOFF = { firstMs: 500, maxMs: 30_000 }

export function newSlot(number: number): Slot {
  return { number, state: 'waiting', running: undefined, replicaId: '', startedAtMs: 0, readyAtTicks: Number.POSITIVE_INFINITY, restarts: 0, failures: 0, cancelStart: () => undefined }
}

export function filled(slot: Slot, running: Running, nowMs: number): void {
  Object.assign(slot, { state: 'starting', running, startedAtMs: nowMs, readyAtTicks: Number.POSITIVE_INFINITY })
}

export function becameReady(slot: Slot, replicaId: string, nowTicks: number): void {
  Object.assign(slot, { state: 'ready', replicaId, readyAtTicks: nowTicks })
}

/** Returns after how long it is to be filled again. */
export function emptied(slot: Slot, nowTicks: number, random: Random): number {
  slot.failures = nowTicks - slot.readyAtTicks >= HEALTHY_MS ? 0 : slot.failures + 1
  slot.restarts += 1
  Object.assign(slot, { state: 'waiting', running: undefined, readyAtTicks: Number.POSITIVE_INFINITY })
  return slot.failures <= 1 ? 0 : backoffMs(slot.failures - 1, BACKOFF, random)
}
