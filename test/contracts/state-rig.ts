/** Real databases for the contract suites of stores: emptied for each test, with a clock that a test moves. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { afterAll } from 'vitest'
import { openPostgres } from '../../src/adapters/postgres/database.ts'
import { unavailable } from '../../src/adapters/sql/sql-database.ts'
import type { SqlDatabase, SqlRow, StateDatabases, Statement } from '../../src/adapters/sql/sql-database.ts'
import { openSqlite } from '../../src/adapters/sqlite/database.ts'
import type { StateRequest } from '../fixtures/state-process.ts'
import type { Postgres } from '../services/postgres.ts'
import type { StoreRig } from './store-rig.ts'

/** Opens the rig of one test, for a store that is made over databases. */
export type OpenRig = <S>(create: (databases: StateDatabases) => S) => () => Promise<StoreRig<S>>

/** Two processes' worth of connections to the same files, emptied for each test. */
export function sqliteRig(): OpenRig {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-sqlite-'))
  let nowMs = Date.now()
  const [first, second] = [openSqlite({ folder, nowMs: () => nowMs }), openSqlite({ folder, nowMs: () => nowMs })]
  afterAll(async () => {
    await Promise.all([first.close(), second.close()])
    rmSync(folder, { recursive: true, force: true })
  })
  return rigOf(first, second, async (ms) => void (nowMs += ms))
}

function rigOf(first: StateDatabases, second: StateDatabases, pass: (ms: number) => Promise<void>): OpenRig {
  return (create) => async () => {
    for (const database of [first.durable, first.cache]) {
      const rows = await database.read(`SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'portolan_%' AND name <> 'portolan_schema'`, [])
      await database.writeAll(rows.map(({ name }) => ({ sql: `DELETE FROM ${name}`, values: [] })))
    }
    return { store: create(first), second: async () => create(second), pass }
  }
}

/** The second of two is another process over the same files, as a second worker is. */
export async function sqliteProcessRig(): Promise<OpenRig> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-sqlite-'))
  let nowMs = Date.now()
  // Both at once, on a folder that holds nothing yet.
  const opening = openInProcess(folder, () => nowMs)
  const first = openSqlite({ folder, nowMs: () => nowMs })
  const second = await opening
  afterAll(async () => {
    await Promise.all([first.close(), second.close()])
    rmSync(folder, { recursive: true, force: true })
  })
  return rigOf(first, second, async (ms) => void (nowMs += ms))
}

interface StateAnswer {
  readonly id: number
  readonly rows?: readonly (readonly SqlRow[])[]
  readonly failure?: string
}

/** The databases of a process that is started for it. */
async function openInProcess(folder: string, nowMs: () => number): Promise<StateDatabases> {
  const child = fork(fileURLToPath(new URL('../fixtures/state-process.ts', import.meta.url)), [folder])
  const waiting = new Map<number, (answer: StateAnswer) => void>()
  child.on('message', (answer: StateAnswer) => {
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  let lastId = 0
  const started = new Promise<StateAnswer>((resolve) => void waiting.set(0, resolve))
  const ask = async (file: StateRequest['file'], way: StateRequest['way'], statements: readonly Statement[]): Promise<readonly (readonly SqlRow[])[]> => {
    const id = ++lastId
    const answered = new Promise<StateAnswer>((resolve) => void waiting.set(id, resolve))
    child.send({ id, nowMs: nowMs(), file, way, statements } satisfies StateRequest)
    const { rows, failure } = await answered
    if (rows === undefined) throw unavailable(new Error(failure))
    return rows
  }
  const databaseOf = (file: StateRequest['file']): SqlDatabase => ({
    dialect: 'sqlite',
    read: async (sql, values) => (await ask(file, 'read', [{ sql, values }]))[0] ?? [],
    write: async (sql, values) => (await ask(file, 'writeAll', [{ sql, values }]))[0] ?? [],
    writeAll: (statements) => ask(file, 'writeAll', statements),
  })
  await started
  return {
    durable: databaseOf('durable'), cache: databaseOf('cache'), name: 'another process',
    async close() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

/**
 * Two pools on one database of the run's server, emptied for each test; its clock is moved by a function in the place of its own.
 * `through`: the URL by which the stores reach it.
 */
export async function postgresRig(postgres: Postgres, through: (url: string) => string = (url) => url): Promise<OpenRig> {
  const url = await postgres.newDatabase()
  const [first, second] = await Promise.all([openPostgres({ url: through(url) }), openPostgres({ url: through(url) })])
  const admin = new Client({ connectionString: url })
  await admin.connect()
  afterAll(async () => {
    await Promise.all([first.close(), second.close(), admin.end()])
  })
  const { rows } = await admin.query<{ name: string }>(`SELECT tablename AS name FROM pg_tables WHERE tablename LIKE 'portolan_%' AND tablename <> 'portolan_schema'`)
  const shift = async (ms: number): Promise<unknown> =>
    admin.query(`CREATE OR REPLACE FUNCTION portolan_now_ms() RETURNS BIGINT LANGUAGE SQL STABLE
      AS $$ SELECT FLOOR(EXTRACT(EPOCH FROM statement_timestamp()) * 1000)::BIGINT + ${ms} $$`)
  let shiftMs = 0
  return (create) => async () => {
    await admin.query(rows.map(({ name }) => `DELETE FROM ${name}`).join(';'))
    return { store: create(first), second: async () => create(second), pass: async (ms) => void (await shift((shiftMs += ms))) }
  }
}
