/** The configuration that the replicas share: one row. */

import type { SnapshotStore } from '../../core/gateway/snapshot-store.ts'
import { numberOf, textOf } from './sql-database.ts'
import type { SqlDatabase } from './sql-database.ts'

const PUT = `
  INSERT INTO portolan_snapshot (slot, digest, body, revision) VALUES (1, $1, $2, 1)
  ON CONFLICT (slot) DO UPDATE SET digest = excluded.digest, body = excluded.body, revision = portolan_snapshot.revision + 1
  WHERE portolan_snapshot.digest <> excluded.digest`
const CURRENT = 'SELECT digest, body, revision FROM portolan_snapshot WHERE slot = 1'

export function createSnapshotStore(database: SqlDatabase): SnapshotStore {
  return {
    async put(digest, text) {
      await database.write(PUT, [digest, text])
    },
    async current() {
      const [row] = await database.read(CURRENT, [])
      return row === undefined ? undefined : { digest: textOf(row, 'digest'), text: textOf(row, 'body'), revision: numberOf(row, 'revision') }
    },
  }
}
