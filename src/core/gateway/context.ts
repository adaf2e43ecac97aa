/** Everything that stages and carriers work with: the ports, and the parts of the gateway built over them. */

import type { Ledger } from '../audit/ledger.ts'
import type { Telemetry } from '../audit/telemetry.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Keyring } from '../auth/keyring.ts'
import type { ReplayGuard } from '../auth/replay-guard.ts'
import type { AbandonedCalls } from '../bridge/abandoned-calls.ts'
import type { ExtensionClasses } from '../bridge/extension-class.ts'
import type { InputPool } from '../bridge/input-pool.ts'
import type { LegacyPool } from '../bridge/legacy-pool.ts'
import type { OwnedTasks } from '../bridge/owned-tasks.ts'
import type { ParkedCalls } from '../bridge/parked-calls.ts'
import type { TasksAtLegacy } from '../bridge/legacy-task.ts'
import type { TaskSessions } from '../bridge/task-sessions.ts'
import type { TasksAtModern } from '../bridge/task-at-modern.ts'
import type { Watches } from '../bridge/watches.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Clock } from '../clock.ts'
import type { LiveMap } from '../live-map.ts'
import type { Hints } from '../event/hints.ts'
import type { Limiter } from '../policy/limiter.ts'
import type { Policy } from '../policy/policy.ts'
import type { Random } from '../random.ts'
import type { Membership } from '../replica/membership.ts'
import type { Interests } from '../replica/interests.ts'
import type { News } from '../replica/news.ts'
import type { Replica, ReplicaStore } from '../replica/replica-store.ts'
import type { EventBuffer } from '../session/event-buffer.ts'
import type { EventStore } from '../session/event-store.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { SessionStore } from '../session/session-store.ts'
import type { Sessions } from '../session/sessions.ts'
import type { TaskStore } from '../task/task-store.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Credentials } from '../vault/credentials.ts'
import type { CustomStage } from './custom-stage.ts'
import type { Exchange } from './exchange.ts'
import type { PeerLink } from './peer-link.ts'
import type { ServerSnapshot, SnapshotSource } from './snapshot.ts'
import type { StageTable } from './stages.ts'
import type { UpstreamSet } from './upstream-set.ts'

/** Something worth a line in the log. `fields` hold no secret and no message content. */
export interface LogEvent {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields?: Readonly<Record<string, string | number | boolean>>
}

/** The ports, by name, and who Portolan says it is. */
export interface GatewayDeps {
  readonly clock: Clock
  readonly random: Random
  readonly keyring: Keyring
  readonly authenticator: Authenticator
  readonly sessions: SessionStore
  readonly events: EventBuffer
  readonly hints: Hints
  readonly peers: PeerLink
  /** Where there are others: how they find this one, and it them. Its `peers` have the same id. */
  readonly replica?: { readonly store: ReplicaStore; readonly self: Replica }
  /** What streams said, for whoever takes their session up. */
  readonly keptEvents?: EventStore
  readonly snapshots: SnapshotSource
  readonly limiter: Limiter
  readonly policy: Policy
  readonly credentials: Credentials
  readonly replayGuard: ReplayGuard
  /** Undefined: no calls become tasks of Portolan's. */
  readonly tasks?: { readonly store: TaskStore; readonly sha256: (text: string) => string } | undefined
  readonly ledger: Ledger
  readonly telemetry: Telemetry
  readonly upstreams: (server: ServerSnapshot) => Upstream
  /** Stages of others, in their places of the table. */
  readonly stages?: readonly CustomStage[]
  /** `serverInfo` and `clientInfo` of Portolan itself. */
  readonly self: { readonly name: string; readonly version: string }
  readonly log: (event: LogEvent) => void
}

export interface GatewayContext {
  readonly deps: GatewayDeps
  readonly stages: StageTable
  /** Undefined for a replica without others. */
  readonly membership: Membership | undefined
  /** What servers announce, to and from the others. */
  readonly news: News | undefined
  /** What clients of all replicas listen to. */
  readonly interests: Interests | undefined
  readonly upstreams: UpstreamSet
  readonly sessions: Sessions
  readonly catalog: Catalog
  readonly pool: LegacyPool
  readonly extensionClasses: ExtensionClasses
  readonly inputPool: InputPool
  readonly parked: ParkedCalls
  readonly tasksAtLegacy: TasksAtLegacy
  readonly abandoned: AbandonedCalls
  readonly taskSessions: TaskSessions
  readonly tasksAtModern: TasksAtModern
  /** Undefined without a store for them. */
  owned: OwnedTasks | undefined
  readonly watches: Watches
  /** Every exchange that has not finished. */
  readonly inFlight: LiveMap<string, Exchange>
  /** Sends a session what belongs to no call of its own. */
  readonly deliver: (session: LiveSession, text: string) => void
  /** `self` as wire text. */
  readonly selfText: string
  /** Unique, not secret: a random prefix of this process and a count (a random id each costs 2 % of a call). */
  readonly nextExchangeId: () => string
  draining: boolean
}
