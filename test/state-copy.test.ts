import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import { createEventStore } from '../src/adapters/sql/event-store.ts'
import { createKeyStore } from '../src/adapters/sql/key-store.ts'
import { createLeaseStore } from '../src/adapters/sql/lease-store.ts'
import { createReplayGuard } from '../src/adapters/sql/replay-guard.ts'
import { createReplicaStore } from '../src/adapters/sql/replica-store.ts'
import { createSessionStore } from '../src/adapters/sql/session-store.ts'
import type { StateDatabases } from '../src/adapters/sql/sql-database.ts'
import { LEFT_BEHIND, STATE_TABLES, copyState, refuseUnfinished } from '../src/adapters/sql/state-copy.ts'
import { openSqlite } from '../src/adapters/sqlite/database.ts'
import type { Session } from '../src/core/session/session.ts'
import { findPostgres } from './services/postgres.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const session = (id: string): Session => ({
  id, bindingKey: 'b', ownerKey: 'o', endpoint: '', revision: '2025-11-25', clientInfo: '{"name":"tëst"}', clientCapabilities: '{}',
  createdAtMs: 1, lastUsedAtMs: 1, initialized: true, logLevel: 'debug', subscriptions: { up: ['file:///a'] }, tasks: {}, holds: [], atServers: {},
})

function sqlite(): StateDatabases {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-copy-'))
  const databases = openSqlite({ folder, nowMs: Date.now })
  closers.push(() => rmSync(folder, { recursive: true, force: true }), () => databases.close())
  return databases
}

/** Enough for several batches. */
const SESSIONS = 1_100

async function filled(): Promise<StateDatabases> {
  const from = sqlite()
  const sessions = createSessionStore(from.cache)
  await Promise.all(Array.from({ length: SESSIONS }, (_, at) => sessions.save(session(`s${at}`), 600_000)))
  await sessions.claim('s7', 'r1', 0)
  await createEventStore(from.cache).keep('s1', [{ streamId: 'a', eventId: 'e1', text: '{}', isFinal: true }, { streamId: 'b', eventId: 'e2', text: '', isFinal: false }], 600_000, { events: 100, bytes: 10_000 })
  await createKeyStore(from.durable).seed([{ id: 'k1', secret: 'one' }, { id: 'k2', secret: 'two' }])
  await createReplayGuard(from.durable).firstUse('used', 600_000)
  await createLeaseStore(from.durable).acquire('sweep', 'r1', 600_000)
  return from
}

const silent = (): void => undefined

it('every table is copied, or left behind on purpose', async () => {
  const { durable, cache } = sqlite()
  for (const [file, database] of [['durable', durable], ['cache', cache]] as const) {
    const rows = await database.read(`SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'portolan_%'`, [])
    const listed = STATE_TABLES.filter((table) => table.file === file).map(({ name }) => name)
    expect(rows.map(({ name }) => String(name)).filter((name) => !LEFT_BEHIND.includes(name)).toSorted()).toEqual(listed.toSorted())
  }
})

function testCopy(name: string, target: () => Promise<StateDatabases>): void {
  describe(`a copy of the state from SQLite to ${name}`, () => {
    it('has everything that the source has, and tells how far it is', async () => {
      const [from, to] = [await filled(), await target()]
      const progress: string[] = []
      const copied = await copyState(from, to, (table, rows, total) => void progress.push(`${table} ${rows}/${total}`))
      expect(copied).toContainEqual({ table: 'portolan_session', rows: SESSIONS })
      expect(progress.filter((line) => line.startsWith('portolan_session'))).toEqual(['portolan_session 500/1100', 'portolan_session 1000/1100', 'portolan_session 1100/1100'])
      expect(await createSessionStore(to.cache).find('s7')).toEqual({ session: session('s7'), owner: 'r1', epoch: 1, version: 1 })
      expect(await createSessionStore(to.cache).count('o')).toBe(SESSIONS)
      expect((await createEventStore(to.cache).load('s1')).map(({ eventId, isFinal }) => [eventId, isFinal])).toEqual([['e1', true], ['e2', false]])
      expect((await createKeyStore(to.durable).list()).map(({ id, secret }) => [id, secret])).toEqual([['k1', 'one'], ['k2', 'two']])
      expect(await createKeyStore(to.durable).seed([{ id: 'k3', secret: 'three' }])).toBe(false)
      expect(await createReplayGuard(to.durable).firstUse('used', 600_000)).toBe(false)
      expect(await createLeaseStore(to.durable).acquire('sweep', 'r2', 1_000)).toBeUndefined()
    })

    it('takes no more at once than a statement can carry in its time, however long a row is', async () => {
      const [from, to] = [sqlite(), await target()]
      const [few, room] = [3 * 1024 * 1024, { events: 100, bytes: 100 * 1024 * 1024 }]
      const events = [few, few, few, 9 * 1024 * 1024, few].map((length, at) => ({ streamId: 'a', eventId: `e${at}`, text: 'x'.repeat(length), isFinal: false }))
      await createEventStore(from.cache).keep('s1', events, 600_000, room)
      const progress: string[] = []
      await copyState(from, to, (table, rows) => void (table === 'portolan_event' && progress.push(String(rows))))
      expect(progress).toEqual(['2', '3', '4', '5'])
      expect((await createEventStore(to.cache).load('s1')).map(({ text }) => text.length)).toEqual(events.map(({ text }) => text.length))
    })

    it('is refused where the target holds something, which stays as it was', async () => {
      const [from, to] = [await filled(), await target()]
      await createSessionStore(to.cache).save(session('mine'), 600_000)
      await expect(copyState(from, to, silent)).rejects.toThrow(/The target .* is not empty: portolan_session has 1 rows\. Give an empty database/)
      expect(await createSessionStore(to.cache).count('o')).toBe(1)
      expect(await createKeyStore(to.durable).list()).toEqual([])
    })

    it('takes back what it brought where it fails half-way, and nothing else', async () => {
      const [from, to] = [await filled(), await target()]
      const broken: StateDatabases = { ...from, cache: { ...from.cache, read: (sql, values) => (sql.includes('portolan_era') ? Promise.reject(new Error('the disk is gone')) : from.cache.read(sql, values)) } }
      await expect(copyState(broken, to, silent)).rejects.toThrow('the disk is gone')
      expect(await createSessionStore(to.cache).count('o')).toBe(0)
      expect(await copyState(from, to, silent)).toContainEqual({ table: 'portolan_session', rows: SESSIONS })
    })

    it('is told apart as long as it is not whole: it is neither served, nor copied to or from', async () => {
      const [from, to] = [await filled(), await target()]
      const killed: StateDatabases = { ...to, cache: { ...to.cache, write: () => new Promise(() => undefined) } }
      void copyState(from, killed, silent)
      await expect.poll(async () => (await createLeaseStore(to.durable).find('sweep'))?.holder).toBe('r1')
      const unfinished = /^A copy into .* was not finished, or goes on: what is there is not whole\. Make that database anew, and run portolan state copy again\.$/
      await expect(refuseUnfinished(to)).rejects.toThrow(unfinished)
      await expect(copyState(from, to, silent)).rejects.toThrow(unfinished)
      await expect(copyState(to, sqlite(), silent)).rejects.toThrow(unfinished)
      await refuseUnfinished(from)
    })

    it('is served once it is whole, and refused while a replica serves from either', async () => {
      const [from, to] = [await filled(), await target()]
      for (const { cache } of [from, to]) {
        const replicas = createReplicaStore(cache)
        await replicas.announce({ id: 'r9', address: '10.0.0.9:7401', version: '1' }, 60_000)
        await expect(copyState(from, to, silent)).rejects.toThrow(/^A Portolan serves from .*: replica r9 at 10\.0\.0\.9:7401\. Stop it, and copy again\.$/)
        await replicas.leave('r9')
      }
      await copyState(from, to, silent)
      await refuseUnfinished(to)
    })

    it('leaves alone what somebody wrote to the target meanwhile', async () => {
      const [from, to] = [await filled(), await target()]
      let meddled: Promise<unknown> = Promise.resolve()
      const meddling: StateDatabases = { ...from, cache: { ...from.cache, read: async (sql, values) => (await meddled, from.cache.read(sql, values)) } }
      const meddle = (table: string, rows: number): void => {
        if (table === 'portolan_session' && rows === 500) meddled = createSessionStore(to.cache).save(session('s5-mine'), 600_000)
      }
      await expect(copyState(meddling, to, meddle)).rejects.toThrow('portolan_session had 1100 rows, and 1101 arrived')
      expect(await createSessionStore(to.cache).count('o')).toBe(1)
      expect((await createSessionStore(to.cache).find('s5-mine'))?.session).toEqual(session('s5-mine'))
      expect(await createKeyStore(to.durable).list()).toEqual([])
    })
  })
}

testCopy('SQLite', async () => sqlite())

const postgres = await findPostgres()
describe.skipIf(postgres === undefined)('with a server', () => {
  testCopy('PostgreSQL', async () => {
    const databases = await openPostgres({ url: (await postgres?.newDatabase()) ?? '' })
    closers.push(() => databases.close())
    return databases
  })
})
