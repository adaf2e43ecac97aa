// Durable tasks beside graphile-worker, on one throw-away PostgreSQL that keeps what it acknowledged: tasks per second end to end,
// latency from creation to start, and both with many stored tasks. All engines of a size are up at once and take turns.
// `node scripts/run.mjs bench/tasks.ts [--rounds 5] [--seconds 3] [--million] [--engines a,b] [--dry]` needs PostgreSQL; it writes
// the results, and the table in the README.
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startPostgres } from '../test/services/start-postgres.ts'
import { readMachine } from './machine.ts'
import { cpuUsBetween, cpuUsByPid, createKeeper, processTree } from './proc.ts'
import type { Keeper } from './proc.ts'
import { highest, lowest, percentile } from './stats.ts'
import type { Spread } from './stats.ts'
import { pair, renderTable, replaceBetween } from './table.ts'
import { ENGINES } from './tasks-engine.ts'
import type { EngineName, EngineWindow } from './tasks-engine.ts'
import type { WindowOrder } from './tasks-process.ts'
import { commitMs, openEngineDatabase } from './tasks-stored.ts'
import type { EngineDatabase } from './tasks-stored.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const SIZES = [0, 100_000]
const MILLION = 1_000_000
const CALLERS = 64
const RATE_PER_SECOND = 100
const WARM_SECONDS = 2
/** An engine that hangs ends the run. */
const WINDOW_TIMEOUT_MS = 120_000

interface Contender {
  readonly name: EngineName
  readonly storedCount: number
  readonly database: EngineDatabase
  ask(order: WindowOrder): Promise<EngineWindow>
}

/** One round of one engine. */
interface TaskSample {
  readonly tasksPerSec: number
  /** Of the engine's own process, and of PostgreSQL. */
  readonly cpuUs: number
  readonly databaseCpuUs: number
  readonly busyEndP50Ms: number
  readonly startP50Ms: number
  readonly startP99Ms: number
  readonly endP50Ms: number
}

export interface TasksResult {
  readonly engine: EngineName
  readonly storedCount: number
  readonly tasksPerSec: Spread
  readonly cpuUs: Spread
  readonly databaseCpuUs: Spread
  readonly busyEndP50Ms: Spread
  readonly startP50Ms: Spread
  readonly startP99Ms: Spread
  readonly endP50Ms: Spread
}

async function openContender(keeper: Keeper, adminUrl: string, name: EngineName, storedCount: number): Promise<Contender> {
  const database = await openEngineDatabase(adminUrl, name, storedCount)
  const { child, exited } = keeper.start({ command: process.execPath, args: [join(root, 'bench/tasks-process.ts'), name, database.url], core: null, env: { ...process.env, NODE_ENV: 'production', NO_LOG_SUCCESS: '1' } })
  if (child.stdout === null || child.stdin === null) throw new Error('an engine has no pipes')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<unknown> => {
    const line = await withTimeout(Promise.race([lines.next(), exited.then(() => ({ done: true, value: undefined }) as const)]))
    if (line.done === true) throw new Error(`${name} ended`)
    return JSON.parse(line.value)
  }
  await next()
  return {
    name, storedCount, database,
    async ask(order) {
      child.stdin?.write(`${JSON.stringify(order)}\n`)
      return (await next()) as EngineWindow
    },
  }
}

async function withTimeout<T>(wanted: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('an engine did not answer in time')), WINDOW_TIMEOUT_MS)
  })
  return Promise.race([wanted, late]).finally(() => clearTimeout(timer))
}

async function measure({ name, storedCount, database, ask }: Contender, postgresPid: number, seconds: number): Promise<TaskSample> {
  await database.tidy()
  const meters = (): Map<number, number> => cpuUsByPid(processTree(postgresPid))
  const before = meters()
  const busy = await ask({ kind: 'busy', callerCount: CALLERS, seconds })
  const databaseCpuUs = cpuUsBetween(before, meters()) / busy.taskCount
  await database.tidy()
  const rate = await ask({ kind: 'rate', perSecond: RATE_PER_SECOND, seconds })
  const sample: TaskSample = {
    tasksPerSec: (busy.taskCount * 1_000) / busy.elapsedMs, cpuUs: busy.cpuUs / busy.taskCount, databaseCpuUs, busyEndP50Ms: percentile(busy.endMs, 0.5),
    startP50Ms: percentile(rate.startMs, 0.5), startP99Ms: percentile(rate.startMs, 0.99), endP50Ms: percentile(rate.endMs, 0.5),
  }
  console.error(`${name}, ${storedCount} stored: ${JSON.stringify(sample, (_, value: unknown) => (typeof value === 'number' ? Math.round(value * 100) / 100 : value))}`)
  return sample
}

async function measureSize(keeper: Keeper, adminUrl: string, postgresPid: number, storedCount: number, rounds: number, seconds: number): Promise<TasksResult[]> {
  const contenders: Contender[] = []
  try {
    for (const name of engines) contenders.push(await openContender(keeper, adminUrl, name, storedCount))
    for (const { ask } of contenders) await ask({ kind: 'busy', callerCount: CALLERS, seconds: WARM_SECONDS })
    const samples = new Map<Contender, TaskSample[]>(contenders.map((contender) => [contender, []]))
    for (let round = 0; round < rounds; round += 1) {
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) samples.get(contender)?.push(await measure(contender, postgresPid, seconds))
    }
    return [...samples].map(([{ name }, own]) => resultOf(name, storedCount, own))
  } finally {
    for (const { database } of contenders) await database.close().catch(() => undefined)
  }
}

function resultOf(engine: EngineName, storedCount: number, samples: readonly TaskSample[]): TasksResult {
  const of = (field: keyof TaskSample): number[] => samples.map((sample) => sample[field])
  return {
    engine, storedCount, tasksPerSec: highest(of('tasksPerSec')), cpuUs: lowest(of('cpuUs')), databaseCpuUs: lowest(of('databaseCpuUs')), busyEndP50Ms: lowest(of('busyEndP50Ms')),
    startP50Ms: lowest(of('startP50Ms')), startP99Ms: lowest(of('startP99Ms')), endP50Ms: lowest(of('endP50Ms')),
  }
}

/** Ratios are medians by those of graphile-worker with as many stored, at whichever of its two is better at it. */
function tableText(results: readonly TasksResult[]): string {
  const rows = results.map((result) => {
    const bases = results.filter(({ engine, storedCount }) => engine.startsWith('graphile') && storedCount === result.storedCount)
    const times = (field: 'tasksPerSec' | 'startP50Ms', best: (...values: number[]) => number): string =>
      bases.length === 0 ? '–' : `× ${(result[field].median / best(...bases.map((base) => base[field].median))).toFixed(2)}`
    return [
      String(result.storedCount), result.engine, pair(result.tasksPerSec, 0), times('tasksPerSec', Math.max), pair(result.busyEndP50Ms), pair(result.cpuUs, 0), pair(result.databaseCpuUs, 0),
      pair(result.startP50Ms, 2), times('startP50Ms', Math.min), pair(result.startP99Ms, 2), pair(result.endP50Ms, 2),
    ]
  })
  return renderTable({ titles: ['stored', 'engine', 'tasks/s', 'ratio', 'busy: end p50 ms', 'CPU µs/task', 'database µs/task', 'start p50 ms', 'ratio', 'start p99 ms', 'end p50 ms'], rows })
}

async function run(keeper: Keeper, sizes: readonly number[], rounds: number, seconds: number): Promise<{ readonly commitMs: number; readonly results: readonly TasksResult[] }> {
  const postgres = await startPostgres({ isDurable: true })
  if (!('facts' in postgres)) throw new Error('there is no PostgreSQL')
  try {
    const { user = '', host = '', port = '', folder = '' } = postgres.facts
    const adminUrl = `postgres://${user}@${host}:${port}/postgres`
    const postgresPid = Number(readFileSync(join(folder, 'data/postmaster.pid'), 'utf8').split('\n')[0])
    const results: TasksResult[] = []
    const commit = await commitMs(adminUrl)
    for (const storedCount of sizes) results.push(...(await measureSize(keeper, adminUrl, postgresPid, storedCount, rounds, seconds)))
    return { commitMs: commit, results }
  } finally {
    await keeper.stopAll()
    await postgres.stop?.()
  }
}

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '3' }, engines: { type: 'string', default: ENGINES.join() },
    million: { type: 'boolean', default: false }, dry: { type: 'boolean', default: false },
  },
})
const [rounds, seconds] = [Number(flags.rounds), Number(flags.seconds)]
const engines = ENGINES.filter((name) => flags.engines.split(',').includes(name))
const sizes = flags.million ? [...SIZES, MILLION] : SIZES
const keeper = createKeeper()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => void keeper.stopAll().finally(() => process.exit(130)))
const machine = readMachine()
const measured = await run(keeper, sizes, rounds, seconds)
const record = { version: 1, machine, rounds, seconds, callers: CALLERS, ratePerSecond: RATE_PER_SECOND, ...measured }
const loadText = `${new Date().toISOString().slice(0, 10)}, ${machine.coreCount} × ${machine.cpuModel}, Node ${machine.node}, ${rounds} rounds of ${seconds} s, load average before ${machine.loadAverageAtStart}`
const text = `${loadText}; one durable commit took ${measured.commitMs.toFixed(2)} ms.\n\n${tableText(measured.results)}`
if (!flags.dry) {
  writeFileSync(join(root, 'bench/results/tasks.json'), `${JSON.stringify(record, null, 1)}\n`)
  const readme = join(root, 'bench/README.md')
  writeFileSync(readme, replaceBetween(readFileSync(readme, 'utf8'), 'tasks', text))
}
console.log(text)
