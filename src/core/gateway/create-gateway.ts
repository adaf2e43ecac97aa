/** The gateway: ports in, HTTP and stdio handlers out. It listens to nothing by itself. */

import { asciiJson } from '../../protocol/json.ts'
import { PortolanError } from '../../protocol/error.ts'
import { createAbandonedCalls } from '../bridge/abandoned-calls.ts'
import { createExtensionClasses } from '../bridge/extension-class.ts'
import { createInputPool } from '../bridge/input-pool.ts'
import { createLegacyPool } from '../bridge/legacy-pool.ts'
import type { LegacyPool } from '../bridge/legacy-pool.ts'
import { deliverOwn } from '../bridge/server-message.ts'
import { keptGoingAt } from '../bridge/kept-going.ts'
import { createLeftSessions, endStanding } from '../bridge/left-sessions.ts'
import { keepStanding, standingOf } from '../bridge/server-session.ts'
import { sealTask } from '../bridge/handles.ts'
import { createOwnedTasks } from '../bridge/owned-tasks.ts'
import { createParkedCalls } from '../bridge/parked-calls.ts'
import { createTasksAtLegacy } from '../bridge/task-at-legacy.ts'
import type { TasksAtLegacy } from '../bridge/legacy-task.ts'
import { createTaskSessions } from '../bridge/task-sessions.ts'
import { createTasksAtModern } from '../bridge/task-at-modern.ts'
import { listenAgain, takeUpSession } from '../bridge/take-up.ts'
import { createWatches } from '../bridge/watches.ts'
import type { Watches } from '../bridge/watches.ts'
import { LiveMap } from '../live-map.ts'
import { createCatalog } from '../catalog/catalog.ts'
import { handleScope, isMerged, slugAt, virtualAt } from '../catalog/endpoint-scope.ts'
import { listsChangedBy } from '../catalog/list-kind.ts'
import { serverNotes } from '../catalog/server-status.ts'
import type { ServerNotes } from '../catalog/server-status.ts'
import { createViews } from '../catalog/view.ts'
import { virtualStatus } from '../catalog/virtual-report.ts'
import type { VirtualServerStatus } from '../catalog/virtual-report.ts'
import { EXCHANGE_TOPIC, startPeerMetrics } from '../replica/carry-exchange.ts'
import { CHANNEL_TOPIC } from '../replica/channel-texts.ts'
import { startMembership } from '../replica/membership.ts'
import { serveChannels } from '../replica/serve-channels.ts'
import { serveExchange } from '../replica/serve-exchange.ts'
import { ownAll, shareOwnership } from '../session/ownership.ts'
import { deliver, deliverOfNoCall, deliverUnattributed } from '../session/live-session.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { SessionStream } from '../session/session-stream.ts'
import { createSessions } from '../session/sessions.ts'
import type { LegacyChannel } from '../upstream/channel.ts'
import { refuseRequest } from '../upstream/refuse-request.ts'
import type { Upstream, UpstreamStatus } from '../upstream/upstream.ts'
import type { Message } from '../../protocol/message.ts'
import type { GatewayContext, GatewayDeps, LogEvent } from './context.ts'
import { createTaskOperations } from '../task/task-operations.ts'
import type { TaskOperations } from '../task/task-operations.ts'
import type { Exchange } from './exchange.ts'
import { finish } from './finish.ts'
import { mayHaveRun } from './repeatable.ts'
import type { HttpHandler } from './http-exchange.ts'
import { createHttpEntry } from './http-entry.ts'
import { startLimitMetrics } from './limit.ts'
import { createPipe } from './pipe.ts'
import type { Pipe } from './pipe.ts'
import { afterAll, createReloads } from './reload.ts'
import { drain, endStreams } from './drain.ts'
import { spread, startListening, startSpreading } from './spread-news.ts'
import { prepare, stagesWith } from './stages.ts'
import { isAsked, startSweep } from './sweep.ts'
import { createUpstreamSet } from './upstream-set.ts'

export interface GatewayStatus {
  readonly digest: string
  readonly draining: boolean
  readonly sessions: number
  readonly inFlight: number
  /** Servers that a reload replaced or removed and that still have calls. */
  readonly leaving: number
  readonly servers: readonly ({ readonly id: string; readonly name: string; readonly transport: string } & UpstreamStatus & ServerNotes)[]
  readonly virtualServers: readonly VirtualServerStatus[]
}

export interface Gateway {
  readonly http: HttpHandler
  /** One stdio client: give it the way to write, feed it lines, close it when its input ends. `endpoint` '' is all servers. */
  stdio(stream: SessionStream, endpoint?: string): Pipe
  status(): GatewayStatus
  /** For operators; undefined without a store for tasks. */
  readonly tasks: TaskOperations | undefined
  /** Ends all streams that clients keep open, gracefully: whoever still may opens them anew. Calls go on. */
  endStreams(): void
  /** Ends streams gracefully, lets calls in flight finish for up to `graceMs`, then refuses the rest. */
  drain(graceMs: number): Promise<void>
  close(): Promise<void>
}

export function createGateway(deps: GatewayDeps): Gateway {
  const context = createContext(deps)
  const views = createViews(context)
  if (deps.tasks !== undefined) context.owned = createOwnedTasks(context, deps.tasks, (exchange) => prepare(context, exchange, views))
  startLimitMetrics(context)
  startPeerMetrics(context)
  const left = createLeftSessions(context)
  const stopSweep = startSweep(context, left)
  const reloads = createReloads(context)
  const entry = createHttpEntry(context, views)
  const stopServing = deps.peers.serve(EXCHANGE_TOPIC, (text, signal) => serveExchange(text, signal, entry.serve))
  const stopChannels = deps.peers.serve(CHANNEL_TOPIC, serveChannels({ random: deps.random, upstreams: context.upstreams }))
  const stopReload = deps.snapshots.subscribe((snapshot) => reloads.take(snapshot))
  return {
    http: entry,
    stdio: (stream, endpoint = '') => createPipe(context, views, { transport: 'stdio', endpoint, principal: undefined, stream }),
    status: () => ({ ...statusOf(context), leaving: reloads.leaving }),
    tasks: context.owned === undefined ? undefined : createTaskOperations(context.owned.store, context.owned.tasks, deps.random),
    endStreams: () => endStreams(context),
    drain: (graceMs) => drain(context, graceMs),
    async close() {
      stopReload()
      stopSweep()
      left.close()
      await drain(context, 0)
      for (const upstream of context.upstreams.all()) upstream.retire()
      stopServing()
      // At once: what could not be given back is claimed by others, however long children take to end.
      await context.membership?.leave()
      context.sessions.leaveAll()
      stopChannels()
      context.news?.close()
      context.interests?.close()
      context.owned?.close()
      context.parked.close()
      context.abandoned.close()
      context.tasksAtLegacy.close()
      context.tasksAtModern.close()
      await Promise.all([context.pool.close(), context.inputPool.close()])
      await Promise.all([context.upstreams.close(), reloads.close()])
      await deps.ledger.flush()
    },
  }
}

function createContext(deps: GatewayDeps): GatewayContext {
  const upstreams = createUpstreamSet(deps.snapshots, deps.upstreams)
  const catalog = createCatalog(deps)
  const inFlight = new LiveMap<string, Exchange>()
  const watches: Watches = createWatches({ clock: deps.clock, self: deps.self, shared: (upstream) => Promise.resolve(pool.shared(upstream, '')), onHeard: (...heard) => spread(context, ...heard), onInterest: () => context.interests?.changed() })
  const taskSessions = createTaskSessions({ clock: deps.clock, self: deps.self, yieldMs: () => deps.snapshots.current().limits.inputYieldMs })
  const pool: LegacyPool = createLegacyPool({
    taskSessions,
    clock: deps.clock,
    self: deps.self,
    credentials: deps.credentials,
    onSharedMessage: (upstream, channel, message) => sharedMessage(context, upstream, channel, message),
    onSharedOpened: (upstream) => watches.opened(upstream),
    onSharedClosed: (upstream, channel, wasIdle) => watches.lost(upstream, channel, wasIdle),
    onOwnMessage: (session, upstream, channel, message) => ownMessage(context, session, upstream, channel, message),
    standingOf: (session, upstream) => standingOf(deps.keyring, session.data, upstream.id),
    endStanding: ({ data }, upstreamId) => endStanding(context, data, upstreamId),
    hasKeptTasks: async (ownerKey, upstreamId) => (await keptGoingAt(context, ownerKey)).has(upstreamId),
    onOwnOpened: (session, upstream, channel) => ownOpened(context, session, upstream, channel),
    onOwnLost: (session, upstream, wasIdle) => ownLost(context, session, upstream, wasIdle),
  })
  const inputPool = createInputPool({
    clock: deps.clock,
    self: deps.self,
    credentials: deps.credentials,
    idleMs: () => deps.snapshots.current().limits.childIdleMs,
    onAnnounced: (upstream, message) => watches.announce(upstream, 'legacy', message, true),
  })
  const parked = createParkedCalls(() => context)
  const tasksAtLegacy: TasksAtLegacy = createTasksAtLegacy({ clock: deps.clock, self: deps.self, random: deps.random, replicaId: deps.peers.replicaId, inputMs: () => deps.snapshots.current().limits.requestStateMs })
  const tasksAtModern = createTasksAtModern(deps.clock, () => context)
  const membership = deps.replica === undefined ? undefined : startMembership({ ...deps.replica, clock: deps.clock, onGeneration: () => void context.sessions.recheckAll(), onReachable: (isReachable, why) => deps.log(isReachable ? STORE_BACK : storeAway(why)) })
  const sessions = createSessions({
    clock: deps.clock,
    random: deps.random,
    keyring: deps.keyring,
    store: deps.sessions,
    ownership: membership === undefined ? ownAll(deps.sessions) : shareOwnership(deps.sessions, membership, () => context.draining),
    events: deps.events,
    kept: deps.keptEvents,
    keptBounds: () => {
      const { bufferedEvents, bufferedEventBytes } = deps.snapshots.current().limits
      return { events: bufferedEvents, bytes: bufferedEventBytes }
    },
    idleMs: () => deps.snapshots.current().limits.sessionIdleMs,
    perPrincipal: () => deps.snapshots.current().limits.sessionsPerPrincipal,
    onTakenUp: (session) => takeUpSession(context, session),
    onEnd: (session) => endSession(context, session),
    onLeft: (session) => leaveSession(context, session),
  })
  const extensionClasses = createExtensionClasses(deps.clock, () => deps.snapshots.current().limits.childrenPerUpstream)
  const nextExchangeId = exchangeIds(deps.random.id())
  const stages = stagesWith(deps.stages ?? [])
  const context: GatewayContext = { deps, stages, membership, upstreams, sessions, catalog, pool, extensionClasses, inputPool, parked, abandoned: createAbandonedCalls(deps.clock), tasksAtLegacy, taskSessions, tasksAtModern, owned: undefined, watches, inFlight, deliver, selfText: asciiJson(deps.self), nextExchangeId, news: startSpreading(deps, () => context), interests: startListening(deps, () => context), draining: false }
  watches.onListChange((upstream, kinds) => catalog.invalidate(upstream, kinds))
  return context
}

function exchangeIds(prefix: string): () => string {
  let count = 0
  return () => {
    count += 1
    return `${prefix}${count.toString(36)}`
  }
}

/** A session that ended cancels its calls and gives up what it held upstream (bridge-rulings §3). */
function endSession(context: GatewayContext, session: LiveSession): void {
  for (const call of session.inFlight.values()) {
    const error = mayHaveRun(call) ? new PortolanError('outcome_unknown', { message: ENDED }) : new PortolanError('session_not_found')
    call.carriage?.abort('the session ended')
    finish(context, call, { kind: 'refused', error })
  }
  context.pool.endSession(session)
}

/**
 * Another replica has the session, or is about to: what is in flight here may still be answered to whoever waits for it, but
 * not what waits for an answer of the client's, which will go elsewhere.
 */
function leaveSession(context: GatewayContext, session: LiveSession): void {
  context.pool.disown(session)
  for (const call of session.inFlight.values()) {
    if (!isAsked(call)) continue
    call.carriage?.abort('another replica serves this session')
    finish(context, call, { kind: 'refused', error: new PortolanError('outcome_unknown', { message: MOVED }) })
  }
  afterAll(session.inFlight.values(), () => context.pool.endSession(session))
}

const ENDED = 'Outcome unknown: the session was ended before the server had answered'
const MOVED = 'Outcome unknown: another replica took this session over while the call waited for its client'

const storeAway = (reason: string): LogEvent => ({ level: 'warn', event: 'state_store_unreachable', fields: { reason } })
const STORE_BACK: LogEvent = { level: 'info', event: 'state_store_reachable' }

/** Nobody in particular is behind a shared session: what it asks is refused, what it announces is for all. */
function sharedMessage({ watches, tasksAtLegacy }: GatewayContext, upstream: Upstream, channel: LegacyChannel, message: Message): void {
  if (message.method === 'notifications/tasks/status') return tasksAtLegacy.announce(channel, message)
  if (message.kind === 'notification') return watches.announce(upstream, 'legacy', message)
  refuseRequest(channel, message)
}

function ownMessage(context: GatewayContext, session: LiveSession, upstream: Upstream, channel: LegacyChannel, message: Message): void {
  // It is there for its tasks only.
  if (session.ended && message.kind === 'request') return refuseRequest(channel, message)
  if (message.kind === 'request' && message.method === 'ping') return refuseRequest(channel, message)
  const kinds = listsChangedBy(message.method)
  if (kinds.length > 0) context.catalog.invalidate(upstream, kinds)
  const { endpoint } = session.data
  const slug = slugAt(context, endpoint, upstream)
  const principal = { ownerKey: session.data.ownerKey, bindingKey: session.data.bindingKey, label: '', scopes: new Set<string>() }
  const seal = (taskId: string): string => sealTask(context.deps.keyring, principal, upstream.id, taskId, handleScope(context, endpoint))
  deliverOwn({ session, upstream, channel, slug, sealTask: seal, virtual: virtualAt(context, endpoint) }, message, isOfNoCall(message) ? deliverOfNoCall : deliverUnattributed)
}

/** What a call is told on its stream should relate to it (2025-11-25, Transports, Sending Messages). */
function isOfNoCall({ method }: Message): boolean {
  return listsChangedBy(method).length > 0 || method === 'notifications/resources/updated' || method === 'notifications/tasks/status'
}

/** Whoever takes the session up after a crash must know what went with this process. */
function ownOpened({ sessions, deps }: GatewayContext, session: LiveSession, { id, config }: Upstream, channel: LegacyChannel): void | Promise<void> {
  // Not waited for: a session that nobody could go on with is opened anew.
  if (keepStanding(deps.keyring, session.data, id, channel.standing)) void sessions.changed(session)
  if (config.target.transport !== 'stdio' || config.state !== 'opaque' || session.data.holds.includes(id)) return undefined
  session.data.holds.push(id)
  return sessions.changed(session)
}

/**
 * What a lost session knew is gone (design §4, `state`): at a server's own endpoint the client's session ends with it,
 * never silently; where other servers go on, on `/mcp` and at virtual servers of several, the next call to this one says so.
 */
function ownLost(context: GatewayContext, session: LiveSession, upstream: Upstream, wasIdle: boolean): void {
  for (const [idText, pending] of session.pending) if (pending.upstream === upstream) session.pending.delete(idText)
  keepStanding(context.deps.keyring, session.data, upstream.id, undefined)
  if (upstream.config.state === 'opaque') {
    context.deps.log({ level: 'warn', event: 'session_state_lost', fields: { upstream: upstream.id } })
    if (!isMerged(context, session.data.endpoint)) return void context.sessions.end(session)
    session.lost.add(upstream.id)
  }
  if (!wasIdle) void listenAgain(context, session, upstream)
}

function statusOf(context: GatewayContext): Omit<GatewayStatus, 'leaving'> {
  return {
    digest: context.deps.snapshots.current().digest,
    draining: context.draining,
    sessions: context.sessions.count,
    inFlight: context.inFlight.size,
    servers: serverNotes(context.catalog, context.upstreams.all(), context.deps.snapshots.current().separator).map(({ upstream, notes }) => ({
      id: upstream.id,
      name: upstream.name,
      transport: upstream.config.target.transport,
      ...upstream.status(),
      ...notes,
    })),
    virtualServers: virtualStatus(context.deps.snapshots.current()),
  }
}
