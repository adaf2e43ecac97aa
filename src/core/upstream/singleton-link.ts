/**
 * A stdio server whose children run at one replica of all, by lease: here where this one holds it, over the peer link where
 * another does. Here they end before the lease does, so that there are never two sets of them (decision 0017).
 */

import type { Clock } from '../clock.ts'
import type { PeerLink } from '../gateway/peer-link.ts'
import { openRemote } from '../replica/remote-channel.ts'
import type { RemoteChannel } from '../replica/remote-channel.ts'
import { LEASE_MS } from '../replica/tenure.ts'
import type { Tenures } from '../replica/tenure.ts'
import { fail, ok } from '../../protocol/result.ts'
import type { Result } from '../../protocol/result.ts'
import type { Channel, ChannelListener, LegacyChannel, OpenLegacy } from './channel.ts'
import { createFlights, withSend } from './counted-channel.ts'
import type { Flights } from './counted-channel.ts'
import { leaseChildren } from './leased-children.ts'
import type { OpenFault } from './legacy-handshake.ts'
import type { UpstreamLink } from './link.ts'
import type { Placement } from './placement.ts'
import type { Spawner } from './spawner.ts'

/** What a replica has to have to share a server with others. */
export interface Singletons {
  readonly tenures: Tenures
  readonly peers: PeerLink
}

export interface SingletonLinkOptions extends Singletons {
  readonly upstreamId: string
  readonly clock: Clock
  readonly spawner: Spawner
  readonly createLocal: (spawner: Spawner) => UpstreamLink
}

export interface SingletonLink extends UpstreamLink {
  readonly placement: Placement
}

/** Longer than a lease: who waits for a server whose replica crashed is served by the next one. */
const PATIENCE_MS = LEASE_MS + 1_000
const PAUSE_MS = 100
const DEAF: ChannelListener = { onMessage: () => undefined, onClosed: () => undefined }

type Opened<T> = Result<T, OpenFault>

export function createSingletonLink(options: SingletonLinkOptions): SingletonLink {
  const { upstreamId, clock, tenures, peers, createLocal } = options
  const children = leaseChildren(options.spawner, clock, () => tenure.leftMs())
  const here = createLocalUse(() => createLocal(children.spawner))
  const onMoved = new Set<() => void>()
  let remoteModern: RemoteChannel | undefined
  let openingModern: Promise<Opened<RemoteChannel> | undefined> | undefined
  let isLeaving = false
  let isRetired = false
  let isClosed = false
  const tenure = tenures.join(`singleton:${upstreamId}`, {
    onHeld: (ms) => children.expireIn(ms),
    onLost() {
      children.expireIn(0)
      void end()
    },
  })

  const pause = (): Promise<void> => new Promise((resolve) => clock.after(PAUSE_MS, resolve))
  const mayRun = (): boolean => !isLeaving && tenure.isHeld()
  /** False: something survives. */
  const end = async (): Promise<boolean> => {
    for (const run of onMoved) run()
    onMoved.clear()
    await here.end()
    return children.ended()
  }
  /** What survives keeps the lease: nobody runs the server beside it, before it is gone or this process is, whose end lets the lease run out. */
  const giveBack = async (): Promise<void> => {
    if (await end()) return tenure.leave()
    void children.gone().then(() => tenure.leave())
  }

  /** At whichever replica runs the children; whoever is asked while they change hands waits for the next one. */
  async function placed<T>(local: () => Promise<Opened<T>>, remote: (replicaId: string) => Promise<Opened<T> | undefined>): Promise<Opened<T>> {
    const untilTicks = clock.ticksMs() + PATIENCE_MS
    for (let survives = false; ; ) {
      if (isClosed) return fail({ reason: 'unreachable', detail: 'stopped' })
      const holder = await tenure.place().catch(() => STORE_AWAY)
      if (typeof holder === 'object') return fail(holder)
      if (holder === tenures.replicaId) {
        await here.ended()
        survives = !(await children.ended())
        if (!survives && mayRun()) return local()
      }
      const opened = holder === undefined || holder === tenures.replicaId ? undefined : await remote(holder)
      if (opened !== undefined) return opened
      if (isRetired || clock.ticksMs() > untilTicks) return fail({ reason: 'unreachable', detail: survives ? SURVIVES : 'the replica that runs it cannot be reached', retryAfterSec: 1 })
      await pause()
    }
  }

  const modernAt = async (replicaId: string): Promise<Opened<RemoteChannel> | undefined> => {
    if (remoteModern?.channel.closed === false) return ok(remoteModern)
    openingModern ??= openModernAt(replicaId).finally(() => (openingModern = undefined))
    return openingModern
  }
  const openModernAt = async (replicaId: string): Promise<Opened<RemoteChannel> | undefined> => {
    const opened = await openRemote(peers, { replicaId, upstreamId, legacy: undefined, listener: DEAF })
    if (opened?.ok !== true) return opened
    if (isClosed) return void (await opened.value.channel.close())
    remoteModern = opened.value
    return opened
  }
  const legacyAt = async (replicaId: string, open: OpenLegacy): Promise<Opened<LegacyChannel> | undefined> => {
    const { clientInfo, capabilities, revision, ownerKey, shared, listener } = open
    const opened = await openRemote(peers, { replicaId, upstreamId, legacy: { clientInfo, capabilities, revision, ownerKey, shared }, listener })
    return opened?.ok === true ? ok(opened.value.channel as LegacyChannel) : (opened as Opened<LegacyChannel> | undefined)
  }

  return {
    async probeModern(hurry) {
      const found = await placed(
        async () => ok(await here.link().probeModern(hurry)),
        async (replicaId) => {
          const opened = await modernAt(replicaId)
          return opened?.ok === true ? ok({ verdict: 'modern' as const, profile: opened.value.profile }) : opened
        },
      )
      if (found.ok) return found.value
      const { reason, detail, retryAfterSec } = found.fault
      return reason === 'refused' ? { verdict: 'absent', detail } : { verdict: 'unknown', detail, ...(retryAfterSec === undefined ? {} : { retryAfterSec }) }
    },
    openModern: (revision) =>
      placed<Channel>(
        async () => {
          const opened = await here.link().openModern(revision)
          return opened.ok ? ok(here.counted(opened.value)) : opened
        },
        async (replicaId) => {
          const opened = await modernAt(replicaId)
          return opened?.ok === true ? ok(opened.value.channel) : opened
        },
      ),
    openLegacy: (open, hurry) => placed(() => here.openLegacy(open, hurry), (replicaId) => legacyAt(replicaId, open)),
    useHeaders: () => undefined,
    retire() {
      isRetired = true
      here.link().retire()
    },
    children: () => here.link().children(),
    processes: () => here.link().processes(),
    restarts: () => here.link().restarts(),
    placement: {
      // One that was replaced ends with its calls: other replicas' next ones go to its successor.
      isHere: () => mayRun() && !isRetired,
      holder: () => tenure.lastHolder(),
      onMoved(run) {
        onMoved.add(run)
        return () => void onMoved.delete(run)
      },
      whenIdle: (run) => here.whenIdle(run),
      async handOver(graceMs) {
        isLeaving = true
        tenure.stopTaking()
        const untilTicks = clock.ticksMs() + graceMs
        while (here.flights.inFlight > 0 && tenure.isHeld() && clock.ticksMs() < untilTicks) await pause()
        await giveBack()
      },
    },
    async close() {
      isClosed = true
      await remoteModern?.channel.close()
      await giveBack()
    },
  }
}

const SURVIVES = 'a process of its last run cannot be ended, and no second one runs beside it'
const STORE_AWAY: OpenFault = { reason: 'unavailable', detail: 'the database that says which replica runs it does not answer', retryAfterSec: 1 }

/** The children that run here, from when this replica may run them until it may not. */
interface LocalUse {
  link(): UpstreamLink
  readonly flights: Flights
  openLegacy(open: OpenLegacy, hurry?: Promise<unknown>): Promise<Opened<LegacyChannel>>
  counted(channel: Channel): Channel
  whenIdle(run: () => void): void
  /** Whoever uses a child is told, then all end. */
  end(): Promise<void>
  /** Resolves when none is left of those that were to end. */
  ended(): Promise<void>
}

const MOVED = { gone: true, detail: 'another replica is to run the server' }

function createLocalUse(create: () => UpstreamLink): LocalUse {
  const waiting = new Set<() => void>()
  const flights = createFlights(() => {
    for (const run of waiting) run()
    waiting.clear()
  })
  const users = new Map<LegacyChannel, ChannelListener>()
  const counted = new WeakMap<Channel, Channel>()
  let link = create()
  let ended: Promise<unknown> = Promise.resolve()
  /** What waits for changes for as long as somebody does is no call that ends. */
  const sendBy = (channel: Channel): Channel['send'] => (call) => (call.method === 'subscriptions/listen' ? channel.send(call) : flights.send(channel, call))

  return {
    link: () => link,
    flights,
    whenIdle(run) {
      if (flights.inFlight === 0) run()
      else waiting.add(run)
    },
    async openLegacy(open, hurry) {
      const from = link
      const opened = await from.openLegacy(open, hurry)
      if (!opened.ok) return opened
      if (from !== link) {
        await opened.value.close()
        return fail({ reason: 'unreachable', detail: MOVED.detail, retryAfterSec: 1 })
      }
      for (const user of users.keys()) if (user.closed) users.delete(user)
      users.set(opened.value, open.listener)
      return ok(withSend(opened.value, sendBy(opened.value)))
    },
    counted(channel) {
      const known = counted.get(channel)
      if (known !== undefined) return known
      const created: Channel = {
        era: channel.era,
        transport: channel.transport,
        revision: channel.revision,
        nextId: () => channel.nextId(),
        send: sendBy(channel),
        notify: (text, headers) => channel.notify(text, headers),
        close: () => channel.close(),
        get closed() {
          return channel.closed
        },
      }
      counted.set(channel, created)
      return created
    },
    end() {
      const leaving = link
      link = create()
      const told = [...users].filter(([channel]) => !channel.closed)
      users.clear()
      for (const [, listener] of told) listener.onClosed(MOVED)
      ended = Promise.all([ended, leaving.close()])
      return ended.then(() => undefined)
    },
    ended: () => ended.then(() => undefined),
  }
}
