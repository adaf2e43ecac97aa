/** Sessions of one process. Like every store it keeps copies: a change counts once it is saved. */
import type { Clock } from '../../core/clock.ts'
import type { Session } from '../../core/session/session.ts'
import type { SessionStore, StoredSession } from '../../core/session/session-store.ts'
import { fail, ok } from '../../protocol/result.ts'
import { createExpiringMap } from './expiring-map.ts'

/** Expired and not yet taken; the oldest give way. */
const EXPIRED_LENGTH = 10_000

interface Expired {
  readonly session: Session
  readonly atTicksMs: number
}

export function createSessionStore(clock: Clock): SessionStore {
  const counts = new Map<string, number>()
  const expired = new Map<string, Expired>()
  const rows = createExpiringMap<StoredSession>(clock, ({ session }, expiredAtTicksMs) => {
    count(session.ownerKey, -1)
    if (expiredAtTicksMs !== undefined) bury(session, expiredAtTicksMs)
  })

  function bury(session: Session, atTicksMs: number): void {
    expired.set(session.id, { session, atTicksMs })
    if (expired.size > EXPIRED_LENGTH) for (const oldest of expired.keys()) return void expired.delete(oldest)
  }

  function count(ownerKey: string, by: number): void {
    const now = (counts.get(ownerKey) ?? 0) + by
    if (now === 0) counts.delete(ownerKey)
    else counts.set(ownerKey, now)
  }

  return {
    async find(id) {
      const row = rows.get(id)
      return row === undefined ? undefined : { ...row, session: copyOf(row.session) }
    },
    async save(session, lifetimeMs, seen) {
      const row = rows.get(session.id)
      const isStale = row === undefined || row.epoch !== seen?.epoch || (seen.version ?? row.version) !== row.version
      if (seen !== undefined && isStale) return fail({ reason: 'stale' })
      const version = (row?.version ?? 0) + 1
      expired.delete(session.id)
      rows.set(session.id, { session: copyOf(session), owner: row?.owner, epoch: row?.epoch ?? 0, version }, lifetimeMs)
      count(session.ownerKey, 1)
      return ok({ version })
    },
    async delete(id) {
      rows.delete(id)
      expired.delete(id)
    },
    async count(ownerKey) {
      // Those that have died since the last save are still counted.
      rows.values()
      return counts.get(ownerKey) ?? 0
    },
    async claim(id, replicaId, seenEpoch) {
      const row = rows.get(id)
      if (row === undefined || row.epoch !== seenEpoch) return undefined
      const epoch = seenEpoch + 1
      rows.replace(id, { ...row, owner: replicaId, epoch })
      return { epoch }
    },
    async release(id, replicaId, epoch) {
      const row = rows.get(id)
      if (row === undefined || row.owner !== replicaId || row.epoch !== epoch) return false
      return rows.replace(id, { ...row, owner: undefined })
    },
    async takeExpired(most, sinceMs) {
      rows.values()
      const untilTicksMs = clock.ticksMs() - sinceMs
      const taken = Array.from(expired.values()).filter(({ atTicksMs }) => atTicksMs <= untilTicksMs).slice(0, most)
      for (const { session } of taken) expired.delete(session.id)
      return taken.map(({ session }) => session)
    },
  }
}

function copyOf(session: Session): Session {
  return { ...session, subscriptions: copyLists(session.subscriptions), tasks: copyLists(session.tasks), holds: [...session.holds], atServers: { ...session.atServers } }
}

function copyLists(lists: Record<string, string[]>): Record<string, string[]> {
  const copy: Record<string, string[]> = Object.create(null)
  for (const key of Object.keys(lists)) copy[key] = [...(lists[key] ?? [])]
  return copy
}
