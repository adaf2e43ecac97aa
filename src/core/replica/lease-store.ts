/**
 * Port: time-limited rights that one replica at a time has (sweeps, singletons). The epoch of a name only ever grows, also
 * over releases and expiries: who acts under an older one is told apart (fencing). A lease must be taken for lost some time
 * before it ends: its holder's clock may lag. Every method rejects with `state_unavailable` where the store cannot be reached.
 */

export interface Lease {
  readonly name: string
  /** A replica's id. */
  readonly holder: string
  readonly epoch: number
}

export interface LeaseStore {
  /** Undefined where another holds it. Who holds it may take it anew: that raises the epoch too. */
  acquire(name: string, holder: string, ms: number): Promise<Lease | undefined>
  /** Who holds it now; undefined where nobody does. */
  find(name: string): Promise<Lease | undefined>
  /** Lives `ms` from now. False where it has expired, was released, or was acquired again. */
  renew(lease: Lease, ms: number): Promise<boolean>
  /** Nothing happens where it is not held any more. */
  release(lease: Lease): Promise<void>
}
