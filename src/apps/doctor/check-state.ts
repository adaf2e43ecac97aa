/** The database behind Portolan: whether it is there, whole, and of a schema that this version knows. Nothing is changed. */

import { pendingMigrations } from '../../adapters/sql/migration.ts'
import { StateOpenError } from '../../adapters/sql/sql-database.ts'
import type { SchemaVersion } from '../../adapters/sql/migration.ts'
import type { InspectedServer } from '../../adapters/postgres/inspect.ts'
import { ConfigError } from '../gateway/config-problem.ts'
import { statePlaceOf } from '../gateway/state-place.ts'
import { ok, problem, shellText, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'

/** What a call that needs the database waits for at least. */
const SLOW_MS = 50

export const stateCheck: Check = {
  id: 'state',
  looksAt: 'whether the database that keeps the state can be used',
  async run({ dataPath, env }) {
    try {
      const { databaseUrl } = statePlaceOf({}, env)
      return databaseUrl === '' ? await sqliteFindings(dataPath) : await postgresFindings(databaseUrl)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return error.problems.map(({ path, problem: what, fix }) => problem(path, `${capital(what)}. ${fix}.`, 'export PORTOLAN_DATABASE_URL=…'))
    }
  },
}

async function sqliteFindings(dataPath: string): Promise<readonly Finding[]> {
  const { inspectSqlite } = await import('../../adapters/sqlite/inspect.ts')
  const files = inspectSqlite(dataPath)
  if (files.every(({ schema, fault }) => schema === undefined && fault === '')) return [skipped('There is none in the data folder yet: the first start makes it.')]
  const findings = files.flatMap(({ path, schema, fault }) => {
    if (fault === '') return newerFinding(path, schema)
    return [problem(path, `SQLite says: ${fault}. Restore it from a backup; without the file a new one is made, and sessions start anew.`, shellText(['ls', '-l', path]))]
  })
  return findings.length > 0 ? findings : [ok(dataPath, `Its files are whole, of schema ${files[0]?.schema?.version ?? 0}.`)]
}

async function postgresFindings(url: string): Promise<readonly Finding[]> {
  const { inspectPostgres } = await import('../../adapters/postgres/inspect.ts')
  const { databaseNameOf, hostUrlsOf } = await import('../../adapters/postgres/hosts.ts')
  const place = databaseNameOf(hostUrlsOf(url) ?? [url])
  try {
    const server = await inspectPostgres(url)
    const findings = [...serverFindings(place, server), ...newerFinding(place, server.schema)]
    const schema = server.schema === undefined ? 'empty: the first start fills it' : `of schema ${server.schema.version}`
    return findings.length > 0 ? findings : [ok(place, `PostgreSQL ${server.version}, ${server.roundTripMs} ms away, ${schema}.`)]
  } catch (error) {
    const reason = error instanceof Error && error.message !== '' ? error.message : String(error)
    return [problem(place, `It cannot be used: ${reason}.`, 'psql "$PORTOLAN_DATABASE_URL" -c "SELECT 1"')]
  }
}

function serverFindings(place: string, { version, versionNumber, mayCreate, isReadOnly, roundTripMs }: InspectedServer): readonly Finding[] {
  const ask = (sql: string): string => `psql "$PORTOLAN_DATABASE_URL" -c "${sql}"`
  const findings: Finding[] = []
  if (versionNumber < 150_000) findings.push(problem(place, `It is PostgreSQL ${version}: Portolan needs 15 or newer.`, ask('SELECT version()')))
  if (isReadOnly) findings.push(problem(place, 'It only reads: a standby, perhaps. Portolan needs the primary.', ask('SELECT pg_is_in_recovery()')))
  else if (!mayCreate) findings.push(problem(place, 'Its user may create no tables there: the next start after an upgrade will fail.', ask('GRANT CREATE ON SCHEMA public TO CURRENT_USER')))
  if (roundTripMs > SLOW_MS) findings.push(warning(place, `It is ${roundTripMs} ms away: each new session waits for it a few times.`, ask('SELECT 1')))
  return findings
}

function newerFinding(place: string, schema: SchemaVersion | undefined): readonly Finding[] {
  try {
    pendingMigrations(schema, place)
    return []
  } catch (error) {
    if (!(error instanceof StateOpenError)) throw error
    return [problem(place, error.message, 'portolan --version')]
  }
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}
