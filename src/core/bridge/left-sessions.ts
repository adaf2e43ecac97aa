/**
 * Client sessions that nobody came back to: their rows are taken from the store, and their own sessions at HTTP servers ended there (2025-11-25 Transports,
 * Session Management: a client that no longer needs a session SHOULD delete it). Of several replicas the elected one does it. What it has in hand when it crashes
 * stays at the servers until they forget it.
 */

import type { GatewayContext } from '../gateway/context.ts'
import { isElected } from '../replica/elected.ts'
import type { Session } from '../session/session.ts'
import { isStoreAway } from '../task/task-claims.ts'
import { backoffMs } from '../upstream/backoff.ts'
import type { Ending } from '../upstream/channel.ts'
import { keptGoingAt } from './kept-going.ts'
import { standingOf } from './server-session.ts'

export interface LeftSessions {
  /** Does nothing while the last sweep goes on. */
  sweep(): void
  /** Takes nothing more. */
  close(): void
}

/** Of rows, and so of what is in hand at once. */
const BATCH = 200
/** Who owned a session ends it by itself in this time after it has been idle for too long. */
const SINCE_MS = 60_000
/** At one server: beyond its backlog it hears none of them. */
const AT_ONCE = 32
const MAX_TRIES = 3
const AGAIN = { firstMs: 1_000, maxMs: 10_000 }
/** A server that answered none of the tries is not asked again for so long, however many sessions expire. */
const AWAY_MS = 10 * 60_000

export function createLeftSessions(context: GatewayContext): LeftSessions {
  const { deps, sessions } = context
  const { clock, random, log, replica } = deps
  const awayUntilTicks = new Map<string, number>()
  let isRunning = false
  let isClosed = false

  const isAway = (upstreamId: string): boolean => clock.ticksMs() < (awayUntilTicks.get(upstreamId) ?? 0)

  const tryToEnd = async (session: Session, upstreamId: string, going: Going): Promise<Ending> => {
    for (let tries = 1; tries <= MAX_TRIES && !isClosed && !isAway(upstreamId); tries += 1) {
      const ending = await endStanding(context, session, upstreamId, going)
      if (ending !== 'unheard') return ending
      if (tries < MAX_TRIES) await new Promise<void>((resolve) => clock.after(backoffMs(tries, AGAIN, random), resolve))
      else awayUntilTicks.set(upstreamId, clock.ticksMs() + AWAY_MS)
    }
    return 'unheard'
  }
  const endAt = async (upstreamId: string, left: readonly Session[], going: Going): Promise<void> => {
    let standing = 0
    for (let from = 0; from < left.length; from += AT_ONCE) {
      const endings = await Promise.all(left.slice(from, from + AT_ONCE).map((session) => tryToEnd(session, upstreamId, going)))
      standing += endings.filter((ending) => ending !== 'ended').length
    }
    if (standing > 0) log({ level: 'warn', event: 'sessions_left_at_server', fields: { upstream: upstreamId, sessions: standing } })
  }
  const run = async (): Promise<void> => {
    if (replica !== undefined && !(await isElected(replica.store, replica.self.id))) return
    for (let taken = BATCH; taken === BATCH && !isClosed; ) {
      const expired = await sessions.takeExpired(BATCH, SINCE_MS)
      taken = expired.taken
      const going = askOnce((ownerKey) => keptGoingAt(context, ownerKey))
      await Promise.all(Array.from(byServer(expired.left), ([upstreamId, left]) => endAt(upstreamId, left, going)))
    }
  }

  /** That the store is away is said by who needs it now. */
  const failed = (error: unknown): void => {
    if (!isStoreAway(error)) log({ level: 'warn', event: 'session_sweep_failed', fields: { detail: error instanceof Error ? error.message : String(error) } })
  }

  return {
    sweep() {
      if (isRunning || isClosed) return
      isRunning = true
      void run().catch(failed).finally(() => (isRunning = false))
    },
    close: () => void (isClosed = true),
  }
}

function byServer(sessions: readonly Session[]): Map<string, Session[]> {
  const byId = new Map<string, Session[]>()
  for (const session of sessions) {
    for (const upstreamId of Object.keys(session.atServers)) byId.set(upstreamId, [...(byId.get(upstreamId) ?? []), session])
  }
  return byId
}

/** At which servers kept tasks of this owner go on. */
type Going = (ownerKey: string) => Promise<ReadonlySet<string>>

/** Of a batch, many may be one owner's. */
function askOnce(ask: Going): Going {
  const asked = new Map<string, ReturnType<Going>>()
  return (ownerKey) => {
    const answer = asked.get(ownerKey) ?? ask(ownerKey)
    asked.set(ownerKey, answer)
    return answer
  }
}

/** Ends one that this replica was never in. Not while a task may go on in it of which nothing is known here; nor where its server is not configured any more: nobody knows how to ask there. */
export async function endStanding(context: GatewayContext, data: Session, upstreamId: string, going: Going = (ownerKey) => keptGoingAt(context, ownerKey)): Promise<Ending> {
  const { deps, upstreams } = context
  const upstream = upstreams.byId(upstreamId)
  const standing = standingOf(deps.keyring, data, upstreamId)
  if (upstream === undefined || standing === undefined || (Object.hasOwn(data.tasks, upstreamId) && (data.tasks[upstreamId] ?? []).length > 0)) return 'ended'
  try {
    if ((await going(data.ownerKey)).has(upstreamId)) return 'ended'
    return await upstream.endStanding(standing, await deps.credentials.headersFor({ upstreamId, ownerKey: data.ownerKey }))
  } catch {
    // One owner's tasks and credential say nothing of the server.
    return 'refused'
  }
}
