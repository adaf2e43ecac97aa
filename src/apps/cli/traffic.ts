/** What the metrics of a gateway say about its requests between two looks: how many, how many refused, how fast. */

const HISTOGRAM = /^portolan_exchange_duration_ms_(bucket|count)\{([^}]*)\} (\d+)$/gm
/** Streams and what waits for a client take as long as somebody keeps them open: they say nothing about speed. */
const TIMED: ReadonlySet<string> = new Set(['answered', 'inputRequired', 'task', 'accepted'])

/** One look. */
export interface TrafficCount {
  readonly requests: number
  /** Ended with an error of Portolan's: unauthorized, unknown, unavailable, beyond a limit. */
  readonly refused: number
  /** Of the timed ones: how many took at most so many milliseconds; cumulative, the last bound is infinite. */
  readonly buckets: ReadonlyMap<number, number>
}

export interface Traffic {
  readonly requests: number
  readonly perSec: number
  /** 0 to 1; 0 where there was no request. */
  readonly refusedShare: number
  /** Milliseconds, as near as the buckets tell; undefined where nothing was timed. */
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
}

const NOTHING: TrafficCount = { requests: 0, refused: 0, buckets: new Map() }

/** Reads the text of `/metrics`. */
export function countTraffic(metrics: string): TrafficCount {
  const buckets = new Map<number, number>()
  let requests = 0
  let refused = 0
  for (const [, kind, labels = '', value] of metrics.matchAll(HISTOGRAM)) {
    const outcome = /outcome="(\w*)"/.exec(labels)?.[1] ?? ''
    const count = Number(value)
    if (kind === 'count') {
      requests += count
      if (outcome === 'refused' || outcome === 'challenge') refused += count
    } else if (TIMED.has(outcome)) {
      const text = /le="([^"]*)"/.exec(labels)?.[1] ?? '+Inf'
      const boundMs = text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text)
      buckets.set(boundMs, (buckets.get(boundMs) ?? 0) + count)
    }
  }
  return { requests, refused, buckets }
}

/** What came between two looks; `before` undefined: since the start. A gateway that was started again counts from 0. */
export function trafficBetween(before: TrafficCount | undefined, now: TrafficCount, elapsedMs: number): Traffic {
  const from = before === undefined || before.requests > now.requests ? NOTHING : before
  const requests = now.requests - from.requests
  const buckets = [...now.buckets].map(([boundMs, count]) => [boundMs, count - (from.buckets.get(boundMs) ?? 0)] as const).toSorted(([left], [right]) => left - right)
  return {
    requests,
    perSec: elapsedMs > 0 ? (requests * 1_000) / elapsedMs : 0,
    refusedShare: requests === 0 ? 0 : (now.refused - from.refused) / requests,
    p50Ms: quantile(buckets, 0.5),
    p99Ms: quantile(buckets, 0.99),
  }
}

/** Linear within the bucket that holds it; the last finite bound where it is beyond that. */
function quantile(buckets: readonly (readonly [boundMs: number, count: number])[], share: number): number | undefined {
  const total = buckets.at(-1)?.[1] ?? 0
  if (total === 0) return undefined
  const wanted = share * total
  let [lowMs, below] = [0, 0]
  for (const [boundMs, count] of buckets) {
    if (count >= wanted) {
      if (!Number.isFinite(boundMs)) return lowMs
      return lowMs + ((boundMs - lowMs) * (wanted - below)) / (count - below)
    }
    ;[lowMs, below] = [boundMs, count]
  }
  return lowMs
}
