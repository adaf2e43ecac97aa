/** What servers were found to be. */

import type { EraStore } from '../../core/upstream/era-store.ts'
import type { UpstreamProfile } from '../../core/upstream/upstream.ts'
import { textOf } from './sql-database.ts'
import type { SqlDatabase } from './sql-database.ts'

const FIND = 'SELECT profile FROM portolan_era WHERE upstream_key = $1 AND expires_at_ms > portolan_now_ms()'
const SAVE = `
  INSERT INTO portolan_era (upstream_key, profile, expires_at_ms) VALUES ($1, $2, portolan_now_ms() + $3)
  ON CONFLICT (upstream_key) DO UPDATE SET profile = excluded.profile, expires_at_ms = excluded.expires_at_ms`

export function createEraStore(database: SqlDatabase): EraStore {
  return {
    async find(upstreamKey) {
      const [row] = await database.read(FIND, [upstreamKey])
      return row === undefined ? undefined : profileOf(textOf(row, 'profile'))
    },
    async save(upstreamKey, profile, lifetimeMs) {
      await database.write(SAVE, [upstreamKey, JSON.stringify(profile), Math.ceil(lifetimeMs)])
    },
  }
}

/** JSON leaves out what is undefined. */
function profileOf(text: string): UpstreamProfile {
  const { legacy, modern }: Partial<UpstreamProfile> = JSON.parse(text)
  return { legacy, modern }
}
