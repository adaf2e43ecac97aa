/** Leases: a row stays when its lease ends, because its epoch must never start anew. */

import type { LeaseStore } from '../../core/replica/lease-store.ts'
import { numberOf, textOf } from './sql-database.ts'
import type { SqlDatabase } from './sql-database.ts'

const ACQUIRE = `
  INSERT INTO portolan_lease (name, holder, epoch, expires_at_ms) VALUES ($1, $2, 1, portolan_now_ms() + $3)
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = portolan_lease.epoch + 1, expires_at_ms = excluded.expires_at_ms
  WHERE portolan_lease.holder IS NULL OR portolan_lease.holder = excluded.holder OR portolan_lease.expires_at_ms <= portolan_now_ms()
  RETURNING epoch`

const FIND = 'SELECT holder, epoch FROM portolan_lease WHERE name = $1 AND holder IS NOT NULL AND expires_at_ms > portolan_now_ms()'

const RENEW = `
  UPDATE portolan_lease SET expires_at_ms = portolan_now_ms() + $4
  WHERE name = $1 AND holder = $2 AND epoch = $3 AND expires_at_ms > portolan_now_ms()
  RETURNING epoch`

const RELEASE = 'UPDATE portolan_lease SET holder = NULL WHERE name = $1 AND holder = $2 AND epoch = $3'

export function createLeaseStore(database: SqlDatabase): LeaseStore {
  return {
    async acquire(name, holder, ms) {
      const [row] = await database.write(ACQUIRE, [name, holder, Math.ceil(ms)])
      return row === undefined ? undefined : { name, holder, epoch: numberOf(row, 'epoch') }
    },
    async find(name) {
      const [row] = await database.read(FIND, [name])
      return row === undefined ? undefined : { name, holder: textOf(row, 'holder'), epoch: numberOf(row, 'epoch') }
    },
    async renew({ name, holder, epoch }, ms) {
      return (await database.write(RENEW, [name, holder, epoch, Math.ceil(ms)])).length > 0
    },
    async release({ name, holder, epoch }) {
      await database.write(RELEASE, [name, holder, epoch])
    },
  }
}
