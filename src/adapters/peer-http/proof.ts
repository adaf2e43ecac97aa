/**
 * Who may speak, and that what is heard is theirs. A request carries a proof, sealed by the key ring and bound to its method
 * and path, that names sender, receiver, time and a nonce. Its text, and each frame of the answer, is sealed for that nonce and
 * its place: nothing can be read, changed, moved, repeated, cut short unseen or sent by somebody without the key ring.
 */
import type { Keyring } from '../../core/auth/keyring.ts'
import { FORMATS, isRead } from '../../core/format.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'

export type PeerPath = '/peer/1/alive' | '/peer/1/call' | '/peer/1/more'

export interface Proof {
  readonly from: string
  readonly to: string
  /** Of the sender's clock. */
  readonly atMs: number
  /** Once for each request. */
  readonly nonce: string
  /** `call`: for whom it is. */
  readonly topic: string
  /** `more`: the nonce of the call that it continues. */
  readonly call: string
  /** `more`: no further text, and no text. */
  readonly isLast: boolean
}

/** Two clocks may be 60 s apart, and a request takes a moment. */
export const PROOF_LIFETIME_MS = 90_000
/** A proof of a clock that is ahead is good for its whole lifetime still. */
export const NONCE_LIFETIME_MS = 2 * PROOF_LIFETIME_MS
export const MAX_PROOF_CHARS = 4_096

export function sealProof(keyring: Keyring, path: PeerPath, proof: Proof): string {
  return keyring.seal('replica', `POST ${path}`, JSON.stringify({ v: FORMATS.peer.writes, ...proof }))
}

/** Undefined for whatever no holder of the key ring made for this path, and for a version that is not known. */
export function openProof(keyring: Keyring, path: PeerPath, sealed: string | undefined): Proof | undefined {
  if (sealed === undefined || sealed.length > MAX_PROOF_CHARS) return undefined
  const plain = keyring.open('replica', `POST ${path}`, sealed)
  if (plain === undefined) return undefined
  // Sealed by a peer, of a later version perhaps.
  const value: unknown = JSON.parse(plain)
  return isJsonObject(value) && isRead(FORMATS.peer, value['v']) ? whole(value) : undefined
}

function whole({ from, to, atMs, nonce, topic, call, isLast }: JsonObject): Proof | undefined {
  if (typeof from !== 'string' || typeof to !== 'string' || typeof atMs !== 'number' || typeof nonce !== 'string') return undefined
  if (typeof topic !== 'string' || typeof call !== 'string' || typeof isLast !== 'boolean') return undefined
  return { from, to, atMs, nonce, topic, call, isLast }
}

export function sealText(keyring: Keyring, nonce: string, text: string): string {
  return keyring.seal('replica', `text ${nonce}`, text)
}

export function openText(keyring: Keyring, nonce: string, sealed: string): string | undefined {
  return keyring.open('replica', `text ${nonce}`, sealed)
}

/** How much a sealed text may take: two bytes for a character beyond ASCII, base64url, and the seal's own. */
export function sealedBytesOf(textChars: number): number {
  return Math.ceil((textChars * 2 * 4) / 3) + 128
}
