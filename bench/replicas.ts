// What many replicas and many stored sessions cost: CPU per request with 1, 2 and 4 replicas on one PostgreSQL, and of one replica
// with 0, 10,000 and 100,000 sessions in it. All installations are up at once; each round measures each, and a cost is divided by that of one
// replica in the same round. The replicas of an installation are asked one after the other, since each is to have a core to itself and there
// is one for all: what the others spend meanwhile counts. Bare relays, which know nothing of each other, say what the method is worth.
// `node scripts/run.mjs bench/replicas.ts [rounds] [seconds]` needs `npm run build`, PostgreSQL and wrk; it takes some fifteen minutes
// and writes the results.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import { createSessionStore } from '../src/adapters/sql/session-store.ts'
import type { SessionStore } from '../src/core/session/session-store.ts'
import { startPostgres } from '../test/services/start-postgres.ts'
import { DEFAULT_CASES, FIRST_ID } from './cases.ts'
import type { Target } from './cases.ts'
import { createConnection } from './connection.ts'
import { answers, CONTENDER_CORE, freePort, OTHER_CORE, portolanConfig, targetOf } from './contenders.ts'
import type { Surroundings } from './contenders.ts'
import { readMachine } from './machine.ts'
import { cpuUsBetween, cpuUsByPid, createKeeper, processTree } from './proc.ts'
import type { Keeper, Started } from './proc.ts'
import { openSession } from './session.ts'
import { median, percentile } from './stats.ts'
import { replaceBetween } from './table.ts'
import { runWrk, writeWrkScript } from './wrk.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const CONNECTIONS = 64
/** For each process: V8 optimizes by calls. */
const WARM_SECONDS = 4
const STORED_LIFETIME_MS = 3_600_000
const FILLERS_AT_ONCE = 64

interface Installation {
  readonly what: 'replica' | 'relay'
  readonly count: number
  readonly storedSessions: number
}

const ONE: Installation = { what: 'replica', count: 1, storedSessions: 0 }
const TWO: Installation = { what: 'replica', count: 2, storedSessions: 0 }
const FOUR: Installation = { what: 'replica', count: 4, storedSessions: 0 }
const TEN_THOUSAND: Installation = { what: 'replica', count: 1, storedSessions: 10_000 }
const HUNDRED_THOUSAND: Installation = { what: 'replica', count: 1, storedSessions: 100_000 }
const ONE_RELAY: Installation = { what: 'relay', count: 1, storedSessions: 0 }
const FOUR_RELAYS: Installation = { what: 'relay', count: 4, storedSessions: 0 }
const INSTALLATIONS = [ONE, TWO, FOUR, TEN_THOUSAND, HUNDRED_THOUSAND, ONE_RELAY, FOUR_RELAYS]

interface Setting {
  readonly name: string
  readonly installation: Installation
  /** What it is compared with. */
  readonly base: Installation
  /** All its processes share the core, and 64 connections. */
  readonly isAtOnce?: true
}

const SETTINGS: readonly Setting[] = [
  { name: '1 replica', installation: ONE, base: ONE },
  { name: '2 replicas', installation: TWO, base: ONE },
  { name: '4 replicas', installation: FOUR, base: ONE },
  { name: '1 replica, 10,000 sessions stored', installation: TEN_THOUSAND, base: ONE },
  { name: '1 replica, 100,000 sessions stored', installation: HUNDRED_THOUSAND, base: ONE },
  { name: '1 bare relay', installation: ONE_RELAY, base: ONE_RELAY },
  { name: '4 bare relays', installation: FOUR_RELAYS, base: ONE_RELAY },
  { name: '4 replicas, all at once on one core', installation: FOUR, base: ONE, isAtOnce: true },
  { name: '4 bare relays, all at once on one core', installation: FOUR_RELAYS, base: ONE_RELAY, isAtOnce: true },
]

/** `anywhere`: one session, whose calls come to all replicas in equal parts; `owner`: each replica is asked for sessions of its own. */
const CASES = [
  { name: 'modern call', benchCase: 'modern-http-400', session: 'none' },
  { name: 'legacy call, at its owner', benchCase: 'legacy-http-400', session: 'owner' },
  { name: 'legacy call, anywhere', benchCase: 'legacy-http-400', session: 'anywhere' },
] as const
type Case = (typeof CASES)[number]

interface Process {
  readonly started: Started
  readonly target: Target
  readonly folder: string
  readonly scripts: Map<string, string>
}

type Cluster = readonly Process[]
type Clusters = ReadonlyMap<Installation, Cluster>

interface ReplicasResult {
  readonly setting: string
  readonly caseName: Case['name']
  /** Microseconds of all its processes' CPU by answered request, median of the rounds. */
  readonly costUs: number
  /** Divided by what its base cost in the same round: the middle one, and the middle half. */
  readonly times: number
  readonly timesQuartiles: readonly [number, number]
}

async function fill(store: SessionStore, count: number): Promise<void> {
  let next = 0
  const one = async (): Promise<void> => {
    while (next < count) {
      const id = `stored-${next++}`
      await store.save(
        {
          id, ownerKey: `owner-${next % 500}`, bindingKey: `owner-${next % 500}`, endpoint: 'bench', revision: '2025-11-25', clientInfo: '{"name":"stored","version":"1"}', clientCapabilities: '{}',
          createdAtMs: Date.now(), lastUsedAtMs: Date.now(), initialized: true, logLevel: '', subscriptions: {}, tasks: {}, holds: [],
    atServers: {},
        },
        STORED_LIFETIME_MS,
      )
    }
  }
  await Promise.all(Array.from({ length: FILLERS_AT_ONCE }, one))
}

async function newDatabase(adminUrl: string, name: string, storedSessions: number): Promise<string> {
  const client = new Client({ connectionString: adminUrl })
  await client.connect()
  await client.query(`CREATE DATABASE ${name}`).finally(() => client.end())
  const url = adminUrl.replace(/\/postgres$/, `/${name}`)
  const databases = await openPostgres({ url })
  await fill(createSessionStore(databases.cache), storedSessions)
  await databases.close()
  return url
}

/** What all of a run is started with. */
interface Around {
  readonly keeper: Keeper
  readonly temp: string
  readonly adminUrl: string
  readonly configPath: string
  readonly upstreamPort: number
}

async function startProcess({ keeper, configPath, upstreamPort }: Around, { what }: Installation, folder: string, url: string): Promise<Process> {
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const replica = [join(root, 'dist/apps/cli/main.js'), 'up', '--config', configPath, '--port', String(port), '--auth', 'none', '--no-watch', '--database-url', url, '--data', join(folder, 'data')]
  const relay = [join(root, 'bench/relay.ts'), String(port), `http://127.0.0.1:${upstreamPort}/mcp`]
  const args = ['--max-semi-space-size=16', ...(what === 'relay' ? relay : replica)]
  const started = keeper.start({ command: process.execPath, args, core: CONTENDER_CORE, cwd: folder, logPath: join(folder, 'log'), env: { ...process.env, NODE_ENV: 'production' } })
  if (!(await answers(started, port, '/readyz'))) throw new Error(`a ${what} did not start: ${folder}`)
  return { started, target: targetOf(port, what === 'relay' ? '/mcp' : '/bench/mcp'), folder, scripts: new Map() }
}

async function prepare(cluster: Cluster, { name, benchCase, session }: Case): Promise<void> {
  const found = DEFAULT_CASES.find((one) => one.name === benchCase)
  if (found === undefined) throw new Error(`no case ${benchCase}`)
  let shared: string | undefined
  for (const [index, { target, folder, scripts }] of cluster.entries()) {
    const connection = createConnection(target)
    const id = session === 'none' ? null : session === 'owner' ? await openSession(connection, target) : (shared ??= await openSession(connection, target))
    connection.close()
    const caseFolder = join(folder, benchCase, session)
    mkdirSync(caseFolder, { recursive: true })
    scripts.set(name, writeWrkScript(found, target, caseFolder, id, (index + 1) * FIRST_ID))
  }
}

interface Asked {
  readonly cpuUs: number
  readonly requestCount: number
}

/** What all processes of a cluster spent while these were asked, each by a wrk of its own. */
async function ask({ keeper }: Around, cluster: Cluster, asked: Cluster, { name }: Case, seconds: number): Promise<Asked> {
  const meters = (): Map<number, number> => cpuUsByPid(cluster.flatMap(({ started }) => processTree(started.pid)))
  const connectionCount = CONNECTIONS / asked.length
  const before = meters()
  const runs = await Promise.all(asked.map(({ target, scripts }) => runWrk({ keeper, script: scripts.get(name) ?? '', target, connectionCount, seconds, core: OTHER_CORE })))
  return { cpuUs: cpuUsBetween(before, meters()), requestCount: runs.reduce((sum, run) => sum + run.requestCount, 0) }
}

/** Microseconds by request. In turns each counts as much as the next, as behind a balancer, however many answers it gave. */
async function measure(around: Around, cluster: Cluster, one: Case, seconds: number, isAtOnce = false): Promise<number> {
  const turns = isAtOnce ? [cluster] : cluster.map((each) => [each])
  let sumUs = 0
  for (const turn of turns) {
    const { cpuUs, requestCount } = await ask(around, cluster, turn, one, seconds)
    sumUs += cpuUs / requestCount
  }
  return sumUs / turns.length
}

async function openClusters(around: Around): Promise<Clusters> {
  const clusters = new Map<Installation, Cluster>()
  for (const [index, installation] of INSTALLATIONS.entries()) {
    const { what, count, storedSessions } = installation
    console.error(`starting ${count} × ${what}, ${storedSessions} sessions stored`)
    const url = what === 'relay' ? '' : await newDatabase(around.adminUrl, `bench_${index}`, storedSessions)
    const cluster: Process[] = []
    for (let at = 0; at < count; at += 1) cluster.push(await startProcess(around, installation, join(around.temp, `${index}-${at}`), url))
    clusters.set(installation, cluster)
  }
  return clusters
}

function tableText(results: readonly ReplicasResult[]): string {
  const cells = (name: string, { name: caseName }: Case): string[] => {
    const found = results.find((one) => one.setting === name && one.caseName === caseName)
    return found === undefined ? ['–', '–'] : [found.costUs.toFixed(1), `${found.times.toFixed(2)} (${found.timesQuartiles.map((each) => each.toFixed(2)).join('–')})`]
  }
  const rows = SETTINGS.map(({ name }) => `| ${[name, ...CASES.flatMap((one) => cells(name, one))].join(' | ')} |`)
  const heads = CASES.flatMap(({ name }) => [`${name}: µs`, '× one'])
  return [`| CPU by request | ${heads.join(' | ')} |`, `|---|${'---:|'.repeat(heads.length)}`, ...rows].join('\n')
}

async function run(keeper: Keeper, temp: string, rounds: number, seconds: number): Promise<ReplicasResult[]> {
  const postgres = await startPostgres()
  if (!('facts' in postgres)) throw new Error('there is no PostgreSQL')
  try {
    const { user = '', host = '', port = '' } = postgres.facts
    const upstream = keeper.start({ command: process.execPath, args: [join(root, 'bench/upstream-http.ts')], core: OTHER_CORE })
    const upstreamPort = await firstLine(upstream)
    const around: Surroundings = { keeper, root, temp, pidFolder: join(temp, 'pids'), upstreamPort: Number(upstreamPort), useDist: true }
    mkdirSync(around.pidFolder)
    const configPath = join(temp, 'portolan.json')
    writeFileSync(configPath, JSON.stringify(portolanConfig(around)))
    const all: Around = { keeper, temp, configPath, adminUrl: `postgres://${user}@${host}:${port}/postgres`, upstreamPort: Number(upstreamPort) }
    return await measureAll(all, await openClusters(all), rounds, seconds)
  } finally {
    await keeper.stopAll()
    await postgres.stop?.()
  }
}

async function measureAll(around: Around, clusters: Clusters, rounds: number, seconds: number): Promise<ReplicasResult[]> {
  const results: ReplicasResult[] = []
  const of = (installation: Installation): Cluster => clusters.get(installation) ?? []
  for (const one of CASES) {
    for (const cluster of clusters.values()) {
      await prepare(cluster, one)
      await measure(around, cluster, one, WARM_SECONDS)
    }
    const costs: Map<Setting, number>[] = []
    for (let round = 0; round < rounds; round += 1) {
      const own = new Map<Setting, number>()
      for (const setting of round % 2 === 0 ? SETTINGS : SETTINGS.toReversed()) own.set(setting, await measure(around, of(setting.installation), one, seconds, setting.isAtOnce))
      console.error(`${one.name}, round ${round + 1} of ${rounds}: ${[...own].map(([{ name }, costUs]) => `${name} ${costUs.toFixed(1)}`).join(', ')}`)
      costs.push(own)
    }
    for (const setting of SETTINGS) results.push(resultOf(setting, one, costs))
  }
  return results
}

function resultOf(setting: Setting, { name }: Case, costs: readonly ReadonlyMap<Setting, number>[]): ReplicasResult {
  const base = SETTINGS.find(({ installation }) => installation === setting.base) ?? setting
  const cost = (round: ReadonlyMap<Setting, number>, one: Setting): number => round.get(one) ?? Number.NaN
  const times = costs.map((round) => cost(round, setting) / cost(round, base)).toSorted((left, right) => left - right)
  return {
    setting: setting.name, caseName: name, costUs: rounded(median(costs.map((round) => cost(round, setting)))), times: rounded(median(times)),
    timesQuartiles: [rounded(percentile(times, 0.25)), rounded(percentile(times, 0.75))],
  }
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

async function firstLine({ child }: Started): Promise<string> {
  if (child.stdout !== null) for await (const line of createInterface({ input: child.stdout })) return line
  throw new Error('the upstream server ended before it listened')
}

const [, , rounds = '12', seconds = '1'] = process.argv
const keeper = createKeeper()
const temp = mkdtempSync(join(tmpdir(), 'portolan-replicas-'))
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => void keeper.stopAll().finally(() => process.exit(130)))
try {
  const machine = readMachine()
  const results = await run(keeper, temp, Number(rounds), Number(seconds))
  writeFileSync(join(root, 'bench/results/replicas.json'), `${JSON.stringify({ version: 3, machine, rounds: Number(rounds), seconds: Number(seconds), connections: CONNECTIONS, results }, null, 1)}\n`)
  const table = tableText(results)
  const readme = join(root, 'bench/README.md')
  writeFileSync(readme, replaceBetween(readFileSync(readme, 'utf8'), 'replicas', `${new Date().toISOString().slice(0, 10)}, ${machine.coreCount} × ${machine.cpuModel}, load average before ${machine.loadAverageAtStart}.\n\n${table}`))
  console.log(table)
} finally {
  await keeper.stopAll()
  rmSync(temp, { recursive: true, force: true })
}
