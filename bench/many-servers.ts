// 20 stdio servers with 15 tools each behind one gateway: how long until the first full list, how long a list takes, and what a
// reload with one server changed costs those who notice nothing. `node scripts/run.mjs bench/many-servers.ts [rounds]` writes the results.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readMachine } from './machine.ts'
import { median, percentile } from './stats.ts'

const SERVER_COUNT = 20
const TOOLS_EACH = 15
const TOOL_COUNT = SERVER_COUNT * TOOLS_EACH
const WARM_LISTS = 100
const RELOADS = 5
/** Lists of servers that give no time to live are fetched again after 5 s. */
const STALE_MS = 5_500
const TIMEOUT_MS = 60_000

const root = fileURLToPath(new URL('..', import.meta.url))
const FIXTURE = join(root, 'bench/many-servers-fixture.mjs')
const PRELOAD = join(root, 'bench/event-loop-pause.mjs')
const MAINS = { dist: join(root, 'dist/apps/cli/main.js'), source: join(root, 'src/apps/cli/main.ts') } as const

/** Milliseconds, all of them. */
export interface ManyServersResult {
  readonly build: keyof typeof MAINS
  /** From the start of the process until it listens. */
  readonly listening: number
  /** From the start of the process until one answer, page by page, had all tools. */
  readonly firstFullList: number
  readonly warmListMedian: number
  readonly warmListP99: number
  /** When all 20 servers are asked for their lists again. */
  readonly staleList: number
  /** Of `POST /api/v1/reload`. */
  readonly reload: number
  /** From the reload until a list has the changed server's tools. */
  readonly listAfterReload: number
  /** Longest call of a server that did not change, while the reloads ran. */
  readonly slowestOtherCall: number
  readonly longestPauseAtStart: number
  readonly longestPauseInReloads: number
}

interface Gateway {
  readonly child: ChildProcess
  readonly port: number
  readonly folder: string
  readonly startedAtMs: number
  readonly listeningAtMs: number
}

const agent = new Agent({ keepAlive: true })

function configText(changed: number): string {
  const server = (index: number): object => ({ command: process.execPath, args: [FIXTURE, index === 0 ? `changed-${changed}` : `server-${index}`, String(TOOLS_EACH)] })
  const mcpServers = Object.fromEntries(Array.from({ length: SERVER_COUNT }, (_, index) => [`s${String(index).padStart(2, '0')}`, server(index)]))
  return JSON.stringify({ mcpServers })
}

function writeConfig(folder: string, changed: number): void {
  writeFileSync(join(folder, 'next.json'), configText(changed))
  renameSync(join(folder, 'next.json'), join(folder, 'portolan.json'))
}

async function start(build: keyof typeof MAINS): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-many-'))
  writeConfig(folder, 0)
  const args = ['--import', PRELOAD, MAINS[build], 'up', '--auth', 'none', '--port', '0', '--no-watch', '--data', join(folder, 'data'), '--config', join(folder, 'portolan.json'), '--log-level', 'error']
  const startedAtMs = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, PAUSE_FILE: join(folder, 'pause') } })
  let banner = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (banner += text))
  let port: number | undefined
  while (port === undefined) {
    if (child.exitCode !== null || performance.now() - startedAtMs > TIMEOUT_MS) throw new Error('the gateway did not start')
    await sleep(2)
    const found = /http:\/\/127\.0\.0\.1:(\d+)\/mcp/.exec(banner)?.[1]
    if (found !== undefined) port = Number(found)
  }
  return { child, port, folder, startedAtMs, listeningAtMs: performance.now() }
}

async function stop({ child, folder }: Gateway): Promise<void> {
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
  rmSync(folder, { recursive: true, force: true })
}

function send(options: object, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ method: 'POST', timeout: TIMEOUT_MS, ...options }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text))
    })
    asked.on('error', reject).end(body)
  })
}

async function ask({ port }: Gateway, method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> {
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
  const name = params['name']
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
  }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } })
  const { result, error } = JSON.parse(await send({ host: '127.0.0.1', port, path: '/mcp', headers, agent }, body)) as { result?: Record<string, unknown>; error?: { message: string } }
  if (result === undefined) throw new Error(`${method}: ${error?.message}`)
  return result
}

interface ListedTool {
  readonly title: string
}

/** The whole list, page by page. */
async function list(gateway: Gateway): Promise<ListedTool[]> {
  const tools: ListedTool[] = []
  let cursor: unknown
  do {
    const page = await ask(gateway, 'tools/list', cursor === undefined ? {} : { cursor })
    tools.push(...(page['tools'] as ListedTool[]))
    cursor = page['nextCursor']
  } while (cursor !== undefined)
  return tools
}

/** Milliseconds until a list holds what is wanted, asking again at once. */
async function listUntil(gateway: Gateway, isWanted: (tools: readonly ListedTool[]) => boolean): Promise<number> {
  const fromMs = performance.now()
  while (!isWanted(await list(gateway))) {
    if (performance.now() - fromMs > TIMEOUT_MS) throw new Error('the list was never whole')
    await sleep(5)
  }
  return performance.now() - fromMs
}

/** The longest pause of the gateway's event loop since the last time this was asked. */
async function pauseMs({ child, folder }: Gateway): Promise<number> {
  const path = join(folder, 'pause.new')
  rmSync(path, { force: true })
  child.kill('SIGUSR2')
  while (!existsSync(path) || readFileSync(path, 'utf8') === '') await sleep(5)
  return Number(readFileSync(path, 'utf8'))
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const fromMs = performance.now()
  await run()
  return performance.now() - fromMs
}

async function measureReloads(gateway: Gateway): Promise<Pick<ManyServersResult, 'reload' | 'listAfterReload' | 'slowestOtherCall' | 'longestPauseInReloads'>> {
  await pauseMs(gateway)
  let isOver = false
  let slowest = 0
  const calls = (async (): Promise<void> => {
    while (!isOver) {
      slowest = Math.max(slowest, await timed(() => ask(gateway, 'tools/call', { name: 's05__tool_0', arguments: {} })))
      await sleep(2)
    }
  })()
  const reloads: number[] = []
  const lists: number[] = []
  const socketPath = join(gateway.folder, 'data', 'operations.sock')
  for (let round = 1; round <= RELOADS; round += 1) {
    writeConfig(gateway.folder, round)
    reloads.push(await timed(() => send({ socketPath, path: '/api/v1/reload' }, '')))
    lists.push(await listUntil(gateway, (tools) => tools.length === TOOL_COUNT && tools.some(({ title }) => title.endsWith(`changed-${round}`))))
    await sleep(300)
  }
  isOver = true
  await calls
  return { reload: median(reloads), listAfterReload: median(lists), slowestOtherCall: slowest, longestPauseInReloads: await pauseMs(gateway) }
}

async function measure(build: keyof typeof MAINS): Promise<ManyServersResult> {
  const gateway = await start(build)
  try {
    await listUntil(gateway, (tools) => tools.length === TOOL_COUNT)
    const firstFullList = performance.now() - gateway.startedAtMs
    const longestPauseAtStart = await pauseMs(gateway)
    const warm: number[] = []
    for (let count = 0; count < WARM_LISTS; count += 1) warm.push(await timed(() => list(gateway)))
    warm.sort((left, right) => left - right)
    await sleep(STALE_MS)
    const staleList = await timed(() => list(gateway))
    return {
      build,
      listening: gateway.listeningAtMs - gateway.startedAtMs,
      firstFullList,
      warmListMedian: median(warm),
      warmListP99: percentile(warm, 0.99),
      staleList,
      ...(await measureReloads(gateway)),
      longestPauseAtStart,
    }
  } finally {
    await stop(gateway)
  }
}

const ROWS: readonly (readonly [label: string, field: Exclude<keyof ManyServersResult, 'build'>])[] = [
  ['start until it listens', 'listening'],
  ['start until the first full list of 300 tools', 'firstFullList'],
  ['longest pause of the event loop until then', 'longestPauseAtStart'],
  ['a full list, warm (three pages), median', 'warmListMedian'],
  ['a full list, warm, p99', 'warmListP99'],
  ['a full list when all 20 servers are asked again', 'staleList'],
  ['`POST /reload` with one server changed', 'reload'],
  ['from the reload until a list has the changed server', 'listAfterReload'],
  ['longest call of another server while reloading', 'slowestOtherCall'],
  ['longest pause of the event loop while reloading', 'longestPauseInReloads'],
]

/** Median over the rounds; the longest pauses and calls are the worst of all rounds. */
function tableText(results: readonly ManyServersResult[]): string {
  const cell = (build: keyof typeof MAINS, field: Exclude<keyof ManyServersResult, 'build'>): string => {
    const values = results.filter((result) => result.build === build).map((result) => result[field])
    if (values.length === 0) return '–'
    const value = field.startsWith('longest') || field.startsWith('slowest') ? Math.max(...values) : median(values)
    return value < 10 ? value.toFixed(1) : value.toFixed(0)
  }
  const rows = ROWS.map(([label, field]) => `| ${label} | ${cell('dist', field)} | ${cell('source', field)} |`)
  return ['| milliseconds | dist | source |', '|---|---:|---:|', ...rows].join('\n')
}

if (!existsSync(MAINS.dist)) throw new Error('Build first: npm run build')
const rounds = Number(process.argv[2] ?? 5)
const machine = readMachine()
const results: ManyServersResult[] = []
for (let round = 0; round < rounds; round += 1) {
  for (const build of ['dist', 'source'] as const) {
    results.push(await measure(build))
    console.error(JSON.stringify(results.at(-1)))
  }
}
const record = { version: 1, machine, rounds, serverCount: SERVER_COUNT, toolCount: TOOL_COUNT, results }
if (!process.argv.includes('--dry')) writeFileSync(join(root, 'bench/results/many-servers.json'), `${JSON.stringify(record, null, 1)}\n`)
console.log(tableText(results))
