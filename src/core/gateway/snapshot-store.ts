/**
 * Port: the configuration that the replicas share, as text. Every method rejects with `state_unavailable` where the store
 * cannot be reached.
 */

export interface StoredSnapshot {
  /** SHA-256 of the text, hexadecimal. */
  readonly digest: string
  readonly text: string
  /** Grows with each change. */
  readonly revision: number
}

export interface SnapshotStore {
  /** Makes it the current one, unless it is already. */
  put(digest: string, text: string): Promise<void>
  /** Undefined before the first. */
  current(): Promise<StoredSnapshot | undefined>
}
