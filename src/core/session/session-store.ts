/** Port: where sessions are kept. */

import type { Session } from './session.ts'

export interface SessionStore {
  /** The session, or undefined where there is none or it has been idle for longer than its lifetime. */
  find(id: string): Promise<Session | undefined>
  /** Inserts or replaces; the session lives `lifetimeMs` from now. */
  save(session: Session, lifetimeMs: number): Promise<void>
  delete(id: string): Promise<void>
  /** How many live sessions the owner has. */
  count(ownerKey: string): Promise<number>
}
