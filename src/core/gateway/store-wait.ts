/**
 * How long a request waits for the store, over all that it asks of it: each answer may come in its time, and too many of them do not.
 * Over that it is refused, as if its client had gone: whoever goes on finds the exchange finished, and takes back what nobody will name.
 */

import { PortolanError } from '../../protocol/error.ts'
import type { GatewayContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { finish } from './finish.ts'

/** Nobody hangs for 5 s (design §7.9). */
const STORE_WAIT_MS = 4_500

const waitedMs = new WeakMap<Exchange, number>()

export function waitForStore<T>(context: GatewayContext, exchange: Exchange, work: Promise<T>): Promise<T> {
  const { clock } = context.deps
  const sinceTicks = clock.ticksMs()
  const before = waitedMs.get(exchange) ?? 0
  const stopTimer = clock.after(Math.max(0, STORE_WAIT_MS - before), () => {
    finish(context, exchange, { kind: 'refused', error: new PortolanError('state_unavailable', { retryAfterSec: 1 }) })
  })
  return work.finally(() => {
    stopTimer()
    waitedMs.set(exchange, before + clock.ticksMs() - sinceTicks)
  })
}
