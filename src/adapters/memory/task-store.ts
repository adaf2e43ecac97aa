/** Tasks of one process, gone with it: for tests, and where nothing is to be written to disk. */

import type { Clock } from '../../core/clock.ts'
import { beginTask } from '../../core/task/new-task.ts'
import { heldBytes, isOverPhase } from '../../core/task/stored-task.ts'
import type { StoredTask, TaskPhase } from '../../core/task/stored-task.ts'
import { isDue, moveTask } from '../../core/task/task-state.ts'
import type { ClaimRoom } from '../../core/task/task-share.ts'
import type { TaskQuery, TaskStore } from '../../core/task/task-store.ts'

interface Tombstone {
  readonly ownerKey: string
  readonly expiredAtMs: number
  readonly untilMs: number
}

export function createTaskStore(clock: Pick<Clock, 'nowMs'>): TaskStore {
  const rows = new Map<string, StoredTask>()
  const tombstones = new Map<string, Tombstone>()

  const isGone = (task: StoredTask): boolean => isOverPhase(task.phase) && task.expiresAtMs <= clock.nowMs()
  const remove = (task: StoredTask, expiredAtMs: number, tombstoneMs: number): void => {
    rows.delete(task.id)
    tombstones.set(task.id, { ownerKey: task.origin.ownerKey, expiredAtMs, untilMs: clock.nowMs() + tombstoneMs })
  }
  const all = (): StoredTask[] => Array.from(rows.values()).sort(byAge)
  const ofKey = (ownerKey: string, key: string): StoredTask | undefined =>
    Array.from(rows.values()).find(({ origin, idempotency }) => origin.ownerKey === ownerKey && idempotency?.key === key)

  return {
    async create(task) {
      const taken = rows.get(task.id) ?? (task.idempotency === undefined ? undefined : ofKey(task.origin.ownerKey, task.idempotency.key))
      if (taken !== undefined) return { kind: 'existing', nowMs: clock.nowMs(), task: taken }
      const made = beginTask(structuredClone(task), clock.nowMs())
      rows.set(made.id, made)
      return { kind: 'created', nowMs: clock.nowMs(), task: made }
    },
    async replace(task) {
      const begun = beginTask(structuredClone(task), clock.nowMs())
      const before = rows.get(task.id)
      const made = before === undefined ? begun : { ...begun, version: before.version + 1, epoch: before.epoch + 1 }
      rows.set(made.id, made)
      return { nowMs: clock.nowMs(), task: made }
    },
    async find(id) {
      const nowMs = clock.nowMs()
      const task = rows.get(id)
      if (task !== undefined && !isGone(task)) return { kind: 'found', nowMs, task }
      if (task !== undefined) return { kind: 'expired', nowMs, ownerKey: task.origin.ownerKey, expiredAtMs: task.expiresAtMs }
      const tombstone = tombstones.get(id)
      return tombstone === undefined ? { kind: 'unknown', nowMs } : { kind: 'expired', nowMs, ownerKey: tombstone.ownerKey, expiredAtMs: tombstone.expiredAtMs }
    },
    async findByKey(ownerKey, key) {
      const task = ofKey(ownerKey, key)
      return task === undefined ? { kind: 'unknown', nowMs: clock.nowMs() } : { kind: isGone(task) ? 'expired' : 'found', nowMs: clock.nowMs(), task, ownerKey, expiredAtMs: task.expiresAtMs }
    },
    async claim({ holder, leaseMs, gone, ...room }) {
      const nowMs = clock.nowMs()
      const isOurs = (task: StoredTask): boolean => task.phase !== 'queued' || task.holder === '' || task.holder === holder || gone.includes(task.holder)
      const due = all().filter((task) => isDue(task, nowMs) && isOurs(task)).sort((left, right) => dueAtMs(left) - dueAtMs(right))
      const tasks = withinRoom(due, room).map((task) => claimed(task, holder, leaseMs, nowMs))
      for (const task of tasks) rows.set(task.id, task)
      return { nowMs, tasks }
    },
    async homes() {
      const nowMs = clock.nowMs()
      return [...new Set(all().flatMap((task) => (task.phase === 'queued' && task.holder !== '' && isDue(task, nowMs) ? [task.holder] : [])))]
    },
    async renew(leases, leaseMs) {
      const nowMs = clock.nowMs()
      const held = leases.flatMap(({ id, epoch }) => {
        const task = rows.get(id)
        return task?.phase === 'running' && task.epoch === epoch ? [task] : []
      })
      for (const task of held) rows.set(task.id, { ...task, leaseUntilMs: nowMs + leaseMs })
      return { nowMs, ids: new Set(held.map(({ id }) => id)) }
    },
    async write(tasks) {
      return tasks.map((task) => {
        const before = rows.get(task.id)
        if (before?.version !== task.version - 1) return false
        rows.set(task.id, { ...structuredClone(task), leaseUntilMs: before.leaseUntilMs })
        return true
      })
    },
    async overdue(count) {
      const nowMs = clock.nowMs()
      return { nowMs, tasks: all().filter(({ phase, deadlineAtMs }) => !isOverPhase(phase) && deadlineAtMs <= nowMs).slice(0, count) }
    },
    async sweep(count, tombstoneMs) {
      const nowMs = clock.nowMs()
      const old = all().filter(isGone).slice(0, count)
      for (const task of old) remove(task, task.expiresAtMs, tombstoneMs)
      for (const [id, { untilMs }] of tombstones) if (untilMs <= nowMs) tombstones.delete(id)
      return old.length
    },
    async drop(id, tombstoneMs) {
      const task = rows.get(id)
      if (task !== undefined) remove(task, Math.min(task.expiresAtMs, clock.nowMs()), tombstoneMs)
      return task !== undefined
    },
    async usage(ownerKey, upTo) {
      const own = all().filter(({ origin }) => origin.ownerKey === ownerKey).slice(0, upTo)
      return { live: own.filter(({ phase }) => !isOverPhase(phase)).length, total: own.length, bytes: own.reduce((sum, task) => sum + heldBytes(task), 0) }
    },
    async list(query) {
      return { nowMs: clock.nowMs(), tasks: all().filter((task) => !isGone(task) && isMeant(task, query)).slice(0, query.count) }
    },
    async counts() {
      const nowMs = clock.nowMs()
      const count = (phase: TaskPhase): number => all().filter((task) => task.phase === phase).length
      const phases = { queued: count('queued'), running: count('running'), asking: count('asking'), dead: count('dead') }
      const [first] = all().filter((task) => isDue(task, nowMs)).map(dueAtMs).sort((left, right) => left - right)
      return { phases, oldestDueMs: first === undefined ? undefined : nowMs - first }
    },
  }
}

function byAge(left: StoredTask, right: StoredTask): number {
  return left.createdAtMs - right.createdAtMs || (left.id < right.id ? -1 : 1)
}

function dueAtMs({ phase, runAtMs, leaseUntilMs }: StoredTask): number {
  return phase === 'queued' ? runAtMs : leaseUntilMs
}

function withinRoom(due: readonly StoredTask[], { count, perOwner, rooms }: ClaimRoom): readonly StoredTask[] {
  const taken = new Map<string, number>()
  const fits = due.filter(({ origin: { ownerKey } }) => {
    const place = (taken.get(ownerKey) ?? 0) + 1
    taken.set(ownerKey, place)
    return place <= (rooms.get(ownerKey) ?? perOwner)
  })
  return fits.slice(0, count)
}

function claimed(task: StoredTask, holder: string, leaseMs: number, nowMs: number): StoredTask {
  const moved = moveTask(task, { kind: 'claim', holder, leaseMs }, nowMs)
  return moved.ok ? moved.value : task
}

function isMeant(task: StoredTask, { ownerKey, phases, after }: TaskQuery): boolean {
  if (ownerKey !== undefined && task.origin.ownerKey !== ownerKey) return false
  if (phases !== undefined && !phases.includes(task.phase)) return false
  return after === undefined || task.createdAtMs > after.createdAtMs || (task.createdAtMs === after.createdAtMs && task.id > after.id)
}
