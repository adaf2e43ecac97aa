/**
 * The composition root of `portolan up`: opens the data folder, builds the gateway over its adapters, listens, and ends it
 * all in order. Everything outside is opened here and closed here.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { healthRoute, readyRoute } from '../../adapters/http/control-route.ts'
import type { ControlRoute } from '../../adapters/http/control-route.ts'
import type { ListenTarget } from '../../adapters/http/bind.ts'
import { createHttpListener } from '../../adapters/http/listener.ts'
import type { HttpListener } from '../../adapters/http/listener.ts'
import { createSystemClock } from '../../adapters/node/clock.ts'
import { readStamp, watchFiles } from '../../adapters/node/file-watch.ts'
import type { FileStamp } from '../../adapters/node/file-watch.ts'
import { createSystemRandom } from '../../adapters/node/random.ts'
import type { Result } from '../../protocol/result.ts'
import { createAdminDoor } from '../admin/admin-door.ts'
import type { AdminDoor } from '../admin/admin-door.ts'
import { OPERATORS_FILE } from '../admin/operators.ts'
import { askFront } from '../workers/front-client.ts'
import { bannerText } from './banner.ts'
import type { ReloadReport } from './config-change.ts'
import { watchServedConfig } from './config-drift.ts'
import type { ConfigDrift } from './config-drift.ts'
import { createConfigFile, loadConfig } from './config-file.ts'
import type { ConfigFile, Env, LoadedConfig } from './config-file.ts'
import { ConfigError } from './config-problem.ts'
import type { ConfigProblem } from './config-problem.ts'
import { createServedConfig } from './config-served.ts'
import { openDataFolder } from './data-folder.ts'
import type { DataFolder } from './data-folder.ts'
import { drainDelayMsOf } from './drain-delay.ts'
import type { DrainFlags } from './drain-delay.ts'
import { openLedgerFile } from './ledger-file.ts'
import type { LedgerFile } from './ledger-file.ts'
import { addressText, explained } from './listen-advice.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import type { Metrics } from './metrics.ts'
import { metricsText } from './metrics-text.ts'
import { openOperations } from './operations.ts'
import type { Operations, OperationsSource } from './operations.ts'
import { REPLICA_FILE, dismiss, takePlace, tellOfShared } from './predecessor.ts'
import { reload } from './reload.ts'
import type { ReplicaLinks, ReplicaLinksOptions } from './replica-links.ts'
import { replicaPlaceOf } from './replica-place.ts'
import type { ReplicaFlags } from './replica-place.ts'
import { readSettings } from './settings.ts'
import type { Flags, Settings } from './settings.ts'
import { openState } from './state.ts'
import type { State } from './state.ts'
import { statePlaceOf } from './state-place.ts'
import type { StateFlags } from './state-place.ts'
import type { ProcessStatus } from './status.ts'
import { authenticatorOf, createReplaceableAuthenticator, openToken } from './token.ts'
import type { ReplaceableAuthenticator, Token } from './token.ts'
import { watchTokenDrift } from './token-drift.ts'
import type { TokenDrift } from './token-drift.ts'
import { readVersion } from './version.ts'
import { wireGateway } from './wire-gateway.ts'
import type { WiredGateway } from './wire-gateway.ts'
import { ledgerNameOf, replicaPlaceOfWorker, settingsOfWorker } from './worker-place.ts'
import type { WorkerPlace } from './worker-place.ts'

export interface AppOptions {
  /** Undefined: the bundled reference server. */
  readonly configPath: string | undefined
  readonly dataPath: string
  readonly flags: Flags & StateFlags & ReplicaFlags & DrainFlags
  /** Reads the configuration again by itself when one of its files has changed. */
  readonly watch: boolean
  readonly env: Env
  readonly log: Log
  /** Where this process is one worker of several. */
  readonly worker?: WorkerPlace | undefined
}

export interface App {
  /** For standard output; shows a new token. */
  readonly banner: string
  /** Undefined for a process that shares its state with nobody. */
  readonly replicaId: string | undefined
  status(): ProcessStatus
  /** Reads the configuration again; a bad one changes nothing and is logged. Never throws. */
  reload(): ReloadReport
  /** Readiness is false from now on, and nothing else: balancers are to send what is new elsewhere. */
  leave(): void
  /** Leaves, for as long as was asked for; then refuses new work, waits for the work in flight up to `graceMs`, and closes everything. */
  stop(graceMs: number): Promise<void>
}

export interface Opened {
  readonly config: ConfigFile
  /** As at the start. */
  readonly settings: Settings
  /** As a configuration asks for them now. */
  readonly settingsOf: (loaded: LoadedConfig) => Result<Settings, readonly ConfigProblem[]>
  /** 0 in a worker: its supervisor waits for all. */
  readonly drainDelayMs: number
  readonly data: DataFolder
  readonly state: State
  /** Undefined for a process that shares its state with nobody. */
  readonly links: ReplicaLinks | undefined
  /** Undefined where there are no other replicas. */
  readonly drift: ConfigDrift | undefined
  readonly tokens: TokenDrift | undefined
  readonly token: Token | undefined
  readonly authenticator: ReplaceableAuthenticator
  readonly ledger: LedgerFile
  readonly gateway: WiredGateway
  readonly door: AdminDoor
  readonly listener: HttpListener
  readonly worker: WorkerPlace | undefined
  readonly log: Log
}

/** What changes while it runs. */
export interface Condition {
  state: ProcessStatus['state']
  auth: 'token' | 'none'
  /** '' with `auth: none`. */
  token: string
  /** Of its file, when it was read last. */
  tokenStamp: FileStamp
  loadedAtMs: number
  refusal: string
  listening: readonly string[]
}

/** Listening when it resolves. Rejects with ConfigError, DataFolderError, StateOpenError or ListenError; nothing stays open then. */
export async function createApp(options: AppOptions): Promise<App> {
  const { configPath, env, log, worker } = options
  const loaded = loadConfig(configPath, env)
  const place = statePlaceOf(options.flags, env)
  const sharedPlace = replicaPlaceOf(options.flags, place.databaseUrl, env)
  const replicaPlace = worker === undefined ? sharedPlace : replicaPlaceOfWorker(sharedPlace, worker)
  const data = openDataFolder(options.dataPath)
  const settingsOf: Opened['settingsOf'] = ({ folder, config: { portolan } }) => {
    const read = readSettings(portolan, options.flags, { folder, operationsSocket: data.file('operations.sock') })
    return read.ok && worker !== undefined ? { ok: true, value: settingsOfWorker(read.value, worker) } : read
  }
  const settings = settingsOf(loaded)
  if (!settings.ok) throw new ConfigError(loaded.source, settings.fault)
  const drainDelayMs = worker === undefined ? drainDelayMsOf(options.flags, env, loaded.config.portolan) : 0
  const replicaId = replicaPlace === undefined ? undefined : createSystemRandom().id()
  const state = await openState({ place, data, clock: createSystemClock(), log, ...(replicaId === undefined ? {} : { replicaId }) })
  const metrics = createMetrics()
  let links: ReplicaLinks | undefined
  try {
    if (replicaPlace !== undefined && replicaId !== undefined) links = await openLinks({ replicaId, place: replicaPlace, replicas: state.stores.replicas, keyring: state.keyring, telemetry: metrics, log })
    return await startApp(options, { loaded, data, state, links, metrics, settings: settings.value, settingsOf, drainDelayMs })
  } catch (error) {
    await links?.close()
    await state.close()
    throw error
  }
}

type Prepared = Pick<Opened, 'data' | 'state' | 'links' | 'settings' | 'settingsOf' | 'drainDelayMs'> & { readonly loaded: LoadedConfig; readonly metrics: Metrics }

async function startApp({ configPath, env, log, worker, watch: watches }: AppOptions, { loaded, data, state, links, metrics, settings, settingsOf, drainDelayMs }: Prepared): Promise<App> {
  const config = createConfigFile(configPath, loaded, env, (next) => {
    const read = settingsOf(next)
    return read.ok ? [] : read.fault
  })
  const startedAtMs = Date.now()
  const { auth } = settings
  const token = auth === 'none' ? undefined : openToken(data)
  const condition: Condition = {
    state: 'starting', auth, token: token?.value ?? '', tokenStamp: readStamp(data.file('token')), loadedAtMs: startedAtMs, refusal: '', listening: [],
  }
  const authenticator = createReplaceableAuthenticator(authenticatorOf(token))
  const ledger = await openLedgerFile({
    path: data.file(ledgerNameOf(worker)),
    onFailure: (failure) => log.error(failure, 'The ledger cannot be written'),
  })
  const gateway = wireGateway({
    keyring: state.keyring, stores: state.stores, ...(links === undefined ? {} : { links: { ...links, replicas: state.stores.replicas, leases: state.stores.leases } }), config,
    ledger, log, env, authenticator, telemetry: metrics, version: readVersion(),
  })
  const status = (): ProcessStatus => statusOf(opened, condition, startedAtMs)
  const { frontPath } = settings.operations
  const metricsNow = (): string => metricsText(metrics, status())
  const take = (): ReloadReport => reload(opened, condition)
  const door = createAdminDoor(
    { status, metrics: metricsNow, reload: take, replicas: async () => (links === undefined ? [] : state.stores.replicas.live()), tasks: gateway.tasks, ledger, clock: createSystemClock(), random: createSystemRandom(), log },
    { operatorsPath: data.file(OPERATORS_FILE), publicUrl: settings.listener.publicUrl, whole: frontPath === undefined ? undefined : askFront(frontPath) },
  )
  const listener = listenerOf(loaded, settings, gateway, [healthRoute(), readyRoute(() => condition.state === 'ready' && state.isReachable()), door.publicRoute], log)
  const drift = links === undefined ? undefined : watchServedConfig({ store: state.stores.snapshots, clock: createSystemClock(), log, config })
  const tokens = links === undefined ? undefined : watchTokenDrift({ peers: links.peers, replicas: state.stores.replicas, keyring: state.keyring, clock: createSystemClock(), log, token: () => condition.token })
  const opened: Opened = { config, settings, settingsOf, drainDelayMs, data, state, links, drift, tokens, token, authenticator, ledger, gateway, door, listener, worker, log }
  const operations = await listen(opened, condition, { status, metrics: metricsNow, config: createServedConfig(config, configPath), api: door.socketRoute, log })
  const watch = watches ? watchFiles({ stamps: () => stampsOf(opened, condition), onChange: take }) : undefined
  return {
    banner: bannerOf(opened, condition),
    replicaId: links?.self.id,
    status,
    reload: take,
    leave: () => void (condition.state = 'draining'),
    stop(graceMs) {
      const stopped = stop(opened, operations, condition, graceMs)
      watch?.close()
      return stopped
    },
  }
}

/** Loaded where it is used: a start without other replicas is quicker. */
async function openLinks(options: ReplicaLinksOptions): Promise<ReplicaLinks> {
  const { openReplicaLinks } = await import('./replica-links.ts')
  return openReplicaLinks(options)
}

/** What is watched: the configuration, what it refers to, and the token. */
function stampsOf({ config, data }: Opened, condition: Condition): ReadonlyMap<string, FileStamp> {
  return condition.auth === 'none' ? config.files() : new Map([...config.files(), [data.file('token'), condition.tokenStamp]])
}

function listenerOf(loaded: LoadedConfig, settings: Settings, gateway: WiredGateway, routes: readonly ControlRoute[], log: Log): HttpListener {
  const { limits } = loaded.snapshot
  try {
    return createHttpListener({ ...settings.listener, limits }, { mcp: gateway.http, routes, log, clock: createSystemClock() })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new ConfigError(loaded.source, [{ path: 'portolan.listen', problem: error.message, fix: 'Mend it there' }])
  }
}

/** The operations listener first: it refuses a data folder that another Portolan uses. */
async function listen(opened: Opened, condition: Condition, source: OperationsSource): Promise<Operations> {
  const { settings, listener, gateway, ledger } = opened
  const targets: ListenTarget[] = [{ socketPath: settings.operations.socketPath }]
  if (settings.operations.tcp !== undefined) targets.push(settings.operations.tcp)
  let operations: Operations | undefined
  try {
    operations = await openOperations(targets, source)
    succeed(opened)
    const scheme = settings.listener.tls === undefined ? 'http' : 'https'
    const addresses = await listener.listen()
    condition.listening = addresses.map((address) => addressText(address, scheme))
    condition.state = 'ready'
    gateway.warm()
    return operations
  } catch (error) {
    await Promise.allSettled([operations?.close(), listener.close(), gateway.close()])
    await ledger.close()
    throw explained(error, settings.operations.socketPath)
  }
}

/** Before this replica owns anything that its successor would have to know of. */
function succeed({ data, settings, state, links, worker, log }: Opened): void {
  if (links === undefined) return
  const { replicas } = state.stores
  const onShared = (other: string): void => void tellOfShared({ replicas, clock: createSystemClock(), log }, other)
  const before = worker === undefined ? takePlace({ path: data.file(REPLICA_FILE), socketPath: settings.operations.socketPath, replicaId: links.self.id, log, onShared }) : worker.predecessorId
  if (before !== undefined) void dismiss(replicas, before, log)
}

function bannerOf({ config, settings, token }: Opened, condition: Condition): string {
  const { source, snapshot, config: read } = config.loaded()
  const publicUrl = settings.listener.publicUrl?.replace(/\/+$/, '')
  return bannerText({
    version: readVersion(),
    baseUrl: publicUrl ?? condition.listening[0] ?? '',
    serverNames: snapshot.servers.map(({ name }) => name),
    virtualNames: snapshot.virtualServers.map(({ name }) => name),
    source,
    token,
    notices: read.notices,
  })
}

function statusOf({ config, state, links, drift, tokens, ledger, gateway }: Opened, condition: Condition, startedAtMs: number): ProcessStatus {
  const { source, snapshot } = config.loaded()
  const { sessions, inFlight, servers, virtualServers } = gateway.status()
  return {
    version: readVersion(),
    pid: process.pid,
    startedAtMs,
    state: condition.state,
    listening: condition.listening,
    auth: condition.auth,
    config: { source, digest: snapshot.digest, loadedAtMs: condition.loadedAtMs, refusal: condition.refusal, elsewhere: drift?.elsewhere() ?? '' },
    store: { name: state.name, reachable: state.isReachable() },
    replica: links === undefined ? null : { ...links.status(), otherTokens: tokens?.elsewhere() ?? [] },
    workers: [],
    sessions,
    exchangesInFlight: inFlight,
    ledgerLostCount: ledger.lostCount,
    memoryBytes: process.memoryUsage.rss(),
    servers,
    virtualServers,
  }
}

async function stop({ door, listener, gateway, state, links, drift, tokens, ledger, drainDelayMs, log }: Opened, operations: Operations, condition: Condition, graceMs: number): Promise<void> {
  condition.state = 'draining'
  if (drainDelayMs > 0) {
    log.info({ drainDelayMs }, 'Not ready any more: serving until balancers have noticed')
    await sleep(drainDelayMs)
  }
  // Streams that end come again at once: not here.
  if (links !== undefined) await listener.leave()
  const drained = Promise.all([listener.drain(graceMs), gateway.drain(graceMs)])
  log.info({ graceMs, answersDue: listener.openCount }, 'Stopping')
  door.close()
  await drained
  await gateway.close()
  drift?.close()
  tokens?.close()
  await links?.close()
  await state.close()
  await operations.close()
  await ledger.close()
  log.info({}, 'Stopped')
}
