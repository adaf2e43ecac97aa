/** The replicas that share a database. */

import type { Replica, ReplicaStore } from '../../core/replica/replica-store.ts'
import { textOf } from './sql-database.ts'
import type { SqlDatabase, SqlRow } from './sql-database.ts'

const GO_ON = `
  UPDATE portolan_replica SET address = $2, version = $3, expires_at_ms = portolan_now_ms() + $4
  WHERE id = $1 AND expires_at_ms > portolan_now_ms()
  RETURNING id`
const ANNOUNCE = `
  INSERT INTO portolan_replica (id, address, version, expires_at_ms) VALUES ($1, $2, $3, portolan_now_ms() + $4)
  ON CONFLICT (id) DO UPDATE SET address = excluded.address, version = excluded.version, expires_at_ms = excluded.expires_at_ms`
const LEAVE = 'DELETE FROM portolan_replica WHERE id = $1'
const LIVE = 'SELECT id, address, version FROM portolan_replica WHERE expires_at_ms > portolan_now_ms()'
const FIND = `${LIVE} AND id = $1`

export function createReplicaStore(database: SqlDatabase): ReplicaStore {
  return {
    async announce({ id, address, version }, lifetimeMs) {
      const values = [id, address, version, Math.ceil(lifetimeMs)]
      if ((await database.write(GO_ON, values)).length > 0) return true
      await database.write(ANNOUNCE, values)
      return false
    },
    async leave(id) {
      await database.write(LEAVE, [id])
    },
    async live() {
      const rows = await database.read(LIVE, [])
      // Databases differ in how they order text.
      return rows.map(replicaOf).toSorted((left, right) => (left.id < right.id ? -1 : 1))
    },
    async find(id) {
      const [row] = await database.read(FIND, [id])
      return row === undefined ? undefined : replicaOf(row)
    },
  }
}

function replicaOf(row: SqlRow): Replica {
  return { id: textOf(row, 'id'), address: textOf(row, 'address'), version: textOf(row, 'version') }
}
