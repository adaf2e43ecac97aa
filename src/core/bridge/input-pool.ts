/**
 * Legacy sessions for modern clients that can be asked for input, pooled by principal, server and declared input. On stdio
 * and on GET streams nothing says to which call a request belongs, so one call that may ask has a session for itself;
 * another takes a second session (bridge-rulings §3). Tasks share theirs with the next call.
 */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { META, isLogLevel } from '../../protocol/meta.ts'
import type { ClientCapabilities } from '../../protocol/capability.ts'
import { PortolanError } from '../../protocol/error.ts'
import { LATEST_LEGACY } from '../../protocol/revision.ts'
import type { Principal } from '../auth/principal.ts'
import type { Clock } from '../clock.ts'
import type { Channel, LegacyChannel } from '../upstream/channel.ts'
import { createCountedChannel } from '../upstream/counted-channel.ts'
import type { CountedChannel } from '../upstream/counted-channel.ts'
import { createSessionTasks } from './session-tasks.ts'
import type { Listener, SessionTasks } from './session-tasks.ts'
import { ask } from '../upstream/request.ts'
import { refuseRequest } from '../upstream/refuse-request.ts'
import type { Asker } from '../upstream/request.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Credentials } from '../vault/credentials.ts'

/** Who is asked, where, and for what. */
export interface InputKey {
  readonly principal: Principal
  readonly upstream: Upstream
  /** What sessions of one pool have in common: `capabilityClass` of what is declared, and the extensions. */
  readonly input: string
  readonly capabilities: ClientCapabilities
}

/** What a task has of the session in which it was made. */
export interface TaskPlace {
  /** As that of `Leased`. */
  release(isSpent?: boolean): void
}

/** A session for one call, until it is given back. */
export interface Leased {
  readonly channel: LegacyChannel
  /** What the session sends that names no call is this call's. */
  onMessage: ((message: Message) => void) | undefined
  /** What the client last said its roots are, as JSON; '' before it said anything. */
  roots: WireText
  /** What was set by `logging/setLevel`; '' for nothing. */
  logLevel: string
  /** Whether its call may be given up to make room for another one of the same client. */
  mayYield: (() => boolean) | undefined
  /** `isSpent`: something is left undone in it, so nobody else may have it. */
  release(isSpent?: boolean): void
  /** Gives it back, but for the task that the call became. */
  keepTask(taskId: string, listener: Listener): TaskPlace
}

export interface InputPool {
  /** A session of the key, whoever uses it: for what asks nobody. */
  any(key: InputKey): LegacyChannel | Promise<LegacyChannel>
  /** A session of the key that nobody else uses until it is given back. Rejects with `overloaded`. */
  lease(key: InputKey): Promise<Leased>
  /** The server was replaced: what is idle ends, what is in use ends with its call. Calls `onUnused` once nothing is. */
  retire(upstream: Upstream, onUnused: () => void): void
  /** The server has forgotten this session: others of its key that are idle are not tried one by one. */
  forget(channel: Channel): void
  close(): Promise<void>
}

export interface InputPoolDeps extends Asker {
  readonly clock: Clock
  readonly credentials: Credentials
  readonly idleMs: () => number
  /** What a session announces outside any call, or while it is nobody's. */
  readonly onAnnounced: (upstream: Upstream, message: Message) => void
}

interface Pooled extends Leased {
  readonly upstream: Upstream
  /** Besides its call. */
  readonly tasks: SessionTasks
  /** For who asks nobody: whatever becomes of the call that has the session, they are answered. */
  readonly others: CountedChannel
  isBusy: boolean
  isRetired: boolean
  /** Nobody gets it any more. */
  isDropped: boolean
  stopIdle: (() => void) | undefined
}

/** A modern request names its level itself; a legacy session has one until it is told another (bridge-rulings §4, Logging). */
export async function setLogLevel({ deps }: { readonly deps: Asker }, leased: Leased, { text, body }: Message): Promise<void> {
  const level = readString(text, member(member(body, '_meta'), META.logLevel))
  if (!isLogLevel(level) || level === leased.logLevel) return
  leased.logLevel = level
  // A server without log levels says so; the call is none the worse.
  await ask(leased.channel, 'logging/setLevel', { level: asciiJson(level) }, deps).catch(() => undefined)
}

/** A server that was replaced keeps its id. */
function isUsable({ upstream, channel, isRetired }: Pooled, key: InputKey): boolean {
  return upstream === key.upstream && !channel.closed && !isRetired
}

function isUnused({ isBusy, tasks }: Pooled): boolean {
  return !isBusy && tasks.size === 0
}

/** Sessions of one key; the caps of children hold besides. */
const MAX_SESSIONS = 32

export function createInputPool(deps: InputPoolDeps): InputPool {
  const pools = new Map<string, Set<Pooled>>()
  const opening = new Map<string, Promise<Pooled>>()

  const keyOf = ({ principal, upstream, input }: InputKey): string => JSON.stringify([upstream.id, principal.bindingKey, input])

  /** Sessions on their way: they count as what they will be. */
  const handshakes = new Set<{ readonly key: string; readonly upstream: Upstream }>()

  const unused = new Map<Upstream, () => void>()
  const tellUnused = (upstream: Upstream): void => {
    const run = unused.get(upstream)
    const isUsed = Array.from(pools.values()).some((all) => Array.from(all).some((one) => !isUnused(one) && one.upstream === upstream))
    if (run === undefined || isUsed || Array.from(handshakes).some((one) => one.upstream === upstream)) return
    unused.delete(upstream)
    run()
  }

  const drop = (key: string, pooled: Pooled): void => {
    pooled.stopIdle?.()
    const all = pools.get(key)
    all?.delete(pooled)
    if (all?.size === 0) pools.delete(key)
    pooled.isDropped = true
    end(pooled)
    tellUnused(pooled.upstream)
  }

  const end = ({ isDropped, others, channel }: Pooled): void => {
    if (isDropped && others.inFlight === 0) void channel.close().catch(() => undefined)
  }

  const awaitUse = (key: string, pooled: Pooled): void => {
    pooled.stopIdle?.()
    pooled.stopIdle = deps.clock.after(deps.idleMs(), () => drop(key, pooled))
  }

  /** The call has given it back. */
  const giveBack = (pooled: Pooled): void => {
    pooled.isBusy = false
    pooled.onMessage = undefined
    pooled.mayYield = undefined
  }

  const settleUse = (key: string, pooled: Pooled, isSpent: boolean): void => {
    if (isSpent) pooled.isRetired = true
    if (!isUnused(pooled)) return
    if (pooled.isRetired || pooled.channel.closed) return drop(key, pooled)
    awaitUse(key, pooled)
    tellUnused(pooled.upstream)
  }

  const open = async (inputKey: InputKey): Promise<Pooled> => {
    const handshake = { key: keyOf(inputKey), upstream: inputKey.upstream }
    handshakes.add(handshake)
    try {
      return await openPooled(handshake.key, inputKey)
    } finally {
      handshakes.delete(handshake)
      tellUnused(handshake.upstream)
    }
  }

  const openPooled = async (key: string, inputKey: InputKey): Promise<Pooled> => {
    const { upstream, principal, capabilities } = inputKey
    let pooled: Pooled | undefined
    const channel = await upstream.openLegacy({
      clientInfo: asciiJson(deps.self),
      capabilities: asciiJson(capabilities),
      revision: LATEST_LEGACY,
      ownerKey: principal.ownerKey,
      shared: false,
      mayYield: () => pooled?.mayYield?.() === true,
      headers: await deps.credentials.headersFor({ upstreamId: upstream.id, ownerKey: principal.ownerKey }),
      listener: {
        onMessage: (message) => take(upstream, pooled, message),
        onClosed: () => pooled !== undefined && drop(key, pooled),
      },
    })
    const created: Pooled = {
      upstream,
      channel,
      onMessage: undefined,
      mayYield: undefined,
      roots: '',
      logLevel: '',
      isBusy: true,
      others: createCountedChannel(channel, () => end(created)),
      isRetired: unused.has(upstream),
      isDropped: false,
      tasks: createSessionTasks(),
      stopIdle: undefined,
      release(isSpent = false) {
        if (!created.isBusy) return
        giveBack(created)
        settleUse(key, created, isSpent)
      },
      keepTask(taskId, listener) {
        const end = created.tasks.keep(taskId, listener)
        giveBack(created)
        return { release: (isSpent = false) => void (end() && settleUse(key, created, isSpent)) }
      },
    }
    pooled = created
    const all = pools.get(key) ?? new Set()
    pools.set(key, all.add(created))
    // What arrives there belongs to a call of this session (bridge-rulings §3).
    void channel.openStream()
    return created
  }

  const take = (upstream: Upstream, pooled: Pooled | undefined, message: Message): void => {
    if (message.kind === 'notification') deps.onAnnounced(upstream, message)
    if (pooled === undefined) return
    const listeners = pooled.tasks.listeners(message, pooled.onMessage)
    for (const hear of listeners) hear(message)
    if (listeners.length === 0 && message.kind === 'request') refuseRequest(pooled.channel, message)
  }

  /** Who is longest gone with a call that waits for his answer makes room for his next one. */
  const makeRoom = (key: string, all: ReadonlySet<Pooled>): boolean => {
    const yielding = Array.from(all).find((one) => one.isBusy && one.mayYield?.() === true)
    if (yielding !== undefined) drop(key, yielding)
    return yielding !== undefined
  }

  return {
    any(inputKey) {
      const key = keyOf(inputKey)
      for (const pooled of pools.get(key) ?? []) {
        if (!isUsable(pooled, inputKey)) continue
        if (isUnused(pooled)) awaitUse(key, pooled)
        return pooled.others.channel
      }
      const begun = opening.get(key) ?? open(inputKey)
      opening.set(key, begun)
      const settled = (): boolean => opening.get(key) === begun && opening.delete(key)
      return begun.then(
        (pooled) => {
          if (settled()) pooled.release()
          return pooled.others.channel
        },
        (error: unknown) => {
          settled()
          throw error
        },
      )
    },
    async lease(inputKey) {
      const key = keyOf(inputKey)
      const all = pools.get(key) ?? new Set()
      const free = Array.from(all).filter((one) => !one.isBusy && isUsable(one, inputKey))
      const chosen = free.find(isUnused) ?? free[0]
      if (chosen !== undefined) {
        chosen.stopIdle?.()
        chosen.isBusy = true
        return chosen
      }
      const begun = Array.from(handshakes).filter((one) => one.key === key).length
      const used = Array.from(all).filter((one) => one.isBusy || isUsable(one, inputKey)).length
      if (used + begun >= MAX_SESSIONS && !makeRoom(key, all)) throw new PortolanError('overloaded', { retryAfterSec: 1 })
      return open(inputKey)
    },
    retire(upstream, onUnused) {
      unused.set(upstream, onUnused)
      for (const [key, all] of pools) {
        for (const pooled of all) {
          if (pooled.upstream !== upstream) continue
          pooled.isRetired = true
          if (isUnused(pooled)) drop(key, pooled)
        }
      }
      tellUnused(upstream)
    },
    forget(channel) {
      for (const all of pools.values()) {
        if (!Array.from(all).some((one) => one.channel === channel || one.others.channel === channel)) continue
        // Not closed: what is in flight there may still be answered.
        for (const pooled of all) if (!pooled.isBusy) pooled.isRetired = true
      }
    },
    async close() {
      const all = Array.from(pools.values()).flatMap((ofKey) => Array.from(ofKey))
      for (const [key, ofKey] of pools) for (const pooled of ofKey) drop(key, pooled)
      await Promise.allSettled(all.map(({ channel }) => channel.close()))
    },
  }
}
