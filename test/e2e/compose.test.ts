/**
 * deploy/compose as Compose would start it, but each service as a process: the commands, environment, files, secrets and health checks are those of the
 * file. What is a container's own becomes this machine's: host names, ports, folders.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { ProcessStatus } from '../../src/apps/gateway/status.ts'
import { legacyClient, modernClient, modernHttp } from '../any-client.ts'
import { CLI_MAIN } from '../compiled.ts'
import { fencesOf, readDocument } from '../document.ts'
import { REFERENCE_SERVER_COMMAND } from '../reference-server-process.ts'
import { httpTransport } from '../sdk1-client.ts'
import { freePort } from '../services/free-port.ts'
import { findNats } from '../services/nats.ts'
import { findNginx } from '../services/nginx.ts'
import { findPostgres } from '../services/postgres.ts'
import { startNginx } from '../services/start-nginx.ts'
import type { RunningNginx } from '../services/start-nginx.ts'

const postgres = await findPostgres()
const nats = await findNats()
const nginx = await findNginx()
const START_MS = 40_000
const SIMPLE = 'This is a simple text response for testing.'
const HOW_TO = fencesOf(readDocument('docs/how-to/run-replicas.md'))

interface Service {
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly healthcheck: { readonly test: readonly string[] }
}

interface Container {
  readonly name: string
  start(): void
  isHealthy(): boolean
  status(): ProcessStatus
  /** Resolves with the exit code. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>
  log(): string
}

async function until(isSo: () => boolean | Promise<boolean>, why: () => string): Promise<void> {
  for (const endAtMs = performance.now() + START_MS; !(await isSo()); await new Promise((resolve) => setTimeout(resolve, 100))) if (performance.now() > endAtMs) throw new Error(why())
}

/** Each name of the left side must be there: what is not is a mistake of this table. */
function place(text: string, table: Readonly<Record<string, string>>): string {
  return Object.entries(table).reduce((done, [from, to]) => {
    expect(text).toContain(from)
    return done.replaceAll(from, to)
  }, text)
}

function placeFile(from: string, to: string, table: Readonly<Record<string, string>>): void {
  writeFileSync(to, place(readFileSync(from, 'utf8'), table))
}

/** What deploy/Dockerfile puts into the image: the command on the path, and an empty data folder of its user. */
function makeImage(folder: string): NodeJS.ProcessEnv {
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'bin/portolan'), `#!/bin/sh\nexec "${process.execPath}" "${CLI_MAIN}" "$@"\n`, { mode: 0o755 })
  return { PATH: [join(folder, 'bin'), dirname(process.execPath), process.env['PATH']].join(delimiter), NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }
}

function containerOf(name: string, service: Service, at: { readonly folder: string; readonly port: number; readonly peerPort: number; readonly nats: string; readonly image: NodeJS.ProcessEnv }): Container {
  const data = join(at.folder, name, 'data')
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const inside = (text: string): string => text
    .replaceAll('/run/secrets/', `${at.folder}/deploy/compose/secrets/`).replaceAll('/etc/portolan/', `${at.folder}/${name}/`).replaceAll('/var/lib/portolan', data)
    .replaceAll('nats:4222', at.nats).replaceAll('0.0.0.0:7401', `127.0.0.1:${at.peerPort}`).replaceAll('127.0.0.1:7400', `127.0.0.1:${at.port}`)
  const env = { ...at.image, HOME: data, ...Object.fromEntries(Object.entries(service.environment).map(([key, value]) => [key, inside(value)])) }
  const run = ([command = '', ...args]: readonly string[]) => spawnSync(command, args.map(inside), { env, encoding: 'utf8', timeout: 20_000 })
  let child: ChildProcess | undefined
  let log = ''
  return {
    name,
    start() {
      const [command = '', ...args] = service.command
      child = spawn(command, args.map(inside), { env, cwd: data, stdio: ['ignore', 'pipe', 'pipe'] })
      for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (log += text))
    },
    isHealthy: () => run(service.healthcheck.test.slice(1)).status === 0,
    status: () => JSON.parse(run(['portolan', 'status', '--json', '--data', '/var/lib/portolan']).stdout),
    async end(signal) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
      return child.exitCode
    },
    log: () => log,
  }
}

describe.skipIf(postgres === undefined || nats === undefined || nginx === undefined)('deploy/compose', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-compose-'))
  const compose = join(folder, 'deploy/compose')
  const { services } = parse(readDocument('deploy/compose/compose.yaml'), { merge: true })
  const containers: Container[] = []
  let balancer: RunningNginx | undefined
  let at = { url: '', token: '' }

  beforeAll(async () => {
    cpSync(fileURLToPath(new URL('../../deploy', import.meta.url)), join(folder, 'deploy'), { recursive: true })
    const secrets = HOW_TO.find(({ text }) => text.includes('openssl rand'))?.text ?? ''
    execFileSync('sh', ['-ec', secrets], { cwd: folder })
    const database = new URL((await postgres?.newDatabase()) ?? '')
    placeFile(join(compose, 'secrets/database-url'), join(compose, 'secrets/database-url'), { '@postgres:5432/portolan': `@${database.host}${database.pathname}` })
    const names = Object.keys(services).filter((name) => name.startsWith('portolan'))
    const port = await freePort()
    const image = makeImage(folder)
    const upstream: Record<string, string> = {}
    for (const name of names) {
      const own = await freePort()
      containers.push(containerOf(name, services[name], { folder, port: own, peerPort: await freePort(), nats: `${nats?.host}:${nats?.port}`, image }))
      const config = parse(place(readDocument('deploy/compose/config/portolan.json'), { '0.0.0.0': '127.0.0.1', '7400': String(own), 'localhost:8080': `localhost:${port}`, '172.30.74.0/24': '127.0.0.1' }))
      writeFileSync(join(folder, name, 'portolan.json'), JSON.stringify({ ...config, mcpServers: { reference: REFERENCE_SERVER_COMMAND } }))
      upstream[`${name}:7400`] = `127.0.0.1:${own}`
    }
    for (const container of containers) container.start()
    await until(() => containers.every((container) => container.isHealthy()), () => containers.map(({ log }) => log()).join('\n'))
    balancer = startNginx(folder, place(readFileSync(join(compose, 'nginx.conf'), 'utf8'), { ...upstream, 'listen 8080': `listen 127.0.0.1:${port}` }))
    at = { url: `http://localhost:${port}`, token: readFileSync(join(compose, 'secrets/token'), 'utf8').trim() }
    await until(() => fetch(`${at.url}/readyz`).then(({ ok }) => ok, () => false), () => 'nginx reaches no replica')
  }, 60_000)

  afterAll(async () => {
    await balancer?.stop()
    for (const container of containers) await container.end('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  it('serves clients of both eras at both replicas, which hear each other over NATS, and lets nobody in without the token', async () => {
    const modern = await modernClient(modernHttp(at, '/mcp'))
    const legacy = await legacyClient(httpTransport(at, '/mcp'))
    for (const client of [modern, legacy]) for (let call = 0; call < 6; call += 1) expect((await client.call('reference__test_simple_text')).text).toBe(SIMPLE)
    for (const container of containers) expect(container.status()).toMatchObject({ state: 'ready', replica: { hints: { wire: 'nats', isUp: true } } })
    await Promise.all([modern.close(), legacy.close()])
    await expect(modernClient(modernHttp({ ...at, token: 'another' }, '/mcp'))).rejects.toThrow()
  })

  it('goes on when a container is killed, as the page says, and a container that is told to end is given what it needs', async () => {
    const clients = [await modernClient(modernHttp(at, '/mcp')), await legacyClient(httpTransport(at, '/mcp'))]
    const calls = (): Promise<string[]> => Promise.all(clients.map((client) => client.call('reference__test_simple_text').then(({ text }) => text, String)))
    expect(await calls()).toEqual([SIMPLE, SIMPLE])
    const [first, second] = containers
    await first?.end('SIGKILL')
    await expect.poll(calls, { timeout: 10_000 }).toEqual([SIMPLE, SIMPLE])
    first?.start()
    await expect.poll(() => first?.isHealthy(), { timeout: 30_000, interval: 200 }).toBe(true)
    expect(await second?.end('SIGTERM')).toBe(0)
    await expect.poll(calls, { timeout: 10_000 }).toEqual([SIMPLE, SIMPLE])
    expect(second?.isHealthy()).toBe(false)
    for (const client of clients) await client.close()
  })
})
