/** The bounds of the limiter, always those of the configuration in force. */

import type { LimiterOptions } from '../../adapters/memory/limiter.ts'
import type { ServerSnapshot, Snapshot, SnapshotSource } from '../../core/gateway/snapshot.ts'

/** To be read, not copied. */
export function limiterBounds(source: SnapshotSource): Omit<LimiterOptions, 'clock' | 'retryAfterSec'> {
  let of: Snapshot | undefined
  let bounded: ReadonlyMap<string, ServerSnapshot> = new Map()
  return {
    get exchanges() {
      return source.current().limits.exchanges
    },
    get exchangesPerOwner() {
      return source.current().limits.exchangesPerPrincipal
    },
    get ratePerOwner() {
      return source.current().ratePerPrincipal
    },
    server(upstreamId) {
      const snapshot = source.current()
      if (snapshot !== of) {
        of = snapshot
        bounded = new Map(snapshot.servers.filter(({ limits }) => limits !== undefined).map((server) => [server.id, server]))
      }
      return bounded.get(upstreamId)?.limits
    },
  }
}
