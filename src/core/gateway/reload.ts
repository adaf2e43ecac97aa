/**
 * A new snapshot while calls are running: every exchange ends where it began. A server that was replaced or removed gets
 * nothing new, is closed when the last exchange that may use it has ended, and takes no other server's clients with it.
 *
 *   current ──apply──▶ replaced ──last exchange ends, or its time limit passes──▶ closed
 */

import { keepStanding } from '../bridge/server-session.ts'
import { listenAgain } from '../bridge/take-up.ts'
import { isMerged, virtualAt } from '../catalog/endpoint-scope.ts'
import { virtualServersOf } from '../catalog/virtual-server.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { forgetOwn } from '../session/live-session.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import type { Snapshot } from './snapshot.ts'
import type { UpstreamChange } from './upstream-set.ts'

export interface Reloads {
  /** Takes the snapshot into use. Returns at once; calls in flight go on. */
  take(snapshot: Snapshot): void
  /** Servers that were replaced or removed and still have calls. */
  readonly leaving: number
  /** Closes those, whatever runs there. */
  close(): Promise<void>
}

/** Beyond a server's own limit for a call no call of its can be left; what is, the sweep has ended. */
const SLACK_MS = 5_000

export function createReloads(context: GatewayContext): Reloads {
  let before = context.deps.snapshots.current()
  /** What closes each of them. */
  const leaving = new Map<Upstream, () => Promise<void>>()

  const leave = (upstream: Upstream): void => {
    const stopTimer = context.deps.clock.after(upstream.config.requestTotalTimeoutMs + SLACK_MS, () => void close())
    const close = async (): Promise<void> => {
      stopTimer()
      if (!leaving.delete(upstream)) return
      context.catalog.forget(upstream)
      await upstream.close()
    }
    leaving.set(upstream, close)
    let uses = 5
    const unused = (): void => {
      uses -= 1
      if (uses === 0) void close()
    }
    // A call that waits for its client's input is in flight at the server, though its exchange has ended.
    // So is a call of another replica's.
    if (upstream.placement === undefined) unused()
    else upstream.placement.whenIdle(unused)
    context.inputPool.retire(upstream, unused)
    context.tasksAtLegacy.whenIdle(upstream, unused)
    context.tasksAtModern.whenIdle(upstream, unused)
    afterAll(context.inFlight.values().filter((exchange) => mayUse(exchange, upstream)), unused)
  }

  return {
    take(snapshot) {
      const change = context.upstreams.apply(snapshot)
      for (const { upstream, successor } of change.gone) {
        upstream.retire()
        context.pool.retire(upstream)
        context.watches.replace(upstream, successor)
        for (const session of context.sessions.all()) leaveOwn(context, session, upstream, successor)
        leave(upstream)
      }
      for (const upstream of change.added) context.watches.added(upstream)
      endLeftSessions(context, change, before)
      announce(context, change, snapshot.separator !== before.separator)
      before = snapshot
    },
    get leaving() {
      return leaving.size
    },
    close: async () => void (await Promise.all([...leaving.values()].map((close) => close()))),
  }
}

/** A listen hears of the successor by itself, and holds nothing up; what is not routed yet may have found the old one. */
function mayUse({ message, route }: Exchange, upstream: Upstream): boolean {
  if (message === undefined || message.kind !== 'request' || message.method === 'subscriptions/listen') return false
  return route === undefined || route.upstream === upstream
}

/** Runs `run` when all of them have finished: now, where there are none. */
export function afterAll(exchanges: readonly Exchange[], run: () => void): void {
  let left = exchanges.length
  if (left === 0) return run()
  for (const exchange of exchanges) {
    exchange.onFinished.push(() => {
      left -= 1
      if (left === 0) run()
    })
  }
}

/**
 * A client session's own session at a server that was replaced: the next call opens one at the successor. What the old one
 * knew is lost as with a lost child (decision 0005), but not before the calls in flight there have ended.
 */
function leaveOwn(context: GatewayContext, session: LiveSession, upstream: Upstream, successor: Upstream | undefined): void {
  const own = session.own.get(upstream.id)
  if (own === undefined) return
  const wasOpen = session.opened.get(upstream.id) !== undefined
  // What is about to be ended nobody goes on with.
  if (keepStanding(context.deps.keyring, session.data, upstream.id, undefined)) void context.sessions.changed(session)
  forgetOwn(session, upstream.id)
  afterAll(session.inFlight.values().filter((exchange) => mayUse(exchange, upstream)), () => {
    for (const [idText, pending] of session.pending) if (pending.upstream === upstream) session.pending.delete(idText)
    void own.then(({ channel }) => channel.close()).catch(() => undefined)
  })
  if (successor === undefined) return
  if (wasOpen && upstream.config.state === 'opaque') {
    context.deps.log({ level: 'warn', event: 'session_state_lost', fields: { upstream: upstream.id } })
    if (!isMerged(context, session.data.endpoint)) return leaveSession(context, session)
    session.lost.add(upstream.id)
  }
  void listenAgain(context, session, successor)
}

/** Sessions at an endpoint that is no longer there. */
function endLeftSessions(context: GatewayContext, { gone, renamed }: UpstreamChange, before: Snapshot): void {
  const former = new Set([...gone.map(({ upstream }) => upstream.name), ...renamed.map(({ formerName }) => formerName)])
  for (const session of context.sessions.all()) {
    const { endpoint } = session.data
    const isLeft = former.has(endpoint) && context.upstreams.byName(endpoint) === undefined
    if (isLeft || (virtualServersOf(before).has(endpoint) && virtualAt(context, endpoint) === undefined)) leaveSession(context, session)
  }
}

/** Its next request is answered as of an unknown session; those in flight are answered, and then it ends. */
function leaveSession(context: GatewayContext, session: LiveSession): void {
  if (session.leaving) return
  session.leaving = true
  afterAll(session.inFlight.values(), () => void context.sessions.end(session).catch(() => undefined))
}

/** Each client that sees any of it is told once. */
function announce(context: GatewayContext, change: UpstreamChange, areNamesNew: boolean): void {
  const { gone, added, renamed, readdressed, isReordered } = change
  const all = context.upstreams.all()
  const changed = areNamesNew || isReordered ? all : [...gone.map(({ upstream, successor }) => successor ?? upstream), ...added, ...renamed.map(({ upstream }) => upstream), ...readdressed]
  const removed = gone.flatMap(({ upstream, successor }) => (successor === undefined ? [upstream] : []))
  context.watches.changed(...new Set([...changed, ...removed]))
}
