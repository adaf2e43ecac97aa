/** `portolan up --workers N`: several processes on one host as one Portolan, over one data folder. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ProcessStatus } from '../../src/apps/gateway/status.ts'
import { legacyClient, modernClient } from '../any-client.ts'
import type { AnyClient } from '../any-client.ts'
import { CLI_MAIN } from '../compiled.ts'
import { REFERENCE_SERVER_COMMAND } from '../reference-server-process.ts'
import { runPortolan } from '../portolan-process.ts'
import { ALL_CAPABILITIES, connectSdk1 } from '../sdk1-client.ts'
import { freePort } from '../services/free-port.ts'
import { findPostgres } from '../services/postgres.ts'
import { legacyTransport, modernTransport, running, startWorkers } from '../worker-rig.ts'
import type { Workers } from '../worker-rig.ts'

const EVERYTHING = fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url))
const postgres = await findPostgres()
const SIMPLE = 'This is a simple text response for testing.'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})
function closed<T extends { close(): Promise<void> }>(client: T): T {
  closers.push(() => client.close())
  return client
}
const modern = async (workers: Workers): Promise<AnyClient> => closed(await modernClient(modernTransport(workers, '/reference/mcp')))
const legacy = async (workers: Workers): Promise<AnyClient> => closed(await legacyClient(legacyTransport(workers, '/reference/mcp')))

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const portolan = runPortolan(args)
  const { code } = await portolan.exited
  return { code, out: portolan.stdout(), err: portolan.stderr() }
}

const ONE = `--mark=${process.pid}-one`
const servers = (...names: string[]) => ({
  mcpServers: { ...Object.fromEntries(names.map((name) => [name, REFERENCE_SERVER_COMMAND])), one: { command: process.execPath, args: [EVERYTHING, 'stdio', ONE] } },
  portolan: { version: 1, servers: { one: { placement: 'singleton' } } },
})

const writeSocketConfig = (folder: string, socket: string): string => {
  const path = join(folder, 'socket.json')
  writeFileSync(path, JSON.stringify({ ...servers(), portolan: { version: 1, listen: { socket } } }))
  return path
}

function storedReplicas(dataDir: string): unknown[] {
  const database = new DatabaseSync(join(dataDir, 'cache.db'), { readOnly: true })
  const rows = database.prepare('SELECT id FROM portolan_replica').all()
  database.close()
  return rows.map(({ id }) => id)
}

/** A port that is free, and so is the next. */
async function freePortPair(): Promise<number> {
  for (;;) {
    const port = await freePort()
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => server.once('error', () => resolve(false)).listen(port + 1, '127.0.0.1', () => resolve(true)))
    await new Promise((resolve) => (isFree ? server.close(resolve) : resolve(undefined)))
    if (isFree) return port
  }
}

/** One for all tests below, in their order: each start takes seconds. */
let workers: Workers
beforeAll(async () => {
  workers = await startWorkers(2, { config: servers('reference'), args: ['--no-watch'] })
})
afterAll(() => workers.stop())

describe('portolan up --workers 2', () => {
  it('shares calls out, and serves a legacy session at whichever worker its requests come to', async () => {
    const [new_, old] = [await modern(workers), await legacy(workers)]
    for (const client of [new_, old]) for (let call = 0; call < 6; call += 1) expect((await client.call('test_simple_text')).text).toBe(SIMPLE)
    const asked = closed(await connectSdk1(legacyTransport(workers, '/reference/mcp'), ALL_CAPABILITIES))
    expect(await asked.client.callTool({ name: 'test_sampling', arguments: { prompt: 'x' } })).toMatchObject({ content: [{ type: 'text' }] })
    const served = await workers.samples('portolan_exchange_duration_ms_count')
    expect(Object.values(served).every((count) => count >= 3), JSON.stringify(served)).toBe(true)
    const carried = await workers.samples('portolan_peer_exchanges_total')
    expect(Object.values(carried).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(2)
  })

  it('is one Portolan to operators: one banner, one status, one log with the workers\' numbers', async () => {
    const status = await workers.look()
    expect(status).toMatchObject({ pid: workers.pid, state: 'ready', sessions: expect.any(Number), replica: null, servers: [{ name: 'reference', state: 'ready' }, { name: 'one', state: 'ready' }] })
    expect(status?.workers.map(({ number, state, restarts, replica }) => ({ number, state, restarts, hints: replica?.hints.wire, address: replica?.address.replace(/.*\//, '') }))).toEqual([
      { number: 1, state: 'ready', restarts: 0, hints: 'workers', address: 'peer-1.sock' },
      { number: 2, state: 'ready', restarts: 0, hints: 'workers', address: 'peer-2.sock' },
    ])
    const lines = workers.stderr().split('\n').filter((line) => line !== '').map((line): { worker?: number } => JSON.parse(line))
    expect(new Set(lines.map(({ worker }) => worker))).toEqual(new Set([1, 2]))
    const shown = await run('status', '--data', workers.dataDir)
    expect(shown.out).toMatch(/^ +1 +\d+ +ready /m)
    expect(shown.out).toMatch(/^ +2 +\d+ +ready /m)
    const second = await run('up', '--workers', '2', '--port', '0', '--data', workers.dataDir)
    expect(second).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/is in use.*give this one a folder of its own with --data/) })
  })

  it.runIf(process.platform === 'linux')('runs a server of which there is one once for all workers', async () => {
    const client = closed(await modernClient(modernTransport(workers, '/one/mcp')))
    const before = await workers.samples('portolan_exchange_duration_ms_count')
    for (let call = 0; call < 4; call += 1) expect((await client.call('echo', { message: 'hi' })).text).toBe('Echo: hi')
    const after = await workers.samples('portolan_exchange_duration_ms_count')
    expect([1, 2].every((number) => (after[number] ?? 0) > (before[number] ?? 0)), JSON.stringify({ before, after })).toBe(true)
    const status = await workers.look()
    const holder = status?.servers.find(({ name }) => name === 'one')?.holder
    expect(status?.workers.map(({ replica }) => replica?.id)).toContain(holder)
    expect(running(ONE)).toHaveLength(1)
    expect((await run('status', '--data', workers.dataDir)).out).toMatch(/^one runs at worker [12], for all of them$/m)
  })

  it('does not start where its address is taken or its configuration is bad, and says why with the exit code of one process', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-workers-'))
    closers.push(() => rmSync(folder, { recursive: true, force: true }))
    const port = new URL(workers.url).port
    expect(await run('up', '--workers', '2', '--port', port, '--data', join(folder, 'data'))).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/is in use.*choose another port with --port/) })
    const config = join(folder, 'bad.json')
    writeFileSync(config, '{ "mcpServers": { "mcp": {} } }')
    expect(await run('up', '--workers', '2', '--port', '0', '--config', config, '--data', join(folder, 'data'))).toMatchObject({ code: 2, out: '', err: expect.stringContaining('mcpServers.mcp') })
    expect(await run('up', '--workers', 'many', '--data', join(folder, 'data'))).toMatchObject({ code: 2, err: expect.stringContaining('Give a number from 1 to 256, or auto') })
  })

  it('tells listeners at both workers at once of what one of them heard', async () => {
    const before = (await workers.look())?.workers.map(({ sessions }) => sessions) ?? []
    const clients = await Promise.all([legacy(workers), legacy(workers), legacy(workers), legacy(workers)])
    for (const client of clients) await client.watch('test://watched-resource')
    const after = (await workers.look())?.workers.map(({ sessions }) => sessions) ?? []
    expect(after.every((sessions, at) => sessions > (before[at] ?? 0)), JSON.stringify({ before, after })).toBe(true)
    await (await legacy(workers)).call('test_trigger_tool_change')
    for (const client of clients) await expect.poll(() => client.told, { timeout: 4_000 }).toContain('tools')
  })

  it('reloads all workers, whether the file changed, somebody says so, or SIGHUP comes', async () => {
    const digests = async (): Promise<readonly string[]> => {
      const asked = await Promise.all([1, 2].map((number) => run('status', '--json', '--data', workers.dataDir, '--socket', `${workers.dataDir}/workers/operations-${number}.sock`)))
      return asked.map(({ out }): ProcessStatus => JSON.parse(out)).map(({ config }) => config.digest)
    }
    const [before] = await digests()
    writeFileSync(workers.configPath, JSON.stringify(servers('reference', 'more')))
    expect(await run('reload', '--data', workers.dataDir)).toMatchObject({ code: 0, out: expect.stringContaining('added: more') })
    const after = await digests()
    expect(new Set(after).size).toBe(1)
    expect(after[0]).not.toBe(before)
    writeFileSync(workers.configPath, '{ "mcpServers": 7 }')
    expect(await run('reload', '--data', workers.dataDir)).toMatchObject({ code: 2, err: expect.stringContaining('Nothing was changed') })
    expect(await digests()).toEqual(after)
    writeFileSync(workers.configPath, JSON.stringify(servers('reference')))
    process.kill(workers.pid, 'SIGHUP')
    await expect.poll(digests, { timeout: 10_000 }).toEqual([before, before])
  })

  it('replaces a worker that is killed; others serve meanwhile, sessions go on, and another one sweeps', async () => {
    const elected = async (): Promise<readonly number[]> => Object.entries(await workers.samples('portolan_elected')).filter(([, value]) => value === 1).map(([number]) => Number(number))
    await expect.poll(elected, { timeout: 15_000 }).toHaveLength(1)
    const clients = await Promise.all([modern(workers), legacy(workers), legacy(workers), legacy(workers)])
    const [number = 0] = await elected()
    const victim = (await workers.look())?.workers.find((worker) => worker.number === number)
    process.kill(victim?.pid ?? 0, 'SIGKILL')
    const killedAtMs = performance.now()
    for (const client of clients) await expect.poll(() => client.call('test_simple_text').then(({ text }) => text, String), { timeout: 5_000 }).toBe(SIMPLE)
    expect(performance.now() - killedAtMs).toBeLessThan(5_000)
    const all = await workers.allReady(2)
    expect(all.find((worker) => worker.number === number)).toMatchObject({ restarts: (victim?.restarts ?? 0) + 1 })
    expect(all.map(({ pid }) => pid)).not.toContain(victim?.pid)
    // Its supervisor saw it end: nobody waits for its lifetime.
    await expect.poll(() => storedReplicas(workers.dataDir)).not.toContain(victim?.replica?.id)
    await expect.poll(elected, { timeout: 15_000 }).toHaveLength(1)
    for (const client of clients) expect((await client.call('test_simple_text')).text).toBe(SIMPLE)
  })

  it('loses no call when a worker is told to end and is replaced', async () => {
    const clients = [await modern(workers), await legacy(workers)]
    const [first] = (await workers.look())?.workers ?? []
    const { restarts = 0 } = first ?? {}
    let isOver = false
    const lost: string[] = []
    let count = 0
    const load = clients.map(async (client) => {
      for (; !isOver; count += 1) await client.call('test_simple_text').catch((error: unknown) => lost.push(String(error)))
    })
    process.kill(first?.pid ?? 0, 'SIGTERM')
    // Whatever becomes of it: calls of a closed client fail at once, and would leave no turn to anything else.
    await expect.poll(async () => (await workers.look())?.workers[0], { timeout: 40_000 }).toMatchObject({ restarts: restarts + 1, state: 'ready' }).finally(() => (isOver = true))
    await Promise.all(load)
    expect(lost).toEqual([])
    expect(count).toBeGreaterThan(20)
  })

  it('ends on SIGTERM when the calls in flight at all workers are answered, with 0', async () => {
    const clients = [await modern(workers), await modern(workers), await legacy(workers), await legacy(workers)]
    for (const client of clients) await client.call('test_simple_text')
    const calls = clients.map((client) => client.call('test_wait', { milliseconds: 1_500, steps: 2 }))
    await expect.poll(async () => (await workers.look())?.exchangesInFlight, { timeout: 5_000 }).toBeGreaterThanOrEqual(4)
    const code = workers.stop()
    for (const call of calls) expect((await call).text).toBe('Waited 1500 ms')
    expect(await code).toBe(0)
  })

  it('has no worker call itself ready for the drain delay, while all serve on, and then ends with 0; Ctrl+C does the same, and again ends all at once', async () => {
    const delayed = await startWorkers(2, { config: servers('reference'), env: { PORTOLAN_DRAIN_DELAY: '10m' } })
    closers.push(() => delayed.stop())
    const pids = [delayed.pid, ...(await delayed.allReady(2)).map(({ pid }) => pid)]
    // As a terminal sends it: to each process of its group.
    const interrupt = (): void => pids.forEach((pid) => process.kill(pid, 'SIGINT'))
    const readyz = async (): Promise<number> => (await fetch(`${delayed.url}/readyz`, { headers: { connection: 'close' } })).status
    const some = (): Promise<number[]> => Promise.all(Array.from({ length: 6 }, readyz))
    expect(await some()).toEqual(Array(6).fill(200))
    interrupt()
    const interruptedAtMs = performance.now()
    await expect.poll(some).toEqual(Array(6).fill(503))
    for (const client of [await modern(delayed), await legacy(delayed)]) for (let call = 0; call < 4; call += 1) expect((await client.call('test_simple_text')).text).toBe(SIMPLE)
    expect(await delayed.look()).toMatchObject({ state: 'draining', workers: [{ state: 'draining', pid: pids[1] }, { state: 'draining', pid: pids[2] }] })
    // What follows within a second is taken for the same one.
    await new Promise((resolve) => setTimeout(resolve, interruptedAtMs + 1_100 - performance.now()))
    interrupt()
    await expect.poll(() => pids.filter((pid) => running(CLI_MAIN).includes(pid)), { timeout: 8_000 }).toEqual([])
    const brief = await startWorkers(2, { config: servers('reference'), args: ['--drain-delay', '400ms'] })
    const beganAtMs = performance.now()
    expect(await brief.stop()).toBe(0)
    expect(performance.now() - beganAtMs).toBeGreaterThanOrEqual(400)
  })

  it.runIf(process.platform === 'linux')('ends with 0 on Ctrl+C while its first worker starts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-workers-'))
    closers.push(() => rmSync(folder, { recursive: true, force: true }))
    const data = join(folder, 'data')
    const starting = runPortolan(['up', '--workers', '2', '--auth', 'none', '--port', '0', '--data', data])
    closers.push(async () => (starting.child.kill('SIGKILL'), await starting.exited))
    const { pid: supervisor = 0 } = starting.child
    const others = (): number[] => running(data).filter((pid) => pid !== supervisor)
    // SIGHUP is bit 0: Node itself catches SIGINT from the beginning, but not this one.
    const listens = (): boolean => (BigInt(`0x${/^SigCgt:\s*(\w+)/m.exec(readFileSync(`/proc/${supervisor}/status`, 'utf8'))?.[1]}`) & 1n) !== 0n
    await expect.poll(() => others().length > 0 && listens(), { interval: 5, timeout: 10_000 }).toBe(true)
    // As a terminal sends it: to each process of its group. The worker has not come to listen for it yet.
    for (const pid of [supervisor, ...others()]) process.kill(pid, 'SIGINT')
    expect(await starting.exited, starting.stderr()).toEqual({ code: 0, signal: null })
  })

  it.skipIf(postgres === undefined)('is replicas of a database where there is one, and listens on a unix socket where the configuration says so', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-workers-'))
    closers.push(() => rmSync(folder, { recursive: true, force: true }))
    const socket = join(folder, 'public.sock')
    const args = ['--database-url', (await postgres?.newDatabase()) ?? '', '--peer-listen', `127.0.0.1:${await freePortPair()}`]
    const shared = await startWorkers(2, { config: servers('reference'), args })
    closers.push(() => shared.stop())
    const client = closed(await legacyClient(legacyTransport(shared, '/reference/mcp')))
    for (let call = 0; call < 4; call += 1) expect((await client.call('test_simple_text')).text).toBe(SIMPLE)
    const replicas = (await shared.look())?.workers.map(({ replica }) => replica)
    expect(replicas?.map((replica) => replica?.hints)).toMatchObject([{ wire: 'postgres', isUp: true }, { wire: 'postgres', isUp: true }])
    const [first = 0, second = 0] = replicas?.map((replica) => Number(/:(\d+)$/.exec(replica?.address ?? '')?.[1])) ?? []
    expect(second - first).toBe(1)
    const local = runPortolan(['up', '--workers', '2', '--auth', 'none', '--data', join(folder, 'data'), '--config', writeSocketConfig(folder, socket)])
    closers.push(async () => (local.child.kill('SIGKILL'), await local.exited))
    await local.waitFor(/all servers/)
    expect(statSync(socket).mode & 0o777).toBe(0o600)
    const asked = request({ socketPath: socket, path: '/healthz' })
    expect(await new Promise((resolve, reject) => asked.on('response', ({ statusCode }) => resolve(statusCode)).on('error', reject).end())).toBe(200)
    local.child.kill('SIGTERM')
    expect(await local.exited).toMatchObject({ code: 0 })
  })

  it.runIf(process.platform === 'linux')('leaves no worker and no child behind when the supervisor is killed with SIGKILL', async () => {
    const mark = `--mark=${process.pid}-workers`
    const marked = await startWorkers(2, { config: { mcpServers: { reference: { command: process.execPath, args: [EVERYTHING, 'stdio', mark] } } } })
    closers.push(() => marked.stop())
    const pids = (await marked.look())?.workers.map(({ pid }) => pid) ?? []
    for (let call = 0; call < 2; call += 1) expect((await (await modern(marked)).call('echo', { message: 'up' })).text).toBe('Echo: up')
    expect(running(mark).length).toBeGreaterThanOrEqual(2)
    process.kill(marked.pid, 'SIGKILL')
    await expect.poll(() => [...running(mark), ...pids.filter((pid) => running(CLI_MAIN).includes(pid))], { timeout: 8_000, interval: 100 }).toEqual([])
  })
})
