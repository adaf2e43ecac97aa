/** The run's throw-away PostgreSQL, for a test file. */
import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { expect } from 'vitest'
import { findService } from './service.ts'

export interface Postgres {
  readonly host: string
  readonly port: number
  readonly user: string
  /** Where `psql`, `pg_dump` and the others are. */
  readonly binaries: string
  /** Where its unix socket is. */
  readonly folder: string
  /** The URL of an empty database of its own. */
  newDatabase(): Promise<string>
  /** Runs one statement as the administrator, in `postgres`. */
  administer(sql: string): Promise<void>
}

/** Undefined where there is none: `const postgres = await findPostgres()`, then `describe.skipIf(postgres === undefined)`. */
export async function findPostgres(): Promise<Postgres | undefined> {
  const facts = await findService('postgres', expect.getState().testPath ?? '')
  if (facts === undefined) return undefined
  const { host = '', port = '', user = '', binaries = '', folder = '' } = facts
  const urlOf = (name: string): string => `postgres://${user}@${host}:${port}/${name}`
  const administer = async (sql: string): Promise<void> => {
    const client = new Client({ connectionString: urlOf('postgres') })
    await client.connect()
    await client.query(sql).finally(() => client.end())
  }
  return {
    host, port: Number(port), user, binaries, folder, administer,
    async newDatabase() {
      const name = `t_${randomBytes(8).toString('hex')}`
      await administer(`CREATE DATABASE ${name} TEMPLATE template0 STRATEGY file_copy`)
      return urlOf(name)
    },
  }
}
