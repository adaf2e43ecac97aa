/**
 * Seals handles with AES-256-GCM: format, key id, nonce, ciphertext and tag, in base64url. Purpose and owner are associated
 * data, and each purpose has its own subkey (HKDF-SHA-256), so a handle opens only as what it was made for. Nothing here
 * says why a handle did not open.
 *
 * Random 96-bit nonces: a key is to be rotated well before 2^32 handles of one purpose (NIST SP 800-38D §8.3).
 */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { HandlePurpose, Keyring } from '../../core/auth/keyring.ts'
import { FORMATS, isRead } from '../../core/format.ts'

export interface KeyringKey {
  /** At least 32 unguessable bytes. */
  readonly secret: Uint8Array
  /** Only active keys seal; all keys open. */
  readonly active: boolean
}

/** How keys are derived, whatever the format of what they seal: the id by which the ring knows a key is derived so, too. */
const DERIVATION = 1
const KEY_ID_BYTES = 4
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES
const MIN_SECRET_BYTES = 32
const SECRET_BYTES = 32
const PURPOSES: readonly HandlePurpose[] = ['session', 'cursor', 'task', 'request_state', 'stream', 'server_session']

/** Key objects: bytes are made into one for each cipher, at 15 µs. */
interface Subkeys {
  readonly seal: KeyObject
  readonly nonce: KeyObject
}

interface Key {
  readonly id: Buffer
  readonly secret: Uint8Array
  readonly subkeys: ReadonlyMap<HandlePurpose, Subkeys>
}

/**
 * `keys` from oldest to newest: the newest active one seals. Throws TypeError where none is active, where a secret is too
 * short, and where two keys share an id (the same secret twice).
 */
export function createKeyring(keys: readonly KeyringKey[]): Keyring {
  const byId = new Map<string, Key>()
  let sealing: Key | undefined
  for (const { secret, active } of keys) {
    if (secret.byteLength < MIN_SECRET_BYTES) throw new TypeError(`A key needs at least ${MIN_SECRET_BYTES} bytes`)
    const key = derive(secret)
    const id = key.id.toString('hex')
    if (byId.has(id)) throw new TypeError('The same key stands twice in the key ring')
    byId.set(id, key)
    if (active) sealing = key
  }
  if (sealing === undefined) throw new TypeError('The key ring has no active key')
  const sealer = sealing

  return {
    seal(purpose, boundTo, plain) {
      const { seal, nonce: nonceKey } = subkeysOf(sealer, purpose)
      const nonce = purpose === 'task' ? syntheticNonce(nonceKey, boundTo, plain) : randomBytes(NONCE_BYTES)
      const head = Buffer.concat([Buffer.of(FORMATS.handle.writes), sealer.id, nonce], HEAD_BYTES)
      const cipher = createCipheriv('aes-256-gcm', seal, nonce).setAAD(associated(head, purpose, boundTo))
      return Buffer.concat([head, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url')
    },
    open(purpose, boundTo, handle) {
      const bytes = Buffer.from(handle, 'base64url')
      if (bytes.length < HEAD_BYTES + TAG_BYTES || !isRead(FORMATS.handle, bytes[0])) return undefined
      // Only the one spelling: else a handle that was used once could be presented again, written differently.
      if (bytes.toString('base64url') !== handle) return undefined
      const key = byId.get(bytes.toString('hex', 1, 1 + KEY_ID_BYTES))
      return key === undefined ? undefined : decrypt(subkeysOf(key, purpose).seal, bytes, purpose, boundTo)
    },
    secret: (use) => ({ keyId: sealer.id.toString('hex'), secret: sharedSecret(sealer, use) }),
    secretOf(keyId, use) {
      const key = byId.get(keyId)
      return key === undefined ? undefined : sharedSecret(key, use)
    },
  }
}

/** By which the ring finds the key that sealed a handle; tells nothing of the secret. */
export function keyIdOf(secret: Uint8Array): string {
  return derive(secret).id.toString('hex')
}

function decrypt(key: KeyObject, bytes: Buffer, purpose: HandlePurpose, boundTo: string): string | undefined {
  const tagAt = bytes.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1 + KEY_ID_BYTES, HEAD_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(associated(bytes.subarray(0, HEAD_BYTES), purpose, boundTo)).setAuthTag(bytes.subarray(tagAt))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(HEAD_BYTES, tagAt)), decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}

/** The same owner and text give the same nonce, and different ones a different nonce (in the manner of RFC 5297). */
function syntheticNonce(key: KeyObject, boundTo: string, plain: string): Buffer {
  const owner = Buffer.from(boundTo, 'utf8')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(owner.length)
  return createHmac('sha256', key).update(length).update(owner).update(plain, 'utf8').digest().subarray(0, NONCE_BYTES)
}

function associated(head: Buffer, purpose: HandlePurpose, boundTo: string): Buffer {
  // Unambiguous: the head has a fixed length, and no purpose holds a NUL.
  return Buffer.concat([head, Buffer.from(`${purpose}\0${boundTo}`, 'utf8')])
}

function derive(secret: Uint8Array): Key {
  const expand = (info: string, bytes: number): Buffer => Buffer.from(hkdfSync('sha256', secret, '', `portolan/handle/${DERIVATION}/${info}`, bytes))
  const subkey = (info: string): KeyObject => createSecretKey(expand(info, 32))
  const subkeys = new Map(PURPOSES.map((purpose) => [purpose, { seal: subkey(`${purpose}/seal`), nonce: subkey(`${purpose}/nonce`) }]))
  return { id: expand('id', KEY_ID_BYTES), secret, subkeys }
}

function sharedSecret({ secret }: Key, use: string): Uint8Array {
  return Buffer.from(hkdfSync('sha256', secret, '', `portolan/shared/${DERIVATION}/${use}`, SECRET_BYTES))
}

function subkeysOf(key: Key, purpose: HandlePurpose): Subkeys {
  const subkeys = key.subkeys.get(purpose)
  if (subkeys === undefined) throw new TypeError(`No such handle purpose: ${purpose}`)
  return subkeys
}
