/** State through PgBouncer in transaction mode, hints past it. */
import { afterAll, describe, expect, it } from 'vitest'
import { createMemoryTelemetry } from '../src/adapters/memory/telemetry.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { createSystemRandom } from '../src/adapters/node/random.ts'
import { createPostgresHints } from '../src/adapters/postgres/hints.ts'
import { createLeaseStore } from '../src/adapters/sql/lease-store.ts'
import { createSessionStore } from '../src/adapters/sql/session-store.ts'
import type { WiredHints } from '../src/core/event/hint-wire.ts'
import { testLeaseStore } from './contracts/lease-store.contract.ts'
import { testSessionStore } from './contracts/session-store.contract.ts'
import { postgresRig } from './contracts/state-rig.ts'
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
