/**
 * A whole gateway in the test's own process, on real sockets of loopback, with its ledger and its counters in reach.
 * Everything that a test opened here is closed after it; what is left then is a failure.
 */
import { afterEach, expect } from 'vitest'
import { createSpawner } from '../src/adapters/child-process/spawner.ts'
import { createHttpListener } from '../src/adapters/http/listener.ts'
import type { HttpListenerOptions } from '../src/adapters/http/listener.ts'
import { createStaticCredentials } from '../src/adapters/memory/credentials.ts'
import { createEventBuffer } from '../src/adapters/memory/event-buffer.ts'
import { createHints } from '../src/adapters/memory/hints.ts'
import { createMemoryLedger } from '../src/adapters/memory/ledger.ts'
import { createLimiter } from '../src/adapters/memory/limiter.ts'
import { createPeerNetwork } from '../src/adapters/memory/peer-link.ts'
import { createOpenPolicy } from '../src/adapters/memory/policy.ts'
import { createReplayGuard } from '../src/adapters/memory/replay-guard.ts'
import { createSessionStore } from '../src/adapters/memory/session-store.ts'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { createNoTelemetry } from '../src/adapters/memory/telemetry.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { createKeyring } from '../src/adapters/node/keyring.ts'
import { createSystemRandom } from '../src/adapters/node/random.ts'
import { createEgress } from '../src/adapters/undici/egress.ts'
import type { LedgerRecord } from '../src/core/audit/ledger.ts'
import type { Authenticator } from '../src/core/auth/authenticator.ts'
import type { GatewayDeps, LogEvent } from '../src/core/gateway/context.ts'
import { createGateway } from '../src/core/gateway/create-gateway.ts'
import type { Gateway } from '../src/core/gateway/create-gateway.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { HttpServer, Limits, ServerSnapshot, StdioServer, VirtualServerSnapshot } from '../src/core/gateway/snapshot.ts'
import { createUpstream } from '../src/core/upstream/create-upstream.ts'
import type { UpstreamDeps } from '../src/core/upstream/create-upstream.ts'
import { configOf, depsOf, until } from './fixtures/upstream/support.ts'

export interface RigOptions {
  /** By name, in this order. */
  readonly servers?: Readonly<Record<string, HttpServer | StdioServer>>
  /** Of every server. */
  readonly server?: Partial<ServerSnapshot>
  readonly virtualServers?: readonly VirtualServerSnapshot[]
  readonly limits?: Partial<Limits>
  readonly listener?: Partial<HttpListenerOptions>
  readonly pageSize?: number
  readonly deps?: Partial<GatewayDeps>
  readonly upstreamDeps?: Partial<UpstreamDeps>
}

export interface Rig {
  readonly port: number
  readonly gateway: Gateway
  readonly events: readonly LogEvent[]
  /** What was recorded since the last call. */
  records(): LedgerRecord[]
  /** Waits until no exchange is in flight, then gives what was recorded since the last call. */
  settled(): Promise<LedgerRecord[]>
}

/** Two people: their tokens are their names. Nobody else gets in. */
export const twoPeople: Authenticator = {
  authenticate({ authorization, trusted }) {
    const name = trusted ? 'local' : (/^Bearer (alice|bob)$/.exec(authorization ?? '')?.[1] ?? '')
    if (name === '') {
      const reason = authorization === undefined ? 'missing' : 'invalid'
      return { ok: false, fault: { reason, challenge: `Bearer realm="test"${reason === 'invalid' ? ', error="invalid_token"' : ''}` } }
    }
    return { ok: true, principal: { ownerKey: `owner ${name}`, bindingKey: `binding ${name}`, label: name, scopes: new Set() } }
  },
}

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** Runs `close` after the test, before what was opened earlier is closed. */
export function closeAfter<T extends { close(): Promise<unknown> }>(opened: T): T {
  closers.push(async () => void (await opened.close()))
  return opened
}

/** A rig that is closed after the test. */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  return closeAfter(await openRig(options))
}

export interface OpenRig extends Rig {
  close(): Promise<void>
}

/** A rig that the test closes itself. */
export async function openRig(options: RigOptions = {}): Promise<OpenRig> {
  const clock = createSystemClock()
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const ledger = createMemoryLedger(100_000)
  const events: LogEvent[] = []
  const egress = createEgress({ env: {} })
  const spawner = createSpawner()
  const upstreamDeps = depsOf({ egress, spawner }, { clock, limits, ...options.upstreamDeps })
  const servers = Object.entries(options.servers ?? {}).map(([name, target]) => configOf(target, { id: name, name, ...options.server }))
  const gateway = createGateway({
    clock,
    random: createSystemRandom(),
    keyring: createKeyring([{ secret: new Uint8Array(32).fill(7), active: true }]),
    authenticator: twoPeople,
    sessions: createSessionStore(clock),
    events: createEventBuffer({ clock, ...limits }),
    hints: createHints(),
    peers: createPeerNetwork().join('rig'),
    snapshots: createSnapshotSource({ digest: 'rig', servers, virtualServers: options.virtualServers ?? [], separator: '__', pageSize: options.pageSize ?? 100, limits }),
    limiter: createLimiter({ exchanges: limits.exchanges }),
    policy: createOpenPolicy(),
    credentials: createStaticCredentials(),
    replayGuard: createReplayGuard(clock),
    ledger,
    telemetry: createNoTelemetry(),
    upstreams: (server) => createUpstream(server, upstreamDeps),
    self: { name: 'portolan', version: '0.0.0' },
    log: (event) => void events.push(event),
    ...options.deps,
  })
  const ignore = (): void => undefined
  const listener = createHttpListener(
    { listen: { host: '127.0.0.1', port: 0 }, maxLagMs: 0, limits, ...options.listener },
    { mcp: gateway.http, routes: [], log: { info: ignore, warn: ignore, error: (fields) => void events.push({ level: 'error', event: 'handler_threw', fields: { detail: JSON.stringify(fields) } }) }, clock },
  )
  const [address] = await listener.listen()
  let seen = 0
  const records = (): LedgerRecord[] => {
    const all = ledger.records()
    const fresh = all.slice(seen)
    seen = all.length
    return fresh
  }
  return {
    port: address?.kind === 'tcp' ? address.port : 0,
    gateway,
    events,
    records,
    async settled() {
      await until(() => gateway.status().inFlight === 0)
      return records()
    },
    async close() {
      await listener.close()
      await gateway.close()
      upstreamDeps.pool.close()
      await Promise.all([spawner.close(), egress.close()])
      expect(gateway.status().inFlight, 'exchanges in flight after the end').toBe(0)
      expect(events.filter(({ level }) => level === 'error'), 'faults of our own').toEqual([])
    },
  }
}
