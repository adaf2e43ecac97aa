import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { findPostgres } from '../../../test/services/postgres.ts'
import { PATIENT, openDatabases, statePlaceOf } from './state-place.ts'

const folders: string[] = []
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })))

const URL_TEXT = 'postgres://portolan:s3$A{HOME}cret@db/portolan'

describe('where the state is kept', () => {
  it('is the data folder, unless a flag or the environment names a database; the flag wins', () => {
    expect(statePlaceOf({}, {})).toEqual({ databaseUrl: '', sealSecret: undefined })
    expect(statePlaceOf({}, { PORTOLAN_DATABASE_URL: 'postgresql://db/a' })).toMatchObject({ databaseUrl: 'postgresql://db/a' })
    expect(statePlaceOf({ databaseUrl: URL_TEXT }, { PORTOLAN_DATABASE_URL: 'postgres://db/a' })).toMatchObject({ databaseUrl: URL_TEXT })
  })

  it('may have a comma in its password', () => {
    expect(statePlaceOf({ databaseUrl: 'postgres://u:a,b@db/p' }, {})).toMatchObject({ databaseUrl: 'postgres://u:a,b@db/p' })
  })

  it.each(['postgres://u:p@a:5432,b/x?target_session_attrs=read-write', 'postgres:///x?host=a,b&port=1,2&target_session_attrs=primary', 'postgresql://[::1]:1,[::2]:2/x'])('may be one of several hosts: %s', (databaseUrl) => {
    expect(statePlaceOf({ databaseUrl }, {})).toMatchObject({ databaseUrl })
  })

  it('may be referred to, so that no secret stands on a command line', () => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-place-'))
    folders.push(folder)
    writeFileSync(join(folder, 'url'), `${URL_TEXT}\n`)
    expect(statePlaceOf({ databaseUrl: `file:${folder}/url` }, {})).toMatchObject({ databaseUrl: URL_TEXT })
    expect(statePlaceOf({ databaseUrl: `file://${folder}/url` }, {})).toMatchObject({ databaseUrl: URL_TEXT })
    expect(statePlaceOf({ databaseUrl: `file:${relative('.', folder)}/url` }, {}), 'from here').toMatchObject({ databaseUrl: URL_TEXT })
    expect(statePlaceOf({ databaseUrl: 'env:DB', stateKey: 'env:KEY' }, { DB: URL_TEXT, KEY: 'k'.repeat(32) })).toEqual({ databaseUrl: URL_TEXT, sealSecret: 'k'.repeat(32) })
  })

  it.each([
    [{ databaseUrl: 'env:DB' }, /--database-url: the environment variable DB is not set\. Set DB/],
    [{ databaseUrl: 'mysql://user:hunter2@db/x' }, /--database-url: it is no URL of a PostgreSQL database\. Give it as postgres:/],
    [{ databaseUrl: 'postgres://u:hunter2@a:5432,b:5432/x?target_session_attrs=prefer-standby' }, /--database-url: its target_session_attrs asks for a server that only reads\. Leave it out, or set read-write/],
    [{ databaseUrl: 'postgres://u:hunter2@a,b:port/x' }, /--database-url: it is no URL/],
    [{ databaseUrl: 'postgres://u:hunter2@a,/x' }, /--database-url: it is no URL/],
    [{ databaseUrl: 'postgres://u:hunter2@/x?host=a,b' }, /--database-url: it is no URL/],
    [{ databaseUrl: 'postgres:///x?host=a,b,c&port=1,2&password=hunter2' }, /--database-url: it is no URL/],
    [{ databaseUrl: 'postgres://u:hunter2@a:port/x' }, /--database-url: it is no URL of a PostgreSQL database/],
    [{ stateKey: 'file:/nowhere/key' }, /--state-key: the file \/nowhere\/key cannot be read/],
    [{ stateKey: 'file:nowhere/key' }, /--state-key: the file \/.*\/nowhere\/key cannot be read/],
    [{ stateKey: 'file:~/nowhere/key' }, /--state-key: the file \/.*[^~]\/nowhere\/key cannot be read/],
    [{ stateKey: 'env:hunter2+hunter2+hunter2+hunter2=' }, /--state-key: it refers to nothing\. Write env:NAME/],
    [{ stateKey: 'hunter2' }, /--state-key: it is shorter than 32 characters\. Make one with/],
  ])('is refused with what to do, and without the secret: %j', (flags, message) => {
    expect(() => statePlaceOf(flags, {})).toThrow(message)
    expect(() => statePlaceOf(flags, {})).toThrow(/^(?![^]*hunter2)/)
  })
})

const postgres = await findPostgres()
describe.skipIf(postgres === undefined)('a database that no client waits for', () => {
  it('may take its time, but not for locks', async () => {
    const databases = await openDatabases({ databaseUrl: (await postgres?.newDatabase()) ?? '' }, '', undefined, PATIENT)
    const set = (name: string): string => `current_setting('${name}')`
    expect(await databases.cache.read(`SELECT ${set('statement_timeout')} AS statement, ${set('lock_timeout')} AS lock`, [])).toEqual([{ statement: '15min', lock: '4s' }])
    await databases.close()
  })
})
