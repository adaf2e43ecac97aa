/** What whoever asked may ask again though it may have run (guarantee 1), whichever server it is for. */

import type { Exchange } from './exchange.ts'

/** Requests of which a second one changes nothing, or nothing more than the first. */
const REPEATABLE = new Set([
  'ping', 'tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read', 'prompts/get', 'completion/complete',
  'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe', 'tasks/get', 'tasks/list', 'tasks/result', 'tasks/cancel',
])

export function mayRepeat({ message, text }: Pick<Exchange, 'message' | 'text'>): boolean {
  // GET and DELETE (RFC 9110 §9.2.2), and no batch.
  if (message === undefined) return text === ''
  return message.kind !== 'request' || REPEATABLE.has(message.method)
}

/** A server has it, or a store a task of it, and a second one would not be the same: a status that says "not executed" is not for it (guarantee 1). */
export function mayHaveRun(exchange: Exchange): boolean {
  return (exchange.carriage !== undefined || exchange.becomesTask) && !mayRepeat(exchange)
}
