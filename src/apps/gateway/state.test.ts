import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { startNetwork } from '../../../test/services/network.ts'
import { findPostgres } from '../../../test/services/postgres.ts'
import { openDataFolder } from './data-folder.ts'
import { createLog } from './log.ts'
import { openState } from './state.ts'
import type { State } from './state.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const postgres = await findPostgres()

async function open(databaseUrl: string) {
  const { opening, ...rest } = begin(databaseUrl)
  const state = await opening
  closers.push(() => state.close())
  return { ...rest, state }
}

function begin(databaseUrl: string) {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-state-'))
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  const clock = createManualClock()
  const lines: string[] = []
  const log = createLog({ level: 'info', human: false, colour: false, write: (text: string) => void lines.push(text) })
  const opening: Promise<State> = openState({ place: { databaseUrl, sealSecret: undefined }, data: openDataFolder(folder), clock, log })
  return { opening, clock, log: () => lines.join('') }
}

describe.skipIf(postgres === undefined)('a state whose database is away', () => {
  it('counts as reachable for half a minute, says once that it is away and once that it is back', async () => {
    const network = await startNetwork(postgres?.port ?? 0)
    closers.push(() => network.close())
    const url = new URL((await postgres?.newDatabase()) ?? '')
    url.port = String(network.port)
    url.password = 'hunter2'
    const { state, clock, log } = await open(url.href)
    const poll = async (until: RegExp): Promise<void> => {
      clock.advance(5_000)
      await expect.poll(log, { timeout: 10_000 }).toMatch(until)
    }
    network.cut()
    await poll(/The database cannot be used/)
    expect(state.isReachable()).toBe(true)
    clock.advance(30_000)
    expect(state.isReachable()).toBe(false)
    const handle = state.keyring.seal('session', 'alice', 'text')
    expect(state.keyring.open('session', 'alice', handle)).toBe('text')
    network.heal()
    await poll(/The database is back/)
    expect(state.isReachable()).toBe(true)
    expect(log().match(/cannot be used/g)).toHaveLength(1)
    expect(log()).not.toContain('hunter2')
  })
})

describe.skipIf(postgres === undefined)('a start over a database', () => {
  it('says where that had no state, as one that was named by mistake, and only then', async () => {
    const url = new URL((await postgres?.newDatabase()) ?? '')
    url.password = 'hunter2'
    const [first, next] = [await open(url.href), await open(url.href)]
    expect(first.log()).toMatch(/"database":"PostgreSQL [\d.]+:\d+\/\w+".*The database had no state/)
    expect(first.log()).not.toContain('hunter2')
    expect(next.log()).toBe('')
  })
})

describe.skipIf(postgres === undefined)('a start that has to wait', () => {
  it('says that the database does not answer, and goes on when it does', async () => {
    const network = await startNetwork(postgres?.port ?? 0)
    closers.push(() => network.close())
    network.cut()
    const url = new URL((await postgres?.newDatabase()) ?? '')
    url.port = String(network.port)
    url.password = 'hunter2'
    const { opening, clock, log } = begin(url.href)
    const told = async (): Promise<string> => {
      clock.advance(500)
      return log()
    }
    await expect.poll(told, { timeout: 10_000 }).toMatch(/Waiting for PostgreSQL 127\.0\.0\.1:\d+\/\w+ to answer/)
    network.heal()
    await (await opening).close()
    expect(log().match(/Waiting/g)).toHaveLength(1)
    expect(log()).not.toContain('hunter2')
  })

  it('says that another replica migrates the database', async () => {
    const url = (await postgres?.newDatabase()) ?? ''
    const other = new Client({ connectionString: url })
    await other.connect()
    closers.push(() => other.end())
    await other.query('BEGIN')
    await other.query('SELECT pg_advisory_xact_lock(7061626600301)')
    const { opening, clock, log } = begin(url)
    const told = async (): Promise<string> => {
      clock.advance(500)
      return log()
    }
    await expect.poll(told, { timeout: 10_000 }).toMatch(/Waiting for another replica to migrate PostgreSQL /)
    await other.query('COMMIT')
    await (await opening).close()
  })
})

describe('a state that is half a copy of another', () => {
  it('is not served', async () => {
    const { state } = await open('')
    await state.databases.durable.write('INSERT INTO portolan_once (name) VALUES ($1)', ['copying'])
    const data = openDataFolder(state.name.replace('SQLite in ', ''))
    const opening = openState({ place: { databaseUrl: '', sealSecret: undefined }, data, clock: createManualClock(), log: createLog({ level: 'info', human: false, colour: false, write: () => undefined }) })
    await expect(opening).rejects.toMatchObject({ name: 'StateOpenError', message: expect.stringMatching(/was not finished/) })
  })
})

describe('what has expired', () => {
  it('is removed from the store each minute', async () => {
    const { state, clock } = await open('')
    await state.stores.replayGuard.firstUse('short', 1)
    await state.stores.replayGuard.firstUse('long', 600_000)
    await new Promise((resolve) => setTimeout(resolve, 5))
    clock.advance(60_000)
    const kept = async (): Promise<unknown[]> => (await state.databases.durable.read('SELECT used_key FROM portolan_replay', [])).map((row) => row['used_key'])
    await expect.poll(kept, { timeout: 10_000 }).toEqual(['long'])
  })
})
