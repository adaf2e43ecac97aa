import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { doctorRig } from '../../../test/doctor-rig.ts'
import { dataCheck } from './check-data.ts'
import { diskCheck, diskFinding } from './check-disk.ts'

const rig = doctorRig()

describe('the check of the data folder', () => {
  it('is content with one that the first start makes, and with one that is private', async () => {
    const context = rig.context({})
    expect(await rig.run(dataCheck, context)).toMatchObject([{ verdict: 'ok', explanation: 'It is made at the first start.' }])
    rig.file(join('..', rig.dataPath.slice(rig.folder.lastIndexOf('/') + 1), 'token'), 'x')
    expect(await rig.run(dataCheck, context)).toMatchObject([{ verdict: 'ok' }])
  })

  it('finds a folder and a token that others can open, and closes both when asked to', async () => {
    chmodSync(rig.dataPath, 0o755)
    const token = rig.file('data/token', 'secret-token-text', 0o640)
    const context = rig.context({})
    const findings = await rig.run(dataCheck, context)
    expect(findings).toMatchObject([
      { verdict: 'problem', subject: rig.dataPath, next: `chmod 700 ${rig.dataPath}` },
      { verdict: 'problem', subject: token, explanation: expect.stringContaining('mode 640'), next: `chmod 600 ${token}` },
    ])
    expect(JSON.stringify(findings)).not.toContain('secret-token-text')
    for (const { fix } of findings) fix?.()
    expect((statSync(token).mode & 0o777).toString(8)).toBe('600')
    expect(await rig.run(dataCheck, context)).toMatchObject([{ verdict: 'ok' }])
  })

  it('finds a ledger that cannot be written, and a folder that is a file', async () => {
    mkdirSync(join(rig.dataPath, 'ledger.jsonl'), { mode: 0o700 })
    expect(await rig.run(dataCheck, rig.context({}))).toMatchObject([{ verdict: 'problem', explanation: 'The ledger is no file.' }])
    const path = rig.file('no-folder', '')
    expect(await rig.run(dataCheck, rig.context({}, { dataPath: path }))).toMatchObject([{ verdict: 'problem', explanation: 'It is no folder.' }])
    expect(await rig.run(dataCheck, rig.context({}, { dataPath: join(path, 'deeper') }))).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('cannot be made in') }])
  })
})

describe('the check of the disk', () => {
  it('says how much is free', async () => {
    expect(await rig.run(diskCheck, rig.context({}))).toMatchObject([{ explanation: expect.stringMatching(/^\d+ [MG]iB free|^Only/) }])
  })

  it.runIf(process.platform === 'linux')('finds a file system that takes nothing more', async () => {
    // /proc has no room, ever.
    expect(await rig.run(diskCheck, rig.context({}, { dataPath: '/proc/self/portolan' }))).toMatchObject([{ verdict: 'problem' }])
  })

  it('warns before it is full, and knows one that has room but no inodes', () => {
    const MIB = 1024 * 1024
    expect(diskFinding('/x', { freeBytes: 100 * MIB, freeFiles: 1e6 }).verdict).toBe('warning')
    expect(diskFinding('/x', { freeBytes: 1e12, freeFiles: 0 })).toMatchObject({ verdict: 'problem', next: 'df -i /x' })
  })
})
