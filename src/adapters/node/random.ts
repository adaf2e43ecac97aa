/** Randomness from the operating system. */
import { randomBytes } from 'node:crypto'
import type { Random } from '../../core/random.ts'

const ID_BYTES = 18

export function createSystemRandom(): Random {
  return {
    fraction: () => Math.random(),
    /** 144 bits, 24 characters. */
    id: () => randomBytes(ID_BYTES).toString('base64url'),
  }
}
