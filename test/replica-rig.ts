/** Several gateways in the test's own process, over the same stores and one peer network, as replicas behind no balancer at all. */
import { createLeaseStore } from '../src/adapters/memory/lease-store.ts'
import { createHints } from '../src/adapters/memory/hints.ts'
import { createEventStore } from '../src/adapters/memory/event-store.ts'
import { createPeerNetwork } from '../src/adapters/memory/peer-link.ts'
import { createReplayGuard } from '../src/adapters/memory/replay-guard.ts'
import { createReplicaStore } from '../src/adapters/memory/replica-store.ts'
import { createSessionStore } from '../src/adapters/memory/session-store.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import type { Clock } from '../src/core/clock.ts'
import type { EventStore } from '../src/core/session/event-store.ts'
import { LIFETIME_MS } from '../src/core/replica/membership.ts'
import type { LeaseStore } from '../src/core/replica/lease-store.ts'
import type { ReplicaStore } from '../src/core/replica/replica-store.ts'
import { createTenures } from '../src/core/replica/tenure.ts'
import type { SessionStore } from '../src/core/session/session-store.ts'
import type { PeerLink, PeerService } from '../src/core/gateway/peer-link.ts'
import { PortolanError } from '../src/protocol/error.ts'
import { closeAfter, openRig } from './gateway-rig.ts'
import type { OpenRig, RigOptions } from './gateway-rig.ts'

export interface ReplicaRig extends OpenRig {
  readonly id: string
  /** Gone without a word: it reaches nobody and nothing, and nobody reaches it through a peer. Its lifetime has passed. */
  kill(): Promise<void>
  /** As SIGSTOP for longer than its lifetime, as seen by the others; `continue` lets it find out. */
  stop(): Promise<void>
  continue(): void
  /** From now on every store fails for it. */
  cut(isCut: boolean): void
  /** Its link to peers takes no longer texts. */
  narrow(maxTextChars: number): void
  /** What its peers have taken it learns no sooner than this. */
  deafen(until: Promise<void>): void
  /** Reads and writes of stores, hints, and messages to peers, since the last call. */
  trips(): number
}

export interface Replicas {
  readonly all: readonly ReplicaRig[]
  readonly stores: { readonly sessions: SessionStore; readonly replicas: ReplicaStore; readonly kept: EventStore }
}

/** `skewMs`: by how much each one's wall clock is wrong. */
export async function startReplicas(count: number, options: RigOptions = {}, skewMs: readonly number[] = [], clock: Clock = createSystemClock()): Promise<Replicas> {
  const sessions = createSessionStore(clock)
  const stores = { sessions, replicas: createReplicaStore(clock), kept: createEventStore(clock, sessions) }
  const leases = createLeaseStore(clock)
  const shared = { network: createPeerNetwork(), hints: createHints(), replayGuard: createReplayGuard(clock), leases, clock, ...stores }
  const all = await Promise.all(Array.from({ length: count }, (_, index) => startReplica(`r${index}`, shared, options, skewMs[index] ?? 0)))
  return { all, stores }
}

/** Two of them, and nothing else. */
export async function startTwo(options: RigOptions = {}): Promise<readonly [ReplicaRig, ReplicaRig]> {
  const { all: [first, second] } = await startReplicas(2, options)
  if (first === undefined || second === undefined) throw new TypeError('no replicas')
  return [first, second]
}

interface Shared {
  readonly network: ReturnType<typeof createPeerNetwork>
  readonly hints: ReturnType<typeof createHints>
  readonly replayGuard: ReturnType<typeof createReplayGuard>
  readonly sessions: SessionStore
  readonly replicas: ReplicaStore
  readonly kept: EventStore
  readonly leases: LeaseStore
  readonly clock: Clock
}

interface Gate {
  isCut: boolean
  trips: number
  maxTextChars: number
  deafUntil: Promise<void> | undefined
}

async function startReplica(id: string, { network, hints, replayGuard, sessions, replicas, kept, leases, clock }: Shared, options: RigOptions, skewMs: number): Promise<ReplicaRig> {
  const gate: Gate = { isCut: false, trips: 0, maxTextChars: Number.POSITIVE_INFINITY, deafUntil: undefined }
  const stopped = { forMs: 0, isStopped: false }
  const peers = rejoining(network, id, gate)
  const replicaClock = { ...clock, nowMs: () => clock.nowMs() + skewMs, ticksMs: () => clock.ticksMs() + stopped.forMs }
  const tasks = options.deps?.tasks
  const rig = closeAfter(await openRig({
    ...options,
    upstreamDeps: { singletons: { tenures: createTenures({ clock: replicaClock, store: through(leases, gate, LEASE_METHODS), replicaId: id, leaseMs: SINGLETON_LEASE_MS }), peers: peers.link }, ...options.upstreamDeps },
    deps: {
      clock: replicaClock,
      hints: { subscribe: hints.subscribe, publish: (hint) => (void (gate.trips += 1), hints.publish(hint)) },
      replayGuard: through(replayGuard, gate),
      peers: peers.link,
      sessions: through(sessions, gate),
      keptEvents: through(kept, gate),
      replica: { store: through(replicas, gate, ['announce']), self: { id, address: '', version: '0.0.0' } },
      ...options.deps,
      ...(tasks === undefined ? {} : { tasks: { ...tasks, store: through(tasks.store, gate, TASK_METHODS) } }),
    },
  }))
  return {
    ...rig,
    id,
    async kill() {
      gate.isCut = true
      network.leave(id)
      await replicas.leave(id)
    },
    async stop() {
      network.leave(id)
      await replicas.leave(id)
    },
    continue() {
      stopped.forMs += LIFETIME_MS + 1
      peers.rejoin()
    },
    cut: (isCut) => void (gate.isCut = isCut),
    narrow: (maxTextChars) => void (gate.maxTextChars = maxTextChars),
    deafen: (until) => void (gate.deafUntil = until),
    trips() {
      const { trips } = gate
      gate.trips = 0
      return trips
    },
  }
}

/** Shorter than in earnest, so that a test need not wait for long; its margin is what a busy machine may take to end a child. */
export const SINGLETON_LEASE_MS = 3_000

/** They are renewed by the clock, for no exchange. */
const LEASE_METHODS = ['acquire', 'find', 'renew', 'release']
const TASK_METHODS = ['claim', 'homes', 'renew', 'overdue', 'sweep', 'counts']

function rejoining(network: Shared['network'], id: string, gate: Gate): { readonly link: PeerLink; rejoin(): void } {
  let joined = network.join(id)
  const services = new Map<string, PeerService>()
  return {
    link: {
      replicaId: id,
      async send(...sent) {
        gate.trips += 1
        if (sent[2].length > gate.maxTextChars) throw new PortolanError('body_too_large')
        const answer = await joined.send(...sent)
        await gate.deafUntil
        return answer
      },
      serve(topic, service) {
        services.set(topic, service)
        return joined.serve(topic, service)
      },
    },
    rejoin() {
      joined = network.join(id)
      for (const [topic, service] of services) joined.serve(topic, service)
    },
  }
}

/** The store as one replica reaches it: counted, but for what is no part of any exchange. */
function through<T extends object>(store: T, gate: { isCut: boolean; trips: number }, uncounted: readonly string[] = []): T {
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...given: unknown[]): unknown => {
        if (!uncounted.includes(String(name))) gate.trips += 1
        return gate.isCut ? Promise.reject(new PortolanError('state_unavailable', { retryAfterSec: 1 })) : Reflect.apply(method, target, given)
      }
    },
  })
}
