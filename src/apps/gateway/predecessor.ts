/**
 * The replica whose place this process takes: the one before it over the same data folder, or in the same worker's slot. It is over, so what
 * it owned need not wait until its lifetime has passed. Accepted: of two that are started over one stale socket in the same moment, the second
 * takes the first for over; that one learns it with its next heartbeat, and has its sessions looked up again.
 */

import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
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
}

/** Who had this place before; undefined where nobody had, or it is not certain that nobody has. Writes down who has it now. */
export function takePlace({ path, socketPath, replicaId, log, boot = readBoot() }: TakePlaceOptions): string | undefined {
  try {
    const file = openSync(path, 'a+', 0o600)
    try {
      const { dev: device, ino: inode } = fstatSync(file)
      const { dev: socketDevice, ino: socketInode } = statSync(dirname(socketPath))
      const place: Place = { socketPath, boot, device, inode, socketDevice, socketInode }
      const before = readRecord(readFileSync(file, 'utf8'))
      ftruncateSync(file)
      writeSync(file, `${JSON.stringify({ replicaId, ...place })}\n`)
      return before !== undefined && boot !== '' && isSame(before, place) ? before.replicaId : undefined
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

/** Takes it out for the others. Where the store does not answer, its lifetime does the same. */
export async function dismiss(replicas: ReplicaStore, replicaId: string, log: Log): Promise<void> {
  try {
    await replicas.leave(replicaId)
    log.debug({ replica: replicaId }, 'The replica before this one is over: others may take what it had')
  } catch (error) {
    log.debug({ replica: replicaId, reason: String(error) }, 'The replica before this one could not be taken out')
  }
}
