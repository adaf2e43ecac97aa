/** The two ways to lose a replica, for whoever asked it (guarantee 1). */
import { PortolanError } from '../../protocol/error.ts'

export function neverDelivered(detail: string): PortolanError {
  return new PortolanError('upstream_unavailable', { message: 'The replica that owns this is not reachable', cause: new Error(detail) })
}

export function outcomeUnknown(detail: string): PortolanError {
  return new PortolanError('outcome_unknown', { message: 'The replica that owns this was lost', cause: new Error(detail) })
}
