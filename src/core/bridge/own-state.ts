/**
 * Request states that Portolan makes itself, for modern clients of legacy servers; sealed like those of servers. They mean
 * the same whatever the server speaks by the time of the retry, and no server gets to see one.
 */

/** The state of a retry that is a call of its own (bridge-rulings §4, URL mode). */
export const AFRESH = 'portolan-afresh'

const PARKED = 'portolan-parked'

export interface ParkedState {
  readonly id: string
  readonly round: number
}

/** Names one round of a call that waits for its client; `id` holds no colon. */
export function parkedState({ id, round }: ParkedState): string {
  return [PARKED, id, round].join(':')
}

/** Undefined for what names no such call. */
export function readParkedState(state: string | undefined): ParkedState | undefined {
  const [prefix, id, round] = state?.split(':') ?? []
  return prefix !== PARKED || id === undefined ? undefined : { id, round: Number(round) }
}

export function isOwnState(state: string | undefined): boolean {
  return state === AFRESH || readParkedState(state) !== undefined
}
