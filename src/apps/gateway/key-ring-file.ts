/**
 * The keys that seal handles where there is no store (`portolan stdio`, the library), in a private file of the data folder:
 * `{ "version": 1, "keys": [{ "secret", "active" }] }`, oldest first, secrets of 32 bytes in base64url.
 */

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { z } from 'zod'
import type { KeyringKey } from '../../adapters/node/keyring.ts'
import type { DataFolder } from './data-folder.ts'

const NAME = 'key-ring.json'
const SECRET_BYTES = 32

const ringSchema = z.strictObject({
  version: z.literal(1),
  keys: z.array(z.strictObject({ secret: z.string().regex(/^[A-Za-z0-9_-]{43,}$/), active: z.boolean() })).min(1),
})

/** Reads the keys, or makes the first one. Throws TypeError where the file holds something else. */
export function openKeyRing(data: DataFolder): readonly KeyringKey[] {
  const first = { version: 1, keys: [{ secret: randomBytes(SECRET_BYTES).toString('base64url'), active: true }] }
  const { text } = data.keep(NAME, () => `${JSON.stringify(first, null, 2)}\n`)
  return keysOf(text, data)
}

/** The same where the file is there; none where it is not. */
export function readKeyRing(data: DataFolder): readonly KeyringKey[] {
  return existsSync(data.file(NAME)) ? openKeyRing(data) : []
}

function keysOf(text: string, data: DataFolder): readonly KeyringKey[] {
  const ring = ringSchema.safeParse(parse(text))
  if (!ring.success) {
    const path = data.file(NAME)
    throw new TypeError(`${path} holds no key ring. Restore it from a backup, or remove it: sessions and cursors then end.`)
  }
  return ring.data.keys.map(({ secret, active }) => ({ secret: Buffer.from(secret, 'base64url'), active }))
}

/** A second parser's complaint could quote the secret: all that is told is that it failed. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
