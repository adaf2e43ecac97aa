/**
 * The key ring of all replicas, from the store that they share. Each replica reads it again every few seconds; so a key is
 * activated only when it has been there for longer than that (`KEY_SPREAD_MS`), and every replica opens what it seals.
 */

import { randomBytes } from 'node:crypto'
import { createKeyring, keyIdOf } from '../../adapters/node/keyring.ts'
import type { KeyringKey } from '../../adapters/node/keyring.ts'
import type { KeyStore, NewKey } from '../../core/auth/key-store.ts'
import type { Keyring } from '../../core/auth/keyring.ts'
import type { KeySeal } from './key-seal.ts'

/** How often a replica reads the ring again. */
export const KEY_POLL_MS = 5_000
/** After so long every replica that reaches the store knows a new key. */
export const KEY_SPREAD_MS = 15_000
const SECRET_BYTES = 32

export interface SharedKeyring extends Keyring {
  /** Reads the ring again. Rejects where the store fails, or a key cannot be opened: what was known stays in use. */
  refresh(): Promise<void>
}

/** `former`: of the file in which a ring was kept before there was a store; taken over where the store has none. `onMade`: it had none, and has one now. */
export async function openSharedKeyring(store: KeyStore, seal: KeySeal, former: readonly KeyringKey[], onMade: () => void = () => undefined): Promise<SharedKeyring> {
  if ((await store.list()).length === 0) {
    // The one that seals stands last; one that waited there is of no use to anybody.
    const taken = former.filter(({ active }) => active).map(({ secret }) => newKey(secret, seal))
    if (await store.seed(taken.length > 0 ? taken : [newKey(randomBytes(SECRET_BYTES), seal)])) onMade()
  }
  let known = await readRing(store, seal)
  let current = createKeyring(known.keys)
  return {
    seal: (purpose, boundTo, plain) => current.seal(purpose, boundTo, plain),
    open: (purpose, boundTo, handle) => current.open(purpose, boundTo, handle),
    secret: (use) => current.secret(use),
    secretOf: (keyId, use) => current.secretOf(keyId, use),
    async refresh() {
      const read = await readRing(store, seal)
      if (read.mark === known.mark) return
      current = createKeyring(read.keys)
      known = read
    },
  }
}

/** A new key, not in the store yet. */
export function makeKey(seal: KeySeal): NewKey {
  return newKey(randomBytes(SECRET_BYTES), seal)
}

/** Seals those that stand unsealed; the ids of these. What is sealed has to open with the same state key. Rejects with StateOpenError. */
export async function sealKeys(store: KeyStore, seal: KeySeal): Promise<readonly string[]> {
  const sealed = (await store.list()).map((key) => ({ key, secret: seal.sealPlain(key) }))
  for (const { key, secret } of sealed) if (secret === undefined) seal.open(key)
  const ids: string[] = []
  for (const { key, secret } of sealed) if (secret !== undefined && (await store.replaceSecret(key, secret))) ids.push(key.id)
  return ids
}

function newKey(secret: Uint8Array, seal: KeySeal): NewKey {
  const id = keyIdOf(secret)
  return { id, secret: seal.seal(id, secret) }
}

async function readRing(store: KeyStore, seal: KeySeal): Promise<{ readonly keys: readonly KeyringKey[]; readonly mark: string }> {
  const stored = await store.list()
  const keys = stored.map((key) => ({ secret: seal.open(key), active: key.activatedAtMs !== undefined }))
  return { keys, mark: JSON.stringify(stored.map(({ id, activatedAtMs }) => [id, activatedAtMs])) }
}
