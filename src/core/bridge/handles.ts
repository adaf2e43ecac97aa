/**
 * Upstream task ids, request states and cursors, sealed for one owner: behind a shared credential the upstream cannot tell
 * clients apart (bridge-rulings §2). A foreign handle is indistinguishable from an unknown one. What a child made names the
 * replica that has this child: no other one knows it.
 */

import type { Keyring } from '../auth/keyring.ts'
import type { Principal } from '../auth/principal.ts'

/** `scope`: the virtual server it is good at; '' or undefined for every endpoint that shows all of its server. `heldBy`: a replica; '' for none. */
export function sealTask(keyring: Keyring, principal: Principal, upstreamId: string, taskId: string, scope = '', heldBy = ''): string {
  const parts = [upstreamId, taskId, ...(heldBy === '' ? (scope === '' ? [] : [scope]) : [scope, heldBy])]
  return keyring.seal('task', principal.ownerKey, JSON.stringify(parts))
}

export function openTask(
  keyring: Keyring,
  principal: Principal,
  handle: string,
  scope = '',
): { readonly upstreamId: string; readonly taskId: string; readonly heldBy: string } | undefined {
  const [upstreamId, taskId, boundTo = '', heldBy = ''] = openStrings(keyring.open('task', principal.ownerKey, handle))
  return upstreamId === undefined || taskId === undefined || boundTo !== scope ? undefined : { upstreamId, taskId, heldBy }
}

/** What a request state is bound to: the server, the method and what it was called on (MRTR, Server Requirements). */
export interface StateBinding {
  readonly upstreamId: string
  readonly method: string
  readonly subject: string
  /** The virtual server; '' or undefined for none. */
  readonly scope?: string | undefined
}

/** Good until `expiresAtMs` (MRTR, Server Requirements: a short expiry, inside what is sealed). */
export function sealState(keyring: Keyring, principal: Principal, binding: StateBinding, state: string, expiresAtMs: number, heldBy = ''): string {
  const { upstreamId, method, subject, scope = '' } = binding
  const parts = [upstreamId, method, subject, state, String(expiresAtMs), scope, ...(heldBy === '' ? [] : [heldBy])]
  return keyring.seal('request_state', principal.bindingKey, JSON.stringify(parts))
}

export interface OpenedState {
  readonly state: string
  readonly heldBy: string
}

/** The upstream's own state; undefined for anything foreign, altered, expired, or bound to another request. */
export function openState(keyring: Keyring, principal: Principal, binding: StateBinding, handle: string, nowMs: number): OpenedState | undefined {
  const parts = openStrings(keyring.open('request_state', principal.bindingKey, handle))
  const [upstreamId, method, subject, state, expiresAtMs, scope, heldBy = ''] = parts
  const isSame = upstreamId === binding.upstreamId && method === binding.method && subject === binding.subject
  const bound = isSame && (scope ?? '') === (binding.scope ?? '')
  return bound && state !== undefined && nowMs < Number(expiresAtMs) ? { state, heldBy } : undefined
}

/** The one method whose pages are the server's own: lists are read whole, and paged here. */
export const CURSOR_METHOD = 'resources/directory/read'

export function sealCursor(keyring: Keyring, principal: Principal, { upstreamId, method, subject, scope = '' }: StateBinding, cursor: string): string {
  return keyring.seal('cursor', principal.bindingKey, JSON.stringify([upstreamId, method, subject, cursor, scope]))
}

/** The upstream's own cursor; undefined for anything foreign, altered, or of another listing. */
export function openCursor(keyring: Keyring, principal: Principal, binding: StateBinding, handle: string): string | undefined {
  const plain = keyring.open('cursor', principal.bindingKey, handle)
  // Cursors of lists are handles of the same kind.
  const [upstreamId, method, subject, cursor, scope] = plain?.startsWith('[') === true ? openStrings(plain) : []
  const isSame = upstreamId === binding.upstreamId && method === binding.method && subject === binding.subject
  return isSame && scope === (binding.scope ?? '') ? cursor : undefined
}

function openStrings(plain: string | undefined): readonly string[] {
  const value: unknown = plain === undefined ? [] : JSON.parse(plain)
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}
