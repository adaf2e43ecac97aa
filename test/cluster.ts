/** Several replicas of a test as processes, over one PostgreSQL, behind an nginx that takes them in turn. All of it ends with the test. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CLI_MAIN } from './compiled.ts'
import { freePort } from './services/free-port.ts'
import { startNginx } from './services/start-nginx.ts'
import type { Reached } from './sdk1-client.ts'

const START_MS = 60_000
/** As in the data folder of each replica: clients hold one token, wherever they are sent. */
const TOKEN = `test-token-${'0'.repeat(32)}`

export interface Member {
  readonly url: string
  readonly port: number
  pid(): number
  /** Resolves when it is ready. `main`: of another version. */
  start(main?: string): Promise<void>
  kill(signal: NodeJS.Signals): void
  /** SIGTERM, or SIGKILL; resolves with the exit code when it has ended. */
  end(signal?: 'SIGTERM' | 'SIGKILL'): Promise<number | null>
  /** Everything that it logged so far. */
  stderr(): string
}

export interface Cluster extends Reached {
  readonly members: readonly Member[]
  readonly folder: string
  close(): Promise<void>
}

export interface ClusterOptions {
  readonly databaseUrl: string
  readonly config: unknown
  readonly count?: number
  readonly args?: readonly string[]
  /** False: whoever asks chooses the replica, and there is no nginx. */
  readonly hasBalancer?: boolean
  /** How nginx chooses, as it stands in `upstream`; in turn, where nothing is said. */
  readonly balancing?: string
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export async function startCluster({ databaseUrl, config, count = 3, args = [], hasBalancer = true, balancing = '' }: ClusterOptions): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-cluster-'))
  writeFileSync(join(folder, 'portolan.json'), JSON.stringify(config))
  const members: Member[] = []
  let stopNginx = async (): Promise<void> => undefined
  const close = async (): Promise<void> => {
    await stopNginx()
    await Promise.all(members.map((member) => member.end('SIGKILL')))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    for (let index = 0; index < count; index += 1) {
      const dataDir = join(folder, `data-${index}`)
      mkdirSync(dataDir, { mode: 0o700 })
      writeFileSync(join(dataDir, 'token'), `${TOKEN}\n`, { mode: 0o600 })
      members.push(memberOf(await freePort(), ['--config', join(folder, 'portolan.json'), '--data', dataDir, '--database-url', databaseUrl, ...args], folder))
    }
    await Promise.all(members.map((member) => member.start()))
    if (!hasBalancer) return { url: members[0]?.url ?? '', token: TOKEN, members, folder, close }
    const port = await freePort()
    stopNginx = await startBalancer(folder, port, members.map((member) => member.port), balancing)
    return { url: `http://127.0.0.1:${port}`, token: TOKEN, members, folder, close }
  } catch (error) {
    await close()
    throw error
  }
}

function memberOf(port: number, args: readonly string[], folder: string): Member {
  const url = `http://127.0.0.1:${port}`
  let child: ChildProcess | undefined
  let stderr = ''
  return {
    url,
    port,
    pid: () => child?.pid ?? 0,
    stderr: () => stderr,
    kill: (signal) => void child?.kill(signal),
    async start(main = CLI_MAIN) {
      const started = spawn(process.execPath, [main, 'up', '--port', String(port), ...args], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
      child = started
      running.add(started)
      started.on('exit', () => running.delete(started))
      started.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
      for (const endAtMs = performance.now() + START_MS; !(await isReady(url)); await new Promise((resolve) => setTimeout(resolve, 50))) {
        if (started.exitCode !== null || performance.now() > endAtMs) throw new Error(`A replica did not start: ${stderr}`)
      }
    },
    async end(signal = 'SIGTERM') {
      const ending = child
      if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return ending?.exitCode ?? null
      const exited = once(ending, 'exit')
      ending.kill('SIGCONT')
      ending.kill(signal)
      await exited
      return ending.exitCode
    },
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) })).status === 200
  } catch {
    return false
  }
}

/**
 * In turn, never the same for one client; a request is given to the next replica only where it was not sent to the first. None is taken for dead: of
 * replicas that are restarted sooner than nginx forgives, all could be.
 */
async function startBalancer(folder: string, port: number, ports: readonly number[], balancing: string): Promise<() => Promise<void>> {
  const nginx = startNginx(folder, `
events { worker_connections 1024; }
http {
  upstream portolan { ${balancing} ${ports.map((one) => `server 127.0.0.1:${one} max_fails=0;`).join(' ')} }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://portolan;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host 127.0.0.1:${port};
      proxy_buffering off;
      proxy_read_timeout 300s;
      proxy_next_upstream error timeout;
    }
  }
}`)
  for (const endAtMs = performance.now() + START_MS; !(await isReady(`http://127.0.0.1:${port}`)); await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (performance.now() > endAtMs || nginx.hasEnded()) throw new Error('nginx did not start')
  }
  return nginx.stop
}
