/**
 * Who carries what: the one table of (client era, upstream era, method). A later capability is a row here, not a branch
 * elsewhere; what is advertised is computed from it. Methods without a row are the other side's extensions.
 */

import type { Era } from '../../protocol/revision.ts'

export type Answer =
  | 'initialize'
  | 'discover'
  | 'ping'
  | 'list'
  | 'setLevel'
  | 'subscribe'
  | 'unsubscribe'
  | 'listen'
  | 'taskList'

export type CarrierRow =
  /** Same era: spliced and passed on. */
  | { readonly kind: 'carry' }
  /** Other era: the same call in the upstream's words. */
  | { readonly kind: 'translate' }
  /** Other era: a task that Portolan follows at the upstream. */
  | { readonly kind: 'task' }
  /** Answered by Portolan itself, from what it keeps. */
  | { readonly kind: 'answer'; readonly by: Answer }
  /** Not here: `method_not_found`, as the client's revision says it. */
  | { readonly kind: 'unsupported'; readonly reason: string }

const CARRY: CarrierRow = { kind: 'carry' }
const TRANSLATE: CarrierRow = { kind: 'translate' }
const TASK: CarrierRow = { kind: 'task' }
const answer = (by: Answer): CarrierRow => ({ kind: 'answer', by })
const unsupported = (reason: string): CarrierRow => ({ kind: 'unsupported', reason })

type UpstreamRows = Readonly<Record<Era, CarrierRow>>
const whatever = (row: CarrierRow): UpstreamRows => ({ legacy: row, modern: row })

const REMOVED = whatever(unsupported('removed in 2026-07-28'))
const NOT_YET = whatever(unsupported('does not exist before 2026-07-28'))

const MODERN_CLIENT: Readonly<Record<string, UpstreamRows>> = {
  'server/discover': whatever(answer('discover')),
  'tools/list': whatever(answer('list')),
  'prompts/list': whatever(answer('list')),
  'resources/list': whatever(answer('list')),
  'resources/templates/list': whatever(answer('list')),
  'tools/call': { modern: CARRY, legacy: TRANSLATE },
  'prompts/get': { modern: CARRY, legacy: TRANSLATE },
  'resources/read': { modern: CARRY, legacy: TRANSLATE },
  'completion/complete': { modern: CARRY, legacy: TRANSLATE },
  'skills/list': whatever(answer('list')),
  'skills/get': { modern: CARRY, legacy: TRANSLATE },
  'resources/directory/read': { modern: CARRY, legacy: TRANSLATE },
  'subscriptions/listen': whatever(answer('listen')),
  'tasks/get': { modern: CARRY, legacy: TASK },
  'tasks/update': { modern: CARRY, legacy: TASK },
  'tasks/cancel': { modern: CARRY, legacy: TASK },
  initialize: REMOVED,
  ping: REMOVED,
  'logging/setLevel': REMOVED,
  'resources/subscribe': REMOVED,
  'resources/unsubscribe': REMOVED,
  'tasks/list': REMOVED,
  'tasks/result': REMOVED,
}

const LEGACY_CLIENT: Readonly<Record<string, UpstreamRows>> = {
  initialize: whatever(answer('initialize')),
  ping: whatever(answer('ping')),
  'tools/list': whatever(answer('list')),
  'prompts/list': whatever(answer('list')),
  'resources/list': whatever(answer('list')),
  'resources/templates/list': whatever(answer('list')),
  'logging/setLevel': whatever(answer('setLevel')),
  'resources/subscribe': whatever(answer('subscribe')),
  'resources/unsubscribe': whatever(answer('unsubscribe')),
  'tools/call': { legacy: CARRY, modern: TRANSLATE },
  'prompts/get': { legacy: CARRY, modern: TRANSLATE },
  'resources/read': { legacy: CARRY, modern: TRANSLATE },
  'completion/complete': { legacy: CARRY, modern: TRANSLATE },
  'skills/list': whatever(answer('list')),
  'skills/get': { legacy: CARRY, modern: TRANSLATE },
  'resources/directory/read': { legacy: CARRY, modern: TRANSLATE },
  'tasks/get': { legacy: CARRY, modern: TASK },
  'tasks/result': { legacy: CARRY, modern: TASK },
  'tasks/cancel': { legacy: CARRY, modern: TASK },
  'tasks/list': whatever(answer('taskList')),
  'server/discover': NOT_YET,
  'subscriptions/listen': NOT_YET,
  'tasks/update': NOT_YET,
}

export const CARRIERS: Readonly<Record<Era, Readonly<Record<string, UpstreamRows>>>> = {
  modern: MODERN_CLIENT,
  legacy: LEGACY_CLIENT,
}

/** The row for a method in a cell; undefined for a method that no table knows: an extension's. */
export function carrierRow(client: Era, upstream: Era, method: string): CarrierRow | undefined {
  const rows = CARRIERS[client]
  return Object.hasOwn(rows, method) ? rows[method]?.[upstream] : undefined
}

/** The answer that Portolan gives itself, whatever the upstream. */
export function localAnswer(client: Era, method: string): Answer | undefined {
  const row = carrierRow(client, 'legacy', method)
  return row?.kind === 'answer' ? row.by : undefined
}

/** True where no upstream era makes the method available to this client. */
export function isRemoved(client: Era, method: string): boolean {
  return carrierRow(client, 'legacy', method)?.kind === 'unsupported' && carrierRow(client, 'modern', method)?.kind === 'unsupported'
}
