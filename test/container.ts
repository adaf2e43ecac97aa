/** A container of deploy/ as a process: its command, environment and files are those that were written down; what is a container's own (host names, ports, folders) becomes this machine's. */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import type { ProcessStatus } from '../src/apps/gateway/status.ts'
import { CLI_MAIN } from './compiled.ts'

export interface ContainerOptions {
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** From what is written in both to what it is here. */
  readonly table: Readonly<Record<string, string>>
  /** Its data folder, where the image has /var/lib/portolan. */
  readonly data: string
  /** As `makeImage` made it. */
  readonly image: NodeJS.ProcessEnv
}

export interface Container {
  start(): void
  /** Runs a command in it; its exit code. */
  run(command: readonly string[]): number | null
  status(): ProcessStatus
  /** Resolves with the exit code. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>
  log(): string
}

const START_MS = 40_000

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** What deploy/Dockerfile puts into the image: the command on the path. Nothing else of this process's environment is seen inside. */
export function makeImage(folder: string): NodeJS.ProcessEnv {
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'bin/portolan'), `#!/bin/sh\nexec "${process.execPath}" "${CLI_MAIN}" "$@"\n`, { mode: 0o755 })
  return { PATH: [join(folder, 'bin'), dirname(process.execPath), process.env['PATH']].join(delimiter), NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }
}

export function containerOf({ command, environment, table, data, image }: ContainerOptions): Container {
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const inside = (text: string): string => Object.entries({ ...table, '/var/lib/portolan': data }).reduce((done, [from, to]) => done.replaceAll(from, to), text)
  const env = { ...image, HOME: data, ...Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, inside(value)])) }
  const run = ([file = '', ...args]: readonly string[]) => spawnSync(file, args.map(inside), { env, encoding: 'utf8', timeout: 20_000 })
  let child: ChildProcess | undefined
  let log = ''
  return {
    start() {
      const [file = '', ...args] = command
      const started = spawn(file, args.map(inside), { env, cwd: data, stdio: ['ignore', 'pipe', 'pipe'] })
      child = started
      running.add(started)
      started.once('exit', () => running.delete(started))
      for (const stream of [started.stdout, started.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (log += text))
    },
    run: (asked) => run(asked).status,
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

/** Each name of the left side must be there: what is not is a mistake of the table. */
export function place(text: string, table: Readonly<Record<string, string>>): string {
  return Object.entries(table).reduce((done, [from, to]) => {
    if (!text.includes(from)) throw new Error(`There is no ${from} in ${text}`)
    return done.replaceAll(from, to)
  }, text)
}

/** For set-ups, in which nothing is expected yet. */
export async function until(isSo: () => boolean | Promise<boolean>, why: () => string): Promise<void> {
  for (const endAtMs = performance.now() + START_MS; !(await isSo()); await new Promise((resolve) => setTimeout(resolve, 100))) {
    if (performance.now() > endAtMs) throw new Error(why())
  }
}
