import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { doctorRig } from '../../../test/doctor-rig.ts'
import { runPortolan, stopPortolan } from '../../../test/portolan-process.ts'
import type { PortolanProcess } from '../../../test/portolan-process.ts'
import { openContext } from './context.ts'
import { portCheck } from './check-port.ts'
import { runningCheck } from './check-running.ts'

const rig = doctorRig()

async function start(configPath: string): Promise<PortolanProcess> {
  const portolan = runPortolan(['up', '--config', configPath, '--data', rig.dataPath, '--auth', 'none', '--log-level', 'silent', '--no-watch'])
  rig.onEnd(() => stopPortolan(portolan))
  await portolan.waitFor(/all servers/)
  return portolan
}

/** What doctor sees now: a context reads the file once. */
function look(configPath: string): ReturnType<typeof openContext> {
  const context = openContext({ configPath, dataPath: rig.dataPath, env: {} })
  rig.onEnd(context.close)
  return context
}

describe('the check of a running Portolan', { timeout: 30_000 }, () => {
  it('has nothing to look at where none runs', async () => {
    expect(await rig.run(runningCheck, rig.context({}))).toMatchObject([{ verdict: 'skipped' }])
  })

  it('tells a changed file, a refused reload, and another configuration; the port is its own', async () => {
    const written = (servers: object): string => JSON.stringify({ mcpServers: servers, portolan: { version: 1, listen: { port: 0 } } })
    const configPath = rig.file('portolan.json', written({ one: { command: 'cat', disabled: true } }))
    const portolan = await start(configPath)
    expect(await rig.run(runningCheck, look(configPath))).toMatchObject([{ verdict: 'ok', subject: `process ${portolan.child.pid}` }])

    const other = rig.file('other.json', written({}))
    expect(await rig.run(runningCheck, look(other))).toMatchObject([{ verdict: 'warning', explanation: expect.stringContaining(`serves ${configPath}, not ${other}`) }])

    writeFileSync(configPath, written({ one: { command: 'cat', disabled: true }, two: { command: 'nowhere', disabled: true } }))
    expect(await rig.run(runningCheck, look(configPath))).toMatchObject([
      { verdict: 'warning', explanation: `${configPath} has changed since it was read.`, next: `portolan reload --data ${rig.dataPath}` },
    ])

    writeFileSync(configPath, '{ "mcpServers": { "one": {} } }')
    portolan.child.kill('SIGHUP')
    let refused = await rig.run(runningCheck, look(configPath))
    for (let tries = 0; tries < 50 && refused[0]?.verdict !== 'problem'; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      refused = await rig.run(runningCheck, look(configPath))
    }
    expect(refused).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('The last reload was refused') }])
  })

  it('tells of other replicas that cannot be reached, or serve something else, and of hints that reach nobody', async () => {
    const configPath = rig.file('portolan.json', JSON.stringify({ mcpServers: {}, portolan: { version: 1, listen: { port: 0 } } }))
    await start(configPath)
    const context = look(configPath)
    const status = await context.running()
    if (status === undefined) throw new TypeError('it runs')
    const replica = { id: 'own', address: 'tls://10.0.0.1:1', peers: [], unreachable: [{ id: 'abcdefghijkl', address: 'tls://10.9.9.9:1' }], otherTokens: ['mnopqrstuvwx'], hints: { wire: 'nats', isUp: false, detail: 'lost' } } as const
    const among: typeof context = { ...context, running: () => Promise.resolve({ ...status, config: { ...status.config, elsewhere: '0123456789abcdef' }, replica }) }
    expect(await rig.run(runningCheck, among)).toMatchObject([
      { verdict: 'warning', subject: 'replicas', explanation: 'Another replica serves another configuration (0123456789ab): give all of them the same.' },
      { verdict: 'problem', subject: 'replica abcdefgh', explanation: expect.stringContaining('cannot be reached from here at tls://10.9.9.9:1'), next: `portolan status --data ${rig.dataPath}` },
      { verdict: 'problem', subject: 'replica mnopqrst', explanation: expect.stringContaining('It lets in another token') },
      { verdict: 'warning', subject: 'hints', explanation: expect.stringContaining('They do not reach the other replicas: lost') },
    ])
  })

  it('takes the port of its own Portolan for no fault', async () => {
    const configPath = rig.file('portolan.json', JSON.stringify({ mcpServers: {}, portolan: { version: 1, listen: { port: 0 } } }))
    const portolan = await start(configPath)
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(portolan.stdout())?.[1])
    const same = rig.file('same.json', JSON.stringify({ mcpServers: {}, portolan: { version: 1, listen: { port } } }))
    expect(await rig.run(portCheck, look(same))).toMatchObject([{ verdict: 'ok', explanation: expect.stringContaining('The Portolan of this data folder') }])
    const elsewhere = openContext({ configPath: same, dataPath: join(rig.folder, 'elsewhere'), env: {} })
    rig.onEnd(elsewhere.close)
    expect(await rig.run(portCheck, elsewhere)).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('Another Portolan') }])
  })
})
