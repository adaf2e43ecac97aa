/** Measurements of one process, and their text for Prometheus (exposition format 0.0.4). Bounded by the labels' values. */

import type { Telemetry } from '../../core/audit/telemetry.ts'

export interface Metrics extends Telemetry {
  /** Everything measured so far. */
  text(): string
  /** Forgets a gauge with all its labels: what it measured may be gone. */
  dropGauge(name: string): void
}

type Labels = Readonly<Record<string, string>>

/** Upper bounds in milliseconds: from what a gateway should add to what a slow tool takes. */
const BUCKETS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000] as const
/** A mistake with labels must not fill the memory. */
const MAX_SERIES = 10_000

interface Histogram {
  readonly counts: number[]
  sumMs: number
  count: number
}

export function createMetrics(): Metrics {
  const counters = new Map<string, Map<string, number>>()
  const gauges = new Map<string, Map<string, number>>()
  const histograms = new Map<string, Map<string, Histogram>>()
  let seriesCount = 0

  function series<T>(all: Map<string, Map<string, T>>, name: string, labels: Labels, fresh: () => T): { values: Map<string, T>; key: string; value: T } {
    let values = all.get(name)
    if (values === undefined) all.set(name, (values = new Map()))
    let key = keyOf(labels)
    let value = values.get(key)
    if (value === undefined) {
      if (seriesCount >= MAX_SERIES) key = '{overflow="true"}'
      value = values.get(key) ?? fresh()
      values.set(key, value)
      seriesCount += 1
    }
    return { values, key, value }
  }

  const keys = new WeakMap<Labels, string>()
  function keyOf(labels: Labels): string {
    const known = keys.get(labels)
    if (known !== undefined) return known
    const key = labelText(labels)
    keys.set(labels, key)
    return key
  }

  return {
    count(name, labels, by = 1) {
      const { values, key, value } = series(counters, name, labels, () => 0)
      values.set(key, value + by)
    },
    gauge(name, labels, value) {
      const { values, key } = series(gauges, name, labels, () => 0)
      values.set(key, value)
    },
    observeMs(name, labels, valueMs) {
      const { value } = series(histograms, name, labels, () => ({ counts: BUCKETS_MS.map(() => 0), sumMs: 0, count: 0 }))
      value.sumMs += valueMs
      value.count += 1
      const bucket = BUCKETS_MS.findIndex((boundMs) => valueMs <= boundMs)
      if (bucket >= 0) value.counts[bucket] = (value.counts[bucket] ?? 0) + 1
    },
    dropGauge(name) {
      seriesCount -= gauges.get(name)?.size ?? 0
      gauges.delete(name)
    },
    text() {
      const lines: string[] = []
      for (const [name, values] of counters) plain(lines, name, 'counter', values)
      for (const [name, values] of gauges) plain(lines, name, 'gauge', values)
      for (const [name, values] of histograms) histogram(lines, name, values)
      return `${lines.join('\n')}\n`
    },
  }
}

function plain(lines: string[], name: string, type: string, values: ReadonlyMap<string, number>): void {
  lines.push(`# TYPE ${name} ${type}`)
  for (const [labels, value] of values) lines.push(`${name}${labels} ${value}`)
}

function histogram(lines: string[], name: string, values: ReadonlyMap<string, Histogram>): void {
  lines.push(`# TYPE ${name} histogram`)
  for (const [labels, { counts, sumMs, count }] of values) {
    let below = 0
    for (const [index, boundMs] of BUCKETS_MS.entries()) {
      below += counts[index] ?? 0
      lines.push(`${name}_bucket${withLabel(labels, `le="${boundMs}"`)} ${below}`)
    }
    lines.push(`${name}_bucket${withLabel(labels, 'le="+Inf"')} ${count}`, `${name}_sum${labels} ${sumMs}`, `${name}_count${labels} ${count}`)
  }
}

function labelText(labels: Labels): string {
  const entries = Object.entries(labels).sort(([left], [right]) => (left < right ? -1 : 1))
  const pairs = entries.map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function withLabel(labels: string, pair: string): string {
  return labels === '' ? `{${pair}}` : `${labels.slice(0, -1)},${pair}}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
