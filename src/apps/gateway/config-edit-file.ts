/**
 * Writes an edited configuration, or another file for people: whole or not at all (a file beside it, synced, renamed over it), with the mode it had, and
 * through a symbolic link to what it points at. Two edits at once both count: each holds `<file>.lock` while it reads and
 * writes, and starts over where somebody who takes no lock, an editor, was faster.
 */

import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, realpathSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/** The file cannot be written; the message says why and what to do. */
export class ConfigWriteError extends Error {
  override readonly name = 'ConfigWriteError'
}

export interface FileEdit<T> {
  /** What the edit returned, of the text that was replaced. */
  readonly value: T
  readonly before: string
  readonly isNew: boolean
  /** False where the text is the same as before: then nothing was written. */
  readonly isWritten: boolean
}

export interface FileKind {
  /** Of a file that was not there; the process's mask takes from it. */
  readonly newMode: number
  /** For people: how to have another file written. */
  readonly elsewhere: string
}

const CONFIG: FileKind = { newMode: 0o666, elsewhere: 'name another file with --config' }

const LOCK_WAIT_MS = 10_000
const LOCK_POLL_MS = 25
/** An edit takes milliseconds: a lock this old was left behind by a process that was killed. */
const LOCK_STALE_MS = 30_000
const MAX_TRIES = 20

/**
 * Hands the file's text to `edit` ('' where there is no file) and writes the `text` it returns; undefined writes nothing.
 * `edit` may run several times. Rejects with ConfigWriteError, and with what `edit` throws.
 */
export async function editFile<T extends { readonly text: string | undefined }>(path: string, edit: (before: string) => T | Promise<T>, { newMode, elsewhere }: FileKind = CONFIG): Promise<FileEdit<T>> {
  const target = targetOf(path)
  return await guarded(path, elsewhere, async () => {
    mkdirSync(dirname(target), { recursive: true })
    const unlock = await lock(`${target}.lock`)
    try {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const before = readIfThere(target)
        const value = await edit(before ?? '')
        const done = { value, before: before ?? '', isNew: before === undefined }
        if (value.text === undefined || value.text === before) return { ...done, isWritten: false }
        if (replace(target, before, value.text, newMode)) return { ...done, isWritten: true }
      }
    } finally {
      unlock()
    }
    throw new ConfigWriteError(`${path} keeps changing while it is edited. Stop what writes it, and try again.`)
  })
}

/** Where the file is: behind symbolic links, or where it would be made. */
function targetOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return UTF8.decode(readFileSync(path))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    if (codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA') throw new ConfigWriteError(`${path} is not UTF-8: an edit would change what it holds. Save it as UTF-8, and try again.`, { cause: error })
    throw error
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** False where the file no longer holds `before`: an editor saved it meanwhile. Accepted: one that saves within the next microseconds. */
function replace(target: string, before: string | undefined, text: string, newMode: number): boolean {
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}`)
  const stat = statSync(target, { throwIfNoEntry: false })
  const handle = openSync(temporary, 'wx', stat === undefined ? newMode : 0o600)
  let isOver = false
  try {
    try {
      writeFileSync(handle, text)
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    if (stat !== undefined) keepOwner(temporary, stat)
    if (readIfThere(target) !== before) return false
    if (before === undefined) {
      if (!linkNew(temporary, target)) return false
    } else {
      renameSync(temporary, target)
      isOver = true
    }
    syncFolder(dirname(target))
    return true
  } finally {
    if (!isOver) unlinkSync(temporary)
  }
}

function keepOwner(path: string, { uid, gid, mode }: { readonly uid: number; readonly gid: number; readonly mode: number }): void {
  const own = statSync(path)
  // Only root may give files away; what cannot be kept is as any editor leaves it.
  if (own.uid !== uid || own.gid !== gid) tryTo(() => chownSync(path, uid, gid))
  chmodSync(path, mode & 0o7777)
}

/** `link` fails where the name is taken, unlike `rename`. */
function linkNew(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** A rename is on disk when its folder is; some systems cannot open folders. */
function syncFolder(folder: string): void {
  tryTo(() => {
    const handle = openSync(folder, 'r')
    try {
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
  })
}

async function lock(path: string): Promise<() => void> {
  const own = `${process.pid} ${randomBytes(6).toString('hex')}\n`
  const giveUpAtMs = Date.now() + LOCK_WAIT_MS
  while (!takeLock(path, own)) {
    dropStale(path)
    if (Date.now() > giveUpAtMs) throw new ConfigWriteError(`${path} is held by another edit. If none is under way, delete it and try again.`)
    await wait(LOCK_POLL_MS)
  }
  return () => tryTo(() => readFileSync(path, 'utf8') === own && unlinkSync(path))
}

function takeLock(path: string, own: string): boolean {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  writeFileSync(temporary, own, { flag: 'wx', mode: 0o600 })
  try {
    return linkNew(temporary, path)
  } finally {
    unlinkSync(temporary)
  }
}

/** Moved away before it is deleted, and put back where it turns out to be a fresh one: two that wait must not delete the third's. */
function dropStale(path: string): void {
  const held = tryTo(() => ({ text: readFileSync(path, 'utf8'), ageMs: Date.now() - statSync(path).mtimeMs }))
  if (held === undefined || (held.ageMs < LOCK_STALE_MS && isAlive(Number.parseInt(held.text, 10)))) return
  const aside = `${path}.${randomBytes(6).toString('hex')}`
  tryTo(() => {
    renameSync(path, aside)
    if (readFileSync(aside, 'utf8') !== held.text) linkSync(aside, path)
    unlinkSync(aside)
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

function tryTo<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

async function guarded<T>(path: string, elsewhere: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    const code = codeOf(error)
    if (!/^E[A-Z]+$/.test(code)) throw error
    throw new ConfigWriteError(`Cannot write ${path} (${code}). Mend its permissions or those of its folder, or ${elsewhere}.`, { cause: error })
  }
}
