/**
 * Ids of what only one replica has: a call that waits for input, a task between eras, what a child made. They name that replica, inside what is
 * sealed for the client, so that whichever gets the client's next request knows where to bring it.
 */

import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import { carryExchange } from './carry-exchange.ts'
import type { Carriage } from './carry-exchange.ts'

export function ownedId(replicaId: string, id: string): string {
  return `${replicaId}.${id}`
}

/** Undefined for an id that names no replica. */
export function ownerOf(id: string): string | undefined {
  const at = id.lastIndexOf('.')
  return at > 0 ? id.slice(0, at) : undefined
}

/** Brings the exchange to that replica; undefined where it is to be served here. */
export function carryToOwner(context: GatewayContext, exchange: Exchange, owner: string): Promise<Carriage> | undefined {
  const isHere = owner === context.deps.peers.replicaId
  return isHere || exchange.carried !== undefined || exchange.http === undefined ? undefined : carryExchange(context, exchange, owner)
}
