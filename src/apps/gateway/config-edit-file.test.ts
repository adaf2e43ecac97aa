import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync, lstatSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigWriteError, editFile } from './config-edit-file.ts'

let folder = ''
let path = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-edit-'))
  path = join(folder, 'portolan.json')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const append = (piece: string) => (before: string) => ({ text: before + piece })

describe('a file that is edited', () => {
  it('is made where there is none, its folder too, and nothing else is left there', async () => {
    const deep = join(folder, 'a', 'b', 'portolan.json')
    expect(await editFile(deep, append('x'))).toMatchObject({ isNew: true, isWritten: true, before: '' })
    expect(readFileSync(deep, 'utf8')).toBe('x')
    expect(readdirSync(join(folder, 'a', 'b'))).toEqual(['portolan.json'])
  })

  it('keeps its mode', async () => {
    writeFileSync(path, '1')
    chmodSync(path, 0o640)
    await editFile(path, append('2'))
    expect((statSync(path).mode & 0o777).toString(8)).toBe('640')
    expect(readFileSync(path, 'utf8')).toBe('12')
  })

  it('stays behind its symbolic link', async () => {
    mkdirSync(join(folder, 'real'))
    const real = join(realpathSync(folder), 'real', 'file.json')
    writeFileSync(real, '1')
    symlinkSync(real, path)
    await editFile(path, append('2'))
    expect(lstatSync(path).isSymbolicLink()).toBe(true)
    expect(readFileSync(real, 'utf8')).toBe('12')
    expect(readdirSync(join(folder, 'real'))).toEqual(['file.json'])
  })

  it('is not touched where nothing changes, or the edit fails', async () => {
    writeFileSync(path, '1')
    const { ino, mtimeNs } = statSync(path, { bigint: true })
    expect(await editFile(path, (text) => ({ text }))).toMatchObject({ isWritten: false })
    expect(await editFile(path, () => ({ text: undefined }))).toMatchObject({ isWritten: false })
    await expect(editFile(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(statSync(path, { bigint: true })).toMatchObject({ ino, mtimeNs })
    expect(readdirSync(folder)).toEqual(['portolan.json'])
  })

  it('has all of twenty edits that were made at once', async () => {
    const pieces = Array.from({ length: 20 }, (_, index) => `<${index}>`)
    await Promise.all(pieces.map((piece) => editFile(path, async (before) => {
      await wait(1)
      return { text: before + piece }
    })))
    const text = readFileSync(path, 'utf8')
    expect(pieces.filter((piece) => !text.includes(piece))).toEqual([])
  })

  it('is read by an edit when the one before it is done', async () => {
    const seen: string[] = []
    const first = editFile(path, async (before) => {
      seen.push(`first sees ${JSON.stringify(before)}`)
      await wait(100)
      return { text: 'first' }
    })
    const second = editFile(path, (before) => {
      seen.push(`second sees ${JSON.stringify(before)}`)
      return { text: 'second' }
    })
    await Promise.all([first, second])
    expect(seen).toEqual(['first sees ""', 'second sees "first"'])
  })

  it('keeps what an editor that takes no lock wrote meanwhile', async () => {
    writeFileSync(path, 'old')
    let runs = 0
    await editFile(path, (before) => {
      runs += 1
      if (runs === 1) writeFileSync(path, 'saved by hand')
      return { text: `${before} + edit` }
    })
    expect(readFileSync(path, 'utf8')).toBe('saved by hand + edit')
  })

  it('is not locked for ever by a process that is gone', async () => {
    // No process has this id: Linux and macOS end below it.
    writeFileSync(`${path}.lock`, '99999999 left behind\n')
    await editFile(path, append('x'))
    expect(readdirSync(folder)).toEqual(['portolan.json'])
  })

  it('that is not UTF-8 is left alone', async () => {
    const latin1 = Buffer.from('{ "\u00e4": 1 }', 'latin1')
    writeFileSync(path, latin1)
    await expect(editFile(path, append('x'))).rejects.toThrow(/is not UTF-8/)
    expect(readFileSync(path)).toEqual(latin1)
  })

  it('that cannot be written says what to do', async () => {
    mkdirSync(path)
    await expect(editFile(path, append('x'))).rejects.toThrow(ConfigWriteError)
    await expect(editFile(path, append('x'))).rejects.toThrow(/Cannot write .* \(EISDIR\)\. Mend its permissions/)
  })
})
