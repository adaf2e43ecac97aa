/** Measurements that are kept as they came, or not at all. */
import type { Telemetry } from '../../core/audit/telemetry.ts'

type Labels = Readonly<Record<string, string>>

export interface MemoryTelemetry extends Telemetry {
  /** The counter's or gauge's value; 0 where nothing was measured. */
  value(name: string, labels?: Labels): number
  /** How many durations were observed, and their sum in ms. */
  observed(name: string, labels?: Labels): { readonly count: number; readonly sumMs: number }
}

export function createMemoryTelemetry(): MemoryTelemetry {
  const values = new Map<string, number>()
  const durations = new Map<string, { count: number; sumMs: number }>()

  return {
    count(name, labels, by = 1) {
      const key = seriesOf(name, labels)
      values.set(key, (values.get(key) ?? 0) + by)
    },
    observeMs(name, labels, valueMs) {
      const key = seriesOf(name, labels)
      const { count, sumMs } = durations.get(key) ?? { count: 0, sumMs: 0 }
      durations.set(key, { count: count + 1, sumMs: sumMs + valueMs })
    },
    gauge: (name, labels, value) => void values.set(seriesOf(name, labels), value),
    value: (name, labels = {}) => values.get(seriesOf(name, labels)) ?? 0,
    observed: (name, labels = {}) => durations.get(seriesOf(name, labels)) ?? { count: 0, sumMs: 0 },
  }
}

/** Measures nothing. */
export function createNoTelemetry(): Telemetry {
  return { count: () => {}, observeMs: () => {}, gauge: () => {} }
}

function seriesOf(name: string, labels: Labels): string {
  return JSON.stringify([name, Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))])
}
