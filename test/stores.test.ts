import { describe, expect, it } from 'vitest'
import { createEraStore } from '../src/adapters/sql/era-store.ts'
import { createEventStore } from '../src/adapters/sql/event-store.ts'
import { sweepExpired } from '../src/adapters/sql/expiry-sweep.ts'
import { createKeyStore } from '../src/adapters/sql/key-store.ts'
import { createLeaseStore } from '../src/adapters/sql/lease-store.ts'
import { createReplayGuard } from '../src/adapters/sql/replay-guard.ts'
import { createReplicaStore } from '../src/adapters/sql/replica-store.ts'
import { createSessionStore } from '../src/adapters/sql/session-store.ts'
import { createSnapshotStore } from '../src/adapters/sql/snapshot-store.ts'
import { createTaskStore } from '../src/adapters/sql/task-store.ts'
import { testTaskStore } from './contracts/task-store.contract.ts'
import { testEraStore } from './contracts/era-store.contract.ts'
import { testEventStore } from './contracts/event-store.contract.ts'
import { testKeyStore } from './contracts/key-store.contract.ts'
import { testLeaseStore } from './contracts/lease-store.contract.ts'
import { testReplayGuard } from './contracts/replay-guard.contract.ts'
import { testReplicaStore } from './contracts/replica-store.contract.ts'
import { sessionNamed, testSessionStore } from './contracts/session-store.contract.ts'
import { testSnapshotStore } from './contracts/snapshot-store.contract.ts'
import { postgresRig, sqliteProcessRig, sqliteRig } from './contracts/state-rig.ts'
import type { OpenRig } from './contracts/state-rig.ts'
import { findPostgres } from './services/postgres.ts'

const NEVER = (): boolean => false

function testStores(name: string, rig: OpenRig): void {
  testSessionStore(name, rig(({ cache }) => createSessionStore(cache)))
  testEventStore(name, rig(({ cache }) => ({ ...createEventStore(cache), sessions: createSessionStore(cache) })))
  testReplicaStore(name, rig(({ cache }) => createReplicaStore(cache)))
  testLeaseStore(name, rig(({ durable }) => createLeaseStore(durable)))
  testKeyStore(name, rig(({ durable }) => createKeyStore(durable)))
  testReplayGuard(name, rig(({ durable }) => createReplayGuard(durable)))
  testSnapshotStore(name, rig(({ durable }) => createSnapshotStore(durable)))
  testTaskStore(name, rig(({ durable }) => createTaskStore(durable)))
  testEraStore(name, rig(({ cache }) => createEraStore(cache)))
}

function testSweep(name: string, rig: OpenRig): void {
  describe(`what has expired in ${name}`, () => {
    it('is removed, more than a batch of it, and nothing else', async () => {
      const { store: databases, pass } = await rig((opened) => opened)()
      const { durable, cache } = databases
      const [guard, events, replicas] = [createReplayGuard(durable), createEventStore(cache), createReplicaStore(cache)]
      const event = { streamId: 's', text: '', isFinal: false }
      await Promise.all(Array.from({ length: 600 }, (_, at) => guard.firstUse(`short-${at}`, 60_000)))
      await guard.firstUse('long', 600_000)
      await events.keep('s1', [{ ...event, eventId: 'short' }], 60_000, { events: 100, bytes: 10_000 })
      await events.keep('s1', [{ ...event, eventId: 'long' }], 600_000, { events: 100, bytes: 10_000 })
      await replicas.announce({ id: 'dead', address: '', version: '1' }, 60_000)
      expect(await sweepExpired(databases, NEVER)).toEqual({ removed: 0, isMore: false })
      await pass(61_000)
      expect(await sweepExpired(databases, NEVER)).toEqual({ removed: 602, isMore: false })
      expect(await guard.firstUse('long', 1)).toBe(false)
      expect((await events.load('s1')).map(({ eventId }) => eventId)).toEqual(['long'])
      const [row] = await cache.read('SELECT COUNT(*) AS events FROM portolan_event', [])
      expect(row).toEqual({ events: 1 })
    })

    it('is left for the next one by a sweep that is told to stop, after the batch that is on its way', async () => {
      const { store: databases, pass } = await rig((opened) => opened)()
      const guard = createReplayGuard(databases.durable)
      await Promise.all(Array.from({ length: 600 }, (_, at) => guard.firstUse(`short-${at}`, 60_000)))
      await pass(61_000)
      const sweep = async (): Promise<number> => {
        let isStopped = false
        const durable = { ...databases.durable, write: (...statement: Parameters<typeof databases.durable.write>) => ((isStopped = true), databases.durable.write(...statement)) }
        return (await sweepExpired({ ...databases, durable }, () => isStopped)).removed
      }
      expect([await sweep(), await sweep()]).toEqual([500, 100])
    })
  })
}

testSweep('SQLite', sqliteRig())
testStores('SQLite', sqliteRig())
testStores('SQLite of two processes', await sqliteProcessRig())

const postgres = await findPostgres()
const openPostgresRig = postgres === undefined ? undefined : await postgresRig(postgres)
describe.skipIf(openPostgresRig === undefined)('on PostgreSQL', () => {
  if (openPostgresRig === undefined) return
  testSweep('PostgreSQL', openPostgresRig)

  it('is removed without a wait for what another transaction holds, and that stays where it was renewed', async () => {
    const { store: databases, second, pass } = await openPostgresRig((opened) => opened)()
    const guard = createReplayGuard(databases.durable)
    await Promise.all(['a', 'b', 'c'].map((key) => guard.firstUse(key, 60_000)))
    await pass(61_000)
    const renew = { sql: `UPDATE portolan_replay SET expires_at_ms = portolan_now_ms() + 60000 WHERE used_key = 'b' RETURNING used_key`, values: [] }
    const hold = { sql: 'SELECT pg_sleep(1) AS held', values: [] }
    const renewed = (await second()).durable.writeAll([renew, hold]).then(() => 'renewed')
    const asleep = `SELECT COUNT(*) AS asleep FROM pg_stat_activity WHERE query = $1 AND state = 'active' AND datname = current_database()`
    await expect.poll(async () => (await databases.durable.read(asleep, [hold.sql]))[0], { interval: 10 }).toEqual({ asleep: 1 })
    expect(await Promise.race([sweepExpired(databases, NEVER), renewed])).toEqual({ removed: 2, isMore: false })
    await renewed
    expect(await sweepExpired(databases, NEVER)).toEqual({ removed: 0, isMore: false })
    expect(await guard.firstUse('b', 1)).toBe(false)
  })

  it('is not given to whoever takes it, nor waited for, while a transaction stores it anew', async () => {
    const { store: databases, second, pass } = await openPostgresRig((opened) => opened)()
    const sessions = createSessionStore(databases.cache)
    for (const id of ['a', 'b', 'c']) await sessions.save(sessionNamed(id), 60_000)
    await pass(61_000)
    const renew = { sql: `UPDATE portolan_session SET expires_at_ms = portolan_now_ms() + 60000 WHERE id = 'b' RETURNING id`, values: [] }
    const hold = { sql: 'SELECT pg_sleep(1) AS held', values: [] }
    const renewed = (await second()).cache.writeAll([renew, hold]).then(() => 'renewed')
    const asleep = `SELECT COUNT(*) AS asleep FROM pg_stat_activity WHERE query = $1 AND state = 'active' AND datname = current_database()`
    await expect.poll(async () => (await databases.cache.read(asleep, [hold.sql]))[0], { interval: 10 }).toEqual({ asleep: 1 })
    const taken = await Promise.race([sessions.takeExpired(10, 0), renewed])
    expect(Array.isArray(taken) ? taken.map(({ id }) => id).toSorted() : taken).toEqual(['a', 'c'])
    await renewed
    expect([await sessions.takeExpired(10, 0), (await sessions.find('b'))?.session.id]).toEqual([[], 'b'])
  })
  testStores('PostgreSQL', openPostgresRig)
})
