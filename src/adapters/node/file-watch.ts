/**
 * Follows files by looking at them: whatever an editor, a rename, a symbolic link's new target (Kubernetes' `..data`) or a
 * network file system does, the file that a path leads to is another one then, or has other times. Nothing is held open.
 */

import { statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { BigIntStats } from 'node:fs'

/** What a path led to: another text as soon as that is another file or was written to. */
export type FileStamp = string

const ABSENT = 'absent'

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FileStamp {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
}

/** To be taken before the file is read: what is written after that is seen as a change. Never throws. */
export function readStamp(path: string): FileStamp {
  try {
    return stampOf(statSync(path, { bigint: true }))
  } catch {
    return ABSENT
  }
}

export interface FileWatchOptions {
  /** What is followed, with the stamps of what was read last. Asked at every look. */
  readonly stamps: () => ReadonlyMap<string, FileStamp>
  /** Some of it has changed, and has been still for `settleMs`. To be asked again, `stamps` must have moved on. */
  readonly onChange: () => void
  /** Between two looks: 500 ms. */
  readonly pollMs?: number
  /** Several writes in a row are one change: 100 ms. A file that is missing is waited for ten times as long. */
  readonly settleMs?: number
}

/** Starts watching; its timers keep no process alive. */
export function watchFiles(options: FileWatchOptions): { close(): void } {
  const { stamps, onChange, pollMs = 500, settleMs = 100 } = options
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  /** `seen`: the stamps that differed at the last look; `stillFor`: how often they were the same since. */
  const look = async (seen: string, stillFor: number): Promise<void> => {
    const known = stamps()
    const now = await Promise.all([...known.keys()].map(async (path) => [path, await currentStamp(path)] as const))
    if (isClosed) return
    if (now.every(([path, stamp]) => known.get(path) === stamp)) return again(pollMs, '', 0)
    const text = JSON.stringify(now)
    const isStill = text === seen
    const looks = now.some(([path, stamp]) => stamp === ABSENT && known.get(path) !== ABSENT) ? 10 : 1
    if (!isStill || stillFor + 1 < looks) return again(settleMs, text, isStill ? stillFor + 1 : 0)
    onChange()
    again(pollMs, '', 0)
  }
  const again = (delayMs: number, seen: string, stillFor: number): void => {
    timer = setTimeout(() => void look(seen, stillFor), delayMs)
    timer.unref()
  }
  again(pollMs, '', 0)
  return {
    close() {
      isClosed = true
      clearTimeout(timer)
    },
  }
}

async function currentStamp(path: string): Promise<FileStamp> {
  return await stat(path, { bigint: true }).then(stampOf, () => ABSENT)
}
