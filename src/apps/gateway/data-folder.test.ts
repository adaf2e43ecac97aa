import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
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

const isRoot = process.getuid?.() === 0

/** What opening the folder fails with in another process, as a user to whom modes matter. */
function openedElsewhere(path: string): string {
  const script = `import { openDataFolder } from ${JSON.stringify(new URL('./data-folder.ts', import.meta.url).href)}
    try { openDataFolder(${JSON.stringify(path)}) } catch (error) { process.stdout.write(error.message) }`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8', timeout: 20_000, ...(isRoot ? { uid: 65_534, gid: 65_534 } : {}) })
  return stdout + stderr
}

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

  it('says where a file is in its way, and what to do', () => {
    const way = join(base, 'file')
    writeFileSync(way, '')
    expect(() => openDataFolder(way)).toThrow(`Cannot use ${way}: there is something else than a folder (EEXIST). Choose another data folder with --data, or move it out of the way.`)
    const below = join(way, 'x', 'y')
    expect(() => openDataFolder(below)).toThrow(`Cannot use ${below}: ${way}: there is something else than a folder (EEXIST). Choose another`)
  })

  // In a process of its own: what turns round for ever can be ended there only.
  it.runIf(process.platform === 'linux')('says at once that nothing can be made below /proc', () => {
    expect(openedElsewhere('/proc/portolan')).toBe('Cannot use /proc/portolan: no folder can be made there (ENOENT). Choose another data folder with --data, or see what is mounted there.')
  })

  it('says that it may not be written, where it is there and where it had to be made', () => {
    chmodSync(base, 0o755)
    const folder = join(base, 'closed')
    mkdirSync(folder, { mode: 0o500 })
    const foreign = isRoot ? 'EPERM' : 'EACCES'
    if (isRoot) chmodSync(folder, 0o555)
    expect(openedElsewhere(folder)).toBe(`Cannot use ${folder}: it belongs to another user, or nothing may be written there (${foreign}). Choose another data folder with --data, or give it to the user who runs Portolan.`)
    expect(openedElsewhere(join(folder, 'x'))).toMatch(/nothing may be written there \(EACCES\)/)
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
