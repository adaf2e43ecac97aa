/**
 * Which database keeps the state: `--database-url`, else `PORTOLAN_DATABASE_URL`, else SQLite in the data folder; and the key that
 * seals the key ring in it. Both may be references, so that no secret stands on a command line.
 */

import type { PostgresOptions } from '../../adapters/postgres/database.ts'
import { hostUrlsOf } from '../../adapters/postgres/hosts.ts'
import type { StateDatabases } from '../../adapters/sql/sql-database.ts'
import { openSqlite } from '../../adapters/sqlite/database.ts'
import type { Env } from './config-file.ts'
import { openDataFolder } from './data-folder.ts'
import { flagProblem, textOf } from './flag-text.ts'
import type { StartWait } from './start-wait.ts'

type PostgresLimits = Pick<PostgresOptions, 'statementTimeoutMs' | 'lockTimeoutMs'>

/** As the command line has them; undefined: as the environment has them. */
export interface StateFlags {
  readonly databaseUrl?: string
  readonly stateKey?: string
}

export interface StatePlace {
  /** '' for SQLite in the data folder. Holds a secret. */
  readonly databaseUrl: string
  /** What seals the key ring at rest; undefined: nothing does. */
  readonly sealSecret: string | undefined
}

/** Throws ConfigError where a reference leads nowhere. */
export function statePlaceOf(flags: StateFlags, env: Env): StatePlace {
  const databaseUrl = textOf('--database-url', flags.databaseUrl ?? env['PORTOLAN_DATABASE_URL'] ?? '', env)
  refusePostgresUrl('--database-url', databaseUrl, 'Give it as postgres://user:password@host:port/database, or as env:NAME or file:/path with that in it')
  const sealSecret = textOf('--state-key', flags.stateKey ?? env['PORTOLAN_STATE_KEY'] ?? '', env)
  if (sealSecret !== '' && sealSecret.length < MIN_SECRET_LENGTH) {
    throw flagProblem('--state-key', `it is shorter than ${MIN_SECRET_LENGTH} characters`, 'Make one with: openssl rand -base64 32')
  }
  return { databaseUrl, sealSecret: sealSecret === '' ? undefined : sealSecret }
}

const MIN_SECRET_LENGTH = 32

export function isPostgresUrl(text: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(text)
}

/** Throws ConfigError for what is no such URL, never with a part of it; '' is none. */
export function refusePostgresUrl(flag: string, text: string, fix: string): void {
  if (text === '') return
  const urls = isPostgresUrl(text) ? hostUrlsOf(text) : undefined
  if (urls === undefined) throw flagProblem(flag, 'it is no URL of a PostgreSQL database', fix)
  const wanted = new URL(urls[0] ?? '').searchParams.get('target_session_attrs') ?? WRITES
  if (!WRITERS.has(wanted)) throw flagProblem(flag, 'its target_session_attrs asks for a server that only reads', `Leave it out, or set ${WRITES}: Portolan takes the host that writes`)
}

const WRITES = 'read-write'
/** Whatever it says, a host that only reads is passed over. */
const WRITERS: ReadonlySet<string> = new Set([WRITES, 'primary', 'any'])

/** For what no client waits for, such as a copy: a statement may take long, but may not wait for a lock for long. */
export const PATIENT: PostgresLimits = { statementTimeoutMs: 15 * 60_000, lockTimeoutMs: 4_000 }

/** Rejects with StateOpenError or DataFolderError; nothing is open then. */
export async function openDatabases({ databaseUrl }: Pick<StatePlace, 'databaseUrl'>, dataPath: string, onWait?: StartWait['on'], limits: PostgresLimits = {}): Promise<StateDatabases> {
  if (databaseUrl !== '') {
    // Loaded where it is used: a start without it takes 40 ms less.
    const { openPostgres } = await import('../../adapters/postgres/database.ts')
    return openPostgres({ url: databaseUrl, ...limits, ...(onWait === undefined ? {} : { onWait }) })
  }
  return openSqlite({ folder: openDataFolder(dataPath).path, nowMs: Date.now })
}
