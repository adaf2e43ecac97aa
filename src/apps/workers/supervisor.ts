/**
 * The process that the user started, where there are workers: it accepts connections and deals them out, starts a worker anew
 * when it ended, passes signals and hints on, and answers operators for all of them. It serves no client itself, and when it is
 * gone its workers end with all they started, for their channel to it has closed.
 */

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import type { Server } from 'node:net'
import { bind } from '../../adapters/http/bind.ts'
import { stopAccepting } from '../../adapters/http/stop-accepting.ts'
import { createSystemClock } from '../../adapters/node/clock.ts'
import { createSystemRandom } from '../../adapters/node/random.ts'
import { createDealer } from '../../adapters/worker/deal.ts'
import type { Dealer } from '../../adapters/worker/deal.ts'
import { createHintHub } from '../../adapters/worker/hint-hub.ts'
import { hintLineOver } from '../../adapters/worker/hint-line.ts'
import { loadConfig } from '../gateway/config-file.ts'
import type { Env } from '../gateway/config-file.ts'
import { ConfigError } from '../gateway/config-problem.ts'
import { openDataFolder } from '../gateway/data-folder.ts'
import { explained } from '../gateway/listen-advice.ts'
import { drainDelayMsOf } from '../gateway/drain-delay.ts'
import type { DrainFlags } from '../gateway/drain-delay.ts'
import type { Log } from '../gateway/log.ts'
import { openOperationsListener } from '../gateway/operations.ts'
import type { Operations } from '../gateway/operations.ts'
import { replicaPlaceOf } from '../gateway/replica-place.ts'
import type { ReplicaFlags } from '../gateway/replica-place.ts'
import { readSettings } from '../gateway/settings.ts'
import type { Flags, Settings } from '../gateway/settings.ts'
import { statePlaceOf } from '../gateway/state-place.ts'
import type { StateFlags } from '../gateway/state-place.ts'
import { WORKER_FOLDER, WORKER_VARIABLE, checkWorkerPlaces } from '../gateway/worker-place.ts'
import type { WorkerPlace } from '../gateway/worker-place.ts'
import { createFront } from './front.ts'
import { becameReady, emptied, filled, newSlot } from './slot.ts'
import type { Slot } from './slot.ts'
import { LEAVE, readyMessage } from './worker-message.ts'
import type { ReadyMessage } from './worker-message.ts'

export interface SuperviseOptions {
  readonly count: number
  /** How long a worker may take to finish what is in flight. */
  readonly graceMs: number
  readonly configPath: string | undefined
  readonly dataPath: string
  readonly flags: Flags & StateFlags & ReplicaFlags & DrainFlags
  readonly env: Env
  readonly log: Log
  /** The first worker is ready: for standard output. */
  readonly onReady: (banner: string) => void
}

export interface Supervisor {
  /** Passed on to every worker. */
  signal(signal: 'SIGHUP'): void
  /** Ends all workers in order, after the drain delay. */
  stop(): void
  /** With the exit code, when no worker is left: after `stop`, or where the first one could not start. */
  readonly ended: Promise<number>
}

/** Beyond the workers' own limit for what is in flight. */
const CLOSE_MS = 10_000

/** Rejects with ConfigError, DataFolderError or ListenError; nothing runs then. */
export async function supervise(options: SuperviseOptions): Promise<Supervisor> {
  const { settings, folder, drainDelayMs } = prepare(options)
  const slots = Array.from({ length: options.count }, (_, at) => newSlot(at + 1))
  const { socketPath, tcp } = settings.operations
  const startedAtMs = Date.now()
  let isStopping = false
  const front = createFront({ slots, folder, startedAtMs, isStopping: () => isStopping })
  const dealer = createDealer(createSystemClock())
  let operations: Operations | undefined
  let bound: Awaited<ReturnType<typeof bind>>
  try {
    // First: it refuses a data folder that another Portolan uses.
    operations = await openOperationsListener([{ socketPath }, ...(tcp === undefined ? [] : [tcp])], front)
    makeRoom(folder)
    bound = await bind(settings.listener.listen, dealer.open)
  } catch (error) {
    await operations?.close()
    throw explained(error, socketPath)
  }
  const opened = operations
  const pack = startPack({ ...options, drainDelayMs, slots, dealer, servers: bound.servers, place: { folder, listen: settings.listener.listen, addresses: bound.addresses } })
  return {
    signal: pack.signal,
    stop() {
      isStopping = true
      pack.stop()
    },
    ended: pack.ended.finally(() => opened.close()),
  }
}

function prepare({ configPath, dataPath, flags, env, count }: SuperviseOptions): { readonly settings: Settings; readonly folder: string; readonly drainDelayMs: number } {
  const loaded = loadConfig(configPath, env)
  const data = openDataFolder(dataPath)
  const folder = data.file(WORKER_FOLDER)
  const settings = readSettings(loaded.config.portolan, flags, { folder: loaded.folder, operationsSocket: data.file('operations.sock') })
  if (!settings.ok) throw new ConfigError(loaded.source, settings.fault)
  checkWorkerPlaces(replicaPlaceOf(flags, statePlaceOf(flags, env).databaseUrl, env), folder, count)
  return { settings: settings.value, folder, drainDelayMs: drainDelayMsOf(flags, env, loaded.config.portolan) }
}

/** What workers of a killed supervisor left must not stand in the way of new ones. */
function makeRoom(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { mode: 0o700 })
}

interface PackOptions extends SuperviseOptions {
  readonly slots: readonly Slot[]
  readonly dealer: Dealer
  /** With which it accepts. */
  readonly servers: readonly Server[]
  readonly drainDelayMs: number
  readonly place: Omit<WorkerPlace, 'number'>
}

/** For so long a worker may take what was accepted before all are told to end. */
const TAKE_MS = 1_000

/** All workers, as one thing that starts and ends. */
function startPack({ slots, dealer, servers, drainDelayMs, place, log, graceMs, onReady }: PackOptions): Supervisor {
  const clock = createSystemClock()
  const random = createSystemRandom()
  const hub = createHintHub(random.id())
  let isStopping = false
  let hasBegun = false
  let exitCode = 0
  let end = (_code: number): void => undefined
  const ended = new Promise<number>((resolve) => void (end = resolve))

  function start(slot: Slot): void {
    slot.cancelStart = () => undefined
    const worker = forkWorker({ ...place, number: slot.number, ...(slot.replicaId === '' ? {} : { predecessorId: slot.replicaId }) })
    filled(slot, { pid: worker.pid ?? 0, kill: (signal) => void worker.kill(signal), leave: () => void (worker.connected && worker.send(LEAVE, () => undefined)) }, Date.now())
    const leave = hub.join(hintLineOver(worker))
    worker.on('message', (message) => {
      const ready = readyMessage(message)
      // Who comes up while all leave would call itself ready: nothing is dealt to it.
      if (ready === undefined || isStopping) return
      // Its channel was read to the end then: what it took goes to nobody else.
      worker.once('close', dealer.join(worker))
      isReady(slot, ready)
    })
    const gone = (code: number | null, signal: string | null): void => {
      leave()
      lost(slot, code, signal)
    }
    worker.on('error', (error) => {
      log.debug({ worker: slot.number, reason: error.message }, 'A worker cannot be reached')
      if (worker.pid === undefined) gone(1, null)
    })
    worker.once('exit', gone)
  }

  function isReady(slot: Slot, { banner, replicaId }: ReadyMessage): void {
    becameReady(slot, replicaId, clock.ticksMs())
    log.debug({ worker: slot.number, pid: slot.running?.pid ?? 0 }, 'A worker is ready')
    if (hasBegun) return
    hasBegun = true
    onReady(banner)
    // The first one has made what all need: token, keys, tables.
    for (const other of slots.slice(1)) start(other)
  }

  function lost(slot: Slot, code: number | null, signal: string | null): void {
    const waitMs = emptied(slot, clock.ticksMs(), random)
    if (isStopping || !hasBegun) {
      // One that still starts leaves no signal of the terminal to its supervisor: it ends by it.
      const isAsked = signal === 'SIGTERM' || (isStopping && (signal === 'SIGINT' || signal === 'SIGHUP'))
      exitCode = Math.max(exitCode, code ?? (isAsked ? 0 : 1))
      if (slots.every(({ running }) => running === undefined)) {
        dealer.close()
        end(exitCode)
      }
      return
    }
    log[code === 0 ? 'info' : 'warn']({ worker: slot.number, ...(signal === null ? { code: code ?? 0 } : { signal }), replacedInMs: waitMs }, 'A worker ended, and is replaced')
    slot.cancelStart = clock.after(waitMs, () => start(slot))
  }

  function tell(signal: NodeJS.Signals): void {
    for (const { running } of slots) running?.kill(signal)
  }

  function stop(): void {
    if (isStopping) return
    isStopping = true
    for (const slot of slots) slot.cancelStart()
    if (drainDelayMs === 0 || slots.every(({ running }) => running === undefined) || !hasBegun) return void endAll()
    log.info({ drainDelayMs }, 'Not ready any more: serving until balancers have noticed')
    for (const { running } of slots) running?.leave()
    setTimeout(endAll, drainDelayMs)
  }

  async function endAll(): Promise<void> {
    // Workers that drain take none: what was accepted goes to them before.
    await stopAccepting(servers, clock)
    await dealer.settled(TAKE_MS)
    dealer.close()
    if (slots.every(({ running }) => running === undefined)) return end(exitCode)
    tell('SIGTERM')
    // One that hangs, or was stopped, keeps nobody from ending.
    setTimeout(() => tell('SIGKILL'), graceMs + CLOSE_MS).unref()
  }

  const [first] = slots
  if (first !== undefined) start(first)
  return { signal: tell, stop, ended }
}

/** As this process was started, with its standard streams. */
function forkWorker(place: WorkerPlace): ChildProcess {
  return fork(process.argv[1] ?? '', process.argv.slice(2), { env: { ...process.env, [WORKER_VARIABLE]: JSON.stringify(place) } })
}
