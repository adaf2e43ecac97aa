/** The ways not to be answered by a replica, for whoever asked it (guarantee 1). */
import { PortolanError } from '../../protocol/error.ts'

export function neverDelivered(detail: string): PortolanError {
  return new PortolanError('upstream_unavailable', { message: 'The replica that owns this is not reachable', cause: new Error(detail) })
}

/** On the wire, of a call that was refused because there are too many. */
export const NO_ROOM = 'too many calls'

export function refused(reason: string): PortolanError {
  if (reason !== NO_ROOM) return neverDelivered(reason)
  return new PortolanError('upstream_unavailable', { message: 'The replica that owns this has no room for more', cause: new Error(reason), retryAfterSec: 1 })
}

export function outcomeUnknown(detail: string): PortolanError {
  return new PortolanError('outcome_unknown', { message: 'The replica that owns this was lost', cause: new Error(detail) })
}
