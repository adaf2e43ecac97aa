/** How many long-lived streams each owner has open: GET streams, HTTP+SSE streams and listens together (design §6). */

import { PortolanError } from '../../protocol/error.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'

const open = new WeakMap<GatewayContext, Map<string, number>>()

/** Counts the exchange as a stream until it finishes. Throws `too_many_streams` beyond the owner's share. */
export function admitStream(context: GatewayContext, exchange: Exchange): void {
  const ownerKey = exchange.principal?.ownerKey ?? ''
  const byOwner = open.get(context) ?? new Map<string, number>()
  open.set(context, byOwner)
  const count = byOwner.get(ownerKey) ?? 0
  if (count >= exchange.snapshot.limits.streamsPerPrincipal) throw new PortolanError('too_many_streams', { retryAfterSec: 30 })
  byOwner.set(ownerKey, count + 1)
  exchange.onFinished.push(() => {
    const left = (byOwner.get(ownerKey) ?? 1) - 1
    if (left === 0) byOwner.delete(ownerKey)
    else byOwner.set(ownerKey, left)
  })
}
