/** Looks at a PostgreSQL database without changing it: whether it can be reached, and what Portolan would find there. */

import { Client } from 'pg'
import { SCHEMA_VERSION } from '../sql/migration.ts'
import type { SchemaVersion } from '../sql/migration.ts'
import { hostNameOf, hostUrlsOf } from './hosts.ts'

export interface InspectedServer {
  /** As the server writes it: `15.18 (Debian …)`. */
  readonly version: string
  readonly versionNumber: number
  /** Undefined in an empty database. */
  readonly schema: SchemaVersion | undefined
  readonly mayCreate: boolean
  /** A standby, or a primary that was told to. */
  readonly isReadOnly: boolean
  /** The shortest of a few. */
  readonly roundTripMs: number
}

const TIMEOUT_MS = 5_000
const ROUND_TRIPS = 5

const LOOK = `
  SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
    COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE) AS may_create, current_setting('transaction_read_only') = 'on' AS read_only,
    EXISTS (SELECT 1 FROM pg_class WHERE relname = 'portolan_schema' AND pg_table_is_visible(oid)) AS has_schema`

interface Look {
  readonly version: string
  readonly number: number
  readonly may_create: boolean
  readonly read_only: boolean
  readonly has_schema: boolean
}

/** Of several hosts the one that writes, else one that answers. Rejects with what the servers or the network say: it holds no secret. */
export async function inspectPostgres(text: string): Promise<InspectedServer> {
  const urls = hostUrlsOf(text) ?? [text]
  const found = await Promise.allSettled(urls.map(inspectHost))
  const servers = found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const best = servers.find(({ isReadOnly }) => !isReadOnly) ?? servers[0]
  if (best !== undefined) return best
  const reasons = found.map((one, at) => `${hostNameOf(urls[at] ?? '')}: ${one.status === 'rejected' ? reasonOf(one.reason) : ''}`)
  const [only] = found
  throw found.length === 1 && only?.status === 'rejected' ? only.reason : new Error(reasons.join('; '))
}

function reasonOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error)
}

async function inspectHost(url: string): Promise<InspectedServer> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: TIMEOUT_MS, query_timeout: TIMEOUT_MS, application_name: 'portolan doctor' })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<Look>(LOOK)
    const [look] = rows
    if (look === undefined) throw new Error('The server says nothing of itself')
    const { rows: versions } = look.has_schema ? await client.query<{ version: string; oldest_code: string }>(SCHEMA_VERSION) : { rows: [] }
    const [newest] = versions
    return {
      version: look.version,
      versionNumber: look.number,
      schema: newest === undefined ? undefined : { version: Number(newest.version), oldestCode: Number(newest.oldest_code) },
      mayCreate: look.may_create,
      isReadOnly: look.read_only,
      roundTripMs: await roundTripMs(client),
    }
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function roundTripMs(client: Client): Promise<number> {
  const times: number[] = []
  for (let at = 0; at < ROUND_TRIPS; at++) {
    const startMs = performance.now()
    await client.query('SELECT 1')
    times.push(performance.now() - startMs)
  }
  return Math.round(Math.min(...times))
}
