/**
 * Legacy sessions at upstream servers: shared ones, initialized without input capabilities, and the ones that belong to
 * one client session because its roots, log level, subscriptions and input are session state (bridge-rulings §3).
 */

import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import type { ClientCapabilities } from '../../protocol/capability.ts'
import { LATEST_LEGACY } from '../../protocol/revision.ts'
import { PortolanError } from '../../protocol/error.ts'
import { forgetOwn } from '../session/live-session.ts'
import type { LiveSession, OwnChannel } from '../session/live-session.ts'
import type { Channel, LegacyChannel, StandingSession } from '../upstream/channel.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Credentials } from '../vault/credentials.ts'
import type { TaskSessions } from './task-sessions.ts'
import { createPacer } from '../upstream/pacer.ts'
import { ask } from '../upstream/request.ts'
import type { Asker } from '../upstream/request.ts'

export interface LegacyPool {
  /** The session that clients without input capabilities share who declare the same; as wire text. */
  shared(upstream: Upstream, ownerKey: string, capabilities?: WireText): LegacyChannel | Promise<LegacyChannel>
  /** The client session's own session there, opened at its first use. */
  own(session: LiveSession, upstream: Upstream, capabilities: ClientCapabilities): Promise<OwnChannel>
  /** Forgets a session that the upstream no longer knows, so that the next use opens a new one. */
  forget(channel: Channel): void
  /** The upstream was replaced: the next use of its shared sessions opens one at its successor. Ends nothing. */
  retire(upstream: Upstream): void
  /** Ends what belonged to a client session. */
  endSession(session: LiveSession): void
  /** Another goes on with it: what servers keep of it is that one's, from now on. */
  disown(session: LiveSession): void
  close(): Promise<void>
}

export interface LegacyPoolDeps extends Asker {
  readonly credentials: Credentials
  /** What a shared session says outside any call. */
  readonly onSharedMessage: (upstream: Upstream, channel: LegacyChannel, message: Message) => void
  readonly taskSessions: Pick<TaskSessions, 'keep' | 'mayYield'>
  readonly onSharedOpened: (upstream: Upstream) => void
  /** `wasIdle`: nobody used it. */
  readonly onSharedClosed: (upstream: Upstream, channel: LegacyChannel | undefined, wasIdle: boolean) => void
  readonly onOwnMessage: (session: LiveSession, upstream: Upstream, channel: LegacyChannel, message: Message) => void
  /** Where it stands already, opened by whoever had the client's session before. */
  readonly standingOf: (session: LiveSession, upstream: Upstream) => StandingSession | undefined
  /** Ends one that this replica was never in. */
  readonly endStanding: (session: LiveSession, upstreamId: string) => Promise<unknown>
  /** Whether a kept task of the owner goes on there, in whichever session. */
  readonly hasKeptTasks: (ownerKey: string, upstreamId: string) => Promise<boolean>
  /** Before anything is asked in it. */
  readonly onOwnOpened: (session: LiveSession, upstream: Upstream, channel: LegacyChannel) => void | Promise<void>
  /** `wasIdle`: nobody used it. */
  readonly onOwnLost: (session: LiveSession, upstream: Upstream, wasIdle: boolean) => void
}

/** Sessions that expire together must not knock at a server together: beyond its backlog it hears none of them. */
const ENDING_AT_ONCE = 32

/** Who shares a session there: '' for everybody, otherwise those of one owner. */
export function sharingKey({ config }: Pick<Upstream, 'config'>, ownerKey: string): string {
  return config.target.transport === 'stdio' && config.share === 'all' ? '' : ownerKey
}

/** A channel as its listener knows it: not open yet at first. */
interface Opened<T> {
  channel?: LegacyChannel
  opening?: Promise<T>
}

/** Of those that another replica saw begin it is not known here whether they are over; a task outlives its client's session (bridge-rulings §3, `DELETE`). */
function mayHaveTasks({ isTakenUp, data }: LiveSession, upstreamId: string): boolean {
  return isTakenUp && Object.hasOwn(data.tasks, upstreamId) && (data.tasks[upstreamId] ?? []).length > 0
}

export function createLegacyPool(deps: LegacyPoolDeps): LegacyPool {
  const end = createPacer(ENDING_AT_ONCE)
  const shared = new Map<string, Promise<LegacyChannel>>()
  /** Of client sessions, from when they are open: before what they asked for is told there again. */
  const owned = new WeakMap<LiveSession, Set<LegacyChannel>>()
  /** Those of `shared` that are open. */
  const ready = new Map<string, LegacyChannel>()

  const openShared = async (upstream: Upstream, ownerKey: string, capabilities: WireText, key: string, opened: Opened<LegacyChannel>): Promise<LegacyChannel> => {
    const channel = await upstream.openLegacy({
      clientInfo: asciiJson(deps.self),
      capabilities,
      revision: LATEST_LEGACY,
      ownerKey: sharingKey(upstream, ownerKey),
      shared: true,
      headers: await deps.credentials.headersFor({ upstreamId: upstream.id, ownerKey }),
      listener: {
        onMessage: (message) => {
          if (opened.channel !== undefined) deps.onSharedMessage(upstream, opened.channel, message)
        },
        onClosed: ({ wasIdle = false }) => {
          // One that was replaced meanwhile takes nothing of its successor with it.
          if (shared.get(key) !== opened.opening) return
          shared.delete(key)
          ready.delete(key)
          deps.onSharedClosed(upstream, opened.channel, wasIdle)
        },
      },
    })
    opened.channel = channel
    return channel
  }

  const openOwn = async (
    session: LiveSession,
    upstream: Upstream,
    capabilities: ClientCapabilities,
    opened: Opened<OwnChannel>,
  ): Promise<OwnChannel> => {
    const standing = deps.standingOf(session, upstream)
    const channel = await upstream.openLegacy({
      standing,
      clientInfo: asciiJson(deps.self),
      capabilities: asciiJson(capabilities),
      revision: session.data.revision,
      ownerKey: session.data.ownerKey,
      shared: false,
      mayYield: () => opened.channel !== undefined && deps.taskSessions.mayYield(opened.channel),
      headers: await deps.credentials.headersFor({ upstreamId: upstream.id, ownerKey: session.data.ownerKey }),
      listener: {
        onMessage: (message) => {
          if (opened.channel !== undefined) deps.onOwnMessage(session, upstream, opened.channel, message)
        },
        onClosed: ({ wasIdle = false }) => {
          if (session.own.get(upstream.id) !== opened.opening) return
          if (forgetOwn(session, upstream.id) && !session.ended) deps.onOwnLost(session, upstream, wasIdle)
        },
      },
    })
    opened.channel = channel
    const ofSession = owned.get(session) ?? new Set<LegacyChannel>()
    for (const one of ofSession) if (one.closed) ofSession.delete(one)
    owned.set(session, ofSession.add(channel))
    if (session.ended) {
      if (session.isLeft && standing?.sessionId === channel.standing?.sessionId) channel.disown?.()
      void channel.close()
      throw new PortolanError('session_not_found')
    }
    await deps.onOwnOpened(session, upstream, channel)
    await restoreState(session, upstream, channel)
    openStreamIfHeard(session, upstream, channel)
    return { upstream, channel }
  }

  const restoreState = async (session: LiveSession, upstream: Upstream, channel: LegacyChannel): Promise<void> => {
    const { logLevel, subscriptions } = session.data
    if (logLevel !== '') await ask(channel, 'logging/setLevel', { level: asciiJson(logLevel) }, deps).catch(() => undefined)
    for (const uri of subscriptions[upstream.id] ?? []) {
      await ask(channel, 'resources/subscribe', { uri: asciiJson(uri) }, deps).catch(() => undefined)
    }
  }

  const openStreamIfHeard = (session: LiveSession, upstream: Upstream, channel: LegacyChannel): void => {
    const { subscriptions } = session.data
    // Bridge-rulings §3: the GET stream stays open where the session is used for input or subscriptions, or somebody hears what comes.
    const usesInput = session.data.clientCapabilities !== '{}'
    if (usesInput || (subscriptions[upstream.id] ?? []).length > 0 || session.streams.length > 0) void channel.openStream()
  }

  /** As those of `mayHaveTasks`, kept by Portolan. What cannot be told is taken to go on. */
  const mayHaveKept = async ({ isTakenUp, data }: LiveSession, upstreamId: string): Promise<boolean> =>
    isTakenUp && Object.hasOwn(data.atServers, upstreamId) && deps.hasKeptTasks(data.ownerKey, upstreamId).catch(() => true)

  const closeUnneeded = async (channel: LegacyChannel): Promise<void> => {
    if (!deps.taskSessions.keep(channel, () => void channel.close().catch(() => undefined))) await channel.close()
  }

  return {
    shared(upstream, ownerKey, capabilities = '{}') {
      const key = JSON.stringify([upstream.id, sharingKey(upstream, ownerKey), capabilities])
      const known = ready.get(key) ?? shared.get(key)
      if (known !== undefined) return known
      const opened: Opened<LegacyChannel> = {}
      const opening = openShared(upstream, ownerKey, capabilities, key, opened)
      opened.opening = opening
      shared.set(key, opening)
      opening.then(
        (channel) => {
          if (shared.get(key) === opening && !channel.closed) ready.set(key, channel)
          deps.onSharedOpened(upstream)
        },
        () => shared.get(key) === opening && shared.delete(key),
      )
      return opening
    },
    own(session, upstream, capabilities) {
      const known = session.own.get(upstream.id)
      if (known !== undefined) return known
      const opened: Opened<OwnChannel> = {}
      const opening = openOwn(session, upstream, capabilities, opened)
      opened.opening = opening
      session.own.set(upstream.id, opening)
      opening.then(
        (own) => {
          if (session.own.get(upstream.id) === opening) session.opened.set(upstream.id, own)
        },
        () => session.own.get(upstream.id) === opening && forgetOwn(session, upstream.id),
      )
      return opening
    },
    forget(channel) {
      for (const [key, one] of ready) {
        if (one !== channel) continue
        ready.delete(key)
        shared.delete(key)
      }
    },
    retire({ id }) {
      for (const key of shared.keys()) {
        if (!key.startsWith(`${JSON.stringify([id]).slice(0, -1)},`)) continue
        shared.delete(key)
        ready.delete(key)
      }
    },
    disown(session) {
      for (const channel of owned.get(session) ?? []) channel.disown?.()
    },
    endSession(session) {
      const elsewhere = session.isLeft ? [] : Object.keys(session.data.atServers).filter((id) => !session.own.has(id))
      for (const id of elsewhere) end(() => deps.endStanding(session, id))
      for (const opening of session.own.values()) {
        end(async () => {
          const { upstream, channel } = await opening
          if (session.isLeft || mayHaveTasks(session, upstream.id) || (await mayHaveKept(session, upstream.id))) channel.disown?.()
          await closeUnneeded(channel)
        })
      }
      session.own.clear()
      session.opened.clear()
    },
    async close() {
      const channels = await Promise.allSettled(shared.values())
      shared.clear()
      ready.clear()
      await Promise.allSettled(channels.map((one) => (one.status === 'fulfilled' ? one.value.close() : undefined)))
    },
  }
}
