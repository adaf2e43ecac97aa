/** What the system tells of a file, where it tells anything. */

import { accessSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { dirname } from 'node:path'

/** Undefined where there is none, or this user may not see it. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

/** The path itself, or the nearest folder above it that is there. */
export function nearestExisting(path: string): string {
  let found = path
  while (statOf(found) === undefined && found !== dirname(found)) found = dirname(found)
  return found
}

/** `mode` of fs.constants: R_OK, W_OK, X_OK. */
export function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
