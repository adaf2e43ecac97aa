/** Builds the gateway of one process over its adapters. Closing it closes all of them. */

import type { HttpHandler } from '../../core/gateway/http-exchange.ts'
import type { Ledger } from '../../core/audit/ledger.ts'
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Authenticator } from '../../core/auth/authenticator.ts'
import type { SnapshotSource } from '../../core/gateway/snapshot.ts'
import type { Env } from './config-file.ts'
import type { DataFolder } from './data-folder.ts'
import type { Log } from './log.ts'
import type { ServerStatus } from './status.ts'

export interface GatewayParts {
  readonly data: DataFolder
  readonly config: SnapshotSource
  readonly authenticator: Authenticator
  readonly ledger: Ledger
  readonly telemetry: Telemetry
  readonly log: Log
  readonly env: Env
  readonly version: string
}

export interface WiredGateway {
  readonly http: HttpHandler
  servers(): readonly ServerStatus[]
  drain(graceMs: number): Promise<void>
  close(): Promise<void>
}

/** Nothing is reached or started before the first request. */
export function wireGateway(_parts: GatewayParts): WiredGateway {
  throw new Error('The gateway is not wired yet')
}
