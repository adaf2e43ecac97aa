import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import type { Migration } from '../src/adapters/sql/migration.ts'
import { MIGRATIONS } from '../src/adapters/sql/migrations/migrations.ts'
import { createSessionStore } from '../src/adapters/sql/session-store.ts'
import { createKeyStore } from '../src/adapters/sql/key-store.ts'
import type { StateDatabases } from '../src/adapters/sql/sql-database.ts'
import { openSqlite } from '../src/adapters/sqlite/database.ts'
import type { Session } from '../src/core/session/session.ts'
import { findPostgres } from './services/postgres.ts'

const NEWEST = MIGRATIONS.length
const SESSION: Session = {
  id: 's1', bindingKey: 'b', ownerKey: 'o', endpoint: '', revision: '2025-11-25', clientInfo: '{}', clientCapabilities: '{}',
  createdAtMs: 1, lastUsedAtMs: 1, initialized: true, logLevel: '', subscriptions: {}, tasks: {}, holds: [],
}

/** What a later release adds: `oldestCode` says whom it leaves behind. */
const next = (oldestCode: number): Migration => ({
  version: NEWEST + 1, oldestCode,
  durable: ['ALTER TABLE portolan_key ADD COLUMN note TEXT'],
  cache: ['ALTER TABLE portolan_session ADD COLUMN note TEXT'],
})
const BROKEN: Migration = { version: NEWEST + 1, oldestCode: 1, durable: ['CREATE TABLE portolan_new (id TEXT)', 'CREATE NONSENSE'], cache: ['CREATE NONSENSE'] }

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

    it.each(MIGRATIONS.map(({ version }) => version))('is brought from version %i to the newest', async (version) => {
      const open = await place()
      await open(MIGRATIONS.slice(0, version))
      const { cache } = await open()
      const store = createSessionStore(cache)
      await store.save(SESSION, 60_000)
      expect(await store.find('s1')).toMatchObject({ session: SESSION })
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

  it('is migrated by one of many replicas that start at once', async () => {
    const url = (await postgres?.newDatabase()) ?? ''
    const opened = await Promise.all(Array.from({ length: 8 }, () => openPostgres({ url, poolSize: 1 })))
    for (const databases of opened) closing(databases)
    const [row] = await opened[0]?.durable.read('SELECT COUNT(*) AS count FROM portolan_schema', []) ?? []
    expect(row).toEqual({ count: NEWEST })
  })
})

describe('files of SQLite', () => {
  it('are migrated by one of several processes that start at once', async () => {
    const folder = await newFolder()
    const module = new URL('../src/adapters/sqlite/database.ts', import.meta.url).href
    const script = `const { openSqlite } = await import(${JSON.stringify(module)}); await openSqlite({ folder: ${JSON.stringify(folder)}, nowMs: Date.now }).close()`
    const children = Array.from({ length: 4 }, () => spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'inherit' }))
    const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]))
    expect(codes).toEqual([0, 0, 0, 0])
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
