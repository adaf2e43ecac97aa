/** Hints between workers of one host, by way of their supervisor. The wire is there for as long as both are: a worker ends with it. */

import type { Telemetry } from '../../core/audit/telemetry.ts'
import { createHintRelay } from '../../core/event/hint-relay.ts'
import type { WiredHints } from '../../core/event/hint-wire.ts'
import type { Random } from '../../core/random.ts'
import type { HintLine } from './hint-line.ts'

export interface WorkerHintsOptions {
  readonly line: HintLine
  readonly random: Random
  readonly telemetry: Telemetry
}

const MAX_TEXT_BYTES = 64 * 1024

export function createWorkerHints({ line, random, telemetry }: WorkerHintsOptions): WiredHints {
  const relay = createHintRelay({ from: random.id(), maxTextBytes: MAX_TEXT_BYTES, telemetry })
  line.onText(relay.receive)
  relay.up(line.send)
  return {
    publish: relay.publish,
    subscribe: relay.subscribe,
    state: () => ({ wire: 'workers', isUp: relay.isUp(), detail: relay.isUp() ? 'connected' : 'the supervisor is gone' }),
    async close() {
      relay.down()
    },
  }
}
