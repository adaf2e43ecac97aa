/** The status of all workers as that of one Portolan: numbers are sums, of states the worst counts. */

import type { ProcessStatus, ReplicaStatus, ServerStatus, WorkerStatus } from '../gateway/status.ts'
import type { Slot } from './slot.ts'

export interface SlotStatus {
  readonly slot: Pick<Slot, 'number' | 'state' | 'running' | 'startedAtMs' | 'restarts'>
  /** Undefined where it does not answer. */
  readonly status: ProcessStatus | undefined
}

export interface SupervisorFacts {
  readonly pid: number
  readonly startedAtMs: number
  readonly memoryBytes: number
  readonly isStopping: boolean
}

/** Undefined where none answers. */
export function mergedStatus(workers: readonly SlotStatus[], supervisor: SupervisorFacts): ProcessStatus | undefined {
  const answers = workers.flatMap(({ status }) => (status === undefined ? [] : [status]))
  const [first] = answers
  if (first === undefined) return undefined
  const sum = (numberOf: (status: ProcessStatus) => number): number => answers.reduce((total, status) => total + numberOf(status), 0)
  const state = (['ready', 'draining'] as const).find((one) => answers.some((status) => status.state === one)) ?? 'starting'
  return {
    ...first,
    pid: supervisor.pid,
    startedAtMs: supervisor.startedAtMs,
    state: supervisor.isStopping ? 'draining' : state,
    config: answers.find(({ config }) => config.refusal !== '')?.config ?? answers.find(({ config }) => config.elsewhere !== '')?.config ?? first.config,
    store: answers.find(({ store }) => !store.reachable)?.store ?? first.store,
    // Which replica each of them is stands beside it; here is what is wrong with any.
    replica: answers.find(({ replica }) => replica !== null && isCutOff(replica))?.replica ?? null,
    workers: workers.map(workerStatus),
    sessions: sum(({ sessions }) => sessions),
    exchangesInFlight: sum(({ exchangesInFlight }) => exchangesInFlight),
    ledgerLostCount: sum(({ ledgerLostCount }) => ledgerLostCount),
    memoryBytes: supervisor.memoryBytes + sum(({ memoryBytes }) => memoryBytes),
    servers: first.servers.map(({ id }) => mergedServer(answers.flatMap(({ servers }) => servers.filter((server) => server.id === id)))),
    virtualServers: first.virtualServers.map((virtual) => {
      const same = answers.flatMap(({ virtualServers }) => virtualServers.filter(({ name }) => name === virtual.name))
      return { ...virtual, counts: mergedCounts(same.map(({ counts }) => counts)) }
    }),
  }
}

function isCutOff({ hints, unreachable, otherTokens }: ReplicaStatus): boolean {
  return !hints.isUp || unreachable.length > 0 || otherTokens.length > 0
}

function workerStatus({ slot, status }: SlotStatus): WorkerStatus {
  const { sessions = 0, exchangesInFlight = 0, memoryBytes = 0, replica = null } = status ?? {}
  const { number, running, startedAtMs, restarts } = slot
  return { number, state: status?.state ?? slot.state, pid: running?.pid ?? 0, startedAtMs, restarts, sessions, exchangesInFlight, memoryBytes, replica }
}

const WORST: readonly ServerStatus['state'][] = ['degraded', 'ready', 'starting', 'stopped']

/** What is told in words is told of the worker that is worst off. */
function mergedServer(same: readonly ServerStatus[]): ServerStatus {
  const [worst, ...others] = same.toSorted((left, right) => WORST.indexOf(left.state) - WORST.indexOf(right.state))
  if (worst === undefined) throw new TypeError('The server of the first worker is there')
  const all = [worst, ...others]
  const sum = (numberOf: (server: ServerStatus) => number): number => all.reduce((total, server) => total + numberOf(server), 0)
  const newest = <T extends { readonly atMs: number }>(lists: readonly (readonly T[])[]): readonly T[] => lists.flat().toSorted((left, right) => left.atMs - right.atMs).slice(-SHOWN_FAULTS)
  return {
    ...worst,
    eras: all.find(({ eras }) => eras.length > 0)?.eras ?? [],
    children: sum(({ children }) => children),
    sessions: sum(({ sessions }) => sessions),
    restarts: sum(({ restarts }) => restarts),
    lastSeenAtMs: Math.max(...all.map(({ lastSeenAtMs }) => lastSeenAtMs)),
    breaker: all.find(({ breaker }) => breaker.state !== 'closed')?.breaker ?? worst.breaker,
    processes: all.flatMap(({ processes }) => processes).toSorted((left, right) => left.startedAtMs - right.startedAtMs),
    faults: newest(all.map(({ faults }) => faults)),
    counts: mergedCounts(all.map(({ counts }) => counts)),
    legacy: all.find(({ legacy }) => legacy !== null)?.legacy ?? null,
    modern: all.find(({ modern }) => modern !== null)?.modern ?? null,
  }
}

const SHOWN_FAULTS = 5

type Counts = ServerStatus['counts']

/** A list that one of them was asked for is known. */
function mergedCounts([first, ...others]: readonly Counts[]): Counts {
  if (first === undefined) throw new TypeError('The counts of the first worker are there')
  const known = (kind: keyof Counts): number | null => [first, ...others].find((counts) => counts[kind] !== null)?.[kind] ?? null
  return { tools: known('tools'), prompts: known('prompts'), resources: known('resources'), templates: known('templates'), skills: known('skills') }
}
