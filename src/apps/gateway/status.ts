/** What `portolan status` and `/status` tell: of the process, and of each server. No secret and no message content. */

import type { ServerNotes } from '../../core/catalog/server-status.ts'
import type { VirtualServerStatus } from '../../core/catalog/virtual-report.ts'
import type { HintWireState } from '../../core/event/hint-wire.ts'
import type { UpstreamStatus } from '../../core/upstream/upstream.ts'

export interface ServerStatus extends UpstreamStatus, ServerNotes {
  readonly id: string
  readonly name: string
  readonly transport: string
}

export interface ReplicaStatus {
  readonly id: string
  /** Of its peer listener, as others are told. */
  readonly address: string
  /** Ids of replicas that were asked for something and are there. */
  readonly peers: readonly string[]
  /** Replicas that live and cannot be reached, for longer than a crash takes to be noticed. */
  readonly unreachable: readonly { readonly id: string; readonly address: string }[]
  /** Replicas that let in another token. */
  readonly otherTokens: readonly string[]
  readonly hints: HintWireState
}

/** One of the processes that `--workers` asked for. */
export interface WorkerStatus {
  readonly number: number
  /** `waiting`: it ended again and again, and is started after a while. */
  readonly state: 'starting' | 'ready' | 'draining' | 'waiting'
  /** 0 while it waits. */
  readonly pid: number
  readonly startedAtMs: number
  /** How often it was replaced. */
  readonly restarts: number
  /** These three are 0, and the replica null, where it does not answer. */
  readonly sessions: number
  readonly exchangesInFlight: number
  readonly memoryBytes: number
  readonly replica: ReplicaStatus | null
}

export interface ProcessStatus {
  readonly version: string
  readonly pid: number
  readonly startedAtMs: number
  readonly state: 'starting' | 'ready' | 'draining'
  /** Base URLs or socket paths. */
  readonly listening: readonly string[]
  readonly auth: 'token' | 'none'
  readonly config: {
    readonly source: string
    readonly digest: string
    readonly loadedAtMs: number
    /** Why the last reload was refused; '' where it was not. */
    readonly refusal: string
    /** Digest of another configuration that another replica serves; '' where all agree. */
    readonly elsewhere: string
  }
  /** The database that keeps sessions and keys, for people: without a secret. */
  readonly store: {
    readonly name: string
    /** False once it has been away for longer than a replica may serve without it. */
    readonly reachable: boolean
  }
  /** One of several; null for a process that shares its state with nobody. */
  readonly replica: ReplicaStatus | null
  /** None where one process does it all. With some, the numbers here are sums over them. */
  readonly workers: readonly WorkerStatus[]
  /** Live legacy sessions. */
  readonly sessions: number
  readonly exchangesInFlight: number
  readonly ledgerLostCount: number
  /** Of the gateway's process, or processes, alone; children have their own. */
  readonly memoryBytes: number
  readonly servers: readonly ServerStatus[]
  readonly virtualServers: readonly VirtualServerStatus[]
}
