/**
 * An upstream server that runs as children of this host. A process speaks the era it was opened in, so probes and
 * sessions have children of their own; the child that answered `server/discover` becomes the shared modern one.
 */
import { PortolanError } from '../../protocol/error.ts'
import { fail, ok } from '../../protocol/result.ts'
import type { Result } from '../../protocol/result.ts'
import { LATEST_LEGACY, LATEST_MODERN } from '../../protocol/revision.ts'
import type { StdioServer } from '../gateway/snapshot.ts'
import { backoffMs } from './backoff.ts'
import type { ChannelListener, LegacyChannel, OpenLegacy } from './channel.ts'
import type { ChildPool, ChildSlot } from './child-pool.ts'
import { INITIALIZED, initializeText, readHandshake } from './legacy-handshake.ts'
import type { Handshake, OpenFault } from './legacy-handshake.ts'
import { describeEnd, openLineChannel } from './line-channel.ts'
import type { ChildEnd, LineChannel } from './line-channel.ts'
import type { LinkOptions, UpstreamLink } from './link.ts'
import { probeModern } from './probe.ts'
import type { ModernVerdict } from './probe.ts'
import { requestOnce } from './request-once.ts'
import type { Spawner } from './spawner.ts'

export interface StdioLinkOptions extends LinkOptions {
  readonly target: StdioServer
  readonly spawner: Spawner
  readonly pool: ChildPool
}

const RESTART = { firstMs: 1_000, maxMs: 60_000 }
/** A child that lived so long has not crashed at start. */
const STABLE_MS = 60_000
const GRACE_MS = 2_000
/** Whose crashes are remembered; the oldest may start again at once. */
const OWNERS_KEPT = 1_000
const DEAF: ChannelListener = { onMessage: () => undefined, onClosed: () => undefined }

interface Crashes {
  /** In a row. */
  readonly count: number
  readonly blockedUntilMs: number
  readonly lastMs: number
  readonly end: string
}

interface OpenChild {
  readonly era: 'legacy' | 'modern'
  readonly ownerKey: string
  readonly isShared: boolean
  readonly isProbe: boolean
  readonly listener: ChannelListener
  readonly mayYield?: (() => boolean) | undefined
}

export function createStdioLink(options: StdioLinkOptions): UpstreamLink {
  const { config, target, spawner, pool, clock, random, limits, health, self, probeTimeoutMs, requestTimeoutMs } = options
  // npx and uvx may have to fetch the server first.
  const startTimeoutMs = (): number => Math.max(2 * requestTimeoutMs, config.connectTimeoutMs)
  /** With the time of their start. */
  const children = new Map<LineChannel, number>()
  /** Children whose end says nothing about the server's health: strict servers exit on a probe. */
  const probes = new Set<LineChannel>()
  let modern: LineChannel | undefined
  let openingModern: Promise<Result<LineChannel, OpenFault>> | undefined
  let probingModern: Promise<ModernVerdict> | undefined
  /** The child of the last probe that found nothing: the next one does not run beside it. */
  let probeEnded: Promise<unknown> = Promise.resolve()
  let restarts = 0
  /** Children that ended by themselves and have no successor yet. */
  let owed = 0
  /** By owner: who crashes children of its own delays its own next ones, nobody else's. Those of '' are everybody's. */
  const crashes = new Map<string, Crashes>()
  let lastEnd = ''
  let isRetired = false
  let isClosed = false

  function noteEnd(ownerKey: string, end: ChildEnd, startedMs: number): void {
    lastEnd = describeEnd(target.command, end)
    const nowMs = clock.ticksMs()
    const before = crashes.get(ownerKey)
    crashes.delete(ownerKey)
    // What ended several children, of which one had its restart already, counts once.
    if (before !== undefined && startedMs <= before.lastMs) return void crashes.set(ownerKey, { ...before, lastMs: nowMs, end: lastEnd })
    const count = before === undefined || nowMs - startedMs >= STABLE_MS ? 1 : before.count + 1
    // The first restart is immediate, back-off from the second (bridge-rulings §3).
    const blockedUntilMs = count < 2 ? 0 : nowMs + backoffMs(count - 1, RESTART, random)
    crashes.set(ownerKey, { count, blockedUntilMs, lastMs: nowMs, end: lastEnd })
    if (crashes.size > OWNERS_KEPT) crashes.delete(crashes.keys().next().value ?? '')
  }

  async function openChild(request: OpenChild): Promise<Result<LineChannel, OpenFault>> {
    const crashed = crashes.get(request.ownerKey)
    const waitMs = (crashed?.blockedUntilMs ?? 0) - clock.ticksMs()
    if (crashed !== undefined && waitMs > 0 && !request.isProbe) {
      const retryAfterSec = Math.ceil(waitMs / 1_000)
      return fail({ reason: 'unreachable', detail: `restarting in ${retryAfterSec} s: ${crashed.end}`, retryAfterSec })
    }
    let channel: LineChannel | undefined
    let slot: ChildSlot
    try {
      slot = await pool.acquire({
        get upstream() {
          return isRetired ? `${config.id} (replaced)` : config.id
        },
        ownerKey: request.ownerKey,
        isExpendable: config.state !== 'opaque' || request.era === 'modern',
        mayYield: request.mayYield,
        reclaim() {
          if (channel === undefined) return
          request.listener.onClosed({ gone: true, detail: 'ended after a time without use', wasIdle: true })
          channel.close().catch(() => undefined)
        },
      })
    } catch (error) {
      const { retryAfterSec = 1 } = error instanceof PortolanError ? error : {}
      return fail({ reason: 'overloaded', detail: 'too many children', retryAfterSec })
    }
    if (isClosed) {
      slot.release()
      return fail({ reason: 'unreachable', detail: 'stopped' })
    }
    if (owed > 0 && !request.isProbe) {
      owed -= 1
      restarts += 1
      health.restarted(lastEnd)
    }
    const startedMs = clock.ticksMs()
    const opened: LineChannel = openLineChannel({
      spawner,
      spawn: { command: target.command, args: target.args, env: target.env, cwd: target.cwd },
      era: request.era,
      revision: request.era === 'modern' ? LATEST_MODERN : LATEST_LEGACY,
      lineBytes: limits.resultBytes,
      graceMs: GRACE_MS,
      isShared: request.isShared,
      health,
      listener: request.listener,
      onInFlight: (count) => slot.setInFlight(count),
      onEnd(end) {
        children.delete(opened)
        slot.release()
        if (probes.delete(opened) || end.isWanted) return
        owed += 1
        noteEnd(request.ownerKey, end, startedMs)
        health.unreachable(describeEnd(target.command, end))
      },
    })
    channel = opened
    children.set(opened, clock.nowMs())
    if (request.isProbe) probes.add(opened)
    return ok(opened)
  }

  async function openModern(): Promise<Result<LineChannel, OpenFault>> {
    await probeEnded
    const opened = await openChild({ era: 'modern', ownerKey: '', isShared: true, isProbe: false, listener: DEAF })
    if (!opened.ok) return opened
    const channel = opened.value
    // Started anew it may be another program by now: one of the other era must get no call.
    const verdict = await probeModern({ channel, clock, self, timeoutMs: startTimeoutMs() })
    if (verdict.verdict === 'modern') {
      modern = channel
      return opened
    }
    const reason = channel.closed ? 'unreachable' : 'refused'
    await channel.close()
    return fail({ reason, detail: verdict.detail })
  }

  async function probeNew(hurry: Promise<unknown> | undefined): Promise<ModernVerdict> {
    await probeEnded
    const opened = await openChild({ era: 'modern', ownerKey: '', isShared: true, isProbe: true, listener: DEAF })
    if (!opened.ok) return { verdict: 'unknown', detail: opened.fault.detail }
    const channel = opened.value
    const verdict = await discover(channel, hurry)
    if (verdict.verdict === 'modern' && !channel.closed && !isClosed) {
      probes.delete(channel)
      modern = channel
    } else {
      probeEnded = channel.close().catch(() => undefined)
    }
    return verdict
  }
  const discover = (channel: LineChannel, hurry: Promise<unknown> | undefined): Promise<ModernVerdict> =>
    probeModern({ channel, clock, self, timeoutMs: startTimeoutMs(), ...(hurry === undefined ? {} : { hurry, hurryMs: probeTimeoutMs }) })

  async function handshake(channel: LineChannel, open: OpenLegacy, hurry?: Promise<unknown>): Promise<Result<Handshake, OpenFault>> {
    const idText = channel.nextId()
    const answer = await requestOnce(channel, clock, {
      text: initializeText(idText, open),
      idText,
      method: 'initialize',
      headers: [],
      timeoutMs: startTimeoutMs(),
      ...(hurry === undefined ? {} : { hurry, hurryMs: probeTimeoutMs }),
    })
    if (!answer.ok) {
      const { reason, detail } = answer.failure
      // A modern server may leave `initialize` unanswered or die of it; with no modern answer either, that is the fault.
      return fail({ reason: hurry !== undefined && reason === 'timeout' ? 'refused' : 'unreachable', detail: `initialize: ${detail}` })
    }
    const read = readHandshake(answer.message)
    if (!read.ok) return read
    channel.agree(read.value.revision)
    try {
      await channel.notify(INITIALIZED)
    } catch {
      return fail({ reason: 'unreachable', detail: 'the child ended during initialize' })
    }
    return read
  }

  return {
    // Whoever asks what the server is and whoever needs it at the same time have one child: there may be no second one (decision 0017).
    // Nothing is waited for between the look and the start, where both come in the same moment.
    async probeModern(hurry) {
      while (openingModern !== undefined) await openingModern
      if (modern !== undefined && !modern.closed) return await discover(modern, hurry)
      probingModern ??= probeNew(hurry).finally(() => (probingModern = undefined))
      return await probingModern
    },
    async openModern() {
      while (probingModern !== undefined) await probingModern
      if (modern !== undefined && !modern.closed) return ok(modern)
      openingModern ??= openModern().finally(() => (openingModern = undefined))
      return await openingModern
    },
    async openLegacy(open, hurry) {
      const { ownerKey, shared: isShared, listener, mayYield } = open
      const opened = await openChild({ era: 'legacy', ownerKey, isShared, isProbe: hurry !== undefined, listener, mayYield })
      if (!opened.ok) return opened
      const channel = opened.value
      const agreed = await handshake(channel, open, hurry)
      if (!agreed.ok) {
        await channel.close()
        return agreed
      }
      probes.delete(channel)
      health.seen()
      return ok(toLegacy(channel, agreed.value))
    },
    useHeaders: () => undefined,
    retire: () => void (isRetired = true),
    children: () => children.size,
    processes: () => [...children].map(([{ pid, era }, startedAtMs]) => ({ pid, era, startedAtMs })),
    restarts: () => restarts,
    async close() {
      isClosed = true
      await Promise.all([...children.keys()].map((child) => child.close()))
    },
  }
}

function toLegacy(channel: LineChannel, handshake: Handshake): LegacyChannel {
  return {
    era: 'legacy',
    transport: 'stdio',
    revision: handshake.revision,
    initializeResult: handshake.result,
    nextId: () => channel.nextId(),
    send: (call) => channel.send(call),
    notify: (text) => channel.notify(text),
    openStream: () => Promise.resolve(),
    hold: () => channel.hold(),
    close: () => channel.close(),
    get closed() {
      return channel.closed
    },
  }
}
