import { mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { doctorRig } from '../../../test/doctor-rig.ts'
import { memoryCheck } from './check-memory.ts'
import { nodeFinding } from './check-node.ts'
import { watchesCheck } from './check-watches.ts'

const rig = doctorRig()
const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url))

/** A folder that tells of a system as /proc does. */
function procFile(path: string, text: string): string {
  mkdirSync(dirname(join(rig.folder, 'proc', path)), { recursive: true })
  rig.file(join('proc', path), text)
  return join(rig.folder, 'proc')
}

describe('the checks of the system', () => {
  it('refuse a Node.js before 22.19', () => {
    expect(nodeFinding('20.20.2', '/usr/bin/node')).toMatchObject({ verdict: 'problem', explanation: expect.stringContaining('needs 22.19') })
    expect(['22.19.0', '24.0.0'].map((version) => nodeFinding(version, '').verdict)).toEqual(['ok', 'ok'])
  })

  it.skipIf(process.platform === 'win32').each([
    [400, 1, 'problem'],
    [2_000, 0, 'warning'],
  ])('find that only %i files may be open', (limit, status, verdict) => {
    const command = `ulimit -n ${limit}; exec "$0" "$@"`
    const args = [process.execPath, main, 'doctor', '--only', 'open-files', '--json', '--data', rig.dataPath]
    const ran = spawnSync('/bin/sh', ['-c', command, ...args], { encoding: 'utf8', cwd: rig.folder, timeout: 20_000 })
    expect(JSON.parse(ran.stdout)).toMatchObject({ verdict, checks: [{ id: 'open-files', findings: [{ explanation: expect.stringContaining(String(limit)) }] }] })
    expect(ran.status).toBe(status)
  }, 30_000)

  it('find that the watchers of files are used up', async () => {
    procFile('sys/fs/inotify/max_user_instances', '2\n')
    const procPath = procFile('sys/fs/inotify/max_user_watches', '65536\n')
    expect(await rig.run(watchesCheck, rig.context({}, { procPath }))).toMatchObject([{ verdict: 'warning', explanation: expect.stringContaining('0 of 2 watchers') }])
    mkdirSync(join(procPath, '1/fd'), { recursive: true })
    for (const fd of ['3', '4']) symlinkSync('anon_inode:inotify', join(procPath, '1/fd', fd))
    expect(await rig.run(watchesCheck, rig.context({}, { procPath }))).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('2 of 2 watchers'), next: expect.stringContaining('sysctl') }])
  })

  it('find that hardly any memory is left', async () => {
    const verdictAt = async (kib: number): Promise<string | undefined> => {
      const procPath = procFile('meminfo', `MemTotal: 999999 kB\nMemAvailable:   ${kib} kB\n`)
      return (await rig.run(memoryCheck, rig.context({}, { procPath })))[0]?.verdict
    }
    expect([await verdictAt(50_000), await verdictAt(200_000)]).toEqual(['problem', 'warning'])
  })
})
