/**
 * Port: seals what Portolan hands to clients (session ids, cursors, task ids, request state), and what stores are not to read, so that it is opaque,
 * unforgeable and bound to a purpose and an owner. AES-256-GCM with both as associated data, subkeys by HKDF.
 */

export type HandlePurpose = 'session' | 'cursor' | 'task' | 'request_state' | 'stream' | 'server_session'

export interface Keyring {
  /** Visible ASCII (`[A-Za-z0-9_-]`). The same input gives a new handle each time, except for `task`: always the same. */
  seal(purpose: HandlePurpose, boundTo: string, plain: string): string
  /** The plain text, or undefined for anything not sealed here for this purpose and owner: unknown and foreign look alike. */
  open(purpose: HandlePurpose, boundTo: string, handle: string): string | undefined
  /** What all holders of the key ring know, and nobody else: a secret of the key that seals, for one `use` and good for no other. */
  secret(use: string): SharedSecret
  /** The same of a key that another holder named; undefined for one that is not in the ring. */
  secretOf(keyId: string, use: string): Uint8Array | undefined
}

export interface SharedSecret {
  /** Tells nothing of the key. */
  readonly keyId: string
  /** 32 bytes. */
  readonly secret: Uint8Array
}
