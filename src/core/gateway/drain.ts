/** The end of a gateway that others outlive: streams end gracefully, calls finish, sessions are handed over. */

import { PortolanError } from '../../protocol/error.ts'
import type { Clock } from '../clock.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { sendBack } from './find-session.ts'
import { finish } from './finish.ts'
import { endListen } from './pipe.ts'
import { mayHaveRun } from './repeatable.ts'

/** Whoever still may opens them anew. */
export function endStreams(context: GatewayContext): void {
  for (const exchange of context.inFlight.values()) {
    if (exchange.isRelayed && exchange.http?.verb === 'GET') finish(context, exchange, { kind: 'ended' })
    else if (exchange.message?.method === 'subscriptions/listen') endListen(context, exchange)
  }
  for (const session of context.sessions.all()) for (const stream of Array.from(session.streams)) stream.end()
}

/** Sessions are handed over as soon as none of their calls is in flight, those of the rest at the end. */
export async function drain(context: GatewayContext, graceMs: number): Promise<void> {
  const isAgain = context.draining
  context.draining = true
  endStreams(context)
  const { clock } = context.deps
  const deadlineTicks = clock.ticksMs() + graceMs
  const attemptsEnded = context.owned?.runner.drain(graceMs)
  const placed = context.upstreams.all().map(({ placement }) => placement?.handOver(graceMs))
  // What a drain has left to others is theirs to claim.
  const handovers = isAgain ? NO_HANDOVERS : createHandovers(context, deadlineTicks)
  handovers.begin()
  while ((hasCalls(context) || handovers.areLeft()) && clock.ticksMs() < deadlineTicks) {
    await new Promise<void>((resolve) => clock.after(20, resolve))
    endStreams(context)
    handovers.begin()
  }
  // The messages of a batch first: it ends with the last of them, and says what became of each.
  for (const isMessage of [true, false]) for (const exchange of context.inFlight.values()) if ((exchange.message !== undefined) === isMessage) cutOff(context, exchange)
  handovers.begin()
  const leftMs = Math.max(0, deadlineTicks - clock.ticksMs()) + LAST_MS
  // Whoever goes on with a session goes on with what is stored of it.
  const saved = isAgain ? undefined : within(clock, leftMs, context.sessions.saved())
  await Promise.all([handovers.ended(leftMs), saved, ...placed, attemptsEnded])
}

function hasCalls({ inFlight }: GatewayContext): boolean {
  for (const exchange of inFlight.values()) if (!isPassing(exchange)) return true
  return false
}

/**
 * Another replica brought it for a session that was here: it is about to be sent back. Not waited for: while a store is slow
 * to take sessions back such exchanges come again and again, and no drain would end.
 */
function isPassing({ carried, session, era }: Exchange): boolean {
  return carried !== undefined && session === undefined && era === 'legacy'
}

function cutOff(context: GatewayContext, exchange: Exchange): void {
  if (isPassing(exchange)) return sendBack(context, exchange)
  const error = mayHaveRun(exchange) ? new PortolanError('outcome_unknown', { message: CUT_OFF }) : new PortolanError('draining', { retryAfterSec: 1 })
  exchange.carriage?.abort('shutting down')
  finish(context, exchange, { kind: 'refused', error })
}

const CUT_OFF = 'Outcome unknown: Portolan ended before the server had answered'

const HANDOVERS_AT_ONCE = 64
/** Beyond the limit, for sessions whose calls ended with it. Whoever ends this process does not wait for a slow store to take all of them back. */
const LAST_MS = 2_000

interface Handovers {
  /** Hands over what is idle now and is not being handed over yet. */
  begin(): void
  /** Sessions are still here: in use, or in use again, since a peer may bring a call until the end. */
  areLeft(): boolean
  /** Or left to others, who claim it when this replica has gone: it goes on without what its client was not told. */
  ended(leftMs: number): Promise<unknown>
}

const NO_HANDOVERS: Handovers = { begin: () => undefined, areLeft: () => false, ended: () => Promise.resolve() }

/** Only where somebody can take them: a replica without others goes on with its own until it ends. */
function createHandovers({ deps: { clock, log }, membership, sessions }: GatewayContext, untilTicks: number): Handovers {
  const busy = new Set<LiveSession>()
  const runs: Promise<void>[] = []

  async function handOver(idle: readonly LiveSession[]): Promise<void> {
    const isOver = (): boolean => clock.ticksMs() > untilTicks + LAST_MS
    for (let from = 0; from < idle.length && !isOver(); from += HANDOVERS_AT_ONCE) {
      await Promise.allSettled(idle.slice(from, from + HANDOVERS_AT_ONCE).map((session) => sessions.handOver(session, untilTicks).finally(() => busy.delete(session))))
    }
  }

  return {
    begin() {
      if (membership === undefined) return
      const idle = Array.from(sessions.all()).filter((session) => session.inFlight.size === 0 && !busy.has(session))
      if (idle.length === 0) return
      for (const session of idle) busy.add(session)
      runs.push(handOver(idle))
    },
    areLeft: () => membership !== undefined && sessions.count > 0,
    async ended(leftMs) {
      await within(clock, leftMs, Promise.all(runs))
      if (busy.size > 0) log({ level: 'warn', event: 'sessions_not_handed_over', fields: { sessions: busy.size } })
    },
  }
}

function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<unknown> {
  let stop = (): void => {}
  const over = new Promise<void>((resolve) => void (stop = clock.after(ms, resolve)))
  return Promise.race([work, over]).finally(() => stop())
}
