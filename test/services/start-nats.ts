/** Starts a throw-away NATS server, without JetStream: hints need none. */
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { freePort, listening } from './free-port.ts'
import type { StartedService } from './global-setup.ts'
import { startKept } from './kept-process.ts'

/** `more`: further arguments of the server. */
export async function startNats(more: readonly string[] = [], atPort?: number): Promise<StartedService> {
  const command = ['/usr/sbin', ...(process.env['PATH'] ?? '').split(delimiter)].map((folder) => join(folder, 'nats-server')).find((path) => existsSync(path))
  if (command === undefined) return { missing: 'nats-server was not found: install it (Debian: apt-get install nats-server) to run them.' }
  const folder = mkdtempSync(join(tmpdir(), 'portolan-nats-'))
  const port = atPort ?? (await freePort())
  const server = startKept({ command, args: ['-a', '127.0.0.1', '-p', String(port), ...more], folder, signal: 'TERM' })
  await listening(port, server)
  return { facts: { host: '127.0.0.1', port: String(port) }, stop: () => server.stop() }
}
