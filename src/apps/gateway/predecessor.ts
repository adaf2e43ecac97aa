/**
 * The replica whose place this process takes: the one before it over the same data folder, or in the same worker's slot. It is over, so what
 * it owned need not wait until its lifetime has passed. Accepted: of two that are started over one stale socket in the same moment, the second
 * takes the first for over; that one learns it with its next heartbeat, and has its sessions looked up again.
 */

import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { LIFETIME_MS } from '../../core/replica/membership.ts'
import type { ReplicaStore } from '../../core/replica/replica-store.ts'
import type { Log } from './log.ts'

/** In the data folder. */
export const REPLICA_FILE = 'replica'

/** What is true only for whoever listened on the same socket of the same machine, over this very file. */
interface Place {
  readonly socketPath: string
  /** Of the running kernel: a folder that hosts share, or that came with a disk, says nothing of a process elsewhere. */
  readonly boot: string
  /** A copied folder has another file: its original may run. */
  readonly device: number
  readonly inode: number
  /** Of the socket's folder: in another container one path is another place. */
  readonly socketDevice: number
  readonly socketInode: number
}

export interface TakePlaceOptions {
  readonly path: string
  /** Of the operations listener, which this process has bound: whoever had it before is gone. */
  readonly socketPath: string
  readonly replicaId: string
  readonly log: Log
  readonly boot?: string
  /** Told who had this very folder at another place: on another host that mounts it, or with its socket elsewhere. It may run. */
  readonly onShared?: (replicaId: string) => void
}

/** Who had this place before; undefined where nobody had, or it is not certain that nobody has. Writes down who has it now. */
export function takePlace({ path, socketPath, replicaId, log, boot = readBoot(), onShared = () => undefined }: TakePlaceOptions): string | undefined {
  try {
    const file = openSync(path, 'a+', 0o600)
    try {
      const { dev: device, ino: inode } = fstatSync(file)
      const { dev: socketDevice, ino: socketInode } = statSync(dirname(socketPath))
      const place: Place = { socketPath, boot, device, inode, socketDevice, socketInode }
      const before = readRecord(readFileSync(file, 'utf8'))
      ftruncateSync(file)
      writeSync(file, `${JSON.stringify({ replicaId, ...place })}\n`)
      if (before === undefined || boot === '') return undefined
      if (isSame(before, place)) return before.replicaId
      if (before.inode === inode) onShared(before.replicaId)
      return undefined
    } finally {
      closeSync(file)
    }
  } catch (error) {
    log.warn({ path, reason: String(error) }, 'Which replica this is cannot be written down: after a crash, others take what it had 3 s later')
    return undefined
  }
}

const PLACE: readonly (keyof Place)[] = ['socketPath', 'boot', 'device', 'inode', 'socketDevice', 'socketInode']

function isSame(before: Place, place: Place): boolean {
  return PLACE.every((key) => before[key] === place[key])
}

function readRecord(text: string): (Place & { readonly replicaId: string }) | undefined {
  try {
    const record = JSON.parse(text)
    return typeof record?.replicaId === 'string' ? record : undefined
  } catch {
    return undefined
  }
}

/** '' where the system does not say: then nothing is certain. */
function readBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

/** Nothing refuses a folder that two hosts mount: the socket of one is nobody's to the other. Whoever crashed is not alive by then. */
export async function tellOfShared({ replicas, clock, log }: { readonly replicas: Pick<ReplicaStore, 'find'>; readonly clock: Clock; readonly log: Log }, replicaId: string): Promise<void> {
  await new Promise<void>((resolve) => clock.after(LIFETIME_MS + 1_000, resolve))
  const other = await replicas.find(replicaId).catch(() => undefined)
  if (other !== undefined) log.warn({ peer: replicaId, peerAddress: other.address }, 'Another replica runs over the same data folder: records of both ledgers are mixed there. Give each a folder of its own with --data')
}

/** Takes it out for the others. Where the store does not answer, its lifetime does the same. */
export async function dismiss(replicas: ReplicaStore, replicaId: string, log: Log): Promise<void> {
  try {
    await replicas.leave(replicaId)
    log.debug({ replica: replicaId }, 'The replica before this one is over: others may take what it had')
  } catch (error) {
    log.debug({ replica: replicaId, reason: String(error) }, 'The replica before this one could not be taken out')
  }
}
