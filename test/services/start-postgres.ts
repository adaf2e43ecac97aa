/** Starts a throw-away PostgreSQL: in tests nothing in it is worth an fsync. As root it runs as the user `postgres`, since it refuses root. */
import { execFile } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { freePort } from './free-port.ts'
import type { StartedService } from './global-setup.ts'
import { unprivileged } from './identity.ts'
import type { Identity } from './identity.ts'
import { startKept } from './kept-process.ts'
import type { KeptProcess } from './kept-process.ts'

const USER = 'portolan'
const READY_MS = 30_000
const SETTINGS = {
  fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', shared_buffers: '32MB', max_connections: '300', listen_addresses: '127.0.0.1',
  log_min_messages: 'fatal',
}
/** For benchmarks: what is acknowledged survives a loss of power, as in production. */
const DURABLE = { ...SETTINGS, fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', shared_buffers: '256MB', max_wal_size: '4GB' }
const run = promisify(execFile)

export async function startPostgres({ isDurable = false }: { readonly isDurable?: boolean } = {}): Promise<StartedService> {
  const binaries = findBinaries()
  if (binaries === undefined) return { missing: 'PostgreSQL was not found: install it (Debian: apt-get install postgresql) to run them.' }
  const identity = unprivileged('postgres')
  if (identity === 'missing') return { missing: 'PostgreSQL does not run as root, and there is no user postgres.' }
  const folder = mkdtempSync(join(tmpdir(), 'portolan-postgres-'))
  if (identity !== undefined) chownSync(folder, identity.uid, identity.gid)
  try {
    await run(join(binaries, 'initdb'), ['-D', join(folder, 'data'), '-U', USER, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'], { cwd: folder, ...identity })
    return await start(binaries, folder, identity, isDurable ? DURABLE : SETTINGS)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

async function start(binaries: string, folder: string, identity: Identity | undefined, values: Readonly<Record<string, string>>): Promise<StartedService> {
  const port = await freePort()
  const settings = Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const args = ['-D', join(folder, 'data'), '-k', folder, '-p', String(port), ...settings]
  const server = startKept({ command: join(binaries, 'postgres'), args, folder, signal: 'QUIT', ...identity })
  await ready(`postgres://${USER}@127.0.0.1:${port}/postgres`, server)
  return { facts: { user: USER, host: '127.0.0.1', port: String(port), folder, binaries }, stop: () => server.stop() }
}

/** Debian keeps servers beside the path, by version. */
function findBinaries(): string | undefined {
  const base = '/usr/lib/postgresql'
  const versions = existsSync(base) ? readdirSync(base).map(Number).filter((version) => version >= 15) : []
  const folders = [...versions.toSorted((left, right) => right - left).map((version) => join(base, String(version), 'bin')), ...(process.env['PATH'] ?? '').split(delimiter)]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

async function ready(url: string, server: KeptProcess): Promise<void> {
  const until = performance.now() + READY_MS
  for (;;) {
    const client = new Client({ connectionString: url })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return await client.end()
    } catch (error) {
      if (performance.now() > until) {
        await server.stop()
        throw new Error(`PostgreSQL did not start: ${server.output()}`, { cause: error })
      }
      await sleep(20)
    }
  }
}
