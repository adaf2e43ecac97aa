/**
 * The data folder: what one installation keeps between starts. The folder is mode 0700 and its files 0600; a file that is
 * made once (token, key ring) appears whole or not at all, also when two processes start at the same time.
 */

import { accessSync, chmodSync, constants, linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { randomBytes } from 'node:crypto'

export interface DataFolder {
  readonly path: string
  /** Path of a file in it. */
  file(name: string): string
  /** The text of a private file, made by `create` where there is none yet. */
  keep(name: string, create: () => string): { readonly text: string; readonly isNew: boolean }
}

/** The folder cannot be used; the message says what to do. */
export class DataFolderError extends Error {
  override readonly name = 'DataFolderError'
}

/** `$XDG_DATA_HOME/portolan`, else `~/.local/share/portolan` (XDG Base Directory Specification). */
export function defaultDataPath(env: Readonly<Record<string, string | undefined>>): string {
  const base = env['XDG_DATA_HOME']
  // Relative ones are to be ignored, says the specification.
  return join(base?.startsWith('/') === true ? base : join(homedir(), '.local', 'share'), 'portolan')
}

/** Makes the folder where it is missing and closes it to others. Throws DataFolderError. */
export function openDataFolder(given: string): DataFolder {
  const path = resolve(given)
  const file = (name: string): string => join(path, name)
  guarded(path, () => {
    makeFolder(path)
    makePrivate(path, 0o700)
    // Here, with what to do about it: whatever is made in it later would fail in words of its own.
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  })
  return {
    path,
    file,
    keep: (name, create) =>
      guarded(file(name), () => {
        const existing = readPrivate(file(name))
        if (existing !== undefined) return { text: existing, isNew: false }
        const isNew = writeOnce(file(name), create)
        return { text: readFileSync(file(name), 'utf8'), isNew }
      }),
  }
}

/** Level by level: `recursive` of Node.js turns round for ever where the parent is there and nothing can be made in it, as in /proc. */
function makeFolder(path: string): void {
  if (isFolder(path)) return
  const parent = dirname(path)
  if (parent !== path) makeFolder(parent)
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another process may have made it in between.
    if (!isFolder(path)) throw error
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function readPrivate(path: string): string | undefined {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined
  makePrivate(path, 0o600)
  return readFileSync(path, 'utf8')
}

function makePrivate(path: string, mode: number): void {
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) chmodSync(path, mode)
}

/** `link` fails where the name is taken, unlike `rename`: whoever comes second reads what the first one wrote. */
function writeOnce(path: string, create: () => string): boolean {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  writeFileSync(temporary, create(), { mode: 0o600, flag: 'wx' })
  try {
    linkSync(temporary, path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    unlinkSync(temporary)
  }
}

function guarded<T>(path: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    throw new DataFolderError(faultText(path, error), { cause: error })
  }
}

const NOT_OURS = ['it belongs to another user, or nothing may be written there', 'give it to the user who runs Portolan'] as const

/** What a code of the system means here, and what else may be done than to choose another folder. */
const FAULTS: Readonly<Record<string, readonly [reason: string, advice: string]>> = {
  EEXIST: ['there is something else than a folder', 'move it out of the way'],
  ENOTDIR: ['there is something else than a folder', 'move it out of the way'],
  EACCES: NOT_OURS,
  EPERM: NOT_OURS,
  EROFS: ['the file system is read-only', 'mount it for writing'],
  ENOSPC: ['the disk is full', 'make room on it'],
  EDQUOT: ['the quota of the disk is used up', 'make room on it'],
  ENOENT: ['no folder can be made there', 'see what is mounted there'],
}

/** The path at fault may be a parent of the folder that was given. */
function faultText(path: string, error: { readonly code: unknown; readonly path?: unknown }): string {
  const code = String(error.code)
  const [reason, advice] = FAULTS[code] ?? ['the system refuses it', 'mend it']
  const where = typeof error.path === 'string' && error.path !== path ? `${error.path}: ` : ''
  return `Cannot use ${path}: ${where}${reason} (${code}). Choose another data folder with --data, or ${advice}.`
}
