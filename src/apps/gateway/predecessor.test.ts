import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createReplicaStore } from '../../adapters/memory/replica-store.ts'
import { createLog } from './log.ts'
import { takePlace, tellOfShared } from './predecessor.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function rig() {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-predecessor-'))
  folders.push(folder)
  const lines: string[] = []
  const log = createLog({ level: 'info', human: false, colour: false, write: (text: string) => void lines.push(text) })
  const path = join(folder, 'replica')
  const take = (replicaId: string, other: { path?: string; socketPath?: string; boot?: string } = {}): string | undefined => takePlace({ path, socketPath: join(folder, 'o.sock'), boot: 'b1', replicaId, log, ...other })
  return { folder, path, take, lines }
}

describe('the replica whose place a process takes', () => {
  it('is the one before it over the same data folder, each time', () => {
    const { take, path } = rig()
    expect([take('r1'), take('r2'), take('r3')]).toEqual([undefined, 'r1', 'r2'])
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('is not known in a copied data folder, whose original may run', () => {
    const { take, path, folder } = rig()
    take('r1')
    cpSync(path, join(folder, 'copy'), { preserveTimestamps: true })
    expect(take('r2', { path: join(folder, 'copy') })).toBeUndefined()
    expect(take('r3')).toBe('r1')
  })

  it('is not known where another host or another life of the host wrote it down, or where the kernel does not say which one it is', () => {
    const { take } = rig()
    take('r1')
    expect(take('r2', { boot: 'b2' })).toBeUndefined()
    expect(take('r3', { boot: '' })).toBeUndefined()
    expect(take('r4', { boot: '' })).toBeUndefined()
    expect(take('r5')).toBeUndefined()
  })

  it('is not known where it listened for operators elsewhere: then it may run', () => {
    const { take, folder } = rig()
    take('r1')
    expect(take('r2', { socketPath: join(folder, 'other.sock') })).toBeUndefined()
  })

  it('is not known where the same path is another place, as in another container', () => {
    const { take, folder } = rig()
    const run = join(folder, 'run')
    mkdirSync(run)
    take('r1', { socketPath: join(run, 'o.sock') })
    renameSync(run, join(folder, 'before'))
    mkdirSync(run)
    expect(take('r2', { socketPath: join(run, 'o.sock') })).toBeUndefined()
    expect(take('r3', { socketPath: join(run, 'o.sock') })).toBe('r2')
  })

  it.each(['', 'r1', '{', 'null', '[]', '{"replicaId":7}'])('is not known from %j', (text) => {
    const { take, path } = rig()
    writeFileSync(path, text)
    expect(take('r2')).toBeUndefined()
    expect(take('r3')).toBe('r2')
  })

  it('is done without where it cannot be written down, which is said', () => {
    const { take, path, lines } = rig()
    symlinkSync(join(path, 'nowhere'), path)
    expect(take('r1')).toBeUndefined()
    expect(lines.join()).toContain('Which replica this is cannot be written down')
  })
})

describe('a data folder that another replica uses, too', () => {
  function sharedWith(run: (take: ReturnType<typeof rig>['take'], scene: ReturnType<typeof rig>) => void): string[] {
    const scene = rig()
    const told: string[] = []
    const take: typeof scene.take = (replicaId, other = {}) => takePlace({ path: scene.path, socketPath: join(scene.folder, 'o.sock'), boot: 'b1', replicaId, log: createLog({ level: 'info', human: false, colour: false, write: () => undefined }), onShared: (id) => void told.push(id), ...other })
    run(take, scene)
    return told
  }

  it('is seen where another host mounts it, or the other one\'s socket is elsewhere, and not in a copy, nor in who had the place before', () => {
    expect(sharedWith((take) => [take('r1'), take('r2', { boot: 'b2' })])).toEqual(['r1'])
    expect(sharedWith((take, { folder }) => [take('r1'), take('r2', { socketPath: join(folder, 'other.sock') })])).toEqual(['r1'])
    expect(sharedWith((take) => [take('r1'), take('r2')])).toEqual([])
    expect(sharedWith((take, { path, folder }) => {
      take('r1')
      cpSync(path, join(folder, 'copy'))
      take('r2', { path: join(folder, 'copy'), boot: 'b2' })
    })).toEqual([])
  })

  it('is told of where that one lives on, and not where it has crashed', async () => {
    const { lines } = rig()
    const clock = createManualClock()
    const log = createLog({ level: 'info', human: false, colour: false, write: (text: string) => void lines.push(text) })
    const replicas = createReplicaStore(clock)
    for (const id of ['lives', 'crashed']) await replicas.announce({ id, address: 'tls://10.0.0.7:7401', version: '0.1.0' }, 3_000)
    const told = ['lives', 'crashed'].map((id) => tellOfShared({ replicas, clock, log }, id))
    clock.advance(2_000)
    await replicas.announce({ id: 'lives', address: 'tls://10.0.0.7:7401', version: '0.1.0' }, 3_000)
    clock.advance(2_000)
    await Promise.all(told)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/"peer":"lives","peerAddress":"tls:\/\/10\.0\.0\.7:7401".*Another replica runs over the same data folder/)
  })
})
