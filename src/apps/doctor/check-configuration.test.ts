import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { doctorRig } from '../../../test/doctor-rig.ts'
import { configurationCheck } from './check-configuration.ts'
import { referencesCheck } from './check-references.ts'

const rig = doctorRig()
const files = { command: 'cat' }

describe('the check of the configuration', () => {
  it('says how many servers are enabled', async () => {
    const context = rig.context({ files, off: { ...files, disabled: true } })
    expect(await rig.run(configurationCheck, context)).toMatchObject([{ verdict: 'ok', explanation: '1 server enabled.' }])
  })

  it('tells each mistake by its path, and goes on with the servers that have none', async () => {
    const context = rig.context({ files, broken: { args: [] } }, { portolan: { pagesize: 1 } })
    expect(await rig.run(configurationCheck, context)).toMatchObject([
      { verdict: 'problem', subject: 'portolan.pagesize', explanation: expect.stringContaining('Did you mean') },
      { verdict: 'problem', subject: 'mcpServers.broken', next: expect.stringContaining('portolan config check -c ') },
    ])
    expect(context.servers.map(({ name }) => name)).toEqual(['files'])
  })

  it('says that there is no such file', async () => {
    const context = rig.context({}, { configPath: join(rig.folder, 'missing.json') })
    expect(await rig.run(configurationCheck, context)).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('There is no such file') }])
  })
})

describe('the check of references', () => {
  it('names a variable that is not set and a file that cannot be read, and leaves other servers alone', async () => {
    const context = rig.context({ files, one: { ...files, env: { KEY: 'env:MISSING_KEY' } }, two: { url: 'http://127.0.0.1:9/mcp', headers: { 'X-Key': 'file:/nowhere/key' } } })
    expect(await rig.run(referencesCheck, context)).toMatchObject([
      { verdict: 'problem', subject: 'mcpServers.one.env.KEY', next: 'export MISSING_KEY=…' },
      { verdict: 'problem', subject: 'mcpServers.two.headers.X-Key', next: 'ls -l /nowhere/key' },
    ])
    expect(await rig.run(configurationCheck, context)).toMatchObject([{ verdict: 'ok' }])
    expect(context.servers.map(({ name }) => name)).toEqual(['files'])
  })

  it('warns of a variable that is empty, and of one that is passed on as its name', async () => {
    const context = rig.context({ one: { ...files, env: { A: '${EMPTY}', B: 'Bearer $UNSET_TOKEN', C: '${SET}' } } }, { env: { EMPTY: '', SET: 'x' } })
    expect(await rig.run(referencesCheck, context)).toMatchObject([
      { verdict: 'warning', subject: 'mcpServers.one.env.A', explanation: expect.stringContaining('EMPTY is set, but empty') },
      { verdict: 'warning', subject: 'mcpServers.one.env.B', explanation: expect.stringContaining('"$UNSET_TOKEN" is passed on') },
    ])
  })
})
