/** Builds the gateway of one process over its adapters. Closing it closes all of them. */

import { createSpawner } from '../../adapters/child-process/spawner.ts'
import { createStaticCredentials } from '../../adapters/memory/credentials.ts'
import { createEventBuffer } from '../../adapters/memory/event-buffer.ts'
import { createHints } from '../../adapters/memory/hints.ts'
import { createLimiter } from '../../adapters/memory/limiter.ts'
import { createPeerNetwork } from '../../adapters/memory/peer-link.ts'
import { createOpenPolicy } from '../../adapters/memory/policy.ts'
import { createReplayGuard } from '../../adapters/memory/replay-guard.ts'
import { createSessionStore } from '../../adapters/memory/session-store.ts'
import { createSystemClock } from '../../adapters/node/clock.ts'
import { sha256 } from '../../adapters/node/digest.ts'
import { createSystemRandom } from '../../adapters/node/random.ts'
import { createEgress } from '../../adapters/undici/egress.ts'
import type { Ledger } from '../../core/audit/ledger.ts'
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Authenticator } from '../../core/auth/authenticator.ts'
import type { Keyring } from '../../core/auth/keyring.ts'
import type { GatewayDeps, LogEvent } from '../../core/gateway/context.ts'
import type { CustomStage } from '../../core/gateway/custom-stage.ts'
import { createGateway } from '../../core/gateway/create-gateway.ts'
import type { Gateway } from '../../core/gateway/create-gateway.ts'
import type { ServerSnapshot, SnapshotSource } from '../../core/gateway/snapshot.ts'
import type { LeaseStore } from '../../core/replica/lease-store.ts'
import type { ReplicaStore } from '../../core/replica/replica-store.ts'
import { createTenures } from '../../core/replica/tenure.ts'
import { createChildPool } from '../../core/upstream/child-pool.ts'
import { createUpstream } from '../../core/upstream/create-upstream.ts'
import type { UpstreamDeps } from '../../core/upstream/create-upstream.ts'
import { createProfileMemory } from '../../core/upstream/profile-memory.ts'
import type { Upstream, UpstreamEvent } from '../../core/upstream/upstream.ts'
import type { Env } from './config-file.ts'
import { limiterBounds } from './limiter-bounds.ts'
import { liveLimits } from './live-limits.ts'
import type { Log } from './log.ts'
import { pacedPool } from './paced-pool.ts'
import type { ReplicaLinks } from './replica-links.ts'
import type { StateStores } from './state.ts'
import { upstreamKeyOf } from './upstream-key.ts'

export interface GatewayParts {
  readonly keyring: Keyring
  /** Not given: in this process, and gone with it. */
  readonly stores?: Pick<StateStores, 'eras' | 'sessions' | 'keptEvents' | 'replayGuard' | 'tasks'>
  /** Not given: one process that has no others. */
  readonly links?: Pick<ReplicaLinks, 'self' | 'peers' | 'hints'> & { readonly replicas: ReplicaStore; readonly leases: LeaseStore }
  readonly config: SnapshotSource
  readonly authenticator: Authenticator
  readonly ledger: Ledger
  readonly telemetry: Telemetry
  readonly log: Log
  readonly env: Env
  readonly version: string
  /** Instead of Portolan's own. Whoever brings one closes it. */
  readonly ports?: ForeignPorts
  readonly stages?: readonly CustomStage[]
}

export type ForeignPorts = Partial<Pick<GatewayDeps, 'policy' | 'limiter' | 'credentials' | 'sessions' | 'events'> & Pick<UpstreamDeps, 'egress' | 'spawner'>>

export interface WiredGateway extends Gateway {
  /** Asks every server, those of later configurations too, what it is: the first client need not wait, a fault is told at once. */
  warm(): void
}

/** Nothing is reached or started before the first request, or `warm`. */
export function wireGateway(parts: GatewayParts): WiredGateway {
  const clock = createSystemClock()
  const random = createSystemRandom()
  const limits = liveLimits(parts.config)
  const limiter = createLimiter(Object.assign(limiterBounds(parts.config), { clock }))
  const stopLimits = parts.config.subscribe(() => limiter.refresh())
  const { egress: foreignEgress, spawner: foreignSpawner, ...ports } = parts.ports ?? {}
  const ownEgress = foreignEgress === undefined ? createEgress({ env: parts.env }) : undefined
  const ownSpawner = foreignSpawner === undefined ? createSpawner() : undefined
  const egress = foreignEgress ?? ownEgress
  const spawner = foreignSpawner ?? ownSpawner
  if (egress === undefined || spawner === undefined) throw new TypeError('egress and spawner are needed')
  const pool = pacedPool(createChildPool({ limits, clock }))
  const self = { name: 'portolan', version: parts.version }
  const { eras } = parts.stores ?? {}
  const memoryOf = eras === undefined ? {} : { memoryOf: (server: ServerSnapshot) => createProfileMemory(eras, upstreamKeyOf(server)) }
  const singletons = parts.links === undefined ? {} : { singletons: { tenures: createTenures({ clock, store: parts.links.leases, replicaId: parts.links.self.id }), peers: parts.links.peers } }
  const upstreamDeps = { ...memoryOf, ...singletons, egress, spawner, clock, random, limits, pool, self, log: (event: UpstreamEvent) => parts.log.event(upstreamEvent(event)) }
  const upstreams = new Set<Upstream>()
  let isWarm = false
  // A server that does not answer has said so in the log and its status.
  const ask = (upstream: Upstream): void => void upstream.profile().catch(() => undefined)
  const gateway = createGateway({
    clock,
    random,
    keyring: parts.keyring,
    authenticator: parts.authenticator,
    sessions: parts.stores?.sessions ?? createSessionStore(clock),
    events: createEventBuffer(Object.assign(liveLimits(parts.config), { clock })),
    hints: parts.links?.hints ?? createHints(),
    peers: parts.links?.peers ?? createPeerNetwork().join(random.id()),
    ...(parts.links === undefined ? {} : { replica: { store: parts.links.replicas, self: parts.links.self } }),
    snapshots: parts.config,
    limiter,
    policy: createOpenPolicy(),
    credentials: createStaticCredentials(),
    replayGuard: parts.stores?.replayGuard ?? createReplayGuard(clock),
    // Without a store that lasts nobody is promised a task.
    ...(parts.stores === undefined ? {} : { keptEvents: parts.stores.keptEvents, tasks: { store: parts.stores.tasks, sha256 } }),
    ledger: parts.ledger,
    telemetry: parts.telemetry,
    upstreams(server) {
      const upstream = createUpstream(server, upstreamDeps)
      if (isWarm) ask(upstream)
      else upstreams.add(upstream)
      return upstream
    },
    self,
    log: parts.log.event,
    ...(parts.stages === undefined ? {} : { stages: parts.stages }),
    ...ports,
  })
  return {
    ...gateway,
    warm() {
      isWarm = true
      // After whoever calls this has said that it listens.
      setImmediate(() => {
        for (const upstream of upstreams) ask(upstream)
        upstreams.clear()
      })
    },
    async close() {
      stopLimits()
      await gateway.close()
      pool.close()
      await Promise.all([ownSpawner?.close(), ownEgress?.close()])
    },
  }
}

const LEVELS: Readonly<Record<UpstreamEvent['kind'], LogEvent['level']>> = {
  ready: 'info',
  doubted: 'info',
  restarted: 'warn',
  degraded: 'warn',
  stray: 'debug',
  stderr: 'debug',
}

function upstreamEvent({ kind, upstream, detail }: UpstreamEvent): LogEvent {
  return { level: LEVELS[kind], event: `upstream_${kind}`, fields: { upstream, detail } }
}
