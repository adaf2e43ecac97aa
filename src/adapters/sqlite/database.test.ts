import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createReplayGuard } from '../sql/replay-guard.ts'
import type { StateDatabases } from '../sql/sql-database.ts'
import { openSqlite } from './database.ts'

let folder = ''
let databases: StateDatabases
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-sqlite-'))
  databases = openSqlite({ folder, nowMs: Date.now })
})
afterEach(async () => {
  await databases.close()
  rmSync(folder, { recursive: true, force: true })
})

const INSERT = 'INSERT INTO portolan_once (name) VALUES ($1)'
const names = async (): Promise<unknown[]> => (await databases.durable.read('SELECT name FROM portolan_once ORDER BY name', [])).map(({ name }) => name)

describe('SQLite', () => {
  it('lets a write that fails harm no other of its batch', async () => {
    const outcomes = await Promise.allSettled(['a', 'b', 'a', 'c'].map((name) => databases.durable.write(INSERT, [name])))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[2]).toMatchObject({ reason: { code: 'state_unavailable', retryAfterSec: 1, message: 'State store unavailable' } })
    expect(await names()).toEqual(['a', 'b', 'c'])
  })

  it('writes all statements of a transaction or none', async () => {
    const insert = (name: string) => ({ sql: INSERT, values: [name] })
    const outcomes = await Promise.allSettled([
      databases.durable.write(INSERT, ['first']),
      databases.durable.writeAll([insert('a'), insert('b'), insert('first')]),
      databases.durable.writeAll([insert('c'), { sql: 'SELECT name FROM portolan_once WHERE name = $1', values: ['c'] }]),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[2]).toMatchObject({ value: [[], [{ name: 'c' }]] })
    expect(await names()).toEqual(['c', 'first'])
  })

  it('reads nothing but what was committed, and writes nothing through a read', async () => {
    await expect(databases.durable.read(`${INSERT} RETURNING name`, ['a'])).rejects.toMatchObject({ code: 'state_unavailable' })
    expect(await names()).toEqual([])
  })

  it('finishes what was begun when it is closed, and refuses what comes later', async () => {
    const writes = ['a', 'b', 'c'].map((name) => databases.durable.write(INSERT, [name]))
    await databases.close()
    await Promise.all(writes)
    await expect(databases.durable.write(INSERT, ['d'])).rejects.toMatchObject({ code: 'state_unavailable' })
    databases = openSqlite({ folder, nowMs: Date.now })
    expect(await names()).toEqual(['a', 'b', 'c'])
  })

  it('refuses writes while its files cannot be opened, and takes them again afterwards', async () => {
    const [path, away] = [join(folder, 'state.db'), join(folder, 'away.db')]
    renameSync(path, away)
    mkdirSync(path)
    const refused = await Promise.allSettled(['a', 'b'].map((name) => databases.durable.write(INSERT, [name])))
    for (const one of refused) expect(one).toMatchObject({ status: 'rejected', reason: { code: 'state_unavailable' } })
    rmdirSync(path)
    renameSync(away, path)
    await databases.durable.write(INSERT, ['c'])
    expect(await names()).toEqual(['c'])
  })

  it('keeps a process alive until what was begun is done and it is closed, and no longer', async () => {
    const script = `
      const { openSqlite } = await import(${JSON.stringify(new URL('./database.ts', import.meta.url).href)})
      const open = () => openSqlite({ folder: ${JSON.stringify(folder)}, nowMs: Date.now })
      const closed = open()
      void closed.durable.write('INSERT INTO portolan_once (name) VALUES ($1)', ['begun'])
      await closed.close()
      await open().durable.write('INSERT INTO portolan_once (name) VALUES ($1)', ['awaited'])
      console.log('done')`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)))
    const [code] = await once(child, 'close')
    expect([code, output, await names()]).toEqual([0, 'done\n', ['awaited', 'begun']])
  })

  it('waits for the disk where a loss of power must take nothing, and only there', async () => {
    const [FULL, NORMAL] = [2, 1]
    expect(await databases.durable.write('PRAGMA synchronous', [])).toEqual([{ synchronous: FULL }])
    expect(await databases.cache.write('PRAGMA synchronous', [])).toEqual([{ synchronous: NORMAL }])
  })

  it('has everything that it acknowledged after kill -9', async () => {
    const [database, guard] = ['./database.ts', '../sql/replay-guard.ts'].map((path) => new URL(path, import.meta.url).href)
    const script = `
      const { openSqlite } = await import(${JSON.stringify(database)})
      const { createReplayGuard } = await import(${JSON.stringify(guard)})
      const guard = createReplayGuard(openSqlite({ folder: ${JSON.stringify(folder)}, nowMs: Date.now }).durable)
      for (let at = 0; ; at++) console.log((await guard.firstUse('key-' + at, 600_000)) && at)`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    let acknowledged = -1
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line)
      if (acknowledged === 50) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    expect(acknowledged).toBeGreaterThanOrEqual(50)
    const again = createReplayGuard(databases.durable)
    const uses = await Promise.all(Array.from({ length: acknowledged + 1 }, (_, at) => again.firstUse(`key-${at}`, 600_000)))
    expect(uses.filter(Boolean)).toEqual([])
  })
})
