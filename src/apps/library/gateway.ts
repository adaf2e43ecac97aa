/**
 * Portolan inside somebody else's program: `import { createGateway } from 'portolan'`. The same configuration as the file's,
 * the same gateway as `portolan up`; where requests come from, where things are kept and who is let in is the caller's.
 */

import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import type { Address } from '../../adapters/http/bind.ts'
import { healthRoute, readyRoute } from '../../adapters/http/control-route.ts'
import { createFetchHandler } from '../../adapters/http/fetch-handler.ts'
import { createHttpListener } from '../../adapters/http/listener.ts'
import type { HttpListener, HttpListenerParts } from '../../adapters/http/listener.ts'
import { createRequestHandler } from '../../adapters/http/request-handler.ts'
import { createMemoryLedger } from '../../adapters/memory/ledger.ts'
import { createNoTelemetry } from '../../adapters/memory/telemetry.ts'
import { createSystemClock } from '../../adapters/node/clock.ts'
import { createKeyring } from '../../adapters/node/keyring.ts'
import type { Ledger } from '../../core/audit/ledger.ts'
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Authenticator } from '../../core/auth/authenticator.ts'
import type { LogEvent } from '../../core/gateway/context.ts'
import type { GatewayStatus } from '../../core/gateway/create-gateway.ts'
import type { CustomStage } from '../../core/gateway/custom-stage.ts'
import { configChange, isEmptyChange } from '../gateway/config-change.ts'
import type { ConfigChange, ReloadReport } from '../gateway/config-change.ts'
import { createConfigSource, loadConfig, loadConfigValue } from '../gateway/config-file.ts'
import type { ConfigFile, ConfigReader, LoadedConfig } from '../gateway/config-file.ts'
import { ConfigError } from '../gateway/config-problem.ts'
import type { ConfigProblem } from '../gateway/config-problem.ts'
import { openDataFolder } from '../gateway/data-folder.ts'
import type { DataFolder } from '../gateway/data-folder.ts'
import { openKeyRing } from '../gateway/key-ring-file.ts'
import { openLedgerFile } from '../gateway/ledger-file.ts'
import type { Log } from '../gateway/log.ts'
import { serveStdio } from '../gateway/serve-stdio.ts'
import { readSettings } from '../gateway/settings.ts'
import type { Flags, Settings } from '../gateway/settings.ts'
import { authenticatorOf, openToken } from '../gateway/token.ts'
import { readVersion } from '../gateway/version.ts'
import { wireGateway } from '../gateway/wire-gateway.ts'
import type { ForeignPorts, WiredGateway } from '../gateway/wire-gateway.ts'

export { ConfigError }
export type { Authenticator, ConfigChange, ConfigProblem, CustomStage, GatewayStatus, Ledger, LogEvent, ReloadReport, Telemetry }
export type { Authentication, Presented } from '../../core/auth/authenticator.ts'
export type { Principal } from '../../core/auth/principal.ts'
export type { LedgerRecord } from '../../core/audit/ledger.ts'
export type { ExchangeEnd, StageExchange, StagePlace, StageRefusal, StageVerdict } from '../../core/gateway/custom-stage.ts'
export type { Policy, PolicyDecision, PolicyQuestion } from '../../core/policy/policy.ts'

export interface GatewayOptions extends ForeignPorts {
  /** Where token, keys and ledger are kept from one start to the next. Without it they last as long as the gateway. */
  readonly dataFolder?: string
  /** What clients send as `Authorization: Bearer …`. Without it one is made; `gateway.token` tells. */
  readonly token?: string
  /** Who is let in, and as whom, instead of the token. */
  readonly authenticator?: Authenticator
  /** One record for each exchange. Default: a file in the data folder; nothing without one. */
  readonly ledger?: Ledger
  readonly telemetry?: Telemetry
  /** Stages of your own. */
  readonly stages?: readonly CustomStage[]
  /** Default: nothing is logged. */
  readonly log?: (event: LogEvent) => void
  /** Where references such as `${API_KEY}` are looked up. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

export interface ListenOptions {
  /** Default: `portolan.listen` of the configuration, else 127.0.0.1 and 7400. Port 0: any free one. */
  readonly host?: string
  readonly port?: number
}

export interface StdioStreams {
  /** Default: those of the process. */
  readonly input?: Readable
  readonly output?: Writable
  readonly signal?: AbortSignal
}

export interface PortolanGateway {
  /** What clients must bring; undefined with an authenticator of your own and with `auth: "none"`. */
  readonly token: string | undefined
  /**
   * Answers a request to `/mcp`, `/<name>/mcp`, `/sse` or `/<name>/sse`, and every other with 404. Hand it over before any body
   * parser sees it. `Host` must be a loopback name, or one of `portolan.listen.allowedHosts` or `publicUrl`.
   */
  readonly handle: (incoming: IncomingMessage, outgoing: ServerResponse) => void
  /** The same for frameworks that speak Fetch. Never rejects. */
  readonly fetch: (request: Request) => Promise<Response>
  /** A listener of its own, as `portolan up` has; resolves with its URLs. Rejects with ConfigError or ListenError. */
  readonly listen: (options?: ListenOptions) => Promise<readonly string[]>
  /** One trusted client on standard input and output; resolves when it has gone. */
  readonly stdio: (streams?: StdioStreams) => Promise<void>
  /** Asks every server what it is, so that the first client need not wait. */
  readonly warm: () => void
  readonly status: () => GatewayStatus
  /** Takes another configuration, or reads the same again. A bad one changes nothing. Calls in flight go on. Never throws. */
  readonly reload: (config?: string | object) => ReloadReport
  /** Refuses new requests, lets those in flight finish for up to `graceMs` (0), then closes everything. */
  readonly close: (graceMs?: number) => Promise<void>
}

/**
 * `config`: what a configuration file holds, or the path of one. Starts no server and listens to nothing by itself. Rejects with
 * ConfigError, which has every problem by its path, or DataFolderError.
 */
export async function createGateway(config: string | object, options: GatewayOptions = {}): Promise<PortolanGateway> {
  const { env = process.env, stages = [], authenticator, ledger, telemetry, log, token: _token, dataFolder, ...ports } = options
  const read = readerOf(config, env)
  const first = read(new Map())
  const settings = settingsOf(first, {})
  if (!settings.ok) throw new ConfigError(first.source, settings.fault)
  const data = dataFolder === undefined ? undefined : openDataFolder(dataFolder)
  const source = createConfigSource(read, first, (next) => {
    const found = settingsOf(next, {})
    return found.ok ? [] : found.fault
  })
  const logger = loggerOf(log)
  const token = tokenOf(settings.value, options, data)
  const records = await ledgerOf(ledger, data, logger)
  const gateway = wireGateway({
    config: source,
    keyring: createKeyring(data === undefined ? [{ secret: randomBytes(32), active: true }] : openKeyRing(data)),
    authenticator: authenticator ?? authenticatorOf(token === undefined ? undefined : { value: token }),
    ledger: records.ledger,
    telemetry: telemetry ?? createNoTelemetry(),
    version: readVersion(),
    log: logger,
    ports, stages, env,
  })
  return portolanGateway({ gateway, source, settings: settings.value, log: logger, token, env, closeLedger: records.close })
}

interface Parts {
  readonly gateway: WiredGateway
  readonly source: ConfigFile
  readonly settings: Settings
  readonly log: Log
  readonly token: string | undefined
  readonly env: NonNullable<GatewayOptions['env']>
  readonly closeLedger: () => Promise<void>
}

function portolanGateway({ gateway, source, settings, log, token, env, closeLedger }: Parts): PortolanGateway {
  const { limits } = source.current()
  const listeners: HttpListener[] = []
  let isClosing = false
  const parts: HttpListenerParts = { mcp: gateway.http, routes: [], log, clock: createSystemClock() }
  const handler = createRequestHandler({ ...settings.listener, limits }, parts)
  return {
    token,
    handle: (incoming, outgoing) => handler.handle(incoming, outgoing),
    fetch: createFetchHandler({ ...settings.listener, limits }, parts),
    async listen(flags = {}) {
      const found = settingsOf(source.loaded(), flags)
      if (!found.ok) throw new ConfigError(source.loaded().source, found.fault)
      const routes = [healthRoute(), readyRoute(() => !isClosing)]
      const listener = createHttpListener({ ...found.value.listener, limits }, { ...parts, routes })
      const addresses = await listener.listen()
      listeners.push(listener)
      gateway.warm()
      return addresses.map((address) => urlOf(address, found.value.listener.tls !== undefined))
    },
    async stdio({ input = process.stdin, output = process.stdout, signal = new AbortController().signal } = {}) {
      gateway.warm()
      await serveStdio(gateway, { input, output, signal, maxLineBytes: limits.bodyBytes })
    },
    warm: () => gateway.warm(),
    status: () => gateway.status(),
    reload: (config) => reload(source, config === undefined ? undefined : readerOf(config, env)),
    async close(graceMs = 0) {
      isClosing = true
      handler.drain()
      await Promise.all([...listeners.map((listener) => listener.drain(graceMs)), gateway.drain(graceMs)])
      await gateway.close()
      await closeLedger()
    },
  }
}

function readerOf(config: string | object, env: NonNullable<GatewayOptions['env']>): ConfigReader {
  return (files) => (typeof config === 'string' ? loadConfig(config, env, files) : loadConfigValue(config, env, files))
}

function settingsOf({ folder, config: { portolan } }: LoadedConfig, flags: Flags): ReturnType<typeof readSettings> {
  return readSettings(portolan, flags, { folder, operationsSocket: '' })
}

function reload(source: ConfigFile, reader: ConfigReader | undefined): ReloadReport {
  const reloaded = source.reload(reader)
  const { source: name, snapshot } = source.loaded()
  if (reloaded.kind === 'refused') return { outcome: 'refused', source: name, problems: reloaded.problems }
  const change = configChange(reloaded.before, reloaded.loaded)
  const isChanged = reloaded.kind === 'changed' || !isEmptyChange(change)
  return { outcome: isChanged ? 'changed' : 'unchanged', source: name, digest: snapshot.digest, change }
}

/** `auth` of the configuration; a token without a data folder is made anew each time. */
function tokenOf({ auth }: Settings, options: GatewayOptions, data: DataFolder | undefined): string | undefined {
  if (auth === 'none' || options.authenticator !== undefined) return undefined
  return options.token ?? (data === undefined ? randomBytes(32).toString('base64url') : openToken(data).value)
}

async function ledgerOf(given: Ledger | undefined, data: DataFolder | undefined, log: Log): Promise<{ ledger: Ledger; close(): Promise<void> }> {
  const ledger = given ?? (data === undefined ? createMemoryLedger(0) : undefined)
  if (ledger !== undefined) return { ledger, close: async () => {} }
  const file = await openLedgerFile({
    path: data?.file('ledger.jsonl') ?? '',
    onFailure: (failure) => log.error(failure, 'The ledger cannot be written'),
  })
  return { ledger: file, close: () => file.close() }
}

function loggerOf(log: GatewayOptions['log']): Log {
  const at = (level: LogEvent['level']) => (fields: NonNullable<LogEvent['fields']>, event: string) => log?.({ level, event, fields })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), event: (event) => log?.(event) }
}

function urlOf(address: Address, isTls: boolean): string {
  if (address.kind === 'unix') return address.path
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${isTls ? 'https' : 'http'}://${host}:${address.port}`
}
