/** The processes of a run: servers of both eras over both transports, one gateway or three replicas in front of them, and two more gateways in front of that. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startCluster } from '../cluster.ts'
import type { Cluster, ClusterOptions } from '../cluster.ts'
import { startGateway } from '../gateway-process.ts'
import { REFERENCE_SERVER_COMMAND, startReferenceServer } from '../reference-server-process.ts'
import type { Reached } from '../sdk1-client.ts'
import { freePort } from '../services/free-port.ts'
import { UPSTREAMS } from './cell.ts'
import type { MatrixUpstream, ServerKind } from './cell.ts'
import { startFixtureHttp } from './fixture-http.ts'
import { startSseServers } from './server-sse.ts'

const EVERYTHING = fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url))
const FIXTURE = fileURLToPath(new URL('fixture-stdio.ts', import.meta.url))
const FAR_HOPS = 3
/** What the names of servers end with where the era changes between the gateways: 2025-11-25 behind the first, then 2026-07-28. */
export const TURNING = '-turning'
/** The one revision with batches. */
const BATCHING = '2025-03-26'
/** Every session that can be asked has a child of its own. */
const LIMITS = { childrenPerUpstream: 64, childrenPerPrincipal: 64, childrenPerHost: 400 }

/** Where clients connect: a gateway, or the balancer of several. */
export interface Entrance extends Reached {
  readonly configPath: string
  /** Everything that was logged behind it so far. */
  stderr(): string
  stop(): Promise<unknown>
}

/** The next replica opens children again. */
const REPLAYABLE = { state: 'replayable' }

export interface Setting {
  /** One gateway away from the servers. */
  readonly near: Entrance
  /** Three gateways away. */
  readonly far: Entrance
  /** Near are several replicas, in turn. */
  readonly isReplicated: boolean
  readonly notesPath: string
  stop(): Promise<void>
}

interface SettingOptions<Near extends Entrance> {
  readonly startNear: (config: object) => Promise<Near>
  /** False where no client is three gateways away: `far` is `near`. */
  readonly hasFar?: boolean
  readonly isReplicated: boolean
}

/** The name of a server at the gateways. */
export function serverName({ id, batches }: MatrixUpstream, kind: ServerKind): string {
  if (kind === 'batching' && !batches) return `${id}-fixture`
  return kind === 'reference' ? id : `${id}-${kind}`
}

/** The names of all servers at the gateways. */
export const SERVERS: readonly string[] = [
  ...UPSTREAMS.flatMap((upstream) => [serverName(upstream, 'reference'), serverName(upstream, 'fixture')]),
  ...UPSTREAMS.filter(({ batches }) => batches).flatMap((upstream) => [serverName(upstream, 'batching'), serverName(upstream, 'everything')]),
]

async function startEverything(): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  const port = await freePort()
  const child = spawn(process.execPath, [EVERYTHING, 'streamableHttp'], { env: { ...process.env, PORT: String(port) }, stdio: ['ignore', 'ignore', 'pipe'] })
  process.once('exit', () => child.kill('SIGKILL'))
  await new Promise<void>((resolve) => child.stderr?.on('data', (chunk: Buffer) => void (/listening/.test(chunk.toString()) && resolve())))
  return { url: `http://127.0.0.1:${port}/mcp`, child }
}

async function startBetween<Near extends Entrance>({ startNear, hasFar = true, isReplicated }: SettingOptions<Near>): Promise<Setting & { readonly near: Near }> {
  const notesPath = await mkdtemp(join(tmpdir(), 'portolan-matrix-'))
  const [old, modern, every, fixture, sse] = await Promise.all([
    startReferenceServer(), startReferenceServer(), startEverything(), startFixtureHttp(notesPath), startSseServers(notesPath),
  ])
  const targets: Readonly<Record<string, object>> = {
    ls: REFERENCE_SERVER_COMMAND,
    lh: { type: 'http', url: old.url },
    os: { type: 'http', url: sse.referenceUrl },
    ms: REFERENCE_SERVER_COMMAND,
    mh: { type: 'http', url: modern.url },
    'ls-everything': { command: process.execPath, args: [EVERYTHING, 'stdio'] },
    'lh-everything': { type: 'http', url: every.url },
    'ls-fixture': { command: process.execPath, args: [FIXTURE, notesPath] },
    'lh-fixture': { type: 'http', url: fixture.url },
    'os-fixture': { type: 'http', url: sse.fixtureUrl },
    'ls-batching': { command: process.execPath, args: [FIXTURE, notesPath, BATCHING] },
    'lh-batching': { type: 'http', url: `${fixture.url}/${BATCHING}` },
    'ms-fixture': { command: process.execPath, args: [FIXTURE, notesPath] },
    'mh-fixture': { type: 'http', url: fixture.url },
  }
  const eraOf = (name: string): string => UPSTREAMS.find(({ id }) => name.startsWith(id))?.era ?? 'auto'
  const servers = Object.fromEntries(Object.keys(targets).map((name) => [name, { era: eraOf(name), ...(isReplicated ? REPLAYABLE : {}) }]))
  const stopServers = async (): Promise<void> => {
    await Promise.all([old.stop(), modern.stop(), fixture.close(), sse.close()])
    every.child.kill('SIGKILL')
    await rm(notesPath, { recursive: true, force: true })
  }
  const near = await startNear({ mcpServers: targets, portolan: { version: 1, servers, limits: LIMITS } }).catch(async (error: unknown) => {
    await stopServers()
    throw error
  })
  const hops: Entrance[] = [near]
  for (let hop = 1; hasFar && hop < FAR_HOPS; hop += 1) {
    const { url, token } = hops.at(-1) ?? near
    const at = (name: string): object => ({ type: 'http', url: `${url}/${name}/mcp`, headers: { Authorization: `Bearer ${token}` } })
    const plain = Object.keys(targets).map((name) => [name, at(name)] as const)
    const turning = Object.keys(targets).map((name) => [`${name}${TURNING}`, at(hop === 1 ? name : `${name}${TURNING}`)] as const)
    const era = hop % 2 === 1 ? 'modern' : 'legacy'
    const pins = Object.fromEntries(turning.map(([name]) => [name, { era }]))
    hops.push(await startGateway({ config: { mcpServers: Object.fromEntries([...plain, ...turning]), portolan: { version: 1, servers: pins } } }))
  }
  return {
    near,
    isReplicated,
    far: hops.at(-1) ?? near,
    notesPath,
    async stop() {
      for (const gateway of hops.toReversed()) await gateway.stop()
      await stopServers()
    },
  }
}

/** One gateway near the servers. */
export const startSetting = (): Promise<Setting> => startBetween({ isReplicated: false, startNear: (config) => startGateway({ config }) })

export interface Replicated extends Setting {
  readonly near: Entrance & Pick<Cluster, 'members'>
}

/** Three replicas on one PostgreSQL near the servers, behind nginx that takes them in turn. */
export function startReplicatedSetting({ hasFar, ...options }: Omit<ClusterOptions, 'config'> & { readonly hasFar: boolean }): Promise<Replicated> {
  const startNear = async (config: object): Promise<Replicated['near']> => {
    const { url, token, members, folder, close } = await startCluster({ ...options, config })
    const stderr = (): string => members.map((member, index) => `replica ${index}:\n${member.stderr().slice(-6_000)}`).join('\n')
    return { url, token, members, configPath: join(folder, 'portolan.json'), stderr, stop: close }
  }
  return startBetween({ startNear, hasFar, isReplicated: true })
}
