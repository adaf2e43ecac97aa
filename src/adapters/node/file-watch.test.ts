import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readStamp, watchFiles } from './file-watch.ts'

let folder = ''
let changes = 0
let stop = (): void => {}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-watch-'))
  changes = 0
})
afterEach(() => {
  stop()
  rmSync(folder, { recursive: true, force: true })
})

const path = (name: string): string => join(folder, name)
function watch(...names: string[]): void {
  const stamped = (): Map<string, string> => new Map(names.map((name) => [path(name), readStamp(path(name))]))
  let stamps = stamped()
  const watcher = watchFiles({
    stamps: () => stamps,
    onChange() {
      changes += 1
      stamps = stamped()
    },
    pollMs: 20,
    settleMs: 40,
  })
  stop = () => watcher.close()
}
const settled = async (): Promise<number> => {
  await sleep(400)
  return changes
}

describe('a watched file', () => {
  it('that is written in place has changed, once however often it is written in a row', async () => {
    writeFileSync(path('a'), '1')
    watch('a')
    expect(await settled()).toBe(0)
    for (const text of ['2', '3', '4']) {
      writeFileSync(path('a'), text)
      await sleep(10)
    }
    expect(await settled()).toBe(1)
  })

  it('that another one is renamed over has changed', async () => {
    writeFileSync(path('a'), '1')
    watch('a')
    writeFileSync(path('a.new'), '2')
    renameSync(path('a.new'), path('a'))
    expect(await settled()).toBe(1)
  })

  it('that is removed and written again, as some editors do, has changed once', async () => {
    writeFileSync(path('a'), '1')
    watch('a')
    unlinkSync(path('a'))
    await sleep(100)
    writeFileSync(path('a'), '2')
    expect(await settled()).toBe(1)
  })

  it('behind links, of which a folder\'s is swapped as Kubernetes does, has changed', async () => {
    for (const [version, text] of [['..1', 'one'], ['..2', 'two']] as const) {
      mkdirSync(path(version))
      writeFileSync(path(`${version}/portolan.json`), text)
    }
    symlinkSync('..1', path('..data'))
    symlinkSync('..data/portolan.json', path('portolan.json'))
    watch('portolan.json')
    symlinkSync('..2', path('..data_tmp'))
    renameSync(path('..data_tmp'), path('..data'))
    expect(await settled()).toBe(1)
  })

  it('that was not there and comes has changed; one that stays away has once', async () => {
    writeFileSync(path('b'), '1')
    watch('a', 'b')
    writeFileSync(path('a'), '1')
    expect(await settled()).toBe(1)
    unlinkSync(path('b'))
    await sleep(600)
    expect(await settled()).toBe(2)
  })
})
