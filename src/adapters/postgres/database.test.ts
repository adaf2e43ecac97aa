import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { startNetwork } from '../../../test/services/network.ts'
import { findPostgres } from '../../../test/services/postgres.ts'
import { startStandby } from '../../../test/services/start-standby.ts'
import type { StateDatabases } from '../sql/sql-database.ts'
import { openPostgres } from './database.ts'
import type { PostgresOptions } from './database.ts'

/** AuthenticationOk, and ReadyForQuery outside of a transaction. */
const READY = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49])

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function open(options: PostgresOptions): Promise<StateDatabases> {
  const databases = await openPostgres(options)
  closers.push(() => databases.close())
  return databases
}

describe('a PostgreSQL that cannot be used', () => {
  it('is named without a secret, soon', async () => {
    const url = 'postgres://alice:hunter2@127.0.0.1:1/portolan'
    const error: unknown = await openPostgres({ url, openWithinMs: 0 }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'StateOpenError', message: expect.stringMatching(/^Cannot use the database PostgreSQL 127\.0\.0\.1:1\/portolan: .*ECONNREFUSED.*--database-url/) })
    expect(String(error)).not.toContain('hunter2')
    await expect(openPostgres({ url: 'hunter2' })).rejects.toThrow(/^The database URL is no URL\. Give it as postgres:/)
  })
})

const postgres = await findPostgres()
describe.skipIf(postgres === undefined)('PostgreSQL', () => {
  const newUrl = async (): Promise<URL> => new URL((await postgres?.newDatabase()) ?? '')

  it('refuses a database that is not there at once', async () => {
    const url = await newUrl()
    url.pathname = '/nowhere'
    await expect(openPostgres({ url: url.href })).rejects.toThrow('database "nowhere" does not exist')
  })

  it('says what to do where it has no connection left for another replica', async () => {
    const url = await newUrl()
    url.username = `few_${url.pathname.slice(1)}`
    await postgres?.administer(`CREATE ROLE ${url.username} LOGIN CONNECTION LIMIT 0`)
    closers.push(() => postgres?.administer(`DROP ROLE ${url.username}`))
    await expect(openPostgres({ url: url.href, openWithinMs: 0 })).rejects.toThrow(/too many connections .*\. Raise what it allows, max_connections by default, or put a pooler before it: each replica, and each worker, takes up to 11\.$/)
  })

  it('writes all statements of a transaction or none, and goes on with the same connection', async () => {
    const { durable } = await open({ url: (await newUrl()).href, poolSize: 1 })
    const insert = (name: string) => ({ sql: 'INSERT INTO portolan_once (name) VALUES ($1)', values: [name] })
    const [before] = await durable.read('SELECT pg_backend_pid() AS pid', [])
    await expect(durable.writeAll([insert('a'), insert('a')])).rejects.toMatchObject({ code: 'state_unavailable', message: 'State store unavailable' })
    expect(await durable.read('SELECT name FROM portolan_once', [])).toEqual([])
    expect(await durable.read('SELECT pg_backend_pid() AS pid', [])).toEqual([before])
  })

  it('gives up a statement that takes too long, and one that waits for a connection', async () => {
    const { durable } = await open({ url: (await newUrl()).href, poolSize: 1, statementTimeoutMs: 300 })
    const outcomes = await Promise.allSettled([durable.read('SELECT pg_sleep(60)', []), durable.read('SELECT pg_sleep(60)', [])])
    expect(outcomes).toMatchObject([{ reason: { code: 'state_unavailable' } }, { reason: { code: 'state_unavailable' } }])
    expect(await durable.read('SELECT 1 AS one', [])).toEqual([{ one: 1 }])
  })

  it('heals by itself when the server ended its connections', async () => {
    const url = await newUrl()
    const { durable } = await open({ url: url.href, poolSize: 3 })
    await Promise.all([1, 2, 3].map(() => durable.read('SELECT pg_sleep(0.01)', [])))
    await postgres?.administer(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${url.pathname.slice(1)}'`)
    const tries = await Promise.allSettled(Array.from({ length: 10 }, () => durable.read('SELECT 1 AS one', [])))
    for (const failed of tries.filter(({ status }) => status === 'rejected')) expect(failed).toMatchObject({ reason: { code: 'state_unavailable' } })
    expect(await durable.read('SELECT 1 AS one', [])).toEqual([{ one: 1 }])
  })

  const keep = (name: string) => ({ sql: 'UPDATE portolan_once SET name = name WHERE name = $1', values: [name] })
  const SLEEP = { sql: 'SELECT pg_sleep(0.3)', values: [] }
  const twoRows = async (databases: StateDatabases): Promise<void> => {
    for (const name of ['a', 'b']) await databases.durable.write('INSERT INTO portolan_once (name) VALUES ($1)', [name])
  }

  it('carries out both of two transactions that wait for each other', async () => {
    const { href: url } = await newUrl()
    const [one, other] = [await open({ url }), await open({ url })]
    await twoRows(one)
    await Promise.all([one.durable.writeAll([keep('a'), SLEEP, keep('b')]), other.durable.writeAll([keep('b'), SLEEP, keep('a')])])
  })

  it('carries out what its isolation lets only one of many do at a time', async () => {
    const url = await newUrl()
    await postgres?.administer(`ALTER DATABASE ${url.pathname.slice(1)} SET default_transaction_isolation = 'serializable'`)
    const [one, other] = [await open({ url: url.href }), await open({ url: url.href })]
    await twoRows(one)
    await Promise.all([one, other].map(({ durable }) => durable.writeAll([{ sql: 'SELECT name FROM portolan_once', values: [] }, SLEEP, keep('a')])))
  })

  it('keeps nobody waiting for a replica that has gone without a word in mid-transaction', async () => {
    const network = await startNetwork(postgres?.port ?? 0)
    closers.push(() => network.close())
    const [near, far] = [await newUrl(), await newUrl()]
    far.pathname = near.pathname
    far.port = String(network.port)
    const [one, other] = [await open({ url: near.href }), await open({ url: far.href, statementTimeoutMs: 20_000, transactionIdleMs: 300 })]
    await twoRows(one)
    const gone = other.durable.writeAll([keep('a'), SLEEP, keep('b')])
    const outcome = gone.then(() => 'done', (error: unknown) => error)
    await expect.poll(async () => (await one.durable.read(`SELECT COUNT(*) AS asleep FROM pg_stat_activity WHERE query = $1 AND state = 'active'`, [SLEEP.sql]))[0]).toEqual({ asleep: 1 })
    network.silence()
    await one.durable.write(keep('a').sql, ['a'])
    network.cut()
    expect(await outcome).toMatchObject({ code: 'state_unavailable' })
  })

  it('heals by itself when the network was cut, and when it fell silent', async () => {
    const network = await startNetwork(postgres?.port ?? 0)
    closers.push(() => network.close())
    const url = await newUrl()
    url.port = String(network.port)
    const { durable } = await open({ url: url.href, poolSize: 2, statementTimeoutMs: 200 })
    network.cut()
    await expect(durable.read('SELECT 1', [])).rejects.toMatchObject({ code: 'state_unavailable' })
    network.heal()
    expect(await durable.read('SELECT 1 AS one', [])).toEqual([{ one: 1 }])
    network.silence()
    await expect(durable.read('SELECT 1', [])).rejects.toMatchObject({ code: 'state_unavailable' })
    network.heal()
    expect(await durable.read('SELECT 1 AS one', [])).toEqual([{ one: 1 }])
  })

  it('is not waited for again where another server took its address over and left the connections half open', async () => {
    const network = await startNetwork(postgres?.port ?? 0)
    closers.push(() => network.close())
    const url = await newUrl()
    url.port = String(network.port)
    const { durable } = await open({ url: url.href, poolSize: 3, statementTimeoutMs: 300 })
    await Promise.all([1, 2, 3].map(() => durable.read('SELECT pg_sleep(0.1)', [])))
    network.abandon()
    await expect(durable.read('SELECT 1', [])).rejects.toMatchObject({ code: 'state_unavailable' })
    expect(await durable.read('SELECT 1 AS one', [])).toEqual([{ one: 1 }])
    expect(await Promise.all([1, 2, 3].map(() => durable.read('SELECT 1 AS one', [])))).toEqual([[{ one: 1 }], [{ one: 1 }], [{ one: 1 }]])
  })

  it('keeps the connections that were made while a statement was slow, where only the client gives such up, as behind PgBouncer', async () => {
    const { durable } = await open({ url: (await newUrl()).href, poolSize: 2, statementTimeoutMs: 1_000 })
    const backend = (): Promise<unknown> => durable.read('SELECT pg_backend_pid() AS pid', [])
    const slow = durable.writeAll([{ sql: 'SET LOCAL statement_timeout = 0', values: [] }, { sql: 'SELECT pg_sleep(4)', values: [] }])
    const outcome = slow.then(() => 'done', (error: unknown) => (error instanceof Error ? String(error.cause) : error))
    const madeSince = await backend()
    expect(await outcome).toBe('Error: Query read timeout')
    expect(await backend()).toEqual(madeSince)
  })

  it('is not waited for as long as a statement may take where a new connection stands, and nothing comes over it', async () => {
    const mute = createServer((socket) => void socket.on('error', () => undefined).once('data', () => socket.write(READY)))
    await new Promise<void>((resolve) => void mute.listen(0, '127.0.0.1', resolve))
    closers.push(() => void mute.close())
    const network = await startNetwork(postgres?.port ?? 0)
    closers.push(() => network.close())
    const url = await newUrl()
    url.port = String(network.port)
    const { durable } = await open({ url: url.href, poolSize: 2, statementTimeoutMs: 20_000 })
    const outcome = durable.read('SELECT pg_sleep(60)', []).then(() => 'done', () => 'lost')
    // It has the one connection that stands.
    await new Promise((resolve) => setImmediate(resolve))
    network.abandon((mute.address() as AddressInfo).port)
    const startedAtMs = performance.now()
    await expect(durable.read('SELECT 1', [])).rejects.toMatchObject({ code: 'state_unavailable' })
    expect(performance.now() - startedAtMs).toBeLessThan(10_000)
    network.cut()
    expect(await outcome).toBe('lost')
  })

  it('is waited for for less than 5 s in all where it answers everything, and slowly; what was begun is not done later', async () => {
    const network = await startNetwork(postgres?.port ?? 0)
    closers.push(() => network.close())
    const near = await newUrl()
    const far = new URL(near)
    far.port = String(network.port)
    const [one, other] = [await open({ url: near.href }), await open({ url: far.href })]
    // Its idle connection is gone: a new one is made, asked whether it reads, and then the transaction's steps are made.
    network.cut()
    await expect(other.durable.read('SELECT 1', [])).rejects.toMatchObject({ code: 'state_unavailable' })
    network.heal()
    network.slow(900)
    const insert = (name: string) => ({ sql: 'INSERT INTO portolan_once (name) VALUES ($1)', values: [name] })
    const startedAtMs = performance.now()
    await expect(other.durable.writeAll(['a', 'b', 'c', 'd'].map(insert))).rejects.toMatchObject({ code: 'state_unavailable' })
    // 4.5 s, and what a busy machine adds.
    expect(performance.now() - startedAtMs).toBeLessThan(6_000)
    network.heal()
    await other.durable.write(insert('e').sql, ['e'])
    expect(await one.durable.read('SELECT name FROM portolan_once', [])).toEqual([{ name: 'e' }])
  })

  it('keeps its connections where a call had no time left for a statement, and the server is there', async () => {
    const { durable } = await open({ url: (await newUrl()).href, poolSize: 2, statementTimeoutMs: 3_000 })
    const backend = (): Promise<unknown> => durable.read('SELECT pg_backend_pid() AS pid', [])
    const before = await backend()
    const sleeps = [{ sql: 'SELECT pg_sleep(2.6)', values: [] }, { sql: 'SELECT pg_sleep(2.6)', values: [] }]
    const outcome = durable.writeAll(sleeps).then(() => 'done', (error: unknown) => (error instanceof Error ? String(error.cause) : error))
    const other = await backend()
    expect(await outcome).toBe('Error: no time is left')
    expect(await backend()).toEqual(other)
    expect(other).not.toEqual(before)
  })

  it('is away while what answers at its address only reads, at the start and later', async () => {
    const url = await newUrl()
    const name = url.pathname.slice(1)
    const makeReader = async (is: 'on' | 'off'): Promise<void> => {
      await postgres?.administer(`ALTER DATABASE ${name} SET default_transaction_read_only = ${is}`)
      await postgres?.administer(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
    }
    const { durable } = await open({ url: url.href })
    await makeReader('on')
    const outcome = (): Promise<unknown> => durable.read('SELECT 1 AS one', []).then(() => 'read', (error: unknown) => (error instanceof Error ? String(error.cause) : error))
    await expect.poll(outcome).toMatch(/it only reads: a standby/)
    await expect(openPostgres({ url: url.href, openWithinMs: 0 })).rejects.toThrow(/Cannot use the database .*: it only reads: a standby/)
    await makeReader('off')
    await expect.poll(outcome).toBe('read')
  })

  it('goes on, with what it had, at the standby that was promoted in its place', { timeout: 60_000 }, async () => {
    const standby = await startStandby()
    closers.push(() => standby.stop())
    const url = new URL(standby.url)
    const network = await startNetwork(Number(url.port))
    closers.push(() => network.close())
    url.port = String(network.port)
    const { durable } = await open({ url: url.href, poolSize: 3, statementTimeoutMs: 1_000 })
    const outcome = (sql: string): Promise<unknown> => durable.write(sql, []).then((rows) => rows, (error: unknown) => (error instanceof Error ? String(error.cause) : error))
    await durable.write("INSERT INTO portolan_once (name) VALUES ('before')", [])
    const underWay = outcome('SELECT pg_sleep(60)')
    network.abandon(standby.port)
    expect(await underWay).toMatch(/timeout/i)
    await expect.poll(() => outcome('SELECT 1')).toMatch(/it only reads: a standby/)
    await standby.promote()
    await expect.poll(() => outcome("INSERT INTO portolan_once (name) VALUES ('after') ON CONFLICT DO NOTHING RETURNING name")).toEqual([{ name: 'after' }])
    expect(await durable.read('SELECT name FROM portolan_once ORDER BY name', [])).toEqual([{ name: 'after' }, { name: 'before' }])
  })
})
