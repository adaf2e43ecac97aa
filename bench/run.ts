// `npm run bench`: measures Portolan beside a byte relay (nginx) and other MCP proxies, in one run, taking turns.
// Whatever happens, also on Ctrl-C, every process it started is dead when it ends.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { OTHER_CORE, type Surroundings } from './contenders.ts'
import { type Flags, readFlags, USAGE } from './flags.ts'
import { startLoad } from './load-process.ts'
import { type Machine, readMachine } from './machine.ts'
import { type CaseResult, measureCase } from './measure.ts'
import { measureMemory, memoryTable, type MemoryResult } from './memory.ts'
import { createKeeper, type Keeper, type Started } from './proc.ts'
import { absences, renderTable, replaceBetween, resultTable } from './table.ts'

/** Before each window, twice as long before the first: V8 still optimizes for seconds (0.5 s measured up to twice the CPU per call in the first round). */
const WARM_SECONDS = 2

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** What `bench/results/<name>.json` holds. */
type Report = {
  readonly version: 1
  readonly startedAt: string
  readonly tookSec: number
  readonly machine: Machine
  readonly effort: Pick<Flags, 'seconds' | 'rounds' | 'connections' | 'sessions' | 'useDist'>
  readonly results: readonly CaseResult[]
  readonly memory: readonly MemoryResult[]
}

async function startUpstream(keeper: Keeper): Promise<{ started: Started; port: number }> {
  const started = keeper.start({ command: process.execPath, args: [join(root, 'bench/upstream-http.ts')], core: OTHER_CORE })
  const { stdout } = started.child
  if (stdout === null) throw new Error('the upstream server has no stdout')
  for await (const line of createInterface({ input: stdout })) return { started, port: Number(line) }
  throw new Error('the upstream server ended before it listened')
}

async function measure(flags: Flags, keeper: Keeper, temp: string, say: (line: string) => void): Promise<Report> {
  const startedAt = new Date()
  const machine = readMachine()
  const pidFolder = join(temp, 'pids')
  mkdirSync(pidFolder)
  const upstream = await startUpstream(keeper)
  const around: Surroundings = { keeper, root, temp, pidFolder, upstreamPort: upstream.port, useDist: flags.useDist }
  const results: CaseResult[] = []
  let memory: readonly MemoryResult[] = []
  if (flags.memory) memory = await measureMemory(flags.contenders, around, say)
  else {
    const load = startLoad(keeper, root)
    const effort = { seconds: flags.seconds, rounds: flags.rounds, connectionCount: flags.connections, sessionCount: flags.sessions, warmSeconds: WARM_SECONDS }
    for (const benchCase of flags.cases) {
      say(benchCase.name)
      results.push(await measureCase(benchCase, flags.contenders, { load, around, upstreamPid: upstream.started.pid, effort, say }))
    }
  }
  const { seconds, rounds, connections, sessions, useDist } = flags
  const tookSec = Math.round((Date.now() - startedAt.getTime()) / 1000)
  return { version: 1, startedAt: startedAt.toISOString(), tookSec, machine, effort: { seconds, rounds, connections, sessions, useDist }, results, memory }
}

/** The tables, what is missing from them, and the facts that belong to them. */
function render({ machine, effort, results, memory, startedAt, tookSec }: Report): string {
  const rounds = memory.length > 0 ? '' : `, ${effort.rounds} rounds of ${effort.seconds} s, ${effort.connections} connections, ${effort.sessions} legacy sessions`
  const facts = `${startedAt.slice(0, 10)}, ${machine.coreCount} × ${machine.cpuModel}, Node ${machine.node}, nginx ${machine.nginx ?? 'absent'}${rounds}, took ${tookSec} s, load average before ${machine.loadAverageAtStart}.`
  const tables = memory.length > 0 ? renderTable(memoryTable(memory)) : renderTable(resultTable(results))
  const missing = absences(results).map((line) => `- ${line}`)
  return [facts, '', tables, ...(missing.length > 0 ? ['', 'Not in the table:', '', ...missing] : [])].join('\n')
}

async function main(): Promise<number> {
  const read = readFlags(process.argv.slice(2))
  if (read.ok === 'help') {
    process.stdout.write(USAGE)
    return 0
  }
  if (!read.ok) {
    process.stderr.write(`${read.problems.join('\n')}\n\n${USAGE}`)
    return 2
  }
  const { flags } = read
  const keeper = createKeeper()
  const temp = mkdtempSync(join(tmpdir(), 'portolan-bench-'))
  const cleanUp = async (): Promise<void> => {
    await keeper.stopAll()
    rmSync(temp, { recursive: true, force: true })
  }
  let stopping = false
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (stopping) return
      stopping = true
      void cleanUp().finally(() => process.exit(130))
    })
  }
  try {
    const report = await measure(flags, keeper, temp, (line) => process.stderr.write(`${line}\n`))
    if (stopping) return await new Promise<never>(() => undefined)
    mkdirSync(join(root, 'bench/results'), { recursive: true })
    writeFileSync(join(root, 'bench/results', `${flags.name}.json`), `${JSON.stringify(report, null, 1)}\n`)
    const text = render(report)
    process.stdout.write(flags.printJson ? `${JSON.stringify(report)}\n` : `${text}\n`)
    if (flags.writeReadme) {
      const readme = join(root, 'bench/README.md')
      writeFileSync(readme, replaceBetween(readFileSync(readme, 'utf8'), flags.memory ? 'memory' : 'results', text))
    }
    return report.results.some(({ outcomes }) => Object.values(outcomes).some((each) => each.kind === 'failed')) ? 1 : 0
  } catch (error) {
    if (stopping) return await new Promise<never>(() => undefined)
    throw error
  } finally {
    if (!stopping) await cleanUp()
  }
}

process.exitCode = await main()
