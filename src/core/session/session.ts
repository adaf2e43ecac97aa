/**
 * A legacy client's session, as data: all of it can be stored and taken up by another replica. What cannot move (open
 * streams, upstream channels, pending calls) is `live-session.ts`.
 */

import type { Revision } from '../../protocol/revision.ts'

export interface Session {
  readonly id: string
  readonly bindingKey: string
  readonly ownerKey: string
  /** '' for `/mcp`, otherwise the server or virtual server of `/<name>/mcp`. */
  readonly endpoint: string
  readonly revision: Revision
  /** The client's `clientInfo` and `capabilities`, as JSON text. */
  readonly clientInfo: string
  readonly clientCapabilities: string
  readonly createdAtMs: number
  lastUsedAtMs: number
  initialized: boolean
  /** '' until `logging/setLevel`. */
  logLevel: string
  /** Upstream id -> URIs the client subscribed to, in the upstream's own form. */
  subscriptions: Record<string, string[]>
  /** Upstream task ids of this owner's calls: upstream id -> ids. */
  tasks: Record<string, string[]>
  /** Upstreams at which it has state that goes with the replica that owns it (an own child whose memory is opaque). */
  holds: string[]
  /** Its own sessions at HTTP servers, for whoever goes on with them: upstream id -> sealed (`core/bridge/server-session.ts`). */
  atServers: Record<string, string>
}
