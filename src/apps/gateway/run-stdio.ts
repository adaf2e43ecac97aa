/** The composition root of `portolan stdio`: the same gateway, in the process that the client launched. */

import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClientStream } from '../../adapters/stdio/client-stream.ts'
import { PortolanError, toErrorObject, toWire } from '../../protocol/error.ts'
import { asciiJson } from '../../protocol/json.ts'
import type { Gateway } from '../../core/gateway/create-gateway.ts'
import { createConfigFile, loadConfig } from './config-file.ts'
import type { Env } from './config-file.ts'
import { openDataFolder } from './data-folder.ts'
import { openLedgerFile } from './ledger-file.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
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

/** A client that closes its end at once, as a shell pipe does, still gets the answers that come within this time. */
const LAST_ANSWERS_MS = 10_000
const QUIET_MS = 200
const TICK_MS = 20

/** Resolves when the client has gone or a signal came, and everything is closed. Rejects with ConfigError or DataFolderError. */
export async function runStdio(options: StdioOptions): Promise<void> {
  const { log, env, signal } = options
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
    data, ledger, log, env,
  })
  gateway.warm()
  const client = createClientStream({ ...options, maxLineBytes: loaded.snapshot.limits.bodyBytes })
  const pipe = gateway.stdio(client.stream)
  const stopped = new Promise<'stopped'>((resolve) => signal.addEventListener('abort', () => resolve('stopped'), { once: true }))
  const why = await Promise.race([client.read((line) => pipe.take(line)), stopped])
  if (why === 'line_too_long') client.stream.write(refusalText())
  if (why === 'ended') await quiet(gateway, signal)
  pipe.close()
  await client.flush()
  await gateway.close()
  await ledger.close()
}

function refusalText(): string {
  return asciiJson({ jsonrpc: '2.0', id: null, error: toErrorObject(toWire(new PortolanError('body_too_large'), 'legacy')) })
}

/** Resolves when nothing has been in flight for a moment: messages that wait for the handshake are not counted. */
async function quiet(gateway: Gateway, signal: AbortSignal): Promise<void> {
  const endAtMs = performance.now() + LAST_ANSWERS_MS
  let quietSinceMs = performance.now()
  while (!signal.aborted && performance.now() < endAtMs && performance.now() - quietSinceMs < QUIET_MS) {
    await sleep(TICK_MS)
    if (gateway.status().inFlight > 0) quietSinceMs = performance.now()
  }
}
