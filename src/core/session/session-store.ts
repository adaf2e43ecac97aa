/**
 * Port: where sessions are kept, and which replica owns what of a session cannot move. Each claim raises the session's
 * epoch; whoever acts on an older one learns that it lost the session (fencing). Every method rejects with
 * `state_unavailable` where the store cannot be reached.
 */

import type { Result } from '../../protocol/result.ts'
import type { Session } from './session.ts'

export interface StoredSession {
  readonly session: Session
  /** The replica that holds what cannot move; undefined where nobody does. It may be dead: its lease says. */
  readonly owner: string | undefined
  /** Of the last claim; 0 before the first. */
  readonly epoch: number
  /** Grows with each save. */
  readonly version: number
}

/** What a saver knows of the session; where the store knows better, nothing is saved. */
export interface SeenSession {
  readonly epoch: number
  /** Left out: whichever version is replaced. */
  readonly version?: number
}

/** `version` is the new one. `stale`: claimed or saved by another meanwhile, deleted, or expired; find it again. */
export type SessionSaved = Result<{ readonly version: number }, { readonly reason: 'stale' }>

export interface SessionStore {
  /** The session, or undefined where there is none or it has been idle for longer than its lifetime. */
  find(id: string): Promise<StoredSession | undefined>
  /** The session lives `lifetimeMs` from now. Inserts or replaces; with `seen` it only replaces, and only what was seen. */
  save(session: Session, lifetimeMs: number, seen?: SeenSession): Promise<SessionSaved>
  delete(id: string): Promise<void>
  /** How many live sessions the owner (`ownerKey`) has. */
  count(ownerKey: string): Promise<number>
  /** Makes the replica the owner where the epoch is still `seenEpoch`; undefined where somebody else was first, or it is gone. */
  claim(id: string, replicaId: string, seenEpoch: number): Promise<{ readonly epoch: number } | undefined>
  /** Nobody owns it from now on; the epoch stays. False where the replica was not its owner any more. */
  release(id: string, replicaId: string, epoch: number): Promise<boolean>
  /**
   * Takes out what has been expired for `sinceMs` and longer, at most `count` of it; where there is more, somebody takes that next. Each session is given to one
   * caller alone, and one that was saved again or deleted meanwhile to none.
   */
  takeExpired(count: number, sinceMs: number): Promise<readonly Session[]>
}
