/**
 * The data folder: what one installation keeps between starts. The folder is mode 0700 and its files 0600; a file that is
 * made once (token, key ring) appears whole or not at all, also when two processes start at the same time.
 */

import { chmodSync, linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
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
    mkdirSync(path, { recursive: true, mode: 0o700 })
    makePrivate(path, 0o700)
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
    throw new DataFolderError(`Cannot use ${path} (${String(error.code)}). Choose another data folder with --data, or mend its permissions.`, {
      cause: error,
    })
  }
}
