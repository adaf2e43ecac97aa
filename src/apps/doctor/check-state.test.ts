import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openPostgres } from '../../adapters/postgres/database.ts'
import { MIGRATIONS } from '../../adapters/sql/migrations/migrations.ts'
import { openSqlite } from '../../adapters/sqlite/database.ts'
import { doctorRig } from '../../../test/doctor-rig.ts'
import { findPostgres } from '../../../test/services/postgres.ts'
import { stateCheck } from './check-state.ts'

const rig = doctorRig()
const NEWEST = MIGRATIONS.length
const NEWER = [...MIGRATIONS, { version: NEWEST + 1, oldestCode: NEWEST + 1, durable: [], cache: [] }]

describe('the check of the state', () => {
  it('has nothing to say before the first start, and is content after it', async () => {
    const folder = rig.dataPath
    expect(await rig.run(stateCheck, rig.context({}))).toMatchObject([{ verdict: 'skipped' }])
    await openSqlite({ folder, nowMs: Date.now }).close()
    expect(await rig.run(stateCheck, rig.context({}))).toMatchObject([{ verdict: 'ok', explanation: `Its files are whole, of schema ${NEWEST}.` }])
  })

  it('finds a file that is damaged, and one of a newer Portolan', async () => {
    const folder = rig.dataPath
    await openSqlite({ folder, nowMs: Date.now, migrations: NEWER }).close()
    expect(await rig.run(stateCheck, rig.context({}))).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('is of a newer Portolan') }, { verdict: 'problem' }])
    writeFileSync(join(folder, 'state.db'), 'no database, but long enough to look like one. '.repeat(100))
    expect(await rig.run(stateCheck, rig.context({}))).toContainEqual(expect.objectContaining({ verdict: 'problem', explanation: expect.stringContaining('file is not a database. Restore it from a backup') }))
  })

  it('finds a database that cannot be reached, and a reference that leads nowhere, without a secret', async () => {
    const check = (url: string) => rig.run(stateCheck, rig.context({}, { env: { PORTOLAN_DATABASE_URL: url } }))
    const away = await check('postgres://alice:hunter2@127.0.0.1:1/portolan')
    expect(away).toMatchObject([{ verdict: 'problem', subject: '127.0.0.1:1/portolan', explanation: expect.stringContaining('ECONNREFUSED') }])
    expect(JSON.stringify(away)).not.toContain('hunter2')
    expect(await check('file:/nowhere/url')).toMatchObject([{ verdict: 'problem', explanation: expect.stringMatching(/^The file \/nowhere\/url cannot be read/) }])
  })
})

const postgres = await findPostgres()
describe.skipIf(postgres === undefined)('the check of the state on a server', () => {
  const check = (url: string) => rig.run(stateCheck, rig.context({}, { env: { PORTOLAN_DATABASE_URL: url } }))

  it('tells its version, its distance and its schema, and changes nothing', async () => {
    const url = (await postgres?.newDatabase()) ?? ''
    for (const explanation of [/^PostgreSQL 1\d.* ms away, empty: the first start fills it\.$/, /empty/]) expect(await check(url)).toMatchObject([{ explanation: expect.stringMatching(explanation) }])
    await (await openPostgres({ url })).close()
    expect(await check(url)).toMatchObject([{ explanation: expect.stringContaining(`of schema ${NEWEST}`) }])
  })

  it('finds one of a newer Portolan, and one that only reads', async () => {
    const url = (await postgres?.newDatabase()) ?? ''
    await (await openPostgres({ url, migrations: NEWER })).close()
    expect(await check(url)).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('is of a newer Portolan') }])
    await postgres?.administer(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_read_only = on`)
    expect(await check(url)).toContainEqual(expect.objectContaining({ verdict: 'problem', explanation: expect.stringContaining('It only reads') }))
  })
})
