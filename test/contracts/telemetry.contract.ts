/** What every Telemetry must do. `read` gives what it measured under these labels. */
import { describe, expect, it } from 'vitest'
import type { Telemetry } from '../../src/core/audit/telemetry.ts'

export interface TelemetryRig {
  readonly telemetry: Telemetry
  /** A counter's or gauge's value. */
  value(name: string, labels: Readonly<Record<string, string>>): Promise<number>
  observed(name: string, labels: Readonly<Record<string, string>>): Promise<{ readonly count: number; readonly sumMs: number }>
}

export function testTelemetry(name: string, open: () => Promise<TelemetryRig>): void {
  describe(`Telemetry contract: ${name}`, () => {
    it('adds counts up per set of labels, in whichever order they stand', async () => {
      const { telemetry, value } = await open()
      telemetry.count('portolan_exchanges_total', { era: 'modern', outcome: 'result' })
      telemetry.count('portolan_exchanges_total', { outcome: 'result', era: 'modern' }, 4)
      telemetry.count('portolan_exchanges_total', { era: 'legacy', outcome: 'result' })
      expect(await value('portolan_exchanges_total', { era: 'modern', outcome: 'result' })).toBe(5)
      expect(await value('portolan_exchanges_total', { era: 'legacy', outcome: 'result' })).toBe(1)
    })

    it('keeps the last value of a gauge', async () => {
      const { telemetry, value } = await open()
      telemetry.gauge('portolan_children', {}, 3)
      telemetry.gauge('portolan_children', {}, 2)
      expect(await value('portolan_children', {})).toBe(2)
    })

    it('counts and sums durations', async () => {
      const { telemetry, observed } = await open()
      telemetry.observeMs('portolan_exchange_duration', { era: 'modern' }, 1.5)
      telemetry.observeMs('portolan_exchange_duration', { era: 'modern' }, 2.5)
      expect(await observed('portolan_exchange_duration', { era: 'modern' })).toEqual({ count: 2, sumMs: 4 })
    })
  })
}
