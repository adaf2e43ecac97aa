/**
 * One upstream server: connected at first use, probed once, kept an eye on. Whatever goes wrong ends in its status and
 * in `upstream_unavailable`, never in another upstream's exchanges (design §7.6).
 *
 *   starting ──probe──▶ ready ◀──probe, or any answer──┐
 *       └────────────────▶ degraded ───────────────────┘   probes in the background until it is well; then close → stopped
 */
import { PortolanError } from '../../protocol/error.ts'
import { asciiJson } from '../../protocol/json.ts'
import type { Result } from '../../protocol/result.ts'
import { LATEST_LEGACY, isModernRevision } from '../../protocol/revision.ts'
import type { Clock } from '../clock.ts'
import type { HttpServer, Limits, ServerSnapshot } from '../gateway/snapshot.ts'
import type { Random } from '../random.ts'
import { backoffMs } from './backoff.ts'
import { createBreaker } from './breaker.ts'
import type { Channel, LegacyChannel, OpenLegacy } from './channel.ts'
import type { ChildPool } from './child-pool.ts'
import type { Egress } from './egress.ts'
import type { ChannelHealth } from './health.ts'
import { createHttpLink } from './http-link.ts'
import { readHandshakeProfile } from './legacy-handshake.ts'
import type { OpenFault } from './legacy-handshake.ts'
import type { UpstreamLink } from './link.ts'
import { concludeProbe } from './probe.ts'
import type { ModernVerdict, SelfInfo } from './probe.ts'
import { createSharedLegacy } from './shared-legacy.ts'
import type { ProfileMemory } from './profile-memory.ts'
import { createRedaction } from './redaction.ts'
import { createSingletonLink } from './singleton-link.ts'
import type { Singletons } from './singleton-link.ts'
import type { Spawner } from './spawner.ts'
import { createStdioLink } from './stdio-link.ts'
import type { EraProfile, Upstream, UpstreamFault, UpstreamProfile, UpstreamStatus } from './upstream.ts'

/** What happens around an upstream, for the log. `detail` may name commands and addresses, never a secret. */
export interface UpstreamEvent {
  readonly kind: 'ready' | 'degraded' | 'restarted' | 'stray' | 'stderr' | 'doubted'
  readonly upstream: string
  readonly detail: string
}

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

const RETRY = { firstMs: 1_000, maxMs: 60_000 }
/** After a failed probe, callers are refused at once for so long. */
const FAIL_FAST_MS = 1_000
/** Remembered for the status. */
const KEPT_FAULTS = 5
/** Between two looks at a server that seems to speak another era by now. */
const DOUBT_MS = 1_000
/** A verdict that lacks an era is asked for again after so long. */
const UNSETTLED_MS = 30_000
/** A server that is silent for this long is said to be, though it may still be on its way. */
const SILENT_MS = 5_000

export function createUpstream(first: ServerSnapshot, deps: UpstreamDeps): Upstream {
  const { clock, random, limits, self } = deps
  /** Changed in place by `adopt`, so that all who hold it see the same. */
  const config: { -readonly [K in keyof ServerSnapshot]: ServerSnapshot[K] } = { ...first }
  let redact = createRedaction(config.target)
  const log: UpstreamDeps['log'] = (event) => deps.log({ ...event, detail: redact(event.detail) })
  const breaker = createBreaker(clock, () => config.breaker, noteBreaker)
  const health = createHealth()
  const link = createLink(config, deps, health.channel)
  // Where other replicas use its children, two of them may open for the same owner.
  const isForAll = config.target.transport === 'stdio' && (config.share === 'all' || link.placement !== undefined)
  const shared = createSharedLegacy({ clock, idleMs: limits.childIdleMs, isForAll, open: (...request) => link.openLegacy(...request) })
  const sessions = new Set<LegacyChannel>()
  const memory = deps.memoryOf?.(config)
  let recalled: Promise<UpstreamProfile | undefined> | undefined
  /** Until it has said itself what it is, or has belied what it was. */
  let mayRecall = memory !== undefined
  let known: UpstreamProfile | undefined
  let askAgainAtMs = Number.POSITIVE_INFINITY
  let probing: Promise<UpstreamProfile> | undefined
  let trouble: { readonly detail: string; readonly sinceMs: number; readonly retryAfterSec: number | undefined } | undefined
  let opened: Channel | undefined
  const faults: UpstreamFault[] = []
  let failures = 0
  let strays = 0
  let lastStray = ''
  let askedTicks = 0
  let stopRetry: (() => void) | undefined
  let isRetired = false
  let isClosed = false

  function createHealth(): { readonly channel: ChannelHealth; lastSeenAtMs: number } {
    const state = {
      lastSeenAtMs: 0,
      channel: {
        seen() {
          state.lastSeenAtMs = clock.nowMs()
          if (trouble !== undefined && known !== undefined) recover()
        },
        unreachable(detail: string) {
          // A probe says by itself what it found.
          if (probing === undefined) degrade(detail)
        },
        stray(detail: string) {
          strays += 1
          lastStray = detail
          // A server that logs to stdout must not fill our log: the 1st, 2nd, 4th, 8th …
          if ((strays & (strays - 1)) === 0) log({ kind: 'stray', upstream: config.name, detail: `${detail} (${strays} so far)` })
        },
        estranged: (detail: string) => doubt(detail),
        restarted: (detail: string) => log({ kind: 'restarted', upstream: config.name, detail }),
        stderr: (detail: string) => log({ kind: 'stderr', upstream: config.name, detail }),
      },
    }
    return state
  }

  function recover(): void {
    const wasInTrouble = trouble !== undefined
    trouble = undefined
    failures = 0
    stopRetry?.()
    stopRetry = undefined
    if (!wasInTrouble) return
    breaker.mayTry()
    log({ kind: 'ready', upstream: config.name, detail: '' })
  }

  function noteBreaker(isOpen: boolean, count: number): void {
    if (isClosed) return
    const detail = `${count} calls in a row failed: further ones are refused for a while`
    log(isOpen ? { kind: 'degraded', upstream: config.name, detail } : { kind: 'ready', upstream: config.name, detail: 'calls are answered again' })
    if (isOpen) faults.push({ atMs: clock.nowMs(), detail })
    if (faults.length > KEPT_FAULTS) faults.shift()
  }

  /** What to say of a server that calls are kept from; '' where they are not. */
  function broken(): string {
    const { state, failures: count, retryAfterMs } = breaker.status()
    if (state === 'closed') return ''
    const next = state === 'open' ? `refused for ${Math.ceil(retryAfterMs / 1_000)} s more` : 'the next one tries it again'
    return `the last ${count} calls failed; ${next}`
  }

  function degrade(rawDetail: string, retryAfterSec?: number): void {
    if (isClosed || isRetired) return
    const detail = redact(rawDetail)
    if (trouble?.detail !== detail) {
      log({ kind: 'degraded', upstream: config.name, detail })
      faults.push({ atMs: clock.nowMs(), detail })
      if (faults.length > KEPT_FAULTS) faults.shift()
    }
    trouble = { detail, sinceMs: clock.ticksMs(), retryAfterSec }
    if (stopRetry !== undefined) return
    failures += 1
    stopRetry = clock.after(backoffMs(failures, RETRY, random), () => {
      stopRetry = undefined
      probe().catch(() => undefined)
    })
  }

  function unavailable(cause: string, retryAfterSec?: number): PortolanError {
    return new PortolanError('upstream_unavailable', {
      message: `Upstream server unavailable: ${config.name}`,
      cause,
      ...(retryAfterSec === undefined ? {} : { retryAfterSec }),
    })
  }

  async function probeLegacy(hurry: Promise<unknown>): Promise<Result<EraProfile, OpenFault>> {
    // A child that everybody may share is kept for its first user.
    const opened = await (isForAll ? shared.open : link.openLegacy)(
      {
        clientInfo: asciiJson({ name: self.name, version: self.version }),
        capabilities: '{}',
        revision: LATEST_LEGACY,
        ownerKey: '',
        shared: true,
        listener: { onMessage: () => undefined, onClosed: () => undefined },
        headers: [],
      },
      hurry,
    )
    if (!opened.ok) return opened
    const { initializeResult, revision } = opened.value
    opened.value.close().catch(() => undefined)
    return readHandshakeProfile(initializeResult, revision)
  }

  /** Both eras at once; where one has answered, the other's silence is borne for `probeTimeoutMs` only. */
  async function askBothEras(): Promise<[ModernVerdict | undefined, Result<EraProfile, OpenFault> | undefined]> {
    const modernDone = Promise.withResolvers<void>()
    const legacyDone = Promise.withResolvers<void>()
    const never = new Promise<void>(() => undefined)
    return await Promise.all([
      config.era === 'legacy'
        ? undefined
        : link.probeModern(config.era === 'modern' ? never : legacyDone.promise).finally(modernDone.resolve),
      config.era === 'modern' ? undefined : probeLegacy(config.era === 'legacy' ? never : modernDone.promise).finally(legacyDone.resolve),
    ])
  }

  async function runProbe(): Promise<UpstreamProfile> {
    const [modern, legacy] = await askBothEras()
    if (isClosed) throw unavailable('stopped')
    const result = concludeProbe(modern, legacy)
    if (!result.ok) {
      degrade(result.fault.detail, result.fault.retryAfterSec)
      throw unavailable(result.fault.detail, result.fault.retryAfterSec)
    }
    known = result.value.profile
    mayRecall = false
    if (result.value.isSettled) memory?.keep(known)
    if (known.modern !== undefined) shared.closeIdle()
    askAgainAtMs = result.value.isSettled ? Number.POSITIVE_INFINITY : clock.ticksMs() + UNSETTLED_MS
    health.lastSeenAtMs = clock.nowMs()
    recover()
    return known
  }

  function probe(): Promise<UpstreamProfile> {
    if (probing !== undefined) return probing
    askedTicks = clock.ticksMs()
    lastStray = ''
    probing = runProbe().finally(() => (probing = undefined))
    return probing
  }

  /** A server may change its era while Portolan runs: it is asked again, at most so often, whoever provokes it. */
  function doubt(detail: string): void {
    if (isClosed || isRetired || probing !== undefined || clock.ticksMs() - askedTicks < DOUBT_MS) return
    log({ kind: 'doubted', upstream: config.name, detail })
    probe().catch(() => undefined)
  }

  /** What to say of a server that was asked who it is and has not answered yet; '' for a while. */
  function silence(): string {
    const waitedMs = clock.ticksMs() - askedTicks
    if (known !== undefined || probing === undefined || waitedMs < SILENT_MS) return ''
    return `no answer for ${Math.floor(waitedMs / 1_000)} s${lastStray === '' ? '' : `; ${lastStray}`}`
  }

  async function profile(): Promise<UpstreamProfile> {
    if (isClosed) throw unavailable('stopped')
    if (known !== undefined) {
      if (clock.ticksMs() >= askAgainAtMs) probe().catch(() => undefined)
      return known
    }
    if (probing === undefined && trouble !== undefined && clock.ticksMs() - trouble.sinceMs < FAIL_FAST_MS) {
      throw unavailable(trouble.detail, trouble.retryAfterSec)
    }
    const asked = probe()
    return memory === undefined || !mayRecall ? await asked : await askedOrRecalled(memory, asked)
  }

  async function askedOrRecalled({ recall }: ProfileMemory, asked: Promise<UpstreamProfile>): Promise<UpstreamProfile> {
    recalled ??= recall()
    const before = await Promise.race([recalled, asked.catch(() => undefined)])
    if (before !== undefined && mayRecall && known === undefined && trouble === undefined) known = before
    return known ?? asked
  }

  async function openModern(): Promise<Channel> {
    const { modern } = known ?? (await profile())
    if (modern === undefined || !isModernRevision(modern.revision)) {
      throw new PortolanError('unsupported', { message: `${config.name} speaks no modern revision` })
    }
    const result = await link.openModern(modern.revision)
    if (!result.ok) throw refuse(result.fault)
    opened = result.value
    return opened
  }

  function refuse(fault: OpenFault): PortolanError {
    if (fault.reason === 'overloaded') {
      const { retryAfterSec = 1 } = fault
      return new PortolanError('overloaded', { message: `Upstream server overloaded: ${config.name}`, cause: fault.detail, retryAfterSec })
    }
    if (fault.reason === 'refused') forgetProfile()
    // Children have a back-off of their own, by who had them.
    else if (config.target.transport === 'http') breaker.failed()
    degrade(fault.detail, fault.retryAfterSec)
    return unavailable(fault.detail, fault.retryAfterSec)
  }

  function forgetProfile(): void {
    known = undefined
    mayRecall = false
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
    if (trouble === undefined) return
    // The old headers may have been what was wrong.
    trouble = undefined
    stopRetry?.()
    stopRetry = undefined
    probe().catch(() => undefined)
  }

  return {
    id: config.id,
    get name() {
      return config.name
    },
    config,
    breaker,
    placement: link.placement,
    status(): UpstreamStatus {
      openSessions()
      const eras = [...(known?.legacy === undefined ? [] : ['legacy' as const]), ...(known?.modern === undefined ? [] : ['modern' as const])]
      const detail = isClosed ? '' : (trouble?.detail ?? (broken() || silence()))
      const state = isClosed ? 'stopped' : detail !== '' ? 'degraded' : known === undefined ? 'starting' : 'ready'
      return {
        state,
        detail,
        eras,
        children: link.children(),
        sessions: sessions.size,
        restarts: link.restarts(),
        lastSeenAtMs: health.lastSeenAtMs,
        breaker: breaker.status(),
        processes: link.processes(),
        faults: [...faults],
        ...(link.placement === undefined ? {} : { holder: link.placement.holder() }),
      }
    },
    profile,
    knownProfile: () => known,
    // Without a promise where there is nothing to wait for: one on each call kept its garbage for a full collection.
    modern: () => (opened !== undefined && !opened.closed && known?.modern?.revision === opened.revision ? opened : openModern()),
    async openLegacy(request: OpenLegacy): Promise<LegacyChannel> {
      if (isClosed) throw unavailable('stopped')
      const opened = request.shared ? await shared.open(request) : await link.openLegacy(request)
      if (!opened.ok) throw refuse(opened.fault)
      openSessions()
      sessions.add(opened.value)
      return opened.value
    },
    forgetProfile,
    adopt(next) {
      if (!isAdoptable(config, next)) return false
      if (next.target.transport === 'http' && !isSame(config.target, next.target)) takeHeaders(next.target)
      Object.assign(config, next)
      return true
    },
    retire() {
      isRetired = true
      stopRetry?.()
      link.retire()
    },
    async close() {
      isClosed = true
      stopRetry?.()
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
