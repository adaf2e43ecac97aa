/** Sessions, one row each: the session's data as JSON, and beside it what the store itself has to compare. */

import type { Session } from '../../core/session/session.ts'
import type { SessionStore } from '../../core/session/session-store.ts'
import { fail, ok } from '../../protocol/result.ts'
import { removalOf } from './expiry-sweep.ts'
import { numberOf, textOf } from './sql-database.ts'
import type { SqlDatabase } from './sql-database.ts'

const FIND = 'SELECT body, owner, epoch, version FROM portolan_session WHERE id = $1 AND expires_at_ms > portolan_now_ms()'

const SAVE = `
  INSERT INTO portolan_session (id, owner_key, body, expires_at_ms) VALUES ($1, $2, $3, portolan_now_ms() + $4)
  ON CONFLICT (id) DO UPDATE SET body = excluded.body, version = portolan_session.version + 1, expires_at_ms = excluded.expires_at_ms
  RETURNING version`

const SAVE_SEEN = `
  UPDATE portolan_session SET body = $2, version = version + 1, expires_at_ms = portolan_now_ms() + $3
  WHERE id = $1 AND epoch = $4 AND version = COALESCE($5, version) AND expires_at_ms > portolan_now_ms()
  RETURNING version`

const DELETE = 'DELETE FROM portolan_session WHERE id = $1'
const COUNT = 'SELECT COUNT(*) AS sessions FROM portolan_session WHERE owner_key = $1 AND expires_at_ms > portolan_now_ms()'

const CLAIM = `
  UPDATE portolan_session SET owner = $2, epoch = epoch + 1
  WHERE id = $1 AND epoch = $3 AND expires_at_ms > portolan_now_ms()
  RETURNING epoch`

const RELEASE = `
  UPDATE portolan_session SET owner = NULL
  WHERE id = $1 AND owner = $2 AND epoch = $3 AND expires_at_ms > portolan_now_ms()
  RETURNING epoch`

const EXPIRED = 'SELECT id FROM portolan_session WHERE expires_at_ms <= portolan_now_ms() - $1 LIMIT'

export function createSessionStore(database: SqlDatabase): SessionStore {
  const takeExpired = removalOf(database, 'portolan_session', 'id', `${EXPIRED} $2`, 'body')
  return {
    async find(id) {
      const [row] = await database.read(FIND, [id])
      if (row === undefined) return undefined
      const owner = row['owner'] === null ? undefined : textOf(row, 'owner')
      return { session: sessionOf(textOf(row, 'body')), owner, epoch: numberOf(row, 'epoch'), version: numberOf(row, 'version') }
    },
    async save(session, lifetimeMs, seen) {
      const body = JSON.stringify(session)
      const [row] =
        seen === undefined
          ? await database.write(SAVE, [session.id, session.ownerKey, body, Math.ceil(lifetimeMs)])
          : await database.write(SAVE_SEEN, [session.id, body, Math.ceil(lifetimeMs), seen.epoch, seen.version ?? null])
      return row === undefined ? fail({ reason: 'stale' }) : ok({ version: numberOf(row, 'version') })
    },
    async delete(id) {
      await database.write(DELETE, [id])
    },
    async count(ownerKey) {
      const [row] = await database.read(COUNT, [ownerKey])
      return numberOf(row, 'sessions')
    },
    async claim(id, replicaId, seenEpoch) {
      const [row] = await database.write(CLAIM, [id, replicaId, seenEpoch])
      return row === undefined ? undefined : { epoch: numberOf(row, 'epoch') }
    },
    async release(id, replicaId, epoch) {
      return (await database.write(RELEASE, [id, replicaId, epoch])).length > 0
    },
    async takeExpired(count, sinceMs) {
      // Where nothing has expired, nothing is written: a process without sessions starts no thread that writes.
      if ((await database.read(`${EXPIRED} 1`, [Math.ceil(sinceMs)])).length === 0) return []
      const rows = await database.write(takeExpired, [Math.ceil(sinceMs), count])
      return rows.map((row) => sessionOf(textOf(row, 'body')))
    },
  }
}

/** What a later version added, an earlier one has not written. */
const ADDED: Pick<Session, 'holds' | 'atServers'> = { holds: [], atServers: {} }

/** Ids of upstreams are keys here: none of them may meet a property that every object has. */
function sessionOf(body: string): Session {
  const session: Session = { ...ADDED, ...JSON.parse(body) }
  return { ...session, subscriptions: withoutPrototype(session.subscriptions), tasks: withoutPrototype(session.tasks), atServers: withoutPrototype(session.atServers) }
}

function withoutPrototype<T>(byId: Record<string, T>): Record<string, T> {
  return Object.assign(Object.create(null), byId)
}
