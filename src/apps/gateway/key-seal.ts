/**
 * How the secrets of the key ring stand in the database: as they are (`plain:`), or sealed by a key that is not in it
 * (`sealed:`, AES-256-GCM with the key's id as associated data), so that a copy of the database alone opens no handle. With a
 * state key only what is sealed is taken: else whoever can write to the database could bring a key of his own, and make handles.
 */

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { StoredKey } from '../../core/auth/key-store.ts'
import { StateOpenError } from '../../adapters/sql/sql-database.ts'

export interface KeySeal {
  seal(id: string, secret: Uint8Array): string
  /** Throws StateOpenError where the state key is missing or another one, and for what stands unsealed though there is one. */
  open(key: Pick<StoredKey, 'id' | 'secret'>): Uint8Array
  /** What stands unsealed, sealed; undefined for what is sealed already, or where there is nothing to seal it with. */
  sealPlain(key: Pick<StoredKey, 'id' | 'secret'>): string | undefined
}

const PLAIN = 'plain:'
const SEALED = 'sealed:'
const [NONCE_BYTES, TAG_BYTES] = [12, 16]

/** `stateKey` undefined: new secrets stand as they are. */
export function createKeySeal(stateKey: string | undefined): KeySeal {
  const sealingKey = stateKey === undefined ? undefined : Buffer.from(hkdfSync('sha256', stateKey, '', 'portolan/key-ring/1', 32))
  const seal: KeySeal['seal'] = (id, secret) => {
    if (sealingKey === undefined) return `${PLAIN}${Buffer.from(secret).toString('base64url')}`
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce).setAAD(Buffer.from(id))
    return `${SEALED}${Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]).toString('base64url')}`
  }
  return {
    seal,
    sealPlain: ({ id, secret }) => (sealingKey !== undefined && secret.startsWith(PLAIN) ? seal(id, plainBytes(secret)) : undefined),
    open({ id, secret }) {
      if (secret.startsWith(PLAIN) && sealingKey !== undefined) throw new StateOpenError(unsealedText(id))
      if (secret.startsWith(PLAIN)) return plainBytes(secret)
      if (sealingKey === undefined) throw new StateOpenError(`The key ${id} in the database is sealed. Give the state key that sealed it with --state-key or PORTOLAN_STATE_KEY.`)
      const bytes = Buffer.from(secret.slice(SEALED.length), 'base64url')
      const opened = secret.startsWith(SEALED) && bytes.length > NONCE_BYTES + TAG_BYTES ? unseal(sealingKey, id, bytes) : undefined
      if (opened !== undefined) return opened
      throw new StateOpenError(`The state key does not open the key ${id} in the database. Give the one that sealed it with --state-key or PORTOLAN_STATE_KEY.`)
    },
  }
}

function plainBytes(secret: string): Buffer {
  return Buffer.from(secret.slice(PLAIN.length), 'base64url')
}

function unsealedText(id: string): string {
  return `The key ${id} stands unsealed in the database, though there is a state key: it is not taken, since anybody who can write to the database may have put it there. Where it is yours, made before there was a state key, seal it: portolan key seal`
}

function unseal(key: Buffer, id: string, bytes: Buffer): Uint8Array | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(id)).setAuthTag(bytes.subarray(-TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    return undefined
  }
}
