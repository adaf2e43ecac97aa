/** Starts a throw-away nginx: one for each test that asks, since each has a configuration of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { ServiceAnswer } from './service.ts'

export interface RunningNginx {
  hasEnded(): boolean
  stop(): Promise<void>
}

/** Debian keeps it where a user's path does not look. */
const COMMAND = ['/usr/sbin', ...(process.env['PATH'] ?? '').split(delimiter)].map((folder) => join(folder, 'nginx')).find((path) => existsSync(path))

/** What the run's own process answers. */
export async function lookForNginx(): Promise<ServiceAnswer> {
  return COMMAND === undefined ? { missing: 'nginx was not found: install it (Debian: apt-get install nginx) to run them.' } : { facts: { command: COMMAND } }
}

/** With this configuration, and all that it writes in `folder`. It may not listen yet. */
export function startNginx(folder: string, configuration: string): RunningNginx {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')
  const main = `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;\n`
  writeFileSync(join(folder, 'nginx.conf'), main + configuration.replace(/^http \{/m, (head) => `${head} access_log off; ${temporary}`))
  const nginx = spawn(COMMAND ?? 'nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' })
  const kill = (): void => void nginx.kill('SIGKILL')
  process.once('exit', kill)
  const exited = once(nginx, 'exit').finally(() => process.off('exit', kill))
  return {
    hasEnded: () => nginx.exitCode !== null || nginx.signalCode !== null,
    async stop() {
      nginx.kill('SIGTERM')
      await exited
    },
  }
}
