/** What PostgreSQL's errors mean (PostgreSQL, Appendix A): whether a connection can be used again, and whether waiting helps. */

/** Classes of SQLSTATE after which the connection is of no more use. */
const BROKEN_CLASSES: ReadonlySet<string> = new Set(['08', '57', '58', 'XX'])
/** The server has ended it: nothing came in a transaction for too long. */
const IDLE_IN_TRANSACTION = '25P03'
/** A server that only reads is a standby, or was the primary before a fail-over. */
const READ_ONLY = '25006'
/** Its end, or its administrator's word; not a statement that was given up (57014). */
const LOST = /^(?:08|57P|25006)/
export const READS_ONLY = 'it only reads: a standby, or a primary that is being replaced'
/** The server refuses who asks or what is asked for: 28 authorization, 3D no such database, 42501 no privilege. */
const REFUSED = /^(?:28|3D|42501)/
/** Two stood in each other's way (a serialization failure, a deadlock), and this one gave in: nothing of it was done. */
const UNDONE: ReadonlySet<string> = new Set(['40001', '40P01'])
/** Of the server, of the database or of the user. */
const FULL = '53300'
/** A lock that did not come in time. */
const LOCKED = '55P03'
/** PgBouncer says so of start-up parameters that it does not know. */
const PROTOCOL_VIOLATION = '08P01'

/** SQLSTATE; '' where it was not the server that spoke. */
function stateOf(error: unknown): string {
  const isCoded = error instanceof Error && 'code' in error && 'severity' in error
  return isCoded ? String(error.code) : ''
}

/** The connection is not to be used again. */
export function isBroken(error: unknown): boolean {
  const state = stateOf(error)
  return state === '' || state === READ_ONLY || state === IDLE_IN_TRANSACTION || BROKEN_CLASSES.has(state.slice(0, 2))
}

/** What happened to one connection will happen to all that were made before. */
export function isServerLost(error: unknown): boolean {
  const state = stateOf(error)
  return state === '' ? !(error instanceof Error && error.message === OUT_OF_TIME) : LOST.test(state)
}

/** The driver's word for a statement without an answer, and the pool's for no free connection. */
const NO_ANSWER = 'Query read timeout'
const NO_ROOM = 'timeout exceeded when trying to connect'

/** Of the whole call: says nothing of the server. */
const OUT_OF_TIME = 'no time is left'

export function outOfTime(cause?: unknown): Error {
  return new Error(OUT_OF_TIME, { cause })
}

export function isUnanswered(error: unknown): boolean {
  return error instanceof Error && error.message === NO_ANSWER
}

/** Another host of the same database may be the one that writes. */
export function isElsewhere(error: unknown): boolean {
  return isServerLost(error) && !refusesParameters(error) && !(error instanceof Error && error.message === NO_ROOM)
}

/** The same statement, or the whole transaction, may be tried again at once: nothing of it was done. */
export function isUndone(error: unknown): boolean {
  return UNDONE.has(stateOf(error))
}

/** Somebody else holds what it waited for: later it may come. */
export function isLocked(error: unknown): boolean {
  return stateOf(error) === LOCKED
}

/** Trying again will not help: somebody has to mend the URL or the server's settings. */
export function isRefusal(error: unknown): boolean {
  return REFUSED.test(stateOf(error))
}

/** What whoever starts Portolan can do. */
export function adviceOf(error: unknown): string {
  return stateOf(error) === FULL ? 'Raise what it allows, max_connections by default, or put a pooler before it: each replica, and each worker, takes up to 11' : 'See that it runs and that --database-url names it, with a user who may create tables'
}

export function refusesParameters(error: unknown): boolean {
  return stateOf(error) === PROTOCOL_VIOLATION && error instanceof Error && error.message.includes('parameter')
}
