import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { doctorRig } from '../../../test/doctor-rig.ts'
import { portCheck } from './check-port.ts'

const rig = doctorRig()

/** A process of its own that listens on a free port. */
async function occupy(answer: string): Promise<{ port: number; pid: number }> {
  const { args } = rig.script('occupant.mjs', `
    import { createServer } from 'node:http'
    const server = createServer((request, response) => { ${answer} })
    server.listen(0, '127.0.0.1', () => console.log(server.address().port))
  `)
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  rig.onEnd(() => child.kill())
  const [line] = await once(child.stdout, 'data')
  return { port: Number(String(line)), pid: child.pid ?? 0 }
}

const listenOn = (port: number, host = '127.0.0.1') => ({ portolan: { listen: { host, port } } })

describe('the check of the port', { timeout: 30_000 }, () => {
  it('is content with a free one', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    expect(await rig.run(portCheck, rig.context({}, listenOn(port)))).toMatchObject([{ verdict: 'ok', subject: `127.0.0.1:${port}` }])
  })

  it('names the process that has it, and a port that is free', async () => {
    const { port, pid } = await occupy(`response.end('hello')`)
    const [finding] = await rig.run(portCheck, rig.context({}, listenOn(port)))
    expect(finding).toMatchObject({ verdict: 'problem', next: expect.stringMatching(/^portolan up --port \d+$/) })
    if (process.platform === 'linux') expect(finding?.explanation).toMatch(new RegExp(`occupant\\.mjs \\(process ${pid}\\)`))
  })

  it('recognizes another Portolan by its challenge', async () => {
    const { port } = await occupy(`response.writeHead(401, { 'www-authenticate': 'Bearer realm="portolan"' }); response.end()`)
    expect(await rig.run(portCheck, rig.context({}, listenOn(port)))).toMatchObject([{ verdict: 'problem', explanation: expect.stringContaining('Another Portolan') }])
  })

  it('says that an address is not of this machine', async () => {
    const options = { portolan: { listen: { host: '192.0.2.1', port: 7400, trustedProxies: ['127.0.0.1'] } } }
    expect(await rig.run(portCheck, rig.context({}, options))).toMatchObject([{ verdict: 'problem', explanation: '192.0.2.1 is no address of this machine.' }])
  })

  it('finds a unix socket that another process listens on, and one that was left behind', async () => {
    const socket = join(rig.folder, 's.sock')
    const server = createServer().listen(socket)
    await once(server, 'listening')
    rig.onEnd(() => server.close())
    const context = rig.context({}, { portolan: { listen: { socket } } })
    expect(await rig.run(portCheck, context)).toMatchObject([{ verdict: 'problem', explanation: 'Another process listens on this socket.' }])
    const left = rig.file('left.sock', '')
    expect(await rig.run(portCheck, rig.context({}, { portolan: { listen: { socket: left } } }))).toMatchObject([{ verdict: 'warning' }])
  })
})
