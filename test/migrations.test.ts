import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import type { Migration } from '../src/adapters/sql/migration.ts'
import { MIGRATIONS } from '../src/adapters/sql/migrations/migrations.ts'
import { createSessionStore } from '../src/adapters/sql/session-store.ts'
import { createKeyStore } from '../src/adapters/sql/key-store.ts'
import { createEraStore } from '../src/adapters/sql/era-store.ts'
import { createEventStore } from '../src/adapters/sql/event-store.ts'
import { createLeaseStore } from '../src/adapters/sql/lease-store.ts'
import { createReplayGuard } from '../src/adapters/sql/replay-guard.ts'
import { createSnapshotStore } from '../src/adapters/sql/snapshot-store.ts'
import { createTaskStore } from '../src/adapters/sql/task-store.ts'
import type { StateDatabases } from '../src/adapters/sql/sql-database.ts'
import { openSqlite } from '../src/adapters/sqlite/database.ts'
import type { Session } from '../src/core/session/session.ts'
import { findPostgres } from './services/postgres.ts'

const NEWEST = MIGRATIONS.length
const SESSION: Session = {
  id: 's1', bindingKey: 'b', ownerKey: 'o', endpoint: '', revision: '2025-11-25', clientInfo: '{}', clientCapabilities: '{}',
  createdAtMs: 1, lastUsedAtMs: 1, initialized: true, logLevel: '', subscriptions: {}, tasks: {}, holds: [], atServers: {},
}

/** What a later release adds: `oldestCode` says whom it leaves behind. */
const next = (oldestCode: number): Migration => ({
  version: NEWEST + 1, oldestCode,
  durable: ['ALTER TABLE portolan_key ADD COLUMN note TEXT'],
  cache: ['ALTER TABLE portolan_session ADD COLUMN note TEXT'],
})
const BROKEN: Migration = { version: NEWEST + 1, oldestCode: 1, durable: ['CREATE TABLE portolan_new (id TEXT)', 'CREATE NONSENSE'], cache: ['CREATE NONSENSE'] }

const LIVE = 'portolan_now_ms() + 600000'
const ORIGIN = { ownerKey: 'o', bindingKey: 'b', label: 'A', scopes: [], endpoint: 'files', scope: '', upstreamId: 'files', tool: 'build', requestText: '{}', terms: { ttlMs: 600_000, retentionMs: 1, deadlineMs: 1, attemptMs: 1, maxAttempts: 1, retryOn: [], retryCodes: [], baseDelayMs: 1, maxDelayMs: 1, isRepeatable: false } }

/** What each version of the schema brought, as it was written then: a row of each table. */
const WRITTEN: readonly (readonly { readonly file: 'durable' | 'cache'; readonly sql: string }[])[] = [
  [
    { file: 'durable', sql: `INSERT INTO portolan_once VALUES ('key_seed')` },
    { file: 'durable', sql: `INSERT INTO portolan_key VALUES ('k1', 'one', 1, 2, 1)` },
    { file: 'durable', sql: `INSERT INTO portolan_replay VALUES ('used', ${LIVE})` },
    { file: 'durable', sql: `INSERT INTO portolan_lease VALUES ('singleton:files', 'r1', 7, ${LIVE})` },
    { file: 'durable', sql: `INSERT INTO portolan_snapshot VALUES (1, 'd', '{}', 3)` },
    { file: 'cache', sql: `INSERT INTO portolan_session VALUES ('s0', 'o', '${JSON.stringify({ ...SESSION, id: 's0', subscriptions: { files: ['file:///a'] }, holds: undefined })}', 'r1', 2, 5, ${LIVE})` },
    { file: 'cache', sql: `INSERT INTO portolan_event VALUES ('s0', 'a_1', 'a', '{}', 1, 1, ${LIVE})` },
    { file: 'cache', sql: `INSERT INTO portolan_era VALUES ('u', '{"modern":{"era":"modern","revision":"2026-07-28","capabilities":"{}","serverInfo":"","instructions":""}}', ${LIVE})` },
  ],
  [
    {
      file: 'durable',
      sql: `INSERT INTO portolan_task VALUES ('t1', 'o', NULL, NULL, '${JSON.stringify(ORIGIN)}', 'completed', 1, 3, 4, '', 0, 0, NULL, 1, 1, 2, 3, ${LIVE}, 1, 0, 10, '{}', '{"content":[]}')`,
    },
    { file: 'durable', sql: `INSERT INTO portolan_task_tombstone VALUES ('t0', 'o', 1, ${LIVE})` },
  ],
]

it('has a number for each step, without a gap, what each version wrote, and leaves nobody behind whom a later one takes along', () => {
  expect(MIGRATIONS.map(({ version }) => version)).toEqual(Array.from({ length: NEWEST }, (_, at) => at + 1))
  expect(WRITTEN).toHaveLength(NEWEST)
  const oldest = MIGRATIONS.map(({ oldestCode }) => oldestCode)
  expect(oldest).toEqual(oldest.toSorted((left, right) => left - right))
})

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

type Open = (migrations?: readonly Migration[]) => Promise<StateDatabases>

async function newFolder(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-migrations-'))
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function closing(databases: StateDatabases): StateDatabases {
  closers.push(() => databases.close())
  return databases
}

/** `place` makes an empty database and gives how it is opened. */
function testMigrations(name: string, place: () => Promise<Open>): void {
  describe(`the schema in ${name}`, () => {
    it('is made in an empty database, and left alone at the next start', async () => {
      const open = await place()
      const first = await open()
      await createKeyStore(first.durable).seed([{ id: 'k', secret: 'x' }])
      const second = await open()
      expect(await createKeyStore(second.durable).list()).toHaveLength(1)
      const [row] = await second.durable.read('SELECT COUNT(*) AS count FROM portolan_schema', [])
      expect(row).toEqual({ count: NEWEST })
    })

    it.each(MIGRATIONS.map(({ version }) => version))('is brought from version %i to the newest, with all that stood there', async (version) => {
      const open = await place()
      const former = await open(MIGRATIONS.slice(0, version))
      for (const { file, sql } of WRITTEN.slice(0, version).flat()) await former[file].write(sql, [])
      const { durable, cache } = await open()
      expect(await createKeyStore(durable).list()).toMatchObject([{ id: 'k1', secret: 'one', addedAtMs: 1, activatedAtMs: 2 }])
      expect(await createKeyStore(durable).seed([{ id: 'k2', secret: 'two' }])).toBe(false)
      expect(await createReplayGuard(durable).firstUse('used', 1)).toBe(false)
      expect(await createLeaseStore(durable).find('singleton:files')).toEqual({ name: 'singleton:files', holder: 'r1', epoch: 7 })
      expect(await createSnapshotStore(durable).current()).toEqual({ digest: 'd', text: '{}', revision: 3 })
      expect(await createSessionStore(cache).find('s0')).toEqual({ session: { ...SESSION, id: 's0', subscriptions: { files: ['file:///a'] } }, owner: 'r1', epoch: 2, version: 5 })
      expect(await createEventStore(cache).load('s0')).toEqual([{ streamId: 'a', eventId: 'a_1', text: '{}', isFinal: true }])
      expect(await createEraStore(cache).find('u')).toEqual({ legacy: undefined, modern: { era: 'modern', revision: '2026-07-28', capabilities: '{}', serverInfo: '', instructions: '' } })
      if (version >= 2) {
        expect(await createTaskStore(durable).find('t1')).toMatchObject({ kind: 'found', task: { phase: 'completed', resultText: '{"content":[]}', epoch: 4, origin: { tool: 'build' } } })
        expect(await createTaskStore(durable).find('t0')).toMatchObject({ kind: 'expired', ownerKey: 'o', expiredAtMs: 1 })
      }
      await createSessionStore(cache).save(SESSION, 60_000)
      expect(await createSessionStore(cache).find('s1')).toMatchObject({ session: SESSION })
    })

    it('serves the version before while a newer one is being rolled out, in both orders of starting', async () => {
      const open = await place()
      const running = await open()
      const newer = await open([...MIGRATIONS, next(1)])
      const started = await open()
      for (const { cache } of [running, newer, started]) {
        await createSessionStore(cache).save(SESSION, 60_000)
        expect(await createSessionStore(newer.cache).find('s1')).toMatchObject({ session: SESSION })
      }
    })

    it('is refused where a newer Portolan has contracted it, with what to do', async () => {
      const open = await place()
      await open([...MIGRATIONS, next(NEWEST + 1)])
      await expect(open()).rejects.toThrow(
        new RegExp(`is of a newer Portolan: its schema is ${NEWEST + 1}, this version knows ${NEWEST}\\. Start the newer version, or restore the backup`),
      )
    })

    it('is left as it was by a migration that fails', async () => {
      const open = await place()
      await open()
      await expect(open([...MIGRATIONS, BROKEN])).rejects.toThrow('NONSENSE')
      const { durable } = await open([...MIGRATIONS, next(1)])
      await durable.write('UPDATE portolan_key SET note = $1', ['x'])
      await expect(durable.read('SELECT * FROM portolan_new', [])).rejects.toMatchObject({ code: 'state_unavailable' })
    })
  })
}

testMigrations('SQLite', async () => {
  const folder = await newFolder()
  return async (migrations) => closing(openSqlite({ folder, nowMs: Date.now, ...(migrations === undefined ? {} : { migrations }) }))
})

const postgres = await findPostgres()
describe.skipIf(postgres === undefined)('with a server', () => {
  testMigrations('PostgreSQL', async () => {
    const url = (await postgres?.newDatabase()) ?? ''
    return async (migrations) => closing(await openPostgres({ url, poolSize: 2, ...(migrations === undefined ? {} : { migrations }) }))
  })

  it('is waited for while another replica migrates it, for longer than a statement may take', async () => {
    const url = (await postgres?.newDatabase()) ?? ''
    const other = new Client({ connectionString: url })
    await other.connect()
    closers.push(() => other.end())
    await other.query('BEGIN')
    await other.query('SELECT pg_advisory_xact_lock(7061626600301)')
    const opening = openPostgres({ url, poolSize: 1, statementTimeoutMs: 100 })
    const waits = `SELECT COUNT(*)::int AS waiting FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
    await expect.poll(async () => (await other.query(waits)).rows, { timeout: 10_000 }).toEqual([{ waiting: 1 }])
    await new Promise((resolve) => setTimeout(resolve, 1_300))
    await other.query('COMMIT')
    expect(await createKeyStore(closing(await opening).durable).list()).toEqual([])
  })

  it('is migrated once whoever holds a table lets it go, and until then serves whom it served', async () => {
    const url = (await postgres?.newDatabase()) ?? ''
    const sessions = createSessionStore(closing(await openPostgres({ url, statementTimeoutMs: 3_000 })).cache)
    await sessions.save(SESSION, 60_000)
    const other = new Client({ connectionString: url })
    await other.connect()
    closers.push(() => other.end())
    await other.query('BEGIN; SELECT * FROM portolan_session')
    let isOpen = false
    const waits: string[] = []
    const opening = openPostgres({ url, migrations: [...MIGRATIONS, next(1)], onWait: (what) => void waits.push(what) }).finally(() => (isOpen = true))
    const untilMs = performance.now() + 4_000
    while (performance.now() < untilMs) expect(await sessions.find('s1')).toBeDefined()
    expect(isOpen).toBe(false)
    await other.query('COMMIT')
    await closing(await opening).cache.write('UPDATE portolan_session SET note = $1', ['x'])
    // Said once where a start says what it waits for: each time that it comes again it waits for the same.
    const first = waits.findIndex((what) => what.startsWith('what keeps tables of PostgreSQL '))
    expect(new Set(waits.slice(first)).size, waits.join('\n')).toBe(1)
  })

  it('is migrated once whoever stands in its way, and waits for it in turn, has had its way', async () => {
    const url = (await postgres?.newDatabase()) ?? ''
    closing(await openPostgres({ url }))
    const other = new Client({ connectionString: url })
    await other.connect()
    closers.push(() => other.end())
    // The migration finds it, and the other does not.
    await other.query(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 50', current_database()); END $$; SET deadlock_timeout = '1min'`)
    await other.query('BEGIN; LOCK TABLE portolan_session')
    const slow = { ...next(1), durable: [...next(1).durable, 'SELECT pg_sleep(0.5)'] }
    const opening = openPostgres({ url, migrations: [...MIGRATIONS, slow] })
    const altered = `SELECT COUNT(*)::int AS held FROM pg_locks WHERE relation = 'portolan_key'::regclass AND mode = 'AccessExclusiveLock' AND granted`
    await expect.poll(async () => (await other.query(altered)).rows, { timeout: 10_000, interval: 20 }).toEqual([{ held: 1 }])
    await other.query('LOCK TABLE portolan_key; COMMIT')
    await closing(await opening).cache.write('UPDATE portolan_session SET note = $1', ['x'])
  })

  it('is migrated by one of many replicas that start at once', async () => {
    const url = (await postgres?.newDatabase()) ?? ''
    const opened = await Promise.all(Array.from({ length: 8 }, () => openPostgres({ url, poolSize: 1 })))
    for (const databases of opened) closing(databases)
    const [row] = await opened[0]?.durable.read('SELECT COUNT(*) AS count FROM portolan_schema', []) ?? []
    expect(row).toEqual({ count: NEWEST })
  })
})

describe('files of SQLite', () => {
  it('are made and migrated by one of several processes that start at once, time and again', async () => {
    const module = new URL('../src/adapters/sqlite/database.ts', import.meta.url).href
    const script = `
      const { openSqlite } = await import(${JSON.stringify(module)})
      const { createInterface } = await import('node:readline')
      console.log('started')
      for await (const folder of createInterface({ input: process.stdin })) {
        try {
          await openSqlite({ folder, nowMs: Date.now }).close()
          console.log('opened')
        } catch (error) {
          console.log(String(error))
        }
      }`
    const children = Array.from({ length: 3 }, () => spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['pipe', 'pipe', 'inherit'] }))
    closers.push(() => children.forEach((child) => child.kill()))
    const lines = children.map(({ stdout }) => createInterface({ input: stdout })[Symbol.asyncIterator]())
    const said = async (): Promise<string[]> => Promise.all(lines.map(async (line) => String((await line.next()).value)))
    expect(await said()).toEqual(['started', 'started', 'started'])
    for (let time = 0; time < 60; time += 1) {
      const folder = await newFolder()
      for (const { stdin } of children) stdin.write(`${folder}\n`)
      expect(await said()).toEqual(['opened', 'opened', 'opened'])
    }
    for (const { stdin } of children) stdin.end()
    await Promise.all(children.map((child) => once(child, 'exit')))
  })

  it('belong to their owner only', async () => {
    const folder = await newFolder()
    const { durable, cache } = closing(openSqlite({ folder, nowMs: Date.now }))
    await Promise.all([createKeyStore(durable).seed([{ id: 'k', secret: 'x' }]), createSessionStore(cache).save(SESSION, 1_000)])
    for (const name of ['state.db', 'state.db-wal', 'cache.db', 'cache.db-wal']) expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600)
  })

  it('that are none are refused, with what to do', async () => {
    const folder = await newFolder()
    writeFileSync(join(folder, 'state.db'), 'This is no database, and has never been one: it is a text. '.repeat(40))
    expect(() => openSqlite({ folder, nowMs: Date.now })).toThrow(/Cannot use .*state\.db: file is not a database\. .*restore it from a backup/)
  })
})
