/** Sessions of one process. Like every store it keeps copies: a change counts once it is saved. */
import type { Clock } from '../../core/clock.ts'
import type { Session } from '../../core/session/session.ts'
import type { SessionStore } from '../../core/session/session-store.ts'

interface Row {
  readonly session: Session
  readonly expiresAtTicksMs: number
}

/** How many of the longest unsaved sessions each save looks at, so that dead ones leave without a timer. */
const SWEEP_COUNT = 4

export function createSessionStore(clock: Clock): SessionStore {
  const rows = new Map<string, Row>()
  const idsByOwner = new Map<string, Set<string>>()

  function live(id: string): Row | undefined {
    const row = rows.get(id)
    if (row === undefined || row.expiresAtTicksMs > clock.ticksMs()) return row
    remove(id)
    return undefined
  }

  function remove(id: string): void {
    const row = rows.get(id)
    if (row === undefined) return
    rows.delete(id)
    const ids = idsByOwner.get(row.session.ownerKey)
    ids?.delete(id)
    if (ids?.size === 0) idsByOwner.delete(row.session.ownerKey)
  }

  function sweep(): void {
    let looked = 0
    for (const id of rows.keys()) {
      if (looked++ === SWEEP_COUNT || live(id) !== undefined) return
    }
  }

  return {
    async find(id) {
      const row = live(id)
      return row === undefined ? undefined : copyOf(row.session)
    },
    async save(session, lifetimeMs) {
      // Removed first, so that the map stays in the order of the last save.
      remove(session.id)
      rows.set(session.id, { session: copyOf(session), expiresAtTicksMs: clock.ticksMs() + lifetimeMs })
      const ids = idsByOwner.get(session.ownerKey)
      if (ids === undefined) idsByOwner.set(session.ownerKey, new Set([session.id]))
      else ids.add(session.id)
      sweep()
    },
    async delete(id) {
      remove(id)
    },
    async count(ownerKey) {
      let count = 0
      for (const id of idsByOwner.get(ownerKey) ?? []) if (live(id) !== undefined) count++
      return count
    },
  }
}

function copyOf(session: Session): Session {
  return { ...session, subscriptions: copyLists(session.subscriptions), tasks: copyLists(session.tasks) }
}

function copyLists(lists: Record<string, string[]>): Record<string, string[]> {
  const copy: Record<string, string[]> = Object.create(null)
  for (const key of Object.keys(lists)) copy[key] = [...(lists[key] ?? [])]
  return copy
}
