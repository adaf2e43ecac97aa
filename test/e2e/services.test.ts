import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fencesOf, readDocument } from '../document.ts'
import { runPortolan } from '../portolan-process.ts'

const PAGE = 'docs/how-to/run-as-a-service.md'
const fences = fencesOf(readDocument(PAGE))
const units = fences.filter(({ language }) => language === 'ini').map(({ text }) => text)
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
const hasPlutil = spawnSync('plutil', ['-help']).status === 0

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-services-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the units of the documents', () => {
  it('are two for systemd and one for launchd', () => {
    expect(units).toHaveLength(2)
    expect(fences.filter(({ language }) => language === 'xml')).toHaveLength(1)
  })

  it.runIf(hasSystemd).each([['for yourself', 0, '--user'], ['for everybody', 1, '--system']])('are good in the eyes of systemd: %s', (_whose, index, flag) => {
    const file = join(folder, 'portolan.service')
    writeFileSync(file, (units[Number(index)] ?? '').replaceAll('/usr/local/bin/portolan', process.execPath))
    const env = { ...process.env, XDG_RUNTIME_DIR: folder, HOME: folder }
    const { status, stdout, stderr } = spawnSync('systemd-analyze', [flag, '--man=no', 'verify', file], { encoding: 'utf8', env, timeout: 30_000 })
    // A user that is made on the machine itself is not there yet, nor is a manager in a container.
    const said = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('portolan.service') && !/user .* not exist|Failed to (?:connect|determine user)/i.test(line))
    expect({ status: said.length === 0 ? 0 : status, said }).toEqual({ status: 0, said: [] })
  })

  it.runIf(hasPlutil)('are good in the eyes of launchd', () => {
    const file = join(folder, 'portolan.plist')
    writeFileSync(file, fences.find(({ language }) => language === 'xml')?.text ?? '')
    execFileSync('plutil', ['-lint', file])
  })

  it('start what there is: their arguments are understood, and their words for a bad configuration are true', { timeout: 60_000 }, async () => {
    const starts = [
      ...units.map((unit) => /^ExecStart=\/usr\/local\/bin\/portolan (.*)$/m.exec(unit)?.[1]?.split(' ') ?? []),
      [...(fences.find(({ language }) => language === 'xml')?.text ?? '').split('</array>')[0]?.matchAll(/<string>([^<]*)<\/string>/g) ?? []].map(([, one = '']) => one).slice(2),
    ]
    const config = join(folder, 'bad.json')
    writeFileSync(config, '{ "mcpServers": { "mcp": {} } }')
    for (const given of starts) {
      const args = given.map((one) => (one.endsWith('portolan.json') ? config : one === '/var/lib/portolan' ? join(folder, 'data') : one))
      expect(args.slice(0, 3)).toEqual(['up', '--config', config])
      const { code } = await runPortolan([...args, '--port', '0', ...(args.includes('--data') ? [] : ['--data', join(folder, 'data')])]).exited
      expect(code).toBe(2)
    }
    for (const unit of units) expect(unit).toContain('RestartPreventExitStatus=2')
  })
})
