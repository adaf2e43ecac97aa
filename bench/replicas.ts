// What many replicas and many stored sessions cost: CPU per request with 1, 2 and 4 replicas on one PostgreSQL, and of one replica
// with 0, 10,000 and 100,000 sessions in it. All of them are up at once and take turns, so figures are compared within one run.
// `node scripts/run.mjs bench/replicas.ts [rounds] [seconds]` needs `npm run build`, PostgreSQL and wrk; it writes the results.
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
import { createConnection } from './connection.ts'
import { answers, CONTENDER_CORE, freePort, OTHER_CORE, portolanConfig, targetOf } from './contenders.ts'
import type { Surroundings } from './contenders.ts'
import { readMachine } from './machine.ts'
import { cpuUsBetween, cpuUsByPid, createKeeper, processTree } from './proc.ts'
import type { Keeper, Started } from './proc.ts'
import { openSession } from './session.ts'
import { lowest } from './stats.ts'
import { replaceBetween } from './table.ts'
import { runWrk, writeWrkScript } from './wrk.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const CONNECTIONS = 64
/** For each replica: those that share a core are each asked so much less, and V8 optimizes by calls. */
const WARM_SECONDS = 6
const STORED_LIFETIME_MS = 3_600_000
const FILLERS_AT_ONCE = 64

interface Setting {
  readonly name: string
  readonly replicaCount: number
  readonly storedSessions: number
}

const SETTINGS: readonly Setting[] = [
  { name: '1 replica', replicaCount: 1, storedSessions: 0 },
  { name: '2 replicas', replicaCount: 2, storedSessions: 0 },
  { name: '4 replicas', replicaCount: 4, storedSessions: 0 },
  { name: '1 replica, 10,000 sessions stored', replicaCount: 1, storedSessions: 10_000 },
  { name: '1 replica, 100,000 sessions stored', replicaCount: 1, storedSessions: 100_000 },
]

/** `anywhere`: one session, whose calls come to all replicas in equal parts; `owner`: each replica is asked for sessions of its own. */
const CASES = [
  { name: 'modern call', benchCase: 'modern-http-400', session: 'none' },
  { name: 'legacy call, at its owner', benchCase: 'legacy-http-400', session: 'owner' },
  { name: 'legacy call, anywhere', benchCase: 'legacy-http-400', session: 'anywhere' },
] as const
type Case = (typeof CASES)[number]

interface Replica {
  readonly started: Started
  readonly port: number
  readonly folder: string
  readonly scripts: Map<string, string>
}

interface Cluster {
  readonly setting: Setting
  readonly replicas: readonly Replica[]
}

export interface ReplicasResult {
  readonly setting: Setting
  readonly caseName: Case['name']
  /** Microseconds of all replicas' CPU by answered request. */
  readonly best: number
  readonly median: number
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

async function startReplica(keeper: Keeper, folder: string, url: string, configPath: string): Promise<Replica> {
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const main = join(root, 'dist/apps/cli/main.js')
  const args = ['--max-semi-space-size=16', main, 'up', '--config', configPath, '--port', String(port), '--auth', 'none', '--no-watch', '--database-url', url, '--data', join(folder, 'data')]
  const started = keeper.start({ command: process.execPath, args, core: CONTENDER_CORE, cwd: folder, logPath: join(folder, 'log'), env: { ...process.env, NODE_ENV: 'production' } })
  if (!(await answers(started, port, '/readyz'))) throw new Error(`a replica did not start: ${folder}`)
  return { started, port, folder, scripts: new Map() }
}

async function prepare({ replicas }: Cluster, { name, benchCase, session }: Case): Promise<void> {
  const found = DEFAULT_CASES.find((one) => one.name === benchCase)
  if (found === undefined) throw new Error(`no case ${benchCase}`)
  let shared: string | undefined
  for (const [index, { port, folder, scripts }] of replicas.entries()) {
    const target = targetOf(port, '/bench/mcp')
    const connection = createConnection(target)
    const id = session === 'none' ? null : session === 'owner' ? await openSession(connection, target) : (shared ??= await openSession(connection, target))
    connection.close()
    const caseFolder = join(folder, benchCase, session)
    mkdirSync(caseFolder, { recursive: true })
    scripts.set(name, writeWrkScript(found, target, caseFolder, id, (index + 1) * FIRST_ID))
  }
}

/** Microseconds by request, over all replicas, each asked by a wrk of its own. */
async function measure(keeper: Keeper, { replicas }: Cluster, { name }: Case, seconds: number): Promise<number> {
  const meters = (): Map<number, number> => cpuUsByPid(replicas.flatMap(({ started }) => processTree(started.pid)))
  const before = meters()
  const runs = await Promise.all(
    replicas.map(({ port, scripts }) =>
      runWrk({ keeper, script: scripts.get(name) ?? '', target: targetOf(port, '/bench/mcp'), connectionCount: CONNECTIONS / replicas.length, seconds, core: OTHER_CORE }),
    ),
  )
  const after = meters()
  return cpuUsBetween(before, after) / runs.reduce((sum, run) => sum + run.requestCount, 0)
}

async function openClusters(keeper: Keeper, temp: string, adminUrl: string, configPath: string): Promise<Cluster[]> {
  const clusters: Cluster[] = []
  for (const [index, setting] of SETTINGS.entries()) {
    console.error(`starting ${setting.name}`)
    const url = await newDatabase(adminUrl, `bench_${index}`, setting.storedSessions)
    const replicas: Replica[] = []
    for (let at = 0; at < setting.replicaCount; at += 1) replicas.push(await startReplica(keeper, join(temp, `${index}-${at}`), url, configPath))
    clusters.push({ setting, replicas })
  }
  return clusters
}

function tableText(results: readonly ReplicasResult[]): string {
  const cell = (setting: Setting, { name }: Case): string => {
    const found = results.find((one) => one.setting === setting && one.caseName === name)
    const base = results.find((one) => one.setting === SETTINGS[0] && one.caseName === name)
    return found === undefined || base === undefined ? '–' : `${found.best.toFixed(1)} / ${found.median.toFixed(1)} (× ${(found.best / base.best).toFixed(2)})`
  }
  const rows = SETTINGS.map((setting) => `| ${[setting.name, ...CASES.map((one) => cell(setting, one))].join(' | ')} |`)
  return [`| CPU µs/request, best / median | ${CASES.map(({ name }) => name).join(' | ')} |`, `|---|${'---:|'.repeat(CASES.length)}`, ...rows].join('\n')
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
    const clusters = await openClusters(keeper, temp, `postgres://${user}@${host}:${port}/postgres`, configPath)
    return await measureAll(keeper, clusters, rounds, seconds)
  } finally {
    await keeper.stopAll()
    await postgres.stop?.()
  }
}

async function measureAll(keeper: Keeper, clusters: readonly Cluster[], rounds: number, seconds: number): Promise<ReplicasResult[]> {
  const results: ReplicasResult[] = []
  for (const one of CASES) {
    const samples = new Map<Cluster, number[]>()
    for (const cluster of clusters) {
      await prepare(cluster, one)
      await measure(keeper, cluster, one, WARM_SECONDS * cluster.replicas.length)
    }
    for (let round = 0; round < rounds; round += 1) {
      for (const cluster of round % 2 === 0 ? clusters : clusters.toReversed()) {
        const costUs = await measure(keeper, cluster, one, seconds)
        samples.set(cluster, [...(samples.get(cluster) ?? []), costUs])
        console.error(`${one.name}, ${cluster.setting.name}: ${costUs.toFixed(1)} µs`)
      }
    }
    for (const [{ setting }, own] of samples) results.push({ setting, caseName: one.name, ...lowest(own) })
  }
  return results
}

async function firstLine({ child }: Started): Promise<string> {
  if (child.stdout !== null) for await (const line of createInterface({ input: child.stdout })) return line
  throw new Error('the upstream server ended before it listened')
}

const [, , rounds = '5', seconds = '2'] = process.argv
const keeper = createKeeper()
const temp = mkdtempSync(join(tmpdir(), 'portolan-replicas-'))
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => void keeper.stopAll().finally(() => process.exit(130)))
try {
  const machine = readMachine()
  const results = await run(keeper, temp, Number(rounds), Number(seconds))
  writeFileSync(join(root, 'bench/results/replicas.json'), `${JSON.stringify({ version: 1, machine, rounds: Number(rounds), seconds: Number(seconds), connections: CONNECTIONS, results }, null, 1)}\n`)
  const table = tableText(results)
  const readme = join(root, 'bench/README.md')
  writeFileSync(readme, replaceBetween(readFileSync(readme, 'utf8'), 'replicas', `${new Date().toISOString().slice(0, 10)}, ${machine.coreCount} × ${machine.cpuModel}, load average before ${machine.loadAverageAtStart}.\n\n${table}`))
  console.log(table)
} finally {
  await keeper.stopAll()
  rmSync(temp, { recursive: true, force: true })
}
