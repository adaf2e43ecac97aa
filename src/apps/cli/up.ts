/** `portolan up`: the gateway, until a signal ends it. */

import { isatty } from 'node:tty'
import { Command, Option } from 'commander'
import type { App, AppOptions } from '../gateway/create-app.ts'
import { tuneCollector } from '../gateway/collector.ts'
import { defaultDataPath } from '../gateway/data-folder.ts'
import { createLog, standardErrorOptions } from '../gateway/log.ts'
import type { LogLevel } from '../gateway/log.ts'
import type { DrainFlags } from '../gateway/drain-delay.ts'
import type { ReplicaFlags } from '../gateway/replica-place.ts'
import type { Flags } from '../gateway/settings.ts'
import type { StateFlags } from '../gateway/state-place.ts'
import { takeWorkerPlace } from '../gateway/worker-place.ts'
import { workerCountOf } from '../workers/worker-count.ts'
import { isLeave } from '../workers/worker-message.ts'
import type { ReadyMessage } from '../workers/worker-message.ts'
import { configOption, configPathOf, dataOption, databaseDirectOption, databaseOption, logLevelOption, parsePort, replicaOptions, stateKeyOption } from './option.ts'

interface UpOptions extends Flags, StateFlags, ReplicaFlags, DrainFlags {
  readonly watch: boolean
  readonly config?: string
  readonly data?: string
  readonly workers?: string
  readonly logLevel: LogLevel
}

type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

const GRACE_MS = 10_000
/** SIGHUP says then that it was closed. Without one it can only be meant as a wish to reload. */
const IS_IN_TERMINAL = isatty(0) || isatty(1)
/** A terminal, npm and the start script each pass Ctrl+C on: what follows at once is the same one. */
const SAME_SIGNAL_MS = 1_000

const NOTES = `
The token is made at the first start, shown once, and kept in the data folder.
The configuration and the files it names are read again when they change, on SIGHUP, and by portolan reload; a bad one changes
nothing, and calls in flight go on. SIGTERM and Ctrl+C finish what is in flight, a second one does not. Started in a terminal, SIGHUP
is that the terminal was closed, and ends it as Ctrl+C does.
`

export function upCommand(): Command {
  const command = new Command('up')
    .description('run the gateway: all servers of the configuration behind one address')
    .addOption(configOption())
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <number>', 'port to listen on, 0 for any free one (default: 7400)', parsePort)
    .addOption(dataOption())
    .addOption(databaseOption())
    .addOption(databaseDirectOption())
    .addOption(stateKeyOption())
  for (const option of replicaOptions()) command.addOption(option)
  return command
    .option('--workers <count>', 'processes that serve, or auto for one on each core (default: $PORTOLAN_WORKERS, else 1)')
    .option('--drain-delay <duration>', 'on SIGTERM, serve for so long with /readyz false, as 15s, until a balancer has noticed (default: $PORTOLAN_DRAIN_DELAY, else 0)')
    .addOption(new Option('--auth <mode>', 'token, or none (only on loopback)').choices(['token', 'none']))
    .option('--no-watch', 'read the configuration again only on SIGHUP and by portolan reload')
    .addOption(logLevelOption())
    .addHelpText('after', NOTES)
    .action(async (options: UpOptions) => {
      tuneCollector()
      outliveReaders()
      const worker = takeWorkerPlace(process.env, process.send !== undefined)
      if (worker !== undefined) leaveToSupervisor()
      const app: AppOptions = {
        configPath: configPathOf(options.config),
        dataPath: options.data ?? defaultDataPath(process.env),
        flags: options,
        watch: options.watch,
        env: process.env,
        log: createLog({ ...standardErrorOptions(options.logLevel), ...(worker === undefined ? {} : { worker: worker.number }) }),
        worker,
      }
      const count = worker === undefined ? workerCountOf(options.workers, process.env) : 1
      process.exit(count > 1 ? await superviseWorkers(app, count) : await serve(app))
    })
}

/** Who reads the log may go first (`| tee log` at Ctrl+C, a closed terminal): that is no failure, and the drain goes on. */
function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}

/** A terminal sends Ctrl+C, and that it was closed, to each process of its group. A worker ends when its supervisor says so, or is gone: nobody would replace or end it then. */
function leaveToSupervisor(): void {
  process.on('SIGINT', () => undefined)
  if (IS_IN_TERMINAL) process.on('SIGHUP', () => undefined)
  process.once('disconnect', () => process.exit(1))
}

/** Resolves with the exit code when a signal came and everything is closed. */
async function serve(options: AppOptions): Promise<number> {
  // Loaded here: the other commands start in a third of the time without the gateway.
  const { createApp } = await import('../gateway/create-app.ts')
  const app = await createApp(options)
  // Before the banner: whoever reads it may send a signal at once.
  if (!IS_IN_TERMINAL) process.on('SIGHUP', () => void app.reload())
  if (options.worker !== undefined) process.on('message', (message) => void (isLeave(message) && app.leave()))
  const end = stopped(app, options.worker === undefined ? stopSignals() : ['SIGTERM'])
  if (options.worker === undefined) process.stdout.write(app.banner)
  else process.send?.({ kind: 'ready', banner: app.banner, replicaId: app.replicaId ?? '' } satisfies ReadyMessage)
  await end
  return 0
}

async function superviseWorkers(options: AppOptions, count: number): Promise<number> {
  const { supervise } = await import('../workers/supervisor.ts')
  const supervisor = await supervise({ ...options, count, graceMs: GRACE_MS, onReady: (banner) => void process.stdout.write(banner) })
  if (!IS_IN_TERMINAL) process.on('SIGHUP', () => supervisor.signal('SIGHUP'))
  onStopSignals(stopSignals(), supervisor.stop)
  return supervisor.ended
}

function stopSignals(): readonly StopSignal[] {
  return IS_IN_TERMINAL ? ['SIGINT', 'SIGTERM', 'SIGHUP'] : ['SIGINT', 'SIGTERM']
}

/** Resolves when a signal came and everything is closed. */
function stopped(app: App, signals: readonly StopSignal[]): Promise<void> {
  return new Promise((resolve, reject) => onStopSignals(signals, () => void app.stop(GRACE_MS).then(resolve, reject)))
}

/** A second signal ends the process at once; a terminal that is closed after Ctrl+C asks for nothing more. */
function onStopSignals(signals: readonly StopSignal[], stop: () => void): void {
  let firstAtMs: number | undefined
  const onSignal = (signal: NodeJS.Signals): void => {
    if (firstAtMs === undefined) {
      firstAtMs = performance.now()
      stop()
    } else if (signal !== 'SIGHUP' && performance.now() - firstAtMs > SAME_SIGNAL_MS) {
      process.exit(1)
    }
  }
  for (const signal of signals) process.on(signal, onSignal)
}
