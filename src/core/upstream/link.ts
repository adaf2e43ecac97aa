/** What an upstream server needs from its transport, `stdio` or `http`: to be probed and opened, one era at a time. */
import type { Result } from '../../protocol/result.ts'
import type { ModernRevision } from '../../protocol/revision.ts'
import type { Clock } from '../clock.ts'
import type { Limits, ServerSnapshot } from '../gateway/snapshot.ts'
import type { Random } from '../random.ts'
import type { Channel, Ending, LegacyChannel, OpenLegacy, StandingSession } from './channel.ts'
import type { ChannelHealth } from './health.ts'
import type { OpenFault } from './legacy-handshake.ts'
import type { ModernVerdict, SelfInfo } from './probe.ts'
import type { Placement } from './placement.ts'
import type { ChildProcess } from './upstream.ts'

/** What a link over either transport is given. */
export interface LinkOptions {
  readonly config: ServerSnapshot
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
  readonly health: ChannelHealth
  readonly self: SelfInfo
  readonly probeTimeoutMs: number
  readonly requestTimeoutMs: number
}

export interface UpstreamLink {
  /** Never rejects. `hurry` (which must not reject) settles when the other era has answered: silence is then cut short. */
  probeModern(hurry?: Promise<unknown>): Promise<ModernVerdict>
  /** The one modern channel; opened again where it has closed. Never rejects. */
  openModern(revision: ModernRevision): Promise<Result<Channel, OpenFault>>
  /** A new legacy session. Never rejects. With `hurry` it is a probe. */
  openLegacy(open: OpenLegacy, hurry?: Promise<unknown>): Promise<Result<LegacyChannel, OpenFault>>
  /** Requests from now on carry these headers; over HTTP only. */
  useHeaders(headers: Readonly<Record<string, string>>): void
  /** Ends a session that another holder opened, where this server has such sessions. Never rejects. */
  endStanding?(standing: StandingSession, headers: OpenLegacy['headers']): Promise<Ending>
  /** Its children count no longer against the upstream's own share. */
  retire(): void
  children(): number
  processes(): readonly ChildProcess[]
  restarts(): number
  /** Where there is one set of children for all replicas. */
  readonly placement?: Placement
  close(): Promise<void>
}
