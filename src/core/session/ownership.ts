/**
 * Which replica owns a session: the one that holds what cannot move of it, and serves it. Whoever meets a session without
 * an owner, or with a dead one, claims it; each claim raises its epoch, so that a former owner that comes back is told apart.
 *
 *   nobody's ──claim──▶ owned ──release (drain)──▶ nobody's
 *                         └──the owner is dead──claim by another──▶ owned, with a higher epoch
 *
 * Whoever was taken for dead and is not claims what it has once more: between another's look and its claim a heartbeat may come,
 * and of the two claims the store lets one win.
 */

import { PortolanError } from '../../protocol/error.ts'
import type { Membership } from '../replica/membership.ts'
import type { LiveSession } from './live-session.ts'
import type { SessionStore, StoredSession } from './session-store.ts'
import type { Session } from './session.ts'

/** Another replica serves it. */
export interface Elsewhere {
  readonly replicaId: string
}

export interface Owned {
  readonly epoch: number
  readonly generation: number
}

export interface Ownership {
  /** False where another may have claimed it: `recheck` before anything is done for it. No round trip. */
  isCertain(session: LiveSession): boolean
  /** Claims it once more; false where it is another's by now. A store that does not answer gives it to nobody else: what is live here goes on. */
  recheck(session: LiveSession): Promise<boolean>
  /** Stores a new session as this replica's. Rejects with `state_unavailable`. */
  open(session: Session, lifetimeMs: number): Promise<Owned>
  /** False where it is another's by now. Rejects with `state_unavailable`. */
  save(session: LiveSession, lifetimeMs: number): Promise<boolean>
  /** Where it is served; claims it for this replica if nobody alive has it. Undefined for an unknown one, or where `mayBe` refuses it. */
  locate(id: string, mayBe: (session: Session) => boolean): Promise<Elsewhere | (StoredSession & Owned) | undefined>
  /** Gives it back, for another to claim. */
  release(session: LiveSession): Promise<void>
}

/** What was claimed when there were others keeps its epoch. */
const ALONE: Owned = { epoch: 0, generation: 0 }

/** Of the only replica there is: everything is its own. */
export function ownAll(store: SessionStore): Ownership {
  return {
    isCertain: () => true,
    recheck: () => Promise.resolve(true),
    async open(session, lifetimeMs) {
      await store.save(session, lifetimeMs)
      return ALONE
    },
    async save(session, lifetimeMs) {
      await store.save(session.data, lifetimeMs)
      return true
    },
    async locate(id, mayBe) {
      const stored = await store.find(id)
      return stored === undefined || !mayBe(stored.session) ? undefined : { ...ALONE, ...stored }
    },
    release: () => Promise.resolve(),
  }
}

/** Not here, and there is no other: the client is told to come again. */
const NOBODY = ''

/** Claims that others win in a row: then the client is told to come again. */
const MAX_TRIES = 5

/** `isDraining`: what this replica has given back it must not claim again; another does, to which the request is brought. */
export function shareOwnership(store: SessionStore, membership: Membership, isDraining: () => boolean): Ownership {
  const { id: self } = membership

  /** What is claimed by a replica that others take for dead would be claimed from it at once. */
  const confirm = async (): Promise<number> => {
    if (!(await membership.confirm())) throw new PortolanError('state_unavailable', { retryAfterSec: 1 })
    return membership.generation()
  }
  const isOthers = async ({ owner }: StoredSession): Promise<boolean> => owner !== undefined && owner !== self && (await membership.isAlive(owner))

  /** What an earlier try stored whose answer was lost counts. */
  const claimAnew = async ({ data: { id }, epoch }: LiveSession): Promise<number | undefined> => {
    const claimed = await store.claim(id, self, epoch)
    if (claimed !== undefined) return claimed.epoch
    const stored = await store.find(id)
    return stored?.owner === self && stored.epoch === epoch + 1 ? stored.epoch : undefined
  }
  const rechecking = new WeakMap<LiveSession, Promise<boolean>>()
  const recheck = async (session: LiveSession): Promise<boolean> => {
    try {
      if (!(await membership.confirm())) return true
      const generation = membership.generation()
      if (session.ended) return false
      const epoch = await claimAnew(session)
      if (epoch === undefined) return false
      session.epoch = epoch
      session.generation = generation
      // Given back meanwhile, for another to claim.
      if (session.ended) await store.release(session.data.id, self, epoch)
      return !session.ended
    } catch {
      return true
    }
  }

  return {
    isCertain: ({ generation }) => generation === membership.generation() && membership.isCertain(),
    recheck(session) {
      const begun = rechecking.get(session) ?? recheck(session).finally(() => rechecking.delete(session))
      rechecking.set(session, begun)
      return begun
    },
    async open(session, lifetimeMs) {
      const generation = await confirm()
      await store.save(session, lifetimeMs)
      const claimed = await store.claim(session.id, self, 0)
      if (claimed === undefined) throw new PortolanError('state_unavailable', { retryAfterSec: 1 })
      return { epoch: claimed.epoch, generation }
    },
    async save(session, lifetimeMs) {
      const { epoch } = session
      const { ok } = await store.save(session.data, lifetimeMs, { epoch })
      if (ok) return true
      // It was claimed anew meanwhile, by us.
      await rechecking.get(session)
      return session.epoch !== epoch && (await store.save(session.data, lifetimeMs, { epoch: session.epoch })).ok
    },
    async locate(id, mayBe) {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const stored = await store.find(id)
        if (stored === undefined || !mayBe(stored.session)) return undefined
        if (await isOthers(stored)) return { replicaId: stored.owner ?? '' }
        if (isDraining()) return { replicaId: (await membership.another()) ?? NOBODY }
        const generation = await confirm()
        const claimed = await store.claim(id, self, stored.epoch)
        if (claimed !== undefined) return { ...stored, epoch: claimed.epoch, generation }
      }
      throw new PortolanError('state_unavailable', { retryAfterSec: 1, message: 'Several replicas claim this session at once' })
    },
    async release({ data, epoch }) {
      await store.release(data.id, self, epoch)
    },
  }
}
