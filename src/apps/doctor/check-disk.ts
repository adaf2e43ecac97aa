/** Room for token, keys and ledger. */

import { statfsSync } from 'node:fs'
import { ok, problem, shellWord, warning } from './check.ts'
import type { Check, Finding } from './check.ts'
import { nearestExisting } from './file-stat.ts'

const MIB = 1024 * 1024
const FULL_BYTES = 16 * MIB
const SCARCE_BYTES = 256 * MIB

export const diskCheck: Check = {
  id: 'disk',
  looksAt: 'whether there is room where the ledger is written',
  run({ dataPath }) {
    const path = nearestExisting(dataPath)
    const { bavail, bsize, files, ffree } = statfsSync(path)
    return [diskFinding(path, { freeBytes: bavail * bsize, freeFiles: files === 0 ? undefined : ffree })]
  },
}

/** `freeFiles` undefined: the file system does not count them. */
export function diskFinding(path: string, { freeBytes, freeFiles }: { readonly freeBytes: number; readonly freeFiles: number | undefined }): Finding {
  const free = freeBytes < 10_000 * MIB ? `${Math.floor(freeBytes / MIB)} MiB` : `${Math.floor(freeBytes / MIB / 1024)} GiB`
  const next = `df -h ${shellWord(path)}`
  if (freeFiles !== undefined && freeFiles < 16) return problem(path, 'The disk can hold no more files (no inodes are left).', `df -i ${shellWord(path)}`)
  if (freeBytes < FULL_BYTES) return problem(path, `The disk is full (${free} free): the ledger would lose records.`, next)
  if (freeBytes < SCARCE_BYTES) return warning(path, `Only ${free} are free; the ledger grows until somebody moves it away.`, next)
  return ok(path, `${free} free.`)
}
