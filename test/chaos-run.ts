/** The workload of chaos.ts on three replicas that are killed, stopped and restarted at random. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { HANG_MS, actsOf, choiceOf, judgeExecutions, legacyWorker, modernWorker, newTally, openSession } from './chaos.ts'
import type { Choice, Executions, Quiet, Tally } from './chaos.ts'
import { startAnnouncer, startListener } from './chaos-listener.ts'
import { startCluster } from './cluster.ts'
import type { Cluster, Member } from './cluster.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Actor } from './fixtures/upstream/actor.ts'

/** Longer than a replica's lifetime: the others take it for dead. */
const STOPPED_MS = 3_600
const PAUSE_MS = 700

const FAULTS: Readonly<Record<string, (member: Member) => Promise<void>>> = {
  async kill(member) {
    await member.end('SIGKILL')
    await sleep(PAUSE_MS)
    await member.start()
  },
  async stop(member) {
    member.kill('SIGSTOP')
    await sleep(STOPPED_MS)
    member.kill('SIGCONT')
  },
  async restart(member) {
    await member.end('SIGTERM')
    await member.start()
  },
}

interface Fault {
  /** As `kill 0`: which, and to which replica. */
  readonly name: string
  readonly fromMs: number
  readonly toMs: number
}

/** One replica at a time, until `untilMs`, and each fault at least once; says what it did. */
async function wreak({ members }: Cluster, choice: Choice, untilMs: number): Promise<Fault[]> {
  const done: Fault[] = []
  const names = Object.keys(FAULTS)
  for (let round = 0; round < names.length || performance.now() < untilMs; round += 1) {
    const name = round < names.length ? (names[round] ?? '') : choice.pick(names)
    const member = choice.pick(members)
    const fromMs = performance.now()
    await FAULTS[name]?.(member)
    done.push({ name: `${name} ${members.indexOf(member)}`, fromMs, toMs: performance.now() })
    await sleep(PAUSE_MS)
  }
  return done
}

export interface ChaosResult {
  readonly seed: number
  readonly faults: readonly string[]
  readonly ended: Tally['ended']
  /** Of the refused ones, how many had which code. */
  readonly refused: Readonly<Record<string, number>>
  readonly longestMs: number
  /** `faults`: what was done meanwhile, as `kill 0 from -57 to 1204 ms`. */
  readonly longestQuiet: { readonly ms: number; readonly what: string; readonly faults: readonly string[] }
  readonly news: Tally['news']
  readonly wrong: readonly string[]
}

/** The whole workload for so long, under faults that `seed` chooses. */
export async function runChaos({ databaseUrl, args, seconds, seed }: { readonly databaseUrl: string; readonly args: readonly string[]; readonly seconds: number; readonly seed: number }): Promise<ChaosResult> {
  const executions: Executions = new Map()
  const actor: Actor = await startActor(['legacy', 'modern'], actsOf(executions, () => actor))
  const config = { mcpServers: { actor: { url: actor.url } } }
  const cluster = await startCluster({ databaseUrl, config, args, hasBalancer: false })
  try {
    const tally = newTally()
    let isOver = false
    const work = { cluster, tally, choice: choiceOf(seed), isOver: () => isOver }
    // Before anything is lost: what is tried is that they stay.
    const sessions = await Promise.all(Array.from({ length: 6 }, (_, index) => openSession(`l${index}`, work)))
    let isTold = false
    const listeners = sessions.map((session, index) => startListener(`l${index}`, session, work, () => isTold))
    const legacy = sessions.map((session, index) => legacyWorker(`l${index}`, session, work))
    const announcer = startAnnouncer(actor)
    const modern = Array.from({ length: 2 }, (_, index) => modernWorker(`m${index}`, work))
    await sleep(1_000)
    const faults = await wreak(cluster, choiceOf(seed + 1), performance.now() + seconds * 1_000)
    await sleep(1_000)
    isOver = true
    await Promise.all([...modern, ...legacy])
    await announcer.judge(tally, listeners)
    isTold = true
    await Promise.all(listeners.map(({ done }) => done))
    judgeExecutions(tally, executions)
    if (tally.wrong.length > 0) tally.wrong.push(`faults: ${faults.map(({ name, fromMs, toMs }) => `${name} at ${Math.round(fromMs)}-${Math.round(toMs)}`).join(', ')}`)
    const { ended, codes, longestMs, longestQuiet, wrong, news } = tally
    return { seed, faults: faults.map(({ name }) => name), ended, refused: Object.fromEntries(codes), longestMs: Math.round(longestMs), longestQuiet: explained(longestQuiet, faults), news, wrong }
  } finally {
    await cluster.close()
    await actor.close()
  }
}

function explained({ sinceMs, ms, what }: Quiet, faults: readonly Fault[]): ChaosResult['longestQuiet'] {
  const meanwhile = faults.filter(({ fromMs, toMs }) => fromMs < sinceMs + ms && toMs > sinceMs)
  return { ms, what, faults: meanwhile.map(({ name, fromMs, toMs }) => `${name} from ${Math.round(fromMs - sinceMs)} to ${Math.round(toMs - sinceMs)} ms`) }
}

/** Nothing wrong, and what was lost in flight is counted: a few at each fault, no more. */
export function judgeChaos({ seed, faults, ended, wrong, longestQuiet }: ChaosResult, seconds: number, limitMs = HANG_MS): void {
  expect(wrong, `again with PORTOLAN_CHAOS_SEED=${seed}: ${faults.join(', ')}`).toEqual([])
  expect(longestQuiet.ms, JSON.stringify(longestQuiet)).toBeLessThan(limitMs)
  expect(ended.answered).toBeGreaterThan(seconds * 10)
  expect(ended.unknown + ended.refused + ended.cut).toBeLessThan(ended.answered / 5)
}

/** What of each adapter of hints stands on a replica's command line. */
export function hintsArgs(nats: { readonly host: string; readonly port: number } | undefined): [string, readonly string[]][] {
  return [['LISTEN and NOTIFY', []], ...(nats === undefined ? [] : [['NATS', ['--nats-url', `nats://${nats.host}:${nats.port}`]] satisfies [string, readonly string[]]])]
}
