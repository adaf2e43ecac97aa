/**
 * Port: the keys that seal handles, shared by all replicas. A key is added, activated once every replica knows it, and
 * retired once nothing that it sealed is of use. The key that was activated last seals; all of them open. Every method
 * rejects with `state_unavailable` where the store cannot be reached.
 */

import type { Result } from '../../protocol/result.ts'

export interface NewKey {
  readonly id: string
  /** Text of 32 random bytes or more; sealed by the caller where there is something to seal it with. */
  readonly secret: string
}

export interface StoredKey extends NewKey {
  /** Epoch milliseconds of the store's clock. */
  readonly addedAtMs: number
  /** Undefined: it opens, and does not seal yet. */
  readonly activatedAtMs: number | undefined
  /** How long ago it was added. */
  readonly ageMs: number
}

export type KeyFault =
  /** There is no such key. */
  | { readonly reason: 'unknown' }
  /** It was activated before. */
  | { readonly reason: 'activated' }
  /** It is the key that seals: activate another first. */
  | { readonly reason: 'sealing' }

export interface KeyStore {
  /** In the order in which they came to seal, the one that seals last; those that wait come before all others. */
  list(): Promise<readonly StoredKey[]>
  /** Puts these keys into an empty ring, in this order, all activated; a ring that has keys stays as it is. True where it was empty. */
  seed(keys: readonly NewKey[]): Promise<boolean>
  /** A key with an id that is there already stays as it was. */
  add(key: NewKey): Promise<void>
  /** Puts another text in the place of this one; false where the key has gone, or its text is another by now. */
  replaceSecret(key: NewKey, secret: string): Promise<boolean>
  activate(id: string): Promise<Result<undefined, KeyFault>>
  /** Forgets the key: what it sealed does not open any more. */
  retire(id: string): Promise<Result<undefined, KeyFault>>
}
