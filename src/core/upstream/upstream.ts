/**
 * One configured upstream server: how it is reached, what it was found to be, and how it is doing. Nothing that goes wrong
 * here is thrown at another upstream's exchanges (design §7.6).
 */

import type { WireText } from '../../protocol/json.ts'
import type { Era, Revision } from '../../protocol/revision.ts'
import type { ServerSnapshot } from '../gateway/snapshot.ts'
import type { Breaker, BreakerStatus } from './breaker.ts'
import type { Channel, Ending, LegacyChannel, OpenLegacy, StandingSession } from './channel.ts'
import type { Placement } from './placement.ts'

/** What probing found for one era. JSON texts are as the server wrote them. */
export interface EraProfile {
  readonly era: Era
  readonly revision: Revision
  /** `capabilities` of the initialize or discover result. */
  readonly capabilities: WireText
  /** `serverInfo`; '' where it gave none. */
  readonly serverInfo: WireText
  readonly instructions: string
}

export interface UpstreamProfile {
  readonly legacy: EraProfile | undefined
  readonly modern: EraProfile | undefined
}

/** A child process of a stdio server. */
export interface ChildProcess {
  readonly pid: number
  readonly era: Era
  /** Epoch milliseconds. */
  readonly startedAtMs: number
}

/** Something that went wrong, for people. */
export interface UpstreamFault {
  /** Epoch milliseconds. */
  readonly atMs: number
  readonly detail: string
}

/** What happens around an upstream, for the log. `detail` may name commands and addresses, never a secret. */
export interface UpstreamEvent {
  readonly kind: 'ready' | 'degraded' | 'restarted' | 'stray' | 'stderr' | 'doubted'
  readonly upstream: string
  readonly detail: string
}

export interface UpstreamStatus {
  readonly state: 'starting' | 'ready' | 'degraded' | 'stopped'
  /** For people: why it is degraded, and what to do; '' when ready. */
  readonly detail: string
  readonly eras: readonly Era[]
  readonly children: number
  readonly sessions: number
  readonly restarts: number
  /** Epoch milliseconds of the last success; 0 for never. */
  readonly lastSeenAtMs: number
  readonly breaker: BreakerStatus
  /** Those that live, the oldest first. */
  readonly processes: readonly ChildProcess[]
  /** The last five, the newest last. */
  readonly faults: readonly UpstreamFault[]
  /** The replica that runs its children, '' for nobody as far as is known; undefined where each has its own. */
  readonly holder?: string
}

export interface Upstream {
  readonly id: string
  readonly name: string
  readonly config: ServerSnapshot
  readonly breaker: Breaker
  /** Where its children run, if there is one set of them for all replicas. */
  readonly placement: Placement | undefined
  status(): UpstreamStatus
  /** What the server is. Probes at first use and after a failure; rejects with `upstream_unavailable` when it is down. */
  profile(): Promise<UpstreamProfile>
  /** The last profile found, without waiting. */
  knownProfile(): UpstreamProfile | undefined
  /** The channel of the modern era, shared by everybody; at once where it is open. */
  modern(): Channel | Promise<Channel>
  /** A legacy session. Rejects with `upstream_unavailable` or `overloaded`. */
  openLegacy(options: OpenLegacy): Promise<LegacyChannel>
  /** Ends a session that another holder opened. Never rejects. */
  endStanding(standing: StandingSession, headers: OpenLegacy['headers']): Promise<Ending>
  /** The server turned out to speak other eras than the profile says: forget it, probe at the next use. */
  forgetProfile(): void
  /**
   * Takes over what can change while it runs: name, limits, trust, `state`, and the headers of HTTP requests.
   * False, and nothing has changed, where the server must be opened anew.
   */
  adopt(config: ServerSnapshot): boolean
  /** It was replaced: what runs here may end, asks for nothing more by itself, and takes no room from its successor. */
  retire(): void
  close(): Promise<void>
}
