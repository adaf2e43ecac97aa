/** Starts a PostgreSQL of its own, small enough to be copied at once, and a standby that follows it until it is promoted. */
import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, listening } from './free-port.ts'
import { unprivileged } from './identity.ts'
import type { Identity } from './identity.ts'
import { startKept } from './kept-process.ts'
import { startPostgres } from './start-postgres.ts'

const run = promisify(execFile)

export interface Standby {
  readonly port: number
  /** Of the primary. */
  readonly url: string
  promote(): Promise<void>
  stop(): Promise<void>
}

export async function startStandby(): Promise<Standby> {
  const primary = await startPostgres()
  if (!('facts' in primary)) throw new TypeError(JSON.stringify(primary))
  const { binaries = '', host = '', port: primaryPort = '', user = '' } = primary.facts
  const identity = unprivileged('postgres')
  const as: Partial<Identity> = identity === undefined || identity === 'missing' ? {} : identity
  const folder = mkdtempSync(join(tmpdir(), 'portolan-standby-'))
  if (as.uid !== undefined && as.gid !== undefined) chownSync(folder, as.uid, as.gid)
  const data = join(folder, 'data')
  const program = (name: string, ...args: string[]) => run(join(binaries, name), args, { cwd: folder, ...as })
  await program('pg_basebackup', '-h', host, '-p', primaryPort, '-U', user, '-D', data, '-R', '-X', 'stream', '--checkpoint=fast', '--no-sync')
  const port = await freePort()
  const args = ['-D', data, '-k', folder, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', 'max_connections=300', '-c', 'fsync=off']
  const server = startKept({ command: join(binaries, 'postgres'), args, folder, signal: 'QUIT', ...as })
  await listening(port, server)
  return {
    port,
    url: `postgres://${user}@${host}:${primaryPort}/postgres`,
    promote: async () => void (await program('pg_ctl', '-D', data, 'promote')),
    stop: async () => void (await Promise.all([server.stop(), primary.stop?.()])),
  }
}
