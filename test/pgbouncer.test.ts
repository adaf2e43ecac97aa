/** State through PgBouncer in transaction mode, hints past it. */
import { afterAll, describe, expect, it } from 'vitest'
import { createMemoryTelemetry } from '../src/adapters/memory/telemetry.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { createSystemRandom } from '../src/adapters/node/random.ts'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import { createPostgresHints } from '../src/adapters/postgres/hints.ts'
import { createLeaseStore } from '../src/adapters/sql/lease-store.ts'
import { createSessionStore } from '../src/adapters/sql/session-store.ts'
import type { WiredHints } from '../src/core/event/hint-wire.ts'
import { PortolanError } from '../src/protocol/error.ts'
import { testLeaseStore } from './contracts/lease-store.contract.ts'
import { testSessionStore } from './contracts/session-store.contract.ts'
import { postgresRig } from './contracts/state-rig.ts'
import { freePort } from './services/free-port.ts'
import { findPostgres } from './services/postgres.ts'
import { startPgBouncer } from './services/start-pgbouncer.ts'

const postgres = await findPostgres()
const bouncer = postgres === undefined ? undefined : await startPgBouncer(postgres)
const isRequired = process.env['CI'] === 'true' || process.env['PORTOLAN_TEST_SERVICES'] === 'required'
if (bouncer !== undefined && 'missing' in bouncer && isRequired) throw new Error(bouncer.missing)
const port = bouncer !== undefined && 'facts' in bouncer ? bouncer.facts['port'] : undefined

const through = (url: string): string => Object.assign(new URL(url), { port }).href

function openHints(url: string, checkMs: number): { hints: WiredHints; changes: string[] } {
  const changes: string[] = []
  const onChange = (isUp: boolean, detail: string): void => void changes.push(`${isUp} ${detail}`)
  return { hints: createPostgresHints({ url, checkMs, clock: createSystemClock(), random: createSystemRandom(), telemetry: createMemoryTelemetry(), onChange }), changes }
}

describe.skipIf(port === undefined)('through PgBouncer in transaction mode', async () => {
  if (postgres === undefined || port === undefined) return
  const rig = await postgresRig(postgres, through)
  afterAll(async () => bouncer?.stop?.())

  testSessionStore('PgBouncer', rig(({ cache }) => createSessionStore(cache)))
  testLeaseStore('PgBouncer', rig(({ durable }) => createLeaseStore(durable)))

  it('heals by itself when PgBouncer is restarted, with statements on their way, and when PostgreSQL ended its connections', async () => {
    const at = await freePort()
    const start = () => startPgBouncer(postgres, at)
    const first = await start()
    const url = new URL(await postgres.newDatabase())
    const { durable, close } = await openPostgres({ url: Object.assign(new URL(url), { port: at }).href })
    const outcome = (sql = 'SELECT 1 AS one'): Promise<unknown> => durable.read(sql, []).then((rows) => rows.length, (error: unknown) => (error instanceof PortolanError ? error.code : error))
    const onTheWay = Array.from({ length: 3 }, () => outcome('SELECT pg_sleep(20)'))
    await expect.poll(() => postgres.administer(`DO $$ BEGIN ASSERT (SELECT count(*) FROM pg_stat_activity WHERE datname = '${url.pathname.slice(1)}' AND query LIKE '%pg_sleep%') = 3; END $$`).then(() => 'asked', () => 'not yet')).toBe('asked')
    if ('stop' in first) await first.stop?.()
    expect(await Promise.all(onTheWay)).toEqual(['state_unavailable', 'state_unavailable', 'state_unavailable'])
    expect(await outcome()).toBe('state_unavailable')
    const second = await start()
    expect(await outcome()).toBe(1)
    await postgres.administer(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${url.pathname.slice(1)}'`)
    await expect.poll(() => outcome()).toBe(1)
    await close()
    if ('stop' in second) await second.stop?.()
  })

  it('hints say that they hear nothing, and what to do', async () => {
    const { hints, changes } = openHints(through(await postgres.newDatabase()), 400)
    await expect.poll(() => changes).toEqual(['false LISTEN brings nothing: name PostgreSQL itself, not a pooler, with --database-direct-url'])
    expect(hints.state()).toMatchObject({ wire: 'postgres', isUp: false })
    await hints.close()
  })

  it('hints work past it', async () => {
    const url = await postgres.newDatabase()
    const [near, far] = [openHints(url, 2_000), openHints(url, 2_000)]
    await expect.poll(() => near.hints.state().isUp && far.hints.state().isUp).toBe(true)
    const got: string[] = []
    far.hints.subscribe('a', ({ revision }) => got.push(revision))
    near.hints.publish({ topic: 'a', revision: '1' })
    await expect.poll(() => got).toEqual(['1'])
    await Promise.all([near.hints.close(), far.hints.close()])
  })
})
