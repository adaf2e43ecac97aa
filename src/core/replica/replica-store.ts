/**
 * Port: which replicas are alive, and where their peers reach them. A replica that has not announced itself within its
 * lifetime is dead. Every method rejects with `state_unavailable` where the store cannot be reached.
 */

export interface Replica {
  /** New at each start: a restarted process owns nothing that its predecessor did. */
  readonly id: string
  /** Of its peer listener; '' where it has none. */
  readonly address: string
  /** Of Portolan. */
  readonly version: string
}

export interface ReplicaStore {
  /** Says that the replica lives, for `lifetimeMs` from now: its first word and its heartbeat. False where it was not among the living until now. */
  announce(replica: Replica, lifetimeMs: number): Promise<boolean>
  leave(id: string): Promise<void>
  /** Those alive, by id. */
  live(): Promise<readonly Replica[]>
  /** Undefined where it is dead or never was. */
  find(id: string): Promise<Replica | undefined>
}
