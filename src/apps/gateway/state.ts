/**
 * What outlives a process, opened: the stores over their database, the key ring that stands in it, and what keeps both fresh.
 * The gateway goes on without the database for as long as it lasts: what needs it is refused, and it heals by itself.
 */

import type { Keyring } from '../../core/auth/keyring.ts'
import type { KeyStore } from '../../core/auth/key-store.ts'
import type { ReplayGuard } from '../../core/auth/replay-guard.ts'
import type { Clock } from '../../core/clock.ts'
import type { SnapshotStore } from '../../core/gateway/snapshot-store.ts'
import { isElected } from '../../core/replica/elected.ts'
import type { LeaseStore } from '../../core/replica/lease-store.ts'
import type { ReplicaStore } from '../../core/replica/replica-store.ts'
import type { EventStore } from '../../core/session/event-store.ts'
import type { SessionStore } from '../../core/session/session-store.ts'
import type { TaskStore } from '../../core/task/task-store.ts'
import type { EraStore } from '../../core/upstream/era-store.ts'
import { createEraStore } from '../../adapters/sql/era-store.ts'
import { createEventStore } from '../../adapters/sql/event-store.ts'
import { sweepExpired } from '../../adapters/sql/expiry-sweep.ts'
import { createKeyStore } from '../../adapters/sql/key-store.ts'
import { createLeaseStore } from '../../adapters/sql/lease-store.ts'
import { createReplayGuard } from '../../adapters/sql/replay-guard.ts'
import { createReplicaStore } from '../../adapters/sql/replica-store.ts'
import { createSessionStore } from '../../adapters/sql/session-store.ts'
import { createSnapshotStore } from '../../adapters/sql/snapshot-store.ts'
import { createTaskStore } from '../../adapters/sql/task-store.ts'
import { refuseUnfinished } from '../../adapters/sql/state-copy.ts'
import type { StateDatabases } from '../../adapters/sql/sql-database.ts'
import type { DataFolder } from './data-folder.ts'
import { KEY_POLL_MS, openSharedKeyring } from './key-ring.ts'
import { readKeyRing } from './key-ring-file.ts'
import { createKeySeal } from './key-seal.ts'
import type { Log } from './log.ts'
import { createStartWait } from './start-wait.ts'
import type { StartWait } from './start-wait.ts'
import { openDatabases } from './state-place.ts'
import type { StatePlace } from './state-place.ts'

export interface StateStores {
  readonly sessions: SessionStore
  readonly keptEvents: EventStore
  readonly replicas: ReplicaStore
  readonly leases: LeaseStore
  readonly keys: KeyStore
  readonly replayGuard: ReplayGuard
  readonly snapshots: SnapshotStore
  readonly eras: EraStore
  readonly tasks: TaskStore
}

export interface State {
  /** For people: which database; without a secret. */
  readonly name: string
  readonly databases: StateDatabases
  readonly stores: StateStores
  readonly keyring: Keyring
  /** False once the database has been away for longer than a replica may serve without it. */
  isReachable(): boolean
  close(): Promise<void>
}

export interface StateOptions {
  readonly place: StatePlace
  readonly data: DataFolder
  readonly clock: Clock
  readonly log: Log
  /** Of this replica; undefined where there are no others: of several the elected one sweeps. */
  readonly replicaId?: string
}

/** Of a database that was named by mistake nothing else is seen: each of its replicas works, and knows no session of the others. */
const NEW_RING = 'The database had no state, and has a new key ring: where others serve already, this is not their database'
const SWEEP_MS = 60_000
/** Where one sweep did not do. */
const SWEEP_ON_MS = 1_000
/** A fail-over of the database takes no replica out of service. */
const GRACE_MS = 30_000

/** Rejects with StateOpenError where the database cannot be used; nothing is open then. */
export async function openState(options: StateOptions): Promise<State> {
  const wait = createStartWait(options.clock, options.log)
  try {
    return await openStores(options, wait)
  } finally {
    wait.done()
  }
}

async function openStores({ place, data, clock, log, replicaId }: StateOptions, wait: StartWait): Promise<State> {
  const databases = await openDatabases(place, data.path, wait.on)
  try {
    await refuseUnfinished(databases)
    const stores = storesOf(databases)
    wait.on(`the key ring in ${databases.name}`)
    const keyring = await openSharedKeyring(stores.keys, createKeySeal(place.sealSecret), readKeyRing(data), () => {
      if (place.databaseUrl !== '') log.info({ database: databases.name }, NEW_RING)
    })
    const contact = createContact(clock, log)
    const poll = (): Promise<void> => keyring.refresh().then(contact.made, contact.failed)
    const sweep = async (isStopped: () => boolean): Promise<number> => {
      // Whether the database is away the poll says.
      const isOurs = replicaId === undefined || (await isElected(stores.replicas, replicaId).catch(() => false))
      return isOurs && (await sweepExpired(databases, isStopped)).isMore ? SWEEP_ON_MS : SWEEP_MS
    }
    const unswept = (error: unknown): number => {
      log.warn({ reason: reasonOf(error) }, 'What has expired could not be removed from the database: tried again in a minute')
      return SWEEP_MS
    }
    const stopPoll = repeat(clock, KEY_POLL_MS, () => poll().then(() => KEY_POLL_MS))
    const stopSweep = repeat(clock, SWEEP_MS, (isStopped) => sweep(isStopped).catch(unswept))
    return {
      name: databases.name,
      databases,
      stores,
      keyring,
      isReachable: contact.isRecent,
      async close() {
        await Promise.all([stopPoll(), stopSweep()])
        await databases.close()
      },
    }
  } catch (error) {
    await databases.close()
    throw error
  }
}

function storesOf({ durable, cache }: StateDatabases): StateStores {
  return {
    sessions: createSessionStore(cache),
    keptEvents: createEventStore(cache),
    replicas: createReplicaStore(cache),
    eras: createEraStore(cache),
    leases: createLeaseStore(durable),
    keys: createKeyStore(durable),
    replayGuard: createReplayGuard(durable),
    snapshots: createSnapshotStore(durable),
    tasks: createTaskStore(durable),
  }
}

interface Contact {
  made(): void
  failed(error: unknown): void
  isRecent(): boolean
}

/** Says once that the database is away, and once that it is back. */
function createContact(clock: Clock, log: Log): Contact {
  let madeAtTicks = clock.ticksMs()
  let isAway = false
  return {
    made() {
      madeAtTicks = clock.ticksMs()
      if (isAway) log.info({}, 'The database is back')
      isAway = false
    },
    failed(error) {
      if (!isAway) log.error({ reason: reasonOf(error) }, 'The database cannot be used: new sessions are refused until it is back')
      isAway = true
    },
    isRecent: () => clock.ticksMs() - madeAtTicks < GRACE_MS,
  }
}

/** What the database said stands behind what clients are told. */
function reasonOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : { cause: undefined }
  return String(cause ?? error)
}

/** Runs again and again, each time after the last has ended and what it asks for has passed. Returns what stops it, and waits for a run that is on its way, which may look whether it is to stop. */
function repeat(clock: Clock, firstMs: number, run: (isStopped: () => boolean) => Promise<number>): () => Promise<void> {
  let isStopped = false
  let running: Promise<void> = Promise.resolve()
  let cancel = (): void => undefined
  const next = (ms: number): void => {
    cancel = clock.after(ms, () => {
      running = run(() => isStopped).then((pauseMs) => {
        if (!isStopped) next(pauseMs)
      })
    })
  }
  next(firstMs)
  return () => {
    isStopped = true
    cancel()
    return running
  }
}
