/** Starts a throw-away PgBouncer in transaction mode before a PostgreSQL of the tests, with few connections to it. */
import { chownSync, existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, listening } from './free-port.ts'
import type { StartedService } from './global-setup.ts'
import { unprivileged } from './identity.ts'
import { startKept } from './kept-process.ts'
import type { Postgres } from './postgres.ts'

const COMMAND = '/usr/sbin/pgbouncer'

export async function startPgBouncer(postgres: Postgres, atPort?: number): Promise<StartedService> {
  const identity = unprivileged('postgres')
  if (!existsSync(COMMAND) || identity === 'missing') return { missing: 'pgbouncer was not found: install it (Debian: apt-get install pgbouncer) to run them.' }
  const folder = mkdtempSync(join(tmpdir(), 'portolan-pgbouncer-'))
  const port = atPort ?? (await freePort())
  const file = join(folder, 'pgbouncer.ini')
  writeFileSync(file, [
    '[databases]', `* = host=${postgres.host} port=${postgres.port} user=${postgres.user}`,
    '[pgbouncer]', 'listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir =', 'auth_type = any',
    'pool_mode = transaction', 'default_pool_size = 3', 'max_client_conn = 200', '',
  ].join('\n'))
  if (identity !== undefined) for (const path of [folder, file]) chownSync(path, identity.uid, identity.gid)
  const server = startKept({ command: COMMAND, args: ['-q', file], folder, signal: 'TERM', ...identity })
  await listening(port, server)
  return { facts: { host: '127.0.0.1', port: String(port) }, stop: () => server.stop() }
}
