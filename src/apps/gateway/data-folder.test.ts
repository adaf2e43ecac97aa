import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createKeyring } from '../../adapters/node/keyring.ts'
import { defaultDataPath, openDataFolder } from './data-folder.ts'
import { openKeyRing } from './key-ring-file.ts'
import { openToken } from './token.ts'

let base = ''
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'portolan-data-'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe('the data folder', () => {
  it('stands where XDG says, and relative paths there are ignored', () => {
    expect(defaultDataPath({ XDG_DATA_HOME: '/var/data' })).toBe('/var/data/portolan')
    expect(defaultDataPath({ XDG_DATA_HOME: 'data' })).toMatch(/\/\.local\/share\/portolan$/)
  })

  it('is closed to others, also where it was open before', () => {
    const path = join(base, 'a', 'b')
    openDataFolder(path)
    expect(modeOf(path)).toBe('700')
    chmodSync(path, 0o755)
    openDataFolder(path)
    expect(modeOf(path)).toBe('700')
  })

  it('makes a file once, and hands out what is there afterwards', () => {
    const data = openDataFolder(base)
    expect(data.keep('x', () => 'one')).toEqual({ text: 'one', isNew: true })
    expect(modeOf(data.file('x'))).toBe('600')
    expect(data.keep('x', () => 'two')).toEqual({ text: 'one', isNew: false })
  })

  it('reads what another process made in between', () => {
    const data = openDataFolder(base)
    const kept = data.keep('x', () => {
      writeFileSync(data.file('x'), 'theirs')
      return 'ours'
    })
    expect(kept).toEqual({ text: 'theirs', isNew: false })
  })

  it('says what to do where it cannot be used', () => {
    writeFileSync(join(base, 'file'), '')
    expect(() => openDataFolder(join(base, 'file', 'x'))).toThrow(/Cannot use .* Choose another data folder with --data/)
  })
})

describe('the token', () => {
  it('has 256 bits, is made once, and its file is private', () => {
    const data = openDataFolder(base)
    const first = openToken(data)
    expect(first).toMatchObject({ isNew: true, path: join(base, 'token') })
    expect(Buffer.from(first.value, 'base64url')).toHaveLength(32)
    expect(openToken(data)).toEqual({ ...first, isNew: false })
    expect(modeOf(first.path)).toBe('600')
  })

  it('is made private again where somebody opened it', () => {
    const { path } = openToken(openDataFolder(base))
    chmodSync(path, 0o644)
    openToken(openDataFolder(base))
    expect(modeOf(path)).toBe('600')
  })

  it('is not taken from a file that holds something else', () => {
    writeFileSync(join(base, 'token'), 'short\n')
    expect(() => openToken(openDataFolder(base))).toThrow(/holds no token/)
  })
})

describe('the key ring', () => {
  it('is made once and opens what it sealed after a restart', () => {
    const handle = createKeyring(openKeyRing(openDataFolder(base))).seal('session', 'me', 'text')
    expect(createKeyring(openKeyRing(openDataFolder(base))).open('session', 'me', handle)).toBe('text')
    expect(modeOf(join(base, 'key-ring.json'))).toBe('600')
  })

  it('does not quote what it cannot read', () => {
    writeFileSync(join(base, 'key-ring.json'), '{"keys":["s3cret"')
    expect(() => openKeyRing(openDataFolder(base))).toThrow(/^(?!.*s3cret).*holds no key ring/)
  })
})
