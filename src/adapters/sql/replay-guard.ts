/** What was used once, on whichever replica. */

import type { ReplayGuard } from '../../core/auth/replay-guard.ts'
import type { SqlDatabase } from './sql-database.ts'

const USE = `
  INSERT INTO portolan_replay (used_key, expires_at_ms) VALUES ($1, portolan_now_ms() + $2)
  ON CONFLICT (used_key) DO UPDATE SET expires_at_ms = excluded.expires_at_ms
  WHERE portolan_replay.expires_at_ms <= portolan_now_ms()
  RETURNING used_key`

export function createReplayGuard(database: SqlDatabase): ReplayGuard {
  return {
    async firstUse(key, lifetimeMs) {
      return (await database.write(USE, [key, Math.ceil(lifetimeMs)])).length > 0
    },
  }
}
