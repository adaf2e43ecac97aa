import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { doctorRig } from '../../../test/doctor-rig.ts'
import { commandCheck } from './check-command.ts'

const rig = doctorRig()

/** A folder of programs, to be a whole PATH. */
function programs(folder: string, names: readonly string[]): string {
  mkdirSync(join(rig.folder, folder), { recursive: true })
  for (const name of names) rig.file(join(folder, name), '#!/bin/sh\n', 0o755)
  return join(rig.folder, folder)
}

describe.skipIf(process.platform === 'win32')('the check of commands', () => {
  it('says which file a command is', async () => {
    const bin = programs('bin', ['small-server'])
    const context = rig.context({ one: { command: 'small-server' } }, { env: { PATH: bin } })
    expect(await rig.run(commandCheck, context)).toMatchObject([{ verdict: 'ok', explanation: `small-server is ${join(bin, 'small-server')}.` }])
  })

  it('shows where a missing command was looked for, and one that is nearly it', async () => {
    const bin = programs('bin', ['small-server'])
    const [finding] = await rig.run(commandCheck, rig.context({ one: { command: 'smal-server' } }, { env: { PATH: bin } }))
    expect(finding).toMatchObject({ verdict: 'problem', explanation: `There is no program smal-server. Did you mean small-server? It was looked for in ${bin}.` })
  })

  it('knows a file that cannot be executed, a missing working directory, and a script without its interpreter', async () => {
    const bin = programs('bin', [])
    const path = rig.file('bin/closed', 'x', 0o644)
    rig.file('bin/script', '#!/usr/bin/env no-such-language\n', 0o755)
    const context = rig.context({ one: { command: path }, two: { command: path, cwd: '/nowhere/at/all' }, three: { command: 'script' } }, { env: { PATH: bin } })
    expect(await rig.run(commandCheck, context)).toMatchObject([
      { verdict: 'problem', subject: 'one', next: `chmod +x ${path}` },
      { verdict: 'problem', subject: 'two', next: 'mkdir -p /nowhere/at/all' },
      { verdict: 'problem', subject: 'three', explanation: expect.stringContaining('a script for no-such-language'), next: 'command -v no-such-language' },
    ])
  })

  it('warns of a program that only a shell with a version manager finds', async () => {
    const bin = programs('.nvm/versions/node/v24.0.0/bin', ['npx'])
    const [finding] = await rig.run(commandCheck, rig.context({ one: { command: 'npx', args: ['-y', 'x'] } }, { env: { PATH: `${bin}:${dirname(process.execPath)}:/bin` } }))
    expect(finding).toMatchObject({ verdict: 'warning', explanation: expect.stringContaining(`"command": "${join(bin, 'npx')}"`) })
  })
})
