/** A rig whose limits are those of its configuration, as in `portolan up`, and can be changed while it runs. */
import { createLimiter } from '../src/adapters/memory/limiter.ts'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { createMemoryTelemetry } from '../src/adapters/memory/telemetry.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { limiterBounds } from '../src/apps/gateway/limiter-bounds.ts'
import type { Clock } from '../src/core/clock.ts'
import type { GatewayDeps } from '../src/core/gateway/context.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { Limits, ServerSnapshot, Snapshot } from '../src/core/gateway/snapshot.ts'
import type { LimitName, RateLimit, ServerLimits } from '../src/core/policy/limiter.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { configOf, http } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'

export interface Bounds {
  readonly limits?: Partial<Limits>
  readonly ratePerPrincipal?: RateLimit
  readonly clock?: Clock
  readonly deps?: Partial<GatewayDeps>
  /** Of the server `files`; `other` has none. */
  readonly files?: Partial<ServerSnapshot>
}

export interface LimitsRig extends Rig {
  readonly files: Actor
  readonly other: Actor
  /** Refusals of this limit so far. */
  limited(limit: LimitName): number
  reload(bounds: Bounds): void
}

/** Waits where a bound is reached, long enough for any test. */
export const LINE: ServerLimits = { exchanges: undefined, rate: undefined, queue: 100, queueMs: 60_000 }

export async function startLimitsRig(bounds: Bounds, acts: Readonly<Record<string, Act>> = {}, eras: readonly ('legacy' | 'modern')[] = ['modern', 'legacy']): Promise<LimitsRig> {
  const [files, other] = [closeAfter(await startActor(eras, acts)), closeAfter(await startActor(eras, acts))]
  const { clock = createSystemClock() } = bounds
  let count = 0
  const snapshotOf = ({ limits, ratePerPrincipal, files: written }: Bounds): Snapshot => {
    count += 1
    const servers = [configOf(http(files.url), { id: 'files', name: 'files', ...written }), configOf(http(other.url), { id: 'other', name: 'other' })]
    return { digest: String(count), servers, virtualServers: [], separator: '__', pageSize: 100, limits: { ...DEFAULT_LIMITS, ...limits }, ratePerPrincipal }
  }
  const snapshots = createSnapshotSource(snapshotOf(bounds))
  const limiter = createLimiter(Object.assign(limiterBounds(snapshots), { clock }))
  snapshots.subscribe(() => limiter.refresh())
  const telemetry = createMemoryTelemetry()
  const rig = await startRig({ deps: { clock, snapshots, limiter, telemetry, ...bounds.deps } })
  return {
    ...rig,
    files,
    other,
    limited: (limit) => telemetry.value('portolan_limited_total', { limit }),
    reload: (next) => snapshots.replace(snapshotOf(next)),
  }
}
