/**
 * What the checks look at, opened once for all of them: the configuration as far as it can be read, the data folder, the
 * running Portolan, and one trial of each server. Nothing is written; what was started is ended by `close`.
 */

import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { request } from 'node:http'
import type { ServerSnapshot } from '../../core/gateway/snapshot.ts'
import type { ConfigProblem } from '../gateway/config-problem.ts'
import type { ReferenceScope } from '../gateway/config-reference.ts'
import { compileSnapshot } from '../gateway/config-snapshot.ts'
import { inspectConfig } from '../gateway/config.ts'
import type { Config } from '../gateway/config.ts'
import type { Env } from '../gateway/config-file.ts'
import { referenceConfigText } from '../gateway/reference.ts'
import { readSettings } from '../gateway/settings.ts'
import type { Settings } from '../gateway/settings.ts'
import type { ProcessStatus } from '../gateway/status.ts'
import { shellWord } from './check.ts'
import { openTrials } from './trial.ts'
import type { HttpAnswer, HttpAsk, Trial } from './trial.ts'

export interface DoctorOptions {
  /** Undefined: the bundled reference server. */
  readonly configPath: string | undefined
  readonly dataPath: string
  readonly env: Env
  /** How long a server is tried; 8 s. */
  readonly trialMs?: number
  /** Where the system tells of itself; `/proc`. */
  readonly procPath?: string
}

export interface DoctorContext {
  readonly configPath: string | undefined
  /** For people. */
  readonly source: string
  /** As far as it can be read. */
  readonly config: Config | undefined
  /** What is wrong with it, and with what it refers to. */
  readonly problems: readonly ConfigProblem[]
  /** The enabled servers that could be compiled. */
  readonly servers: readonly ServerSnapshot[]
  /** SHA-256 as `portolan status` tells it; undefined where the file has problems. */
  readonly digest: string | undefined
  readonly separator: string
  /** Undefined where the settings have problems. */
  readonly settings: Settings | undefined
  readonly dataPath: string
  /** Of the operations listener. */
  readonly socketPath: string
  readonly env: Env
  readonly procPath: string
  /** What a Portolan on this data folder says of itself; undefined where none runs. */
  running(): Promise<ProcessStatus | undefined>
  /** What became of asking the server as Portolan does; one trial for all checks. Never rejects. */
  trial(server: ServerSnapshot): Promise<Trial>
  /** One plain HTTP request, through the proxies that Portolan would use. Never rejects. */
  ask(ask: HttpAsk): Promise<HttpAnswer>
  /** A command that opens the configuration and checks it afterwards. */
  readonly editCommand: string
  close(): Promise<void>
}

/** Opens what can be opened; never throws for what is wrong with a configuration. */
export function openContext(options: DoctorOptions): DoctorContext {
  const { configPath, dataPath, env, procPath = '/proc' } = options
  const folder = configPath === undefined ? process.cwd() : dirname(resolve(configPath))
  const read = readFile(configPath)
  const reading = read.text === undefined ? { config: undefined, problems: [] } : inspectConfig(read.text)
  const { config } = reading
  const scope: ReferenceScope = { env, folder, home: homedir(), inputs: config?.inputs ?? new Map(), readFile: (path) => readFileSync(path, 'utf8') }
  const compiled = config === undefined ? undefined : compileEach(config, scope)
  const operationsSocket = join(resolve(dataPath), 'operations.sock')
  const settings = readSettings(config?.portolan ?? { version: 1 }, {}, { folder, operationsSocket })
  const problems = [...read.problems, ...reading.problems, ...(compiled?.problems ?? []), ...(settings.ok ? [] : settings.fault)]
  const trials = openTrials(env, options.trialMs ?? 8_000)
  const socketPath = settings.ok ? settings.value.operations.socketPath : operationsSocket
  let running: Promise<ProcessStatus | undefined> | undefined
  return {
    configPath,
    source: configPath ?? 'the built-in configuration',
    config,
    problems,
    servers: compiled?.servers ?? [],
    digest: problems.length > 0 ? undefined : compiled?.digest,
    separator: config?.portolan.separator ?? '__',
    settings: settings.ok ? settings.value : undefined,
    dataPath: resolve(dataPath),
    socketPath,
    env,
    procPath,
    running: () => (running ??= askStatus(socketPath)),
    trial: trials.trial,
    ask: trials.ask,
    editCommand: configPath === undefined ? 'portolan config print' : `\${EDITOR:-vi} ${shellWord(configPath)} && portolan config check -c ${shellWord(configPath)}`,
    close: trials.close,
  }
}

function readFile(path: string | undefined): { readonly text: string | undefined; readonly problems: readonly ConfigProblem[] } {
  if (path === undefined) return { text: referenceConfigText(), problems: [] }
  try {
    return { text: readFileSync(path, 'utf8'), problems: [] }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    const what = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    return { text: undefined, problems: [{ path, problem: what, fix: 'Give the path of a configuration file with --config' }] }
  }
}

interface Compiled {
  readonly servers: readonly ServerSnapshot[]
  readonly problems: readonly ConfigProblem[]
  readonly digest: string | undefined
}

/** One by one: what one server lacks must not hide the others. */
function compileEach(config: Config, scope: ReferenceScope): Compiled {
  const whole = compileSnapshot(config, scope)
  if (whole.ok) return { servers: whole.value.servers, problems: [], digest: whole.value.digest }
  const servers = config.servers.flatMap((server) => {
    const one = compileSnapshot({ ...config, servers: [server] }, scope)
    return one.ok ? one.value.servers : []
  })
  return { servers, problems: whole.fault, digest: undefined }
}

const STATUS_MS = 3_000

function askStatus(socketPath: string): Promise<ProcessStatus | undefined> {
  return new Promise((accept) => {
    const asked = request({ socketPath, path: '/status', timeout: STATUS_MS }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => accept(undefined))
      response.on('end', () => accept(parseStatus(Buffer.concat(chunks).toString('utf8'))))
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => accept(undefined))
    asked.on('close', () => accept(undefined))
    asked.end()
  })
}

function parseStatus(text: string): ProcessStatus | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
