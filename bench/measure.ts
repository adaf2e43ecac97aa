// Measures one case: starts its contenders, goes round them several times in changing order, ends them.
import { readdirSync, writeFileSync } from 'node:fs'
import type { BenchCase } from './cases.ts'
import { type ContenderName, OTHER_CORE, type Running, startContender, type Surroundings } from './contenders.ts'
import type { LoadProcess } from './load-process.ts'
import { cpuUsBetween, cpuUsByPid, memoryBytes, processTree, readStat } from './proc.ts'
import { type Sample, summarize, type Summary } from './stats.ts'
import { runWrk } from './wrk.ts'

/** What came of one contender in one case. Only `measured` ones answered every single request rightly. */
export type Outcome =
  | { readonly kind: 'measured'; readonly summary: Summary; readonly connectionCount: number; readonly samples: readonly Sample[] }
  | { readonly kind: 'failed' | 'not started' | 'skipped'; readonly reason: string }

export type CaseResult = { readonly benchCase: BenchCase; readonly outcomes: Readonly<Partial<Record<ContenderName, Outcome>>> }

export type Effort = { readonly seconds: number; readonly rounds: number; readonly connectionCount: number; readonly sessionCount: number; readonly warmSeconds: number }

type Bench = { readonly load: LoadProcess; readonly around: Surroundings; readonly upstreamPid: number; readonly effort: Effort; readonly say: (line: string) => void }

/** Runs all rounds of one case. A contender whose replies are wrong once is out of the case. */
export async function measureCase(benchCase: BenchCase, names: readonly ContenderName[], bench: Bench): Promise<CaseResult> {
  const outcomes: Partial<Record<ContenderName, Outcome>> = {}
  const running: Running[] = []
  const samples = new Map<ContenderName, Sample[]>()
  for (const name of names) {
    const begun = await startContender(name, referenceCase(name, benchCase), bench.around)
    if ('kind' in begun) outcomes[name] = begun
    else running.push(begun)
  }
  for (let round = 0; round < bench.effort.rounds; round += 1) {
    // Whoever comes first in a round meets other caches and neighbours than whoever comes last.
    const order = running.map((_, index) => running[(index + round) % running.length]).filter((each) => each !== undefined)
    for (const contender of order) {
      if (outcomes[contender.name] !== undefined) continue
      try {
        const sample = await measureOnce(contender, benchCase, round, bench)
        samples.set(contender.name, [...(samples.get(contender.name) ?? []), sample])
        bench.say(`  ${benchCase.name} round ${round + 1} ${contender.name}: ${describe(sample)}`)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        outcomes[contender.name] = { kind: 'failed', reason }
        bench.say(`  ${benchCase.name} round ${round + 1} ${contender.name}: failed: ${reason}`)
      }
    }
  }
  for (const contender of running) {
    const own = samples.get(contender.name) ?? []
    outcomes[contender.name] ??= { kind: 'measured', summary: summarize(own), connectionCount: connectionsFor(contender, bench.effort), samples: own }
    for (const each of [contender.started, contender.atFullLoad?.upstream]) if (each) await bench.around.keeper.stop(each)
  }
  return { benchCase, outcomes }
}

/** nginx has no stdio counterpart: in those cases it relays the same requests to the HTTP upstream, as the yardstick. */
function referenceCase(name: ContenderName, benchCase: BenchCase): BenchCase {
  return name.startsWith('nginx') ? { ...benchCase, upstream: 'http' } : benchCase
}

function connectionsFor(contender: Running, effort: Effort): number {
  return Math.min(effort.connectionCount, contender.maxConnectionCount ?? effort.connectionCount)
}

async function measureOnce(contender: Running, benchCase: BenchCase, round: number, bench: Bench): Promise<Sample> {
  if (contender.atFullLoad !== null) return measureFullLoad(contender, contender.atFullLoad.script, bench)
  const { effort, around } = bench
  let before = readMeters(contender, bench)
  const result = await bench.load.run(
    {
      benchCase,
      target: contender.target,
      connectionCount: connectionsFor(contender, effort),
      sessionCount: effort.sessionCount,
      warmMs: (round === 0 ? 2 : 1) * effort.warmSeconds * 1000,
      measureMs: effort.seconds * 1000,
    },
    () => {
      forgetPeaks(contender, around)
      before = readMeters(contender, bench)
    },
  )
  const after = readMeters(contender, bench)
  if (result.errorCount > 0) throw new Error(`${result.errorCount} wrong replies of ${result.requestCount}; first: ${result.firstError}`)
  return {
    requestCount: result.requestCount,
    elapsedMs: result.elapsedMs,
    cpuUs: contender.started === null ? null : cpuUsBetween(before.own, after.own),
    upstreamCpuUs: cpuUsBetween(before.upstream, after.upstream),
    loadCpuUs: result.loadCpuUs,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    late99Ms: result.late99Ms,
    peakRssBytes: memoryBytes(after.own.keys(), 'VmHWM'),
  }
}

async function measureFullLoad(contender: Running, script: string, bench: Bench): Promise<Sample> {
  const { seconds, connectionCount, warmSeconds } = bench.effort
  const how = { keeper: bench.around.keeper, script, target: contender.target, connectionCount, core: OTHER_CORE }
  await runWrk({ ...how, seconds: warmSeconds })
  forgetPeaks(contender, bench.around)
  const before = readMeters(contender, bench)
  const result = await runWrk({ ...how, seconds })
  const after = readMeters(contender, bench)
  return {
    requestCount: result.requestCount,
    elapsedMs: result.elapsedMs,
    cpuUs: cpuUsBetween(before.own, after.own),
    upstreamCpuUs: cpuUsBetween(before.upstream, after.upstream),
    loadCpuUs: result.wrkCpuUs,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    late99Ms: null,
    peakRssBytes: memoryBytes(after.own.keys(), 'VmHWM'),
  }
}

type Meters = { readonly own: Map<number, number>; readonly upstream: Map<number, number> }

function readMeters(contender: Running, bench: Bench): Meters {
  const upstreamPids = stdioUpstreamPids(bench.around)
  const own = contender.started === null ? [] : processTree(contender.started.pid, upstreamPids)
  const { atFullLoad } = contender
  const asked = [bench.upstreamPid, ...upstreamPids].map(readStat).filter((stat) => stat !== null)
  const upstream = atFullLoad?.upstream ? processTree(atFullLoad.upstream.pid) : asked
  return { own: cpuUsByPid(own), upstream: cpuUsByPid(upstream) }
}

/** The stdio upstreams say themselves who they are, whoever started them and in whatever process group they are. */
function stdioUpstreamPids(around: Surroundings): Set<number> {
  return new Set(readdirSync(around.pidFolder).map(Number))
}

/** Resets VmHWM to what is resident now (proc(5), clear_refs), so that a peak belongs to its own window. */
function forgetPeaks(contender: Running, around: Surroundings): void {
  if (contender.started === null) return
  for (const { pid } of processTree(contender.started.pid, stdioUpstreamPids(around))) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, '5')
    } catch {
      continue
    }
  }
}

function describe(sample: Sample): string {
  const own = sample.cpuUs === null ? '' : `${(sample.cpuUs / sample.requestCount).toFixed(1)} µs/request, `
  return `${own}${Math.round((sample.requestCount * 1000) / sample.elapsedMs)} req/s, p50 ${sample.p50Ms.toFixed(2)} ms`
}
