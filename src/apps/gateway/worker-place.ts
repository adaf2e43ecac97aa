/**
 * One of the workers that `portolan up --workers` runs: its number, and where its own sockets are. Its supervisor has the public
 * listener of all of them, and the operations socket at the known place.
 */

import { join } from 'node:path'
import type { Address, ListenTarget } from '../../adapters/http/bind.ts'
import { onDealt } from '../../adapters/worker/dealt.ts'
import { flagProblem } from './flag-text.ts'
import type { ReplicaPlace } from './replica-place.ts'
import { MAX_SOCKET_PATH_BYTES } from './settings.ts'
import type { Settings } from './settings.ts'

export interface WorkerPlace {
  /** From 1; whoever replaces a worker has its number. */
  readonly number: number
  /** Of the sockets of all workers, closed to others. */
  readonly folder: string
  /** Where the supervisor listens since its start, whatever the configuration says by now. */
  readonly listen: ListenTarget
  readonly addresses: readonly Address[]
  /** The replica that the worker was whose place this one takes: it has ended. */
  readonly predecessorId?: string
}

/** Below the data folder. */
export const WORKER_FOLDER = 'workers'

/** In the environment that a supervisor gives to a worker. */
export const WORKER_VARIABLE = 'PORTOLAN_WORKER'

/** Takes it out: what a worker starts is no worker. Undefined for a process that no supervisor started: one that has no channel. */
export function takeWorkerPlace(env: Record<string, string | undefined>, hasChannel: boolean): WorkerPlace | undefined {
  const text = env[WORKER_VARIABLE]
  delete env[WORKER_VARIABLE]
  return hasChannel && text !== undefined ? JSON.parse(text) : undefined
}

export function operationsSocketOf({ folder, number }: Pick<WorkerPlace, 'folder' | 'number'>): string {
  return join(folder, `operations-${number}.sock`)
}

/** What a process was asked to be, as one worker of it. */
export function settingsOfWorker(settings: Settings, place: WorkerPlace): Settings {
  return {
    ...settings,
    listener: {
      ...settings.listener,
      listen: place.listen,
      dealt: { socketPath: join(place.folder, `public-${place.number}.sock`), addresses: place.addresses, begin: (take) => onDealt(process, take) },
    },
    operations: { socketPath: operationsSocketOf(place), tcp: undefined, frontPath: settings.operations.socketPath },
  }
}

/** Each has a file of its own: what two processes append to one may be mixed. */
export function ledgerNameOf(place: WorkerPlace | undefined): string {
  return place === undefined || place.number === 1 ? 'ledger.jsonl' : `ledger-${place.number}.jsonl`
}

/**
 * A worker is a replica. Over one data folder they reach each other by unix sockets beside it; over a database they are among
 * those of other machines, and what was said of one peer listener holds for the first worker: each further one has the next port.
 */
export function replicaPlaceOfWorker(shared: ReplicaPlace | undefined, { folder, number }: WorkerPlace): ReplicaPlace {
  if (shared === undefined) return { directUrl: undefined, nats: undefined, peerListen: { socketPath: join(folder, `peer-${number}.sock`) }, peerAddress: undefined }
  const { peerListen, peerAddress } = shared
  return {
    ...shared,
    peerListen: peerListen === undefined ? undefined : nextTarget(peerListen, number - 1),
    peerAddress: peerAddress === undefined ? undefined : nextAddress(peerAddress, number - 1),
  }
}

function nextTarget(target: ListenTarget, by: number): ListenTarget {
  if ('socketPath' in target) return by === 0 ? target : { socketPath: `${target.socketPath}.${by + 1}` }
  return target.port === 0 ? target : { ...target, port: nextPort('--peer-listen', target.port, by) }
}

function nextAddress(address: string, by: number): string {
  if (by === 0) return address
  if (address.startsWith('unix:')) return `${address}.${by + 1}`
  const url = new URL(address)
  return `${url.protocol}//${url.hostname}:${nextPort('--peer-address', Number(url.port), by)}`
}

function nextPort(flag: string, port: number, by: number): number {
  if (port + by > 65_535) throw flagProblem(flag, 'each worker takes the next port, and there is none after 65535', 'Choose a lower one')
  return port + by
}

/** Before any worker is started. Throws ConfigError. */
export function checkWorkerPlaces(shared: ReplicaPlace | undefined, folder: string, count: number): void {
  const last = { folder, number: count, listen: { socketPath: '' }, addresses: [] }
  replicaPlaceOfWorker(shared, last)
  const longest = operationsSocketOf(last)
  if (Buffer.byteLength(longest) > MAX_SOCKET_PATH_BYTES) throw flagProblem('--data', `${longest} is too long for a unix socket`, `Choose a data folder with a shorter path: ${MAX_SOCKET_PATH_BYTES} bytes are the most`)
}
