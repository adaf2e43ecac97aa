/** The composition root of `portolan stdio`: the same gateway, in the process that the client launched. */

import type { Readable, Writable } from 'node:stream'
import { createKeyring } from '../../adapters/node/keyring.ts'
import { createConfigFile, loadConfig } from './config-file.ts'
import type { Env } from './config-file.ts'
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
  await serveStdio(gateway, { ...options, maxLineBytes: loaded.snapshot.limits.bodyBytes })
  await gateway.close()
  await ledger.close()
}
