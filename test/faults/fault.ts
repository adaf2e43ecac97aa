/** Faults at the edges of the gateway, chosen by a seed: the same seed makes the same run. */

export const HTTP_FAULTS = [
  'none', 'delay', 'cut request', 'cut before head', 'cut response', 'garbage', 'garbage in json', 'half open', 'no answer', '500 unexecuted', '502 executed',
  '503', '404', 'slow drip', 'wrong id', 'empty answer', 'stream ends early', 'twice',
] as const
export const STDIO_FAULTS = ['none', 'delay', 'garbage', 'half a line', 'exit before', 'exit after', 'no answer', 'slow drip', 'wrong id', 'stderr flood'] as const
export const CLIENT_FAULTS = ['none', 'leaves at once', 'leaves later', 'slow request', 'half a request', 'reads slowly'] as const

export type HttpFault = (typeof HTTP_FAULTS)[number]
export type StdioFault = (typeof STDIO_FAULTS)[number]
export type ClientFault = (typeof CLIENT_FAULTS)[number]

export interface FaultRun {
  readonly seed: number
  readonly upstream: 'modern' | 'legacy' | 'stdio'
  readonly client: 'modern' | 'legacy'
  readonly atServer: HttpFault | StdioFault
  readonly atClient: ClientFault
  /** The answer is a stream. */
  readonly streams: boolean
  readonly answerBytes: number
  /** How far into an answer, 0 to 1. */
  readonly where: number
  readonly delayMs: number
}

/** Mulberry32: small, and good enough to choose by. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function faultRun(seed: number): FaultRun {
  const next = seeded(seed)
  const pick = <T>(all: readonly T[]): T => all[Math.floor(next() * all.length)] as T
  const upstream = pick(['modern', 'legacy', 'stdio'] as const)
  return {
    seed,
    upstream,
    client: pick(['modern', 'legacy'] as const),
    atServer: upstream === 'stdio' ? pick(STDIO_FAULTS) : pick(HTTP_FAULTS),
    atClient: next() < 0.7 ? 'none' : pick(CLIENT_FAULTS),
    streams: next() < 0.4,
    answerBytes: Math.floor(10 ** (1 + next() * 4.5)),
    where: next(),
    delayMs: Math.floor(next() * 300),
  }
}
