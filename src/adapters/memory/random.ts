/** Randomness that repeats: for tests and simulations only. Its ids can be guessed. */
import type { Random } from '../../core/random.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'
const ID_LENGTH = 22

/** The same `seed` gives the same sequence (mulberry32). */
export function createSeededRandom(seed: number): Random {
  let state = seed >>> 0

  function fraction(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  return {
    fraction,
    id: () => Array.from({ length: ID_LENGTH }, () => ALPHABET.charAt(Math.floor(fraction() * ALPHABET.length))).join('').replace(/^-/, '_'),
  }
}
