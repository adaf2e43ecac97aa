/**
 * One upstream server: connected at first use, probed once, kept an eye on. Whatever goes wrong ends in its status and
 * in `upstream_unavailable`, never in another upstream's exchanges (design §7.6).
 *
 *   starting ──probe──▶ ready ◀──probe, or any answer──┐
 *       └────────────────▶ degraded ───────────────────┘   probes in the background until it is well; then close → stopped
 */
import { PortolanError } from '../../protocol/error.ts'
import { isModernRevision } from '../../protocol/revision.ts'
import type { Clock } from '../clock.ts'
import type { HttpServer, Limits, ServerSnapshot } from '../gateway/snapshot.ts'
import type { Random } from '../random.ts'
import { createAskedProfile } from './asked-profile.ts'
import type { Channel, LegacyChannel, OpenLegacy } from './channel.ts'
import type { ChildPool } from './child-pool.ts'
import { createCondition } from './condition.ts'
import type { Egress } from './egress.ts'
import type { ChannelHealth } from './health.ts'
import { createHttpLink } from './http-link.ts'
import type { OpenFault } from './legacy-handshake.ts'
import type { UpstreamLink } from './link.ts'
import { probeEras } from './probe-eras.ts'
import type { SelfInfo } from './probe.ts'
import type { ProfileMemory } from './profile-memory.ts'
import { createRedaction } from './redaction.ts'
import { createSharedLegacy } from './shared-legacy.ts'
import { createSingletonLink } from './singleton-link.ts'
import type { Singletons } from './singleton-link.ts'
import type { Spawner } from './spawner.ts'
import { createStdioLink } from './stdio-link.ts'
import type { Upstream, UpstreamEvent, UpstreamStatus } from './upstream.ts'

export interface UpstreamDeps {
  readonly egress: Egress
  readonly spawner: Spawner
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
  /** One per host. */
  readonly pool: ChildPool
  /** Portolan's own clientInfo, for probes and shared sessions. */
  readonly self: SelfInfo
  readonly log: (event: UpstreamEvent) => void
  /** What servers were found to be before this process; undefined where nothing outlives it. */
  readonly memoryOf?: (config: ServerSnapshot) => ProfileMemory
  /** Undefined where there are no other replicas. */
  readonly singletons?: Singletons
  /** How long a silent stdio server may take to be a legacy one; 3 s. */
  readonly probeTimeoutMs?: number
  /** For handshakes and the channels' own messages; 30 s. */
  readonly requestTimeoutMs?: number
}

export function createUpstream(first: ServerSnapshot, deps: UpstreamDeps): Upstream {
  const { clock, random, limits, self } = deps
  /** Changed in place by `adopt`, so that all who hold it see the same. */
  const config: { -readonly [K in keyof ServerSnapshot]: ServerSnapshot[K] } = { ...first }
  const life = { isRetired: false, isClosed: false }
  let redact = createRedaction(config.target)
  const log = (kind: UpstreamEvent['kind'], detail: string): void => deps.log({ kind, upstream: config.name, detail: redact(detail) })

  const condition = createCondition({ clock, random, config, life, redact: (text) => redact(text), log, askAgain: () => profile.ask() })
  const health = createHealth()
  const link = createLink(config, deps, health.channel)
  // Where other replicas use its children, two of them may open for the same owner.
  const isForAll = config.target.transport === 'stdio' && (config.share === 'all' || link.placement !== undefined)
  const shared = createSharedLegacy({ clock, idleMs: limits.childIdleMs, isForAll, open: (...request) => link.openLegacy(...request) })
  const profile = createAskedProfile({
    clock, life, condition, unavailable,
    memory: deps.memoryOf?.(config),
    // A child that everybody may share is kept for its first user.
    probe: () => probeEras({ era: config.era, probeModern: link.probeModern, openLegacy: isForAll ? shared.open : link.openLegacy, self }),
    onFound({ modern }) {
      if (modern !== undefined) shared.closeIdle()
      health.lastSeenAtMs = clock.nowMs()
    },
  })
  const sessions = new Set<LegacyChannel>()
  let opened: Channel | undefined

  function createHealth(): { readonly channel: ChannelHealth; lastSeenAtMs: number } {
    let strays = 0
    const state = {
      lastSeenAtMs: 0,
      channel: {
        seen() {
          state.lastSeenAtMs = clock.nowMs()
          if (condition.trouble() !== undefined && profile.known() !== undefined) condition.recover()
        },
        unreachable(detail: string) {
          // A probe says by itself what it found.
          if (!profile.isAsked()) condition.degrade(detail)
        },
        stray(detail: string) {
          strays += 1
          profile.noteStray(detail)
          // A server that logs to stdout must not fill our log: the 1st, 2nd, 4th, 8th …
          if ((strays & (strays - 1)) === 0) log('stray', `${detail} (${strays} so far)`)
        },
        estranged(detail: string) {
          if (profile.doubt()) log('doubted', detail)
        },
        restarted: (detail: string) => log('restarted', detail),
        stderr: (detail: string) => log('stderr', detail),
      },
    }
    return state
  }

  function unavailable(cause: string, retryAfterSec?: number): PortolanError {
    return new PortolanError('upstream_unavailable', {
      message: `Upstream server unavailable: ${config.name}`,
      cause,
      ...(retryAfterSec === undefined ? {} : { retryAfterSec }),
    })
  }

  function refuse({ reason, detail, retryAfterSec }: OpenFault): PortolanError {
    if (reason === 'overloaded') {
      return new PortolanError('overloaded', { message: `Upstream server overloaded: ${config.name}`, cause: detail, retryAfterSec: retryAfterSec ?? 1 })
    }
    if (reason === 'refused') profile.forget()
    // Children have a back-off of their own, by who had them.
    else if (config.target.transport === 'http') condition.breaker.failed()
    condition.degrade(detail, retryAfterSec)
    return unavailable(detail, retryAfterSec)
  }

  async function openModern(): Promise<Channel> {
    const { modern } = profile.known() ?? (await profile.find())
    if (modern === undefined || !isModernRevision(modern.revision)) {
      throw new PortolanError('unsupported', { message: `${config.name} speaks no modern revision` })
    }
    const result = await link.openModern(modern.revision)
    if (!result.ok) throw refuse(result.fault)
    opened = result.value
    return opened
  }

  function openSessions(): number {
    for (const session of sessions) if (session.closed) sessions.delete(session)
    return sessions.size
  }

  function takeHeaders(next: HttpServer): void {
    // What the server repeats of the old ones stays hidden, too.
    const [before, after] = [redact, createRedaction(next)]
    redact = (text) => after(before(text))
    link.useHeaders(next.headers)
    opened = undefined
    // The old headers may have been what was wrong.
    if (condition.excuse()) profile.ask()
  }

  function status(): UpstreamStatus {
    const known = profile.known()
    const detail = life.isClosed ? '' : (condition.trouble()?.detail ?? (condition.broken() || profile.silence()))
    return {
      state: life.isClosed ? 'stopped' : detail !== '' ? 'degraded' : known === undefined ? 'starting' : 'ready',
      detail,
      eras: (['legacy', 'modern'] as const).filter((era) => known?.[era] !== undefined),
      children: link.children(),
      sessions: openSessions(),
      restarts: link.restarts(),
      lastSeenAtMs: health.lastSeenAtMs,
      breaker: condition.breaker.status(),
      processes: link.processes(),
      faults: condition.faults(),
      ...(link.placement === undefined ? {} : { holder: link.placement.holder() }),
    }
  }

  return {
    id: config.id,
    get name() {
      return config.name
    },
    config,
    breaker: condition.breaker,
    placement: link.placement,
    status,
    profile: profile.find,
    knownProfile: profile.known,
    // Without a promise where there is nothing to wait for: one on each call kept its garbage for a full collection.
    modern: () => (opened !== undefined && !opened.closed && profile.known()?.modern?.revision === opened.revision ? opened : openModern()),
    async openLegacy(request: OpenLegacy): Promise<LegacyChannel> {
      if (life.isClosed) throw unavailable('stopped')
      const result = request.shared ? await shared.open(request) : await link.openLegacy(request)
      if (!result.ok) throw refuse(result.fault)
      openSessions()
      sessions.add(result.value)
      return result.value
    },
    endStanding: async (standing, headers) => (await link.endStanding?.(standing, headers)) ?? 'ended',
    forgetProfile: profile.forget,
    adopt(next) {
      if (!isAdoptable(config, next)) return false
      if (next.target.transport === 'http' && !isSame(config.target, next.target)) takeHeaders(next.target)
      Object.assign(config, next)
      return true
    },
    retire() {
      life.isRetired = true
      condition.rest()
      link.retire()
    },
    async close() {
      life.isClosed = true
      condition.rest()
      const open = [...sessions]
      sessions.clear()
      await Promise.all([...open.map((session) => session.close()), shared.close()])
      await link.close()
    },
  }
}

/** Whether only such settings differ as are read at each use. */
function isAdoptable(before: ServerSnapshot, next: ServerSnapshot): boolean {
  return isSame(lasting(before), lasting(next))
}

function lasting({ id, era, share, placement, target }: ServerSnapshot): unknown {
  return { id, era, share, placement, target: target.transport === 'http' ? { url: target.url } : target }
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function createLink(config: ServerSnapshot, deps: UpstreamDeps, health: ChannelHealth): UpstreamLink {
  const { probeTimeoutMs = 3_000, requestTimeoutMs = 30_000 } = deps
  const { target } = config
  const shared = { ...deps, config, health, probeTimeoutMs, requestTimeoutMs }
  if (target.transport === 'http') return createHttpLink({ ...shared, target })
  const createLocal = (spawner: Spawner): UpstreamLink => createStdioLink({ ...shared, spawner, target })
  const { singletons, spawner, clock } = deps
  if (config.placement !== 'singleton' || singletons === undefined) return createLocal(spawner)
  return createSingletonLink({ ...singletons, upstreamId: config.id, clock, spawner, createLocal })
}
