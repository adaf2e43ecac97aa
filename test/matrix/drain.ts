/** Which cells a drain may end, and how: docs/explanation/replicas.md, "What survives what". */
import type { Behaviour, MatrixUpstream } from './cell.ts'
import type { Seat } from './run.ts'

interface Loss {
  /** A row of that table, or what docs/operate.md says of a balancer that sends as long as it can. */
  readonly why: string
  readonly isAt: (seat: Seat, upstream: MatrixUpstream, behaviour: Behaviour) => boolean
  /** What the client hears, by what the cell says was wrong. */
  readonly looksLike: RegExp
}

export const CUT = 'connection that the kernel had accepted and the replica had not'

const OUTCOME_UNKNOWN = /outcome unknown|call that waited for this input is lost/i
const ASKS = new Set(['form', 'url', 'sampling', 'sampling-tools', 'roots', 'several', 'rounds', 'parallel', 'prompt-asks', 'resource-asks', 'form-decline', 'form-cancel', 'refuse', 'state-only', 'url-first', 'batch-server'])
const isAsking = ({ id }: Behaviour): boolean => ASKS.has(id) || /^e-(?!tasks?(-|$))/.test(id)
const isTask = ({ id }: Behaviour): boolean => /^(e-)?tasks?(-|$)/.test(id)

const LOSSES: readonly Loss[] = [
  {
    why: 'call that waits for a modern client\'s input',
    isAt: ({ client }, { era }, behaviour) => client.era === 'modern' && era === 'legacy' && isAsking(behaviour),
    looksLike: OUTCOME_UNKNOWN,
  },
  {
    why: 'requestState of a modern stdio server',
    isAt: ({ client }, { era, isChild }, behaviour) => client.era === 'modern' && era === 'modern' && isChild && isAsking(behaviour),
    looksLike: /requestState|outcome unknown/i,
  },
  {
    why: 'task in a stdio server\'s child, going on when the drain\'s time was over',
    isAt: (_seat, { isChild }, behaviour) => isChild && isTask(behaviour),
    looksLike: /Outcome unknown: the server has forgotten the task, or was lost with it, before its result was seen/,
  },
  {
    why: CUT,
    isAt: ({ hops }) => hops === 1,
    looksLike: /with status 502|502 Bad Gateway|with HTTP 502/,
  },
  {
    // Whose session moved is told of what it listens to that it may have changed, also where it had heard of the change.
    why: 'change that was told, and may have been missed',
    isAt: ({ client }, _upstream, { id }) => client.era === 'legacy' && (id === 'updates' || id === 'list-changes'),
    looksLike: /^AssertionError: expected [2-4] to be less than or equal to 1\b/,
  },
  {
    // An older client's stream begins with what may have changed.
    why: 'what a server announces while a listen of 2026-07-28 moves to another replica',
    isAt: ({ client }, _upstream, { id }) => client.era === 'modern' && (id === 'updates' || id === 'list-changes'),
    looksLike: /^Error: not within/,
  },
]

/** Undefined where a drain is no reason for it. */
export function lossOf(seat: Seat, upstream: MatrixUpstream, behaviour: Behaviour, error: unknown): string | undefined {
  const text = textOf(error)
  return LOSSES.find(({ isAt, looksLike }) => isAt(seat, upstream, behaviour) && looksLike.test(text))?.why
}

/** With all that a comparison got: what it prints is cut short. */
export function textOf(error: unknown): string {
  const actual = typeof error === 'object' && error !== null && 'actual' in error ? `: got ${JSON.stringify(error.actual)}` : ''
  return `${String(error)}${actual}`
}
