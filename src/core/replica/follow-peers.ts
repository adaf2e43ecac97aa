/**
 * What each replica has to tell the others, asked for: by a hint that there is more, and every few seconds in any case, because
 * hints get lost (design §5).
 */

import type { Clock } from '../clock.ts'
import type { Hints } from '../event/hints.ts'
import type { PeerLink } from '../gateway/peer-link.ts'
import type { ReplicaStore } from './replica-store.ts'

export interface FollowPeersDeps {
  readonly clock: Clock
  readonly hints: Hints
  readonly peers: PeerLink
  readonly replicas: Pick<ReplicaStore, 'live'>
}

export interface Followed {
  readonly topic: string
  /** Asks this replica for what it has to tell; one question at a time. `isFirstLook`: it was there before this one. */
  take(replicaId: string, isFirstLook: boolean): Promise<void>
  /** These replicas live; no other one does. */
  onLive(ids: ReadonlySet<string>): void
  /** What is told now, as a number that grows. */
  newest(): number
}

export interface Following {
  /** There is more to tell. Together within `gatherMs` is one hint. */
  tell(gatherMs: number): void
  close(): void
}

const POLL_MS = 5_000

export function followPeers({ clock, hints, peers, replicas }: FollowPeersDeps, { topic, take, onLive, newest }: Followed): Following {
  const self = peers.replicaId
  const asking = new Map<string, Promise<void>>()
  let isHinting = false
  let isClosed = false
  let stopTimer = (): void => {}

  /** What comes meanwhile is asked for after it. */
  const ask = (replicaId: string, isFirstLook = false): Promise<void> => {
    if (replicaId === self || isClosed) return Promise.resolve()
    const before = asking.get(replicaId) ?? Promise.resolve()
    const next = before.then(() => take(replicaId, isFirstLook)).catch(() => undefined)
    asking.set(replicaId, next)
    void next.then(() => asking.get(replicaId) === next && asking.delete(replicaId))
    return next
  }
  const askAll = async (isFirstLook: boolean): Promise<void> => {
    const live = await replicas.live().catch(() => undefined)
    if (live === undefined || isClosed) return
    onLive(new Set(live.map(({ id }) => id)))
    await Promise.all(live.map(({ id }) => ask(id, isFirstLook)))
  }
  const poll = (isFirstLook: boolean): void => {
    if (isClosed) return
    void askAll(isFirstLook).then(() => {
      if (!isClosed) stopTimer = clock.after(POLL_MS, () => poll(false))
    })
  }
  const stopHints = hints.subscribe(topic, ({ revision }) => {
    const from = revision.slice(0, Math.max(0, revision.lastIndexOf(':')))
    void (from === '' ? askAll(false) : ask(from))
  })
  poll(true)

  return {
    tell(gatherMs) {
      if (isHinting || isClosed) return
      isHinting = true
      clock.after(gatherMs, () => {
        isHinting = false
        if (!isClosed) hints.publish({ topic, revision: `${self}:${newest()}` })
      })
    },
    close() {
      isClosed = true
      stopTimer()
      stopHints()
    },
  }
}
