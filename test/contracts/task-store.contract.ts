/** What every TaskStore must do. The moves themselves are those of `src/core/task/task-state.ts`, which has tests of its own. */
import { describe, expect, it } from 'vitest'
import { moveTask } from '../../src/core/task/task-state.ts'
import type { TaskEvent } from '../../src/core/task/task-state.ts'
import type { AdoptedFrom, StoredTask, TaskOrigin, TaskTerms } from '../../src/core/task/stored-task.ts'
import type { NewTask, TaskClaim, TaskStore } from '../../src/core/task/task-store.ts'
import type { StoreRig } from './store-rig.ts'

export const TERMS: TaskTerms = {
  ttlMs: 60_000, retentionMs: 10_000, deadlineMs: 30_000, attemptMs: 5_000, maxAttempts: 3, retryOn: ['transport', 'busy'], retryCodes: [-32_000],
  baseDelayMs: 100, maxDelayMs: 1_000, isRepeatable: false,
}

export function taskOrigin(more: Partial<TaskOrigin> = {}): TaskOrigin {
  return {
    ownerKey: 'alice', bindingKey: 'alice on a laptop', label: 'Alice', scopes: ['read'], endpoint: 'files', scope: '', upstreamId: 'files', tool: 'build',
    requestText: '{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"build","arguments":{"a":"Ã¤\\u0000\'"}}}',
    terms: TERMS, ...more,
  }
}

/** A task that a server made, in the server's own words. */
export const ADOPTED: AdoptedFrom = {
  taskId: 'the server\'s 1', subject: 'the server\'s 1', heldBy: '', era: 'modern',
  said: { status: 'working', statusMessage: 'half', createdAt: '2026-01-01T00:00:00Z', lastUpdatedAt: '2026-01-01T00:00:01Z', ttlMs: null, pollIntervalMs: 500, other: { 'x.y/z': [1, 'ä'] } },
}

export function newTask(id: string, more: Partial<NewTask> = {}): NewTask {
  return { id, origin: taskOrigin(), idempotency: undefined, lease: undefined, ...more }
}

const CLAIM: TaskClaim = { holder: 'r1', count: 10, perOwner: 100, rooms: new Map(), leaseMs: 1_000, gone: [] }
const DAY_MS = 24 * 60 * 60_000

export function testTaskStore(name: string, open: () => Promise<StoreRig<TaskStore>>): void {
  const idsOf = (tasks: readonly StoredTask[]): string[] => tasks.map(({ id }) => id)
  const found = async (store: TaskStore, id: string): Promise<StoredTask> => {
    const sighting = await store.find(id)
    if (sighting.kind !== 'found') throw new Error(`${id} is ${sighting.kind}`)
    return sighting.task
  }
  const moved = (task: StoredTask, event: TaskEvent, nowMs = task.updatedAtMs): StoredTask => {
    const result = moveTask(task, event, nowMs)
    if (!result.ok) throw new Error(`${event.kind}: ${result.fault.reason}`)
    return result.value
  }
  const end = async (store: TaskStore, id: string, resultText = '{"content":[]}'): Promise<StoredTask> => {
    const { task } = await store.create(newTask(id, { lease: { holder: 'r1', leaseMs: 1_000, isDispatched: false } }))
    const over = moved(task, { kind: 'complete', epoch: 1, resultText })
    expect(await store.write([over])).toEqual([true])
    return over
  }

  describe(`TaskStore contract: ${name}`, () => {
    it('finds a task whole, from any replica, once its creation has resolved', async () => {
      const { store, second } = await open()
      const other = await second()
      const { kind, task, nowMs } = await store.create(newTask('t1', { idempotency: { key: 'k', digest: 'd' } }))
      expect(kind).toBe('created')
      expect(task).toMatchObject({ id: 't1', phase: 'queued', version: 1, epoch: 0, holder: '', isDispatched: false, runAtMs: nowMs, createdAtMs: nowMs, deadlineAtMs: nowMs + 30_000, expiresAtMs: nowMs + 60_000, resultText: '' })
      expect(await found(other, 't1')).toEqual(task)
      expect(task.origin).toEqual(taskOrigin())
      expect((await store.find('never')).kind).toBe('unknown')
    })

    it('begins a task in its first lease where its maker tries it at once', async () => {
      const { store } = await open()
      const { task, nowMs } = await store.create(newTask('t1', { lease: { holder: 'r1', leaseMs: 1_000, isDispatched: true } }))
      expect(task).toMatchObject({ phase: 'running', epoch: 1, holder: 'r1', leaseUntilMs: nowMs + 1_000, isDispatched: true, progress: { attempts: 1 } })
      expect((await store.claim(CLAIM)).tasks).toEqual([])
    })

    it('keeps what a server says of a task of its own, from its beginning to its end', async () => {
      const { store, second } = await open()
      const { task } = await store.create(newTask('t1', { origin: taskOrigin({ adopted: ADOPTED }), lease: { holder: 'r1', leaseMs: 1_000, isDispatched: false } }))
      expect(task.origin.adopted).toEqual(ADOPTED)
      const heard = { said: { ...ADOPTED.said, status: 'input_required' as const }, questions: { who: '{"method":"roots/list","params":{}}' } }
      const noted = moved(task, { kind: 'note', epoch: 1, statusMessage: 'half', heard })
      expect(await store.write([noted])).toEqual([true])
      expect((await found(await second(), 't1')).progress).toMatchObject({ statusMessage: 'half', ...heard })
      const said = { ...ADOPTED.said, status: 'completed' as const }
      expect(await store.write([moved(noted, { kind: 'complete', epoch: 1, resultText: '{}', said })])).toEqual([true])
      expect(await found(store, 't1')).toMatchObject({ phase: 'completed', resultText: '{}', progress: { said, questions: {} } })
    })

    it('gives one task to one idempotency key of one owner, whoever is first', async () => {
      const { store, second } = await open()
      const stores = [store, await second()]
      const made = await Promise.all(Array.from({ length: 8 }, (_, at) => stores[at % 2]?.create(newTask(`t${at}`, { idempotency: { key: 'k', digest: `d${at}` } }))))
      expect(made.filter((one) => one?.kind === 'created')).toHaveLength(1)
      expect(new Set(made.map((one) => one?.task.id)).size).toBe(1)
      const bob = await store.create(newTask('b', { origin: taskOrigin({ ownerKey: 'bob' }), idempotency: { key: 'k', digest: 'd' } }))
      expect(bob.kind).toBe('created')
      expect(await store.findByKey('alice', 'k')).toMatchObject({ kind: 'found', task: { id: made[0]?.task.id } })
      expect(await store.findByKey('bob', 'k')).toMatchObject({ kind: 'found', task: { id: 'b' } })
      expect((await store.findByKey('carol', 'k')).kind).toBe('unknown')
      expect((await store.create(newTask('n1'))).kind).toBe('created')
      expect((await store.create(newTask('n2'))).kind).toBe('created')
      expect(await store.create(newTask('n2'))).toMatchObject({ kind: 'existing', task: { id: 'n2', version: 1 } })
    })

    it('gives each due task to one of many claimants, the longest due first', async () => {
      const { store, second, pass } = await open()
      const other = await second()
      for (let at = 0; at < 12; at++) {
        await store.create(newTask(`t${String(at).padStart(2, '0')}`))
        await pass(2)
      }
      const [first] = (await store.claim({ ...CLAIM, count: 1 })).tasks
      expect(first).toMatchObject({ id: 't00', phase: 'running', epoch: 1, version: 2, holder: 'r1', progress: { attempts: 1 } })
      const claims = await Promise.all(Array.from({ length: 4 }, (_, at) => (at % 2 === 0 ? store : other).claim({ ...CLAIM, holder: `r${at}`, count: 3 })))
      const ids = claims.flatMap(({ tasks }) => idsOf(tasks))
      expect(new Set(ids).size).toBe(ids.length)
      const rest = (await store.claim({ ...CLAIM, count: 100 })).tasks
      expect([...ids, ...idsOf(rest)].toSorted()).toEqual(Array.from({ length: 11 }, (_, at) => `t${String(at + 1).padStart(2, '0')}`))
      expect(idsOf(rest)).toEqual(idsOf(rest).toSorted())
    })

    it('gives a task whose lease has run out to another, in a higher epoch, and fences who held it', async () => {
      const { store, second, pass } = await open()
      const other = await second()
      await store.create(newTask('t1'))
      const [slow] = (await store.claim(CLAIM)).tasks
      if (slow === undefined) throw new Error('not claimed')
      expect((await other.claim({ ...CLAIM, holder: 'r2' })).tasks).toEqual([])
      await pass(1_100)
      const [quick] = (await other.claim({ ...CLAIM, holder: 'r2' })).tasks
      expect(quick).toMatchObject({ epoch: 2, holder: 'r2', progress: { attempts: 2 } })
      expect((await store.renew([slow], 1_000)).ids.size).toBe(0)
      expect(await store.write([moved(slow, { kind: 'complete', epoch: 1, resultText: '"late"' })])).toEqual([false])
      expect(await found(store, 't1')).toEqual(quick)
    })

    it('lets a lease go on while it is renewed, and only then', async () => {
      const { store, pass } = await open()
      await store.create(newTask('t1'))
      const [task] = (await store.claim(CLAIM)).tasks
      if (task === undefined) throw new Error('not claimed')
      await pass(600)
      expect([...(await store.renew([task, { id: 'never', epoch: 1 }], 1_000)).ids]).toEqual(['t1'])
      await pass(600)
      // Written by who read it before it was renewed: the lease is not the shorter for it.
      expect(await store.write([moved(task, { kind: 'dispatch', epoch: 1 })])).toEqual([true])
      expect((await store.claim(CLAIM)).tasks).toEqual([])
      await pass(600)
      expect((await store.claim(CLAIM)).tasks).toMatchObject([{ id: 't1', epoch: 2, isDispatched: true }])
    })

    it('leaves a task to the replica that holds something for it, until that one is said to be gone', async () => {
      const { store, second, pass } = await open()
      const other = await second()
      await store.create(newTask('t1'))
      const [task] = (await store.claim(CLAIM)).tasks
      if (task === undefined) throw new Error('not claimed')
      const asking = moved(task, { kind: 'ask', epoch: 1, isHeld: true, questions: { a: '{}' }, stateText: '"s"' })
      const resumed = moved(asking, { kind: 'resume', answers: { a: '{"x":1}' } })
      expect(await store.write([asking])).toEqual([true])
      expect((await store.claim({ ...CLAIM, holder: 'r2' })).tasks).toEqual([])
      expect(await store.write([resumed])).toEqual([true])
      await pass(5_000)
      expect(await other.homes()).toEqual(['r1'])
      expect((await other.claim({ ...CLAIM, holder: 'r2', gone: ['r3'] })).tasks).toEqual([])
      expect((await other.claim({ ...CLAIM, holder: 'r2', gone: ['r3', 'r1'] })).tasks).toMatchObject([{ epoch: 2, progress: { attempts: 1, isResuming: true, answers: { a: '{"x":1}' }, stateText: '"s"' } }])
    })

    it('has everybody go on with a task for which nothing is held, and names no home of it', async () => {
      const { store } = await open()
      await store.create(newTask('t1'))
      const [task] = (await store.claim(CLAIM)).tasks
      if (task === undefined) throw new Error('not claimed')
      const asking = moved(task, { kind: 'ask', epoch: 1, isHeld: false, questions: { a: '{}' }, stateText: '"s"' })
      await store.write([asking])
      await store.write([moved(asking, { kind: 'resume', answers: { a: '{}' } })])
      expect(await store.homes()).toEqual([])
      expect((await store.claim({ ...CLAIM, holder: 'r2' })).tasks).toMatchObject([{ id: 't1', epoch: 2 }])
    })

    it('gives no owner more than there is room for, and the others what is theirs behind that', async () => {
      const { store, pass } = await open()
      const owners = ['alice', 'alice', 'alice', 'alice', 'bob', 'bob', 'carol']
      for (const [at, ownerKey] of owners.entries()) {
        await store.create(newTask(`${ownerKey}${at}`, { origin: taskOrigin({ ownerKey }) }))
        await pass(2)
      }
      const rooms = new Map([['alice', 1], ['bob', 0]])
      expect(idsOf((await store.claim({ ...CLAIM, count: 7, perOwner: 1, rooms })).tasks)).toEqual(['alice0', 'carol6'])
      expect(idsOf((await store.claim({ ...CLAIM, count: 3, perOwner: 3, rooms: new Map([['alice', 0]]) })).tasks)).toEqual(['bob4', 'bob5'])
      expect(idsOf((await store.claim({ ...CLAIM, count: 7, perOwner: 2 })).tasks)).toEqual(['alice1', 'alice2'])
      expect(idsOf((await store.claim(CLAIM)).tasks)).toEqual(['alice3'])
    })

    it('writes what was read last, and nothing over what somebody else has written', async () => {
      const { store, second } = await open()
      const other = await second()
      const { task } = await store.create(newTask('t1'))
      const { task: task2 } = await store.create(newTask('t2'))
      const cancelled = moved(task, { kind: 'cancel' })
      const races = await Promise.all([store.write([cancelled]), other.write([moved(task, { kind: 'cancel' })]), store.write([cancelled])])
      expect(races.flat().filter(Boolean)).toHaveLength(1)
      expect(await store.write([moved(task, { kind: 'overdue', errorText: '{}' }), moved(task2, { kind: 'cancel' })])).toEqual([false, true])
      expect(await found(store, 't1')).toEqual({ ...cancelled, holder: '' })
    })

    it('does not try a task before its time', async () => {
      const { store, pass } = await open()
      await store.create(newTask('t1'))
      const { tasks: [task], nowMs } = await store.claim(CLAIM)
      if (task === undefined) throw new Error('not claimed')
      const failure = { attempt: 1, atMs: nowMs, reason: 'busy', message: 'busy' } as const
      expect(await store.write([moved(task, { kind: 'retry', epoch: 1, delayMs: 700, failure, isAfresh: true }, nowMs)])).toEqual([true])
      await pass(400)
      expect((await store.claim(CLAIM)).tasks).toEqual([])
      await pass(400)
      expect((await store.claim(CLAIM)).tasks).toMatchObject([{ epoch: 2, progress: { attempts: 2, failures: [failure] } }])
    })

    it('tells of what has expired until its tombstone is gone, and never removes a result before', async () => {
      const { store, pass } = await open()
      const { expiresAtMs } = await end(store, 't1', '{"content":[{"type":"text","text":"kept"}]}')
      await store.create(newTask('live'))
      await pass(59_000)
      expect(await store.sweep(10, 5_000)).toBe(0)
      expect((await found(store, 't1')).resultText).toBe('{"content":[{"type":"text","text":"kept"}]}')
      await pass(2_000)
      expect(await store.find('t1')).toMatchObject({ kind: 'expired', ownerKey: 'alice', expiredAtMs: expiresAtMs })
      expect((await store.list({ count: 10 })).tasks.map(({ id }) => id)).toEqual(['live'])
      expect(await store.sweep(10, 5_000)).toBe(1)
      expect(await store.find('t1')).toMatchObject({ kind: 'expired', ownerKey: 'alice', expiredAtMs: expiresAtMs })
      await pass(5_100)
      await store.sweep(10, 5_000)
      expect((await store.find('t1')).kind).toBe('unknown')
      expect((await store.find('live')).kind).toBe('found')
    })

    it('sweeps no more than it was told to', async () => {
      const { store, pass } = await open()
      for (let at = 0; at < 5; at++) await end(store, `t${at}`)
      await pass(61_000)
      expect(await store.sweep(2, DAY_MS)).toBe(2)
      expect(await store.sweep(2, DAY_MS)).toBe(2)
      expect(await store.sweep(2, DAY_MS)).toBe(1)
      expect(await store.sweep(2, DAY_MS)).toBe(0)
    })

    it('names those whose deadline has passed', async () => {
      const { store, pass } = await open()
      await store.create(newTask('late'))
      await end(store, 'over')
      await store.create(newTask('soon', { origin: taskOrigin({ terms: { ...TERMS, deadlineMs: 90_000 } }) }))
      expect((await store.overdue(10)).tasks).toEqual([])
      await pass(30_100)
      expect(idsOf((await store.overdue(10)).tasks)).toEqual(['late'])
    })

    it('replaces what has an id in one write: it is never free, and whoever held what was there is refused', async () => {
      const { store, second } = await open()
      const other = await second()
      const lease = { holder: 'r1', leaseMs: 60_000, isDispatched: false }
      const { task: old } = await store.create(newTask('t1', { lease }))
      const origin = taskOrigin({ tool: 'another', adopted: ADOPTED })
      const seen: string[] = []
      const replacing = store.replace(newTask('t1', { origin, lease: { ...lease, holder: 'r2' } }))
      let isOver = false
      void replacing.then(() => (isOver = true))
      for (; !isOver; await new Promise(setImmediate)) seen.push((await other.find('t1')).kind)
      const { task, nowMs } = await replacing
      expect(new Set(seen)).toEqual(new Set(['found']))
      expect(task).toMatchObject({ id: 't1', origin, phase: 'running', version: 2, epoch: 2, holder: 'r2', createdAtMs: nowMs, leaseUntilMs: nowMs + 60_000, resultText: '', progress: { attempts: 1 } })
      expect(await found(other, 't1')).toEqual(task)
      expect(await store.write([moved(old, { kind: 'complete', epoch: 1, resultText: '{}' })])).toEqual([false])
      expect((await store.renew([{ id: 't1', epoch: 1 }], 1_000)).ids).toEqual(new Set())
      expect((await store.renew([{ id: 't1', epoch: 2 }], 1_000)).ids).toEqual(new Set(['t1']))
      expect(await store.usage('alice', 10)).toMatchObject({ live: 1, total: 1 })
    })

    it('replaces what has ended, and begins what was never there', async () => {
      const { store } = await open()
      const over = await end(store, 't1')
      expect((await store.replace(newTask('t1'))).task).toMatchObject({ phase: 'queued', version: over.version + 1, epoch: 2, holder: '', resultText: '', progress: { attempts: 0 } })
      expect(idsOf((await store.claim(CLAIM)).tasks)).toEqual(['t1'])
      expect((await store.replace(newTask('t2'))).task).toMatchObject({ phase: 'queued', version: 1, epoch: 0 })
    })

    it('drops a task, and tells that it was there', async () => {
      const { store } = await open()
      await end(store, 't1')
      expect(await store.drop('t1', DAY_MS)).toBe(true)
      expect(await store.drop('t1', DAY_MS)).toBe(false)
      expect(await store.find('t1')).toMatchObject({ kind: 'expired', ownerKey: 'alice' })
    })

    it('counts what each owner has, no further than it is told to', async () => {
      const { store } = await open()
      await end(store, 'a1', '"123"')
      await store.create(newTask('a2'))
      await store.create(newTask('b1', { origin: taskOrigin({ ownerKey: 'bob' }) }))
      const requestBytes = taskOrigin().requestText.length
      expect(await store.usage('alice', 10)).toEqual({ live: 1, total: 2, bytes: 2 * requestBytes + 5 })
      expect((await store.usage('alice', 1)).total).toBe(1)
      const [task] = (await store.claim({ ...CLAIM, rooms: new Map([['bob', 0]]) })).tasks
      if (task === undefined) throw new Error('not claimed')
      const asking = moved(task, { kind: 'ask', epoch: 1, isHeld: true, questions: { a: '"1234567"', b: '{}' }, stateText: '"s"' })
      const answered = moved(asking, { kind: 'answer', answers: { [Object.keys(asking.progress.questions)[0] ?? '']: '"12345678901"' } })
      await store.write([asking])
      expect((await store.usage('alice', 10)).bytes).toBe(2 * requestBytes + 5 + 9 + 2 + 3)
      await store.write([answered])
      expect((await store.usage('alice', 10)).bytes).toBe(2 * requestBytes + 5 + 13 + 2 + 3)
      expect(await store.usage('nobody', 10)).toEqual({ live: 0, total: 0, bytes: 0 })
    })

    it('lists by owner and phase, page by page, the oldest first', async () => {
      const { store, pass } = await open()
      for (const id of ['c', 'a', 'b']) {
        await store.create(newTask(id))
        await pass(2)
      }
      await end(store, 'd')
      await store.create(newTask('bob', { origin: taskOrigin({ ownerKey: 'bob' }) }))
      const first = (await store.list({ ownerKey: 'alice', count: 2 })).tasks
      expect(idsOf(first)).toEqual(['c', 'a'])
      expect(idsOf((await store.list({ ownerKey: 'alice', count: 5, after: first.at(-1) })).tasks)).toEqual(['b', 'd'])
      expect(idsOf((await store.list({ phases: ['completed', 'dead'], count: 5 })).tasks)).toEqual(['d'])
      expect((await store.list({ count: 9 })).tasks).toHaveLength(5)
      const waiting = (await store.list({ ownerKey: 'alice', phases: ['queued', 'dead'], count: 2 })).tasks
      expect(idsOf(waiting)).toEqual(['c', 'a'])
      expect(idsOf((await store.list({ ownerKey: 'alice', phases: ['queued', 'dead'], count: 2, after: waiting.at(-1) })).tasks)).toEqual(['b'])
      expect((await store.list({ phases: [], count: 9 })).tasks).toEqual([])
    })

    it('counts how many stand where, and how long the oldest has been due', async () => {
      const { store, pass } = await open()
      expect(await store.counts()).toEqual({ phases: { queued: 0, running: 0, asking: 0, dead: 0 }, oldestDueMs: undefined })
      await end(store, 'd')
      await store.create(newTask('q'))
      await pass(300)
      const { phases, oldestDueMs } = await store.counts()
      expect(phases).toEqual({ queued: 1, running: 0, asking: 0, dead: 0 })
      expect(oldestDueMs).toBeGreaterThanOrEqual(300)
      expect(oldestDueMs).toBeLessThan(20_000)
    })
  })
}
