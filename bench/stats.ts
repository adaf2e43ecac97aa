// The arithmetic of the benchmark, as pure functions: percentiles of one window, best and median over rounds, ratios.

/** The value below which `share` (0..1) of the samples lie, nearest rank. NaN when there are none. `sorted` is ascending. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN
  const rank = Math.ceil(share * sorted.length)
  return sorted[Math.min(sorted.length, Math.max(1, rank)) - 1] ?? Number.NaN
}

/** The middle value, or the mean of the two middle ones. NaN when there are none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = values.toSorted((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** One measured window of one contender in one case. `cpuUs` is null where no process lies between client and upstream. */
export type Sample = {
  readonly requestCount: number
  readonly elapsedMs: number
  readonly cpuUs: number | null
  readonly upstreamCpuUs: number
  readonly loadCpuUs: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** By how much the load generator itself was late in asking (p99); null where it keeps no rate. */
  readonly late99Ms: number | null
  readonly peakRssBytes: number
}

/** A figure over all rounds. `best` is the least disturbed sample: the lowest cost, the highest rate. */
export type Spread = { readonly best: number; readonly median: number }

/** All rounds of one contender in one case. Costs are microseconds of CPU per request. */
export type Summary = {
  readonly roundCount: number
  readonly requestCount: number
  readonly cpuUsPerRequest: Spread | null
  /** CPU time by elapsed time, median: how much of one core it kept busy (more than 1 with several threads). */
  readonly busyShare: number | null
  readonly upstreamCpuUsPerRequest: Spread
  readonly loadCpuUsPerRequest: Spread
  readonly requestsPerSec: Spread
  readonly p50Ms: Spread
  readonly p99Ms: Spread
  readonly peakRssBytes: number
}

/** Lowest and middle value: for what costs. */
export function lowest(values: readonly number[]): Spread {
  return { best: Math.min(...values), median: median(values) }
}

/** Highest and middle value: for rates. */
export function highest(values: readonly number[]): Spread {
  return { best: Math.max(...values), median: median(values) }
}

/** Folds the rounds into one summary. Throws a RangeError without samples: there is nothing to say then. */
export function summarize(samples: readonly Sample[]): Summary {
  if (samples.length === 0) throw new RangeError('a summary needs at least one sample')
  const own = samples.flatMap((sample) => (sample.cpuUs === null ? [] : [sample.cpuUs / sample.requestCount]))
  return {
    roundCount: samples.length,
    requestCount: samples.reduce((sum, sample) => sum + sample.requestCount, 0),
    cpuUsPerRequest: own.length === samples.length ? lowest(own) : null,
    busyShare: own.length === samples.length ? median(samples.map((sample) => (sample.cpuUs ?? 0) / (sample.elapsedMs * 1000))) : null,
    upstreamCpuUsPerRequest: lowest(samples.map((sample) => sample.upstreamCpuUs / sample.requestCount)),
    loadCpuUsPerRequest: lowest(samples.map((sample) => sample.loadCpuUs / sample.requestCount)),
    requestsPerSec: highest(samples.map((sample) => (sample.requestCount * 1000) / sample.elapsedMs)),
    p50Ms: lowest(samples.map((sample) => sample.p50Ms)),
    p99Ms: lowest(samples.map((sample) => sample.p99Ms)),
    peakRssBytes: Math.max(...samples.map((sample) => sample.peakRssBytes)),
  }
}

/** `of` as a multiple of `base`, best against best and median against median; null when either is missing or zero. */
export function ratio(of: Spread | null | undefined, base: Spread | null | undefined): Spread | null {
  if (!of || !base || base.best <= 0 || base.median <= 0) return null
  return { best: of.best / base.best, median: of.median / base.median }
}
