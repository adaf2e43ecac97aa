// How each contender is started for a case, and where it is then asked. A contender that cannot serve a case says why.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchCase, Target } from './cases.ts'
import { createConnection } from './connection.ts'
import { openSession } from './session.ts'
import { type Keeper, pinned, type Started } from './proc.ts'
import { replyBody, WRK, writeWrkScript } from './wrk.ts'

export const CONTENDER_NAMES = ['direct', 'nginx-full', 'relay-full', 'portolan-full', 'nginx', 'portolan', 'mcp-proxy', 'supergateway'] as const
export type ContenderName = (typeof CONTENDER_NAMES)[number]

/** Cores: the contender alone on one, the load and the upstream servers on the other. */
export const CONTENDER_CORE = 0
export const OTHER_CORE = 1
const NGINX = '/usr/sbin/nginx'
const START_TIMEOUT_MS = 20_000

export type Surroundings = {
  readonly keeper: Keeper
  /** The project's folder, a temporary folder of this run, and one where stdio upstreams leave their pids. */
  readonly root: string
  readonly temp: string
  readonly pidFolder: string
  readonly upstreamPort: number
  readonly useDist: boolean
}

/** A contender that answers. `started` is null where there is no process in between. */
export type Running = {
  readonly name: ContenderName
  readonly started: Started | null
  readonly target: Target
  /** A cap where the contender cannot be asked more at once; null: as many as the run says. */
  readonly maxConnectionCount: number | null
  /** Set where wrk asks instead of the load generator; `upstream` where a server of its own answers. */
  readonly atFullLoad: { readonly script: string; readonly upstream: Started | null } | null
}

/** The reason a contender is left out of a case. `skipped`: it has no such mode; `not started`: it has, but did not come up. */
export type Absent = { readonly kind: 'skipped' | 'not started'; readonly reason: string }

type Launch = { command: string; args: string[]; port: number; path: string; ready: string | null; env?: NodeJS.ProcessEnv; maxConnectionCount?: number }

/** Starts `name` for `benchCase` and waits until it answers. */
export async function startContender(name: ContenderName, benchCase: BenchCase, around: Surroundings): Promise<Running | Absent> {
  if (name === 'direct') {
    if (benchCase.upstream === 'stdio') return { kind: 'skipped', reason: 'a stdio server cannot be asked over HTTP' }
    return { name, started: null, target: targetOf(around.upstreamPort, '/mcp'), maxConnectionCount: null, atFullLoad: null }
  }
  const folder = join(around.temp, `${name}-${benchCase.name}`)
  mkdirSync(folder, { recursive: true })
  if (name === 'nginx-full') return startFullLoad(benchCase, around, folder)
  if (name === 'portolan-full') return atFullLoad(name, 'portolan', benchCase, around, folder)
  if (name === 'relay-full') return atFullLoad(name, 'relay', benchCase, around, folder)
  return startLaunched(name, name, benchCase, around, folder)
}

async function startLaunched(name: ContenderName, program: keyof typeof LAUNCHES, benchCase: BenchCase, around: Surroundings, folder: string): Promise<Running | Absent> {
  const launch = await LAUNCHES[program](benchCase, around, folder)
  if ('kind' in launch) return launch
  const { command, args, env, port } = launch
  const started = around.keeper.start({ command, args, core: CONTENDER_CORE, cwd: folder, logPath: join(folder, 'log'), ...(env ? { env } : {}) })
  if (await answers(started, port, launch.ready)) {
    return { name, started, target: targetOf(port, launch.path), maxConnectionCount: launch.maxConnectionCount ?? null, atFullLoad: null }
  }
  const reason = started.hasExited() ? `it ended with code ${started.child.exitCode}${firstError(join(folder, 'log'), around)}` : `it did not answer within ${START_TIMEOUT_MS / 1000} s`
  await around.keeper.stop(started)
  return { kind: 'not started', reason }
}

/** The first line of a log that speaks of an error, else its first line, without this machine's paths. */
function firstError(logPath: string, around: Surroundings): string {
  const lines = readFileSync(logPath, 'utf8').split('\n').filter((each) => each.trim() !== '')
  const line = lines.find((each) => /error/i.test(each) && !/^\s*(at|throw)\b/.test(each)) ?? lines[0]
  return line === undefined ? '' : `: ${line.trim().replaceAll(around.temp, '').replaceAll(`${around.root}/`, '').slice(0, 200)}`
}

type Launcher = (benchCase: BenchCase, around: Surroundings, folder: string) => Promise<Launch | Absent>

const LAUNCHES: Record<Exclude<ContenderName, 'direct' | `${string}-full`> | 'relay', Launcher> = {
  async relay(_benchCase, around) {
    const port = await freePort()
    const args = ['--max-semi-space-size=16', join(around.root, 'bench/relay.ts'), String(port), `http://127.0.0.1:${around.upstreamPort}/mcp`]
    return { command: process.execPath, args, port, path: '/mcp', ready: '/readyz' }
  },
  async nginx(_benchCase, around, folder) {
    const command = NGINX
    if (!existsSync(command)) return { kind: 'not started', reason: 'nginx is not installed' }
    const port = await freePort()
    return { command, args: nginxArgs(folder, relayConfig(port, around.upstreamPort)), port, path: '/mcp', ready: null }
  },
  async portolan(benchCase, around, folder) {
    const entry = join(around.root, around.useDist ? 'dist/apps/cli/main.js' : 'src/apps/cli/main.ts')
    if (!existsSync(entry)) return { kind: 'not started', reason: `${around.useDist ? 'dist/apps/cli/main.js' : 'src/apps/cli/main.ts'} does not exist` }
    const port = await freePort()
    const config = join(folder, 'portolan.json')
    writeFileSync(config, JSON.stringify(portolanConfig(around)))
    const path = benchCase.upstream === 'http' ? '/bench/mcp' : '/benchstdio/mcp'
    const args = ['--max-semi-space-size=16', entry, 'up', '--config', config, '--port', String(port), '--auth', 'none']
    return { command: process.execPath, args, port, path, ready: '/readyz', env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, NODE_ENV: 'production' } }
  },
  async 'mcp-proxy'(benchCase, around) {
    if (benchCase.upstream === 'http') return { kind: 'skipped', reason: 'it fronts stdio servers only' }
    const entry = join(around.root, 'node_modules/mcp-proxy/dist/bin/mcp-proxy.mjs')
    const port = await freePort()
    const options = ['--host', '127.0.0.1', '--port', String(port), '--server', 'stream', '--upstreamProtocol', benchCase.era]
    return { command: process.execPath, args: [entry, ...options, '--', ...stdioCommand(around)], port, path: '/mcp', ready: null }
  },
  async supergateway(benchCase, around) {
    if (benchCase.upstream === 'http') return { kind: 'skipped', reason: 'in front of an HTTP server it serves stdio clients only' }
    const entry = join(around.root, 'node_modules/supergateway/dist/index.js')
    const port = await freePort()
    const options = ['--port', String(port), '--outputTransport', 'streamableHttp', '--stateful', '--logLevel', 'none', '--stdio']
    // It starts a process per modern request: 64 at once would measure how the machine starts processes.
    const cap = benchCase.era === 'modern' ? { maxConnectionCount: 2 } : {}
    return { command: process.execPath, args: [entry, ...options, stdioCommand(around).join(' ')], port, path: '/mcp', ready: null, ...cap }
  },
}

/** The stdio upstream, moved to the other core: children inherit the pinning of the proxy that starts them. */
export function stdioCommand(around: Surroundings): [string, ...string[]] {
  return pinned(OTHER_CORE, process.execPath, [join(around.root, 'bench/upstream-stdio.ts'), around.pidFolder])
}

/** The configuration file: the two upstream servers, one a transport, and room for the idle sessions and streams of `--memory`. */
export function portolanConfig(around: Surroundings): unknown {
  const [command, ...args] = stdioCommand(around)
  const mcpServers = { bench: { url: `http://127.0.0.1:${around.upstreamPort}/mcp` }, benchstdio: { command, args } }
  return { mcpServers, portolan: { version: 1, limits: { sessionsPerPrincipal: 20_000, streamsPerPrincipal: 20_000 } } }
}

/** Two nginx, one relaying to the other, which answers every POST from a file. */
async function startFullLoad(benchCase: BenchCase, around: Surroundings, folder: string): Promise<Running | Absent> {
  if (benchCase.ratePerSec !== null) return { kind: 'skipped', reason: 'wrk keeps no rate' }
  if (!existsSync(NGINX) || !existsSync(WRK)) return { kind: 'not started', reason: 'nginx or wrk is not installed' }
  const [upstreamFolder, port, upstreamPort] = [join(folder, 'upstream'), await freePort(), await freePort()]
  mkdirSync(upstreamFolder)
  writeFileSync(join(upstreamFolder, 'mcp'), replyBody(benchCase))
  const start = (args: string[], core: number, at: string): Started => around.keeper.start({ command: NGINX, args, core, cwd: at, logPath: join(at, 'log') })
  const upstream = start(nginxArgs(upstreamFolder, fileConfig(upstreamFolder, upstreamPort)), OTHER_CORE, upstreamFolder)
  const started = start(nginxArgs(folder, relayConfig(port, upstreamPort)), CONTENDER_CORE, folder)
  const target = targetOf(port, '/mcp')
  if ((await answers(upstream, upstreamPort, null)) && (await answers(started, port, null))) {
    return { name: 'nginx-full', started, target, maxConnectionCount: null, atFullLoad: { script: writeWrkScript(benchCase, target, folder), upstream } }
  }
  await Promise.all([around.keeper.stop(started), around.keeper.stop(upstream)])
  return { kind: 'not started', reason: 'nginx did not come up' }
}

/** A contender asked by the same `wrk` as nginx-full, so that both are kept busy by a client that costs the same. */
async function atFullLoad(name: ContenderName, program: keyof typeof LAUNCHES, benchCase: BenchCase, around: Surroundings, folder: string): Promise<Running | Absent> {
  if (benchCase.ratePerSec !== null) return { kind: 'skipped', reason: 'wrk keeps no rate' }
  if (program === 'relay' && (benchCase.upstream === 'stdio' || benchCase.method !== 'tools/call')) return { kind: 'skipped', reason: 'it relays calls over HTTP only' }
  if (!existsSync(WRK)) return { kind: 'not started', reason: 'wrk is not installed' }
  const running = await startLaunched(name, program, benchCase, around, folder)
  if ('kind' in running) return running
  const { target } = running
  const connection = createConnection(target)
  const sessionId = benchCase.era === 'legacy' ? await openSession(connection, target) : null
  connection.close()
  return { ...running, atFullLoad: { script: writeWrkScript(benchCase, target, folder, sessionId), upstream: null } }
}

function nginxArgs(folder: string, http: string): string[] {
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${folder}/${name};`)
  // Started by root, workers would become nobody, who may not read this run's own folder.
  const user = process.getuid?.() === 0 ? 'user root;\n' : ''
  const config = `${user}daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log error;
events { worker_connections 4096; }
http {
${temp.join('\n')}
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  client_max_body_size 16m;
  client_body_buffer_size 128k;
${http}
}
`
  writeFileSync(join(folder, 'nginx.conf'), config)
  return ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')]
}

function relayConfig(port: number, upstreamPort: number): string {
  return `
  upstream mcp { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 1000000000; keepalive_timeout 600s; }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / {
      proxy_pass http://mcp;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering on;
      proxy_buffer_size 16k;
      proxy_buffers 8 16k;
      proxy_busy_buffers_size 32k;
      proxy_max_temp_file_size 0;
    }
  }`
}

/** A static file answers no POST but with 405, which is turned into 200 with that file. */
function fileConfig(folder: string, port: number): string {
  return `
  open_file_cache max=16;
  sendfile on;
  server {
    listen 127.0.0.1:${port} backlog=1024;
    root ${folder};
    location / { default_type application/json; error_page 405 =200 $uri; }
  }`
}

/** A port of the loopback interface that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}

export function targetOf(port: number, path: string): Target {
  return { host: '127.0.0.1', port, path, headers: {} }
}

/** Polls until the port accepts (and `readyPath`, if any, answers 200); false when it ended or took too long. */
export async function answers(started: Started, port: number, readyPath: string | null): Promise<boolean> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS
  while (performance.now() < deadlineMs && !started.hasExited()) {
    if (readyPath === null ? await accepts(port) : await isReady(port, readyPath)) return true
    await sleep(25)
  }
  return false
}

async function isReady(port: number, path: string): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2000) })
    await response.body?.cancel()
    return response.status === 200
  } catch {
    return false
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
