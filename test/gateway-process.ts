/** A gateway of a test: `portolan up` on a free port, with a configuration and a data folder of its own, always killed at the end. */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { CLI_MAIN } from './compiled.ts'

const START_TIMEOUT_MS = 30_000
/** More than `portolan up` gives its calls (10 s) and then its children. */
const STOP_TIMEOUT_MS = 20_000

export interface GatewayOptions {
  /** The configuration file's content; without it the bundled reference server. */
  readonly config?: unknown
  /** Added to the command line, for example `['--auth', 'none']`. */
  readonly args?: readonly string[]
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>
}

export interface GatewayProcess {
  /** Without a path: `http://127.0.0.1:<port>`. */
  readonly url: string
  /** '' with `--auth none`. */
  readonly token: string
  readonly pid: number
  readonly dataDir: string
  /** The configuration file, '' without one: to be rewritten before a SIGHUP, or given to other commands. */
  readonly configPath: string
  /** Everything that it logged so far. */
  stderr(): string
  /** What `portolan status --json` prints. */
  status(): unknown
  /** Ends it with SIGTERM, kills it if that does not help, and removes its folder. Resolves with the exit code. */
  stop(): Promise<number | null>
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Resolves when `/readyz` answers 200; rejects with what was logged when the process ends before, or takes too long. */
export async function startGateway(options: GatewayOptions = {}): Promise<GatewayProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'portolan-gateway-'))
  const dataDir = join(folder, 'data')
  const configPath = options.config === undefined ? '' : join(folder, 'portolan.json')
  if (configPath !== '') await writeFile(configPath, JSON.stringify(options.config))
  const given = options.args ?? []
  const args = ['up', '--port', '0', '--data', dataDir, ...(configPath === '' ? [] : ['--config', configPath]), ...given]
  const child = spawn(process.execPath, [CLI_MAIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } })
  running.add(child)
  child.on('exit', () => running.delete(child))
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const stop = async (): Promise<number | null> => {
    const code = await end(child)
    await rm(folder, { recursive: true, force: true })
    return code
  }
  try {
    const url = await bannerUrl(child, () => stderr)
    await ready(url)
    const token = given.includes('none') ? '' : (await readFile(join(dataDir, 'token'), 'utf8')).trim()
    return { url, token, pid: child.pid ?? 0, dataDir, configPath, stderr: () => stderr, status: () => statusOf(dataDir), stop }
  } catch (error) {
    child.kill('SIGKILL')
    await stop()
    throw error
  }
}

/** `Authorization` for this gateway, to be spread into headers. */
export function bearer({ token }: Pick<GatewayProcess, 'token'>): Record<string, string> {
  return token === '' ? {} : { authorization: `Bearer ${token}` }
}

function bannerUrl(child: ChildProcess, stderr: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`The gateway printed no URL in time: ${stderr()}`)), START_TIMEOUT_MS)
    const settle = (run: () => void): void => {
      clearTimeout(late)
      run()
    }
    child.on('close', (code) => settle(() => reject(new Error(`The gateway ended with ${String(code)}: ${stderr()}`))))
    if (child.stdout === null) return
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = /(http:\S+)\/mcp/.exec(line)?.[1]
      if (url !== undefined) settle(() => resolve(url))
    })
  })
}

async function ready(url: string): Promise<void> {
  const endAtMs = performance.now() + START_TIMEOUT_MS
  for (;;) {
    const { status } = await fetch(`${url}/readyz`)
    if (status === 200) return
    if (performance.now() > endAtMs) throw new Error(`The gateway is not ready: ${status}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await exited
  clearTimeout(kill)
  return child.exitCode
}

function statusOf(dataDir: string): unknown {
  const { stdout, stderr } = spawnSync(process.execPath, [CLI_MAIN, 'status', '--data', dataDir, '--json'], { encoding: 'utf8', timeout: 10_000 })
  if (stdout === '') throw new Error(`portolan status printed nothing: ${stderr}`)
  return JSON.parse(stdout)
}
