import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import { createReplayGuard } from '../src/adapters/sql/replay-guard.ts'
import { createSessionStore } from '../src/adapters/sql/session-store.ts'
import type { StateDatabases } from '../src/adapters/sql/sql-database.ts'
import { backupSqlite } from '../src/adapters/sqlite/backup.ts'
import { openSqlite } from '../src/adapters/sqlite/database.ts'
import type { Session } from '../src/core/session/session.ts'
import { findPostgres } from './services/postgres.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-backup-'))
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function closing(databases: StateDatabases): StateDatabases {
  closers.push(() => databases.close())
  return databases
}

const session = (id: string): Session => ({
  id, bindingKey: 'b', ownerKey: 'o', endpoint: '', revision: '2025-11-25', clientInfo: '{}', clientCapabilities: '{}',
  createdAtMs: 1, lastUsedAtMs: 1, initialized: true, logLevel: '', subscriptions: {}, tasks: {}, holds: [], atServers: {},
})

/** Writes without a pause until it is told to stop. `acknowledged` grows. */
function writeTo({ durable, cache }: StateDatabases) {
  const [guard, sessions] = [createReplayGuard(durable), createSessionStore(cache)]
  const acknowledged: string[] = []
  let isOver = false
  const work = async (writer: number): Promise<void> => {
    for (let at = 0; !isOver; at++) {
      const id = `${writer}-${at}`
      await Promise.all([guard.firstUse(id, 600_000), sessions.save(session(id), 600_000)])
      acknowledged.push(id)
    }
  }
  const working = Promise.all([0, 1, 2, 3].map(work))
  return { acknowledged, stop: () => ((isOver = true), working) }
}

/** `backup` copies what `open` opened while it is written to, and resolves with the copy. */
function testBackup(name: string, place: () => Promise<{ from: StateDatabases; backup: () => Promise<StateDatabases> }>): void {
  it(`restored from ${name} misses nothing that was acknowledged before the backup began`, async () => {
    const { from, backup } = await place()
    const load = writeTo(from)
    await expect.poll(() => load.acknowledged.length, { timeout: 10_000 }).toBeGreaterThan(200)
    const before = [...load.acknowledged]
    const restored = await backup()
    await load.stop()
    expect(load.acknowledged.length).toBeGreaterThan(before.length)
    const [guard, sessions] = [createReplayGuard(restored.durable), createSessionStore(restored.cache)]
    const missing = await Promise.all(before.map(async (id) => ((await guard.firstUse(id, 600_000)) || (await sessions.find(id)) === undefined ? [id] : [])))
    expect(missing.flat()).toEqual([])
  })
}

describe('a state under load', () => {
  testBackup('SQLite', async () => {
    const [folder, target] = [newFolder(), join(newFolder(), 'copy')]
    return {
      from: closing(openSqlite({ folder, nowMs: Date.now })),
      async backup() {
        backupSqlite(folder, target)
        for (const file of ['state.db', 'cache.db']) expect(statSync(join(target, file)).mode & 0o777).toBe(0o600)
        expect(() => backupSqlite(newFolder(), join(target, 'none'))).toThrow(/There is no .*a state in PostgreSQL is backed up with pg_dump/)
        expect(() => backupSqlite(folder, target)).toThrow('Give each backup a folder of its own')
        return closing(openSqlite({ folder: target, nowMs: Date.now }))
      },
    }
  })
})

const postgres = await findPostgres()
describe.skipIf(postgres === undefined)('a state under load, on a server', () => {
  testBackup('PostgreSQL', async () => {
    const [url = '', copyUrl = ''] = [await postgres?.newDatabase(), await postgres?.newDatabase()]
    const file = join(newFolder(), 'dump.sql')
    const run = (tool: string, ...args: string[]) => promisify(execFile)(join(postgres?.binaries ?? '', tool), args)
    return {
      from: closing(await openPostgres({ url })),
      async backup() {
        await run('pg_dump', '--file', file, url)
        await run('psql', '--quiet', '--set', 'ON_ERROR_STOP=1', '--file', file, copyUrl)
        return closing(await openPostgres({ url: copyUrl }))
      },
    }
  })
})
