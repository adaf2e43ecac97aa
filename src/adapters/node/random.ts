/** Randomness from the operating system. */
import { randomBytes } from 'node:crypto'
import type { Random } from '../../core/random.ts'

const ID_BYTES = 18
const HYPHEN = 0x2d

export function createSystemRandom(): Random {
  return {
    fraction: () => Math.random(),
    /** 143 bits and more, 24 characters. */
    id() {
      const id = randomBytes(ID_BYTES).toString('base64url')
      return id.charCodeAt(0) === HYPHEN ? `_${id.slice(1)}` : id
    },
  }
}
