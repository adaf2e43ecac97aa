/**
 * A client session's own sessions at HTTP servers, kept with it: whoever serves it next goes on in them, with all that the servers remember of it.
 * Sealed, since whoever knows a session id is in the session.
 */

import type { Keyring } from '../auth/keyring.ts'
import type { Session } from '../session/session.ts'
import type { StandingSession } from '../upstream/channel.ts'

/** False where that is what is kept already. */
export function keepStanding(keyring: Keyring, data: Session, upstreamId: string, standing: StandingSession | undefined): boolean {
  const before = standingOf(keyring, data, upstreamId)
  if (before?.sessionId === standing?.sessionId && before?.url === standing?.url) return false
  if (standing === undefined) delete data.atServers[upstreamId]
  else data.atServers[upstreamId] = keyring.seal('server_session', boundTo(data, upstreamId), JSON.stringify(standing))
  return true
}

/** Undefined where there is none, or it cannot be read: then a new one is opened. */
export function standingOf(keyring: Keyring, data: Session, upstreamId: string): StandingSession | undefined {
  const sealed = Object.hasOwn(data.atServers, upstreamId) ? data.atServers[upstreamId] : undefined
  const text = sealed === undefined ? undefined : keyring.open('server_session', boundTo(data, upstreamId), sealed)
  return text === undefined ? undefined : JSON.parse(text)
}

/** What was copied into another session's row opens nothing there. */
function boundTo({ id, bindingKey }: Session, upstreamId: string): string {
  return JSON.stringify([bindingKey, id, upstreamId])
}
