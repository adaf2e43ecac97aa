// What run.ts and the load process say to each other, one JSON object a line. The load process answers a job with
// `warm` (it has stopped sending and every answer is in), waits for `go`, and answers `done` after the last answer.
import type { BenchCase, Target } from './cases.ts'

export type LoadJob = {
  readonly benchCase: BenchCase
  readonly target: Target
  readonly connectionCount: number
  /** Legacy sessions, shared evenly by the connections. */
  readonly sessionCount: number
  readonly warmMs: number
  readonly measureMs: number
}

export type LoadCommand = { readonly type: 'job'; readonly job: LoadJob } | { readonly type: 'go' }

/** `late99Ms`: by how much the open loop itself was late in sending (p99); null in a closed loop. */
export type LoadResult = {
  readonly requestCount: number
  readonly elapsedMs: number
  readonly loadCpuUs: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly late99Ms: number | null
  readonly errorCount: number
  readonly firstError: string | null
}

export type LoadAnswer = { readonly type: 'warm' } | { readonly type: 'done'; readonly result: LoadResult } | { readonly type: 'failed'; readonly reason: string }
