/** The composition root of `portolan stdio`: the same gateway, in the process that the client launched. */

import type { Readable, Writable } from 'node:stream'
import { createKeyring } from '../../adapters/node/keyring.ts'
import { createConfigFile, loadConfig } from './config-file.ts'
import type { Env, LoadedConfig } from './config-file.ts'
import { ConfigError, nearest } from './config-problem.ts'
import { openDataFolder } from './data-folder.ts'
import { openKeyRing } from './key-ring-file.ts'
import { openLedgerFile } from './ledger-file.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { serveStdio } from './serve-stdio.ts'
import { createOpenAuthenticator } from './token.ts'
import { readVersion } from './version.ts'
import { wireGateway } from './wire-gateway.ts'

export interface StdioOptions {
  readonly configPath: string | undefined
  readonly dataPath: string
  /** One server or virtual server; undefined: all servers as one. */
  readonly server: string | undefined
  readonly env: Env
  readonly log: Log
  readonly input: Readable
  readonly output: Writable
  /** Aborted by a signal. */
  readonly signal: AbortSignal
}

/** Resolves when the client has gone or a signal came, and everything is closed. Rejects with ConfigError or DataFolderError. */
export async function runStdio(options: StdioOptions): Promise<void> {
  const { log, env } = options
  const loaded = loadConfig(options.configPath, env)
  refuseUnknown(loaded, options.server)
  const data = openDataFolder(options.dataPath)
  const ledger = await openLedgerFile({
    path: data.file('ledger.jsonl'),
    onFailure: (failure) => log.error(failure, 'The ledger cannot be written'),
  })
  const gateway = wireGateway({
    config: createConfigFile(options.configPath, loaded, env),
    // Whoever launched the process is trusted; there is nobody else.
    authenticator: createOpenAuthenticator(),
    telemetry: createMetrics(),
    version: readVersion(),
    keyring: createKeyring(openKeyRing(data)),
    ledger, log, env,
  })
  gateway.warm()
  await serveStdio(gateway, { ...options, maxLineBytes: loaded.snapshot.limits.bodyBytes, endpoint: options.server ?? '' })
  await gateway.close()
  await ledger.close()
}

function refuseUnknown({ source, snapshot }: LoadedConfig, server: string | undefined): void {
  const names = [...snapshot.servers, ...snapshot.virtualServers].map(({ name }) => name)
  if (server === undefined || names.includes(server)) return
  const near = nearest(server, names)
  const fix = near === undefined ? `Served are ${names.join(', ')}` : `Did you mean ${near}?`
  throw new ConfigError(source, [{ path: '--server', problem: `no server or virtual server is called ${JSON.stringify(server)}`, fix }])
}
