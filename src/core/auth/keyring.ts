/**
 * Port: seals what Portolan hands to clients (session ids, cursors, task ids, request state) so that it is opaque,
 * unforgeable and bound to a purpose and an owner. AES-256-GCM with both as associated data, subkeys by HKDF.
 */

export type HandlePurpose = 'session' | 'cursor' | 'task' | 'request_state' | 'stream' | 'replica'

export interface Keyring {
  /** Visible ASCII (`[A-Za-z0-9_-]`). The same input gives a new handle each time, except for `task`: always the same. */
  seal(purpose: HandlePurpose, boundTo: string, plain: string): string
  /** The plain text, or undefined for anything not sealed here for this purpose and owner: unknown and foreign look alike. */
  open(purpose: HandlePurpose, boundTo: string, handle: string): string | undefined
}
