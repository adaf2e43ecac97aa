/** The configuration as one immutable value, compiled once from whatever it was written in. Pinned per exchange. */

import type { AppBounds } from '../../protocol/app.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import type { RateLimit, ServerLimits } from '../policy/limiter.ts'
import type { TaskTerms } from '../task/stored-task.ts'
import type { BreakerSettings } from '../upstream/breaker.ts'

export interface StdioServer {
  readonly transport: 'stdio'
  readonly command: string
  readonly args: readonly string[]
  /** Resolved; may hold secrets: never printed. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | undefined
}

export interface HttpServer {
  readonly transport: 'http'
  readonly url: string
  /** Resolved; may hold secrets: never printed. Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

/** Whether calls of a tool become tasks that Portolan owns, and on which terms. */
export interface ToolTasks {
  /** A glob over the server's own names. */
  readonly pattern: string
  readonly mode: 'auto' | 'always' | 'never'
  /** With `auto`: a call that takes longer becomes a task. */
  readonly afterMs: number
  /** `false`: what the server itself makes a task of is not kept. */
  readonly adopt?: boolean | undefined
  readonly terms: TaskTerms
}

export interface ServerSnapshot {
  /** Stable across renames; today the name itself unless the configuration gives an `id`. */
  readonly id: string
  /** As in `/<name>/mcp` and `name__tool`. */
  readonly name: string
  readonly enabled: boolean
  readonly target: StdioServer | HttpServer
  /** Which eras to try; `auto` probes. */
  readonly era: 'auto' | 'legacy' | 'modern'
  readonly share: 'all' | 'principal' | 'session'
  readonly state: 'none' | 'replayable' | 'opaque'
  /** Children on each replica, or at one of all; of stdio servers. */
  readonly placement: 'replica' | 'singleton'
  readonly trustAnnotations: boolean
  readonly connectTimeoutMs: number
  readonly requestIdleTimeoutMs: number
  readonly requestTotalTimeoutMs: number
  /** Undefined: none of its own. */
  readonly limits?: ServerLimits | undefined
  /** Undefined: calls are never kept from it. */
  readonly breaker?: BreakerSettings | undefined
  /** The first whose pattern matches counts; undefined: no tool's calls become tasks of Portolan's. */
  readonly tasks?: readonly ToolTasks[] | undefined
}

/** Globs over the names of one kind: undefined is all, none at all is none (decision 0008). */
export type Picked = readonly string[] | undefined

/** One server of a virtual server, and what of it is shown. */
export interface VirtualUse {
  /** As served: `ServerSnapshot.name`. */
  readonly server: string
  readonly tools?: Picked
  readonly prompts?: Picked
  readonly resources?: Picked
  readonly templates?: Picked
}

/** What a virtual server says of an item instead of its server. */
export interface ItemOverride {
  readonly name?: string | undefined
  readonly title?: string | undefined
  readonly description?: string | undefined
  /** Set over the item's own, member by member. For clients only: Portolan goes on trusting what the server said. */
  readonly annotations?: JsonObject | undefined
  /** Values that are fixed (tools and prompts). May hold secrets: never printed. */
  readonly arguments?: JsonObject | undefined
  readonly hide?: boolean | undefined
}

/** A curated view over servers, at an endpoint of its own. */
export interface VirtualServerSnapshot {
  /** As in `/<name>/mcp`: no server has it. */
  readonly name: string
  readonly title?: string | undefined
  readonly description?: string | undefined
  /** Undefined: those of the servers. */
  readonly instructions?: string | undefined
  /** In the order of the lists; each server once. */
  readonly use: readonly VirtualUse[]
  /** By the item's own name or URI, or by `<server>/` and that; `resources` holds templates, too. */
  readonly overrides: Readonly<Record<'tools' | 'prompts' | 'resources', Readonly<Record<string, ItemOverride>>>>
}

export interface Limits {
  readonly headerBytes: number
  readonly bodyBytes: number
  readonly jsonDepth: number
  readonly resultBytes: number
  readonly headerTimeoutMs: number
  readonly bodyTimeoutMs: number
  readonly streamsPerPrincipal: number
  readonly sessionsPerPrincipal: number
  readonly exchanges: number
  readonly exchangesPerPrincipal: number
  readonly sessionIdleMs: number
  readonly requestStateMs: number
  readonly inputYieldMs: number
  readonly childrenPerUpstream: number
  readonly childrenPerPrincipal: number
  readonly childrenPerHost: number
  readonly childIdleMs: number
  readonly childQueueMs: number
  readonly bufferedEvents: number
  readonly bufferedEventBytes: number
  readonly bufferedEventAgeMs: number
  readonly tasksPerPrincipal: number
  readonly keptTasksPerPrincipal: number
  readonly taskBytesPerPrincipal: number
  readonly taskAttempts: number
  readonly taskAttemptsPerPrincipal: number
}

/** Defaults of design §6 and §4. */
export const DEFAULT_LIMITS: Limits = {
  headerBytes: 16 * 1024,
  bodyBytes: 4 * 1024 * 1024,
  jsonDepth: 128,
  resultBytes: 16 * 1024 * 1024,
  headerTimeoutMs: 10_000,
  bodyTimeoutMs: 10_000,
  streamsPerPrincipal: 256,
  sessionsPerPrincipal: 1_000,
  exchanges: 10_000,
  exchangesPerPrincipal: 10_000,
  sessionIdleMs: 30 * 60_000,
  requestStateMs: 60 * 60_000,
  inputYieldMs: 5 * 60_000,
  childrenPerUpstream: 8,
  childrenPerPrincipal: 4,
  childrenPerHost: 64,
  childIdleMs: 5 * 60_000,
  childQueueMs: 10_000,
  bufferedEvents: 1_000,
  bufferedEventBytes: 4 * 1024 * 1024,
  bufferedEventAgeMs: 5 * 60_000,
  tasksPerPrincipal: 1_000,
  keptTasksPerPrincipal: 10_000,
  taskBytesPerPrincipal: 256 * 1024 * 1024,
  taskAttempts: 512,
  taskAttemptsPerPrincipal: 256,
}

export interface Snapshot {
  /** SHA-256 of the canonical configuration, secrets by reference. */
  readonly digest: string
  readonly servers: readonly ServerSnapshot[]
  readonly virtualServers: readonly VirtualServerSnapshot[]
  /** Between server and tool on `/mcp`. */
  readonly separator: string
  /** Items per page of a list. */
  readonly pageSize: number
  readonly limits: Limits
  /** Undefined: no bound. */
  readonly ratePerPrincipal?: RateLimit | undefined
  /** Undefined: as servers say, each app at its own server. */
  readonly apps?: AppSettings | undefined
}

/** What apps may do (decision 0010). */
export interface AppSettings {
  /** Where several servers are one: `server`, only where no other server has apps; `endpoint`, any tool that is for apps. */
  readonly calls: 'server' | 'endpoint'
  /** For the apps of all servers, and by the name of one: all of them hold. */
  readonly bounds: AppBounds | undefined
  readonly serverBounds: Readonly<Record<string, AppBounds>>
}

const NO_BOUNDS: readonly AppBounds[] = []

export function boundsOf(apps: AppSettings | undefined, server: string): readonly AppBounds[] {
  if (apps === undefined) return NO_BOUNDS
  const own = Object.hasOwn(apps.serverBounds, server) ? apps.serverBounds[server] : undefined
  return [apps.bounds, own].filter((one) => one !== undefined)
}

/** Port: where snapshots come from. */
export interface SnapshotSource {
  current(): Snapshot
  /** Calls `onChange` after each accepted change; returns a function that unsubscribes. */
  subscribe(onChange: (snapshot: Snapshot) => void): () => void
}
