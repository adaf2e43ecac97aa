/** Whether the address of the configuration is free, and who has it where it is not. */

import { createServer, connect } from 'node:net'
import { existsSync } from 'node:fs'
import type { ListenTarget } from '../../adapters/http/bind.ts'
import { ok, problem, shellWord, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import { findListening } from './listening-process.ts'

export const portCheck: Check = {
  id: 'port',
  looksAt: 'whether the address to listen on is free, and who has it where it is not',
  async run(context) {
    const target = context.settings?.listener.listen
    if (target === undefined) return [skipped('The settings have mistakes: see configuration.')]
    if ('socketPath' in target) return [await socketFinding(target.socketPath, context)]
    return [await tcpFinding(target, context)]
  },
}

type TcpTarget = Extract<ListenTarget, { port: number }>

async function tcpFinding(target: TcpTarget, context: DoctorContext): Promise<Finding> {
  const { host, port } = target
  const subject = `${host.includes(':') ? `[${host}]` : host}:${port}`
  if (port === 0) return ok(subject, 'Any free port is taken.')
  const code = await listenCode(host, port)
  if (code === '') return ok(subject, 'It is free.')
  if (code === 'EACCES') return problem(subject, `Port ${port} needs privileges that this user does not have.`, `portolan up --port ${await freePort(host, 7400)}`)
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return problem(subject, `${host} is no address of this machine.`, 'portolan up --host 127.0.0.1')
  if (code !== 'EADDRINUSE') return problem(subject, `It cannot be listened on (${code}).`, 'portolan up --host 127.0.0.1')
  return await takenFinding(target, subject, context)
}

async function takenFinding({ host, port }: TcpTarget, subject: string, context: DoctorContext): Promise<Finding> {
  const running = await context.running()
  if (running?.listening.some((address) => address.endsWith(`:${port}`)) === true) {
    return ok(subject, `The Portolan of this data folder listens there (process ${running.pid}).`)
  }
  const other = await findListening(port, context.procPath)
  const isPortolan = await looksLikePortolan(host, port, context)
  const next = `portolan up --port ${await freePort(host, port + 1)}`
  const who = other === undefined ? 'a process that the system does not name' : `${other.name} (process ${other.pid})`
  if (isPortolan) return problem(subject, `Another Portolan, with another data folder, listens there: ${who}.`, other === undefined ? next : `kill ${other.pid}`)
  return problem(subject, `It is taken by ${who}. Stop that, or choose another port.`, next)
}

/** '' where it can be listened on, else the error's code. */
function listenCode(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve('code' in error ? String(error.code) : error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve('')))
  })
}

const TRIES = 50

async function freePort(host: string, from: number): Promise<number> {
  for (let port = from; port < Math.min(from + TRIES, 65_536); port += 1) if ((await listenCode(host, port)) === '') return port
  return 0
}

/** Only Portolan answers its probe with these words. */
async function looksLikePortolan(host: string, port: number, { ask }: DoctorContext): Promise<boolean> {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  const base = `http://${name.includes(':') ? `[${name}]` : name}:${port}`
  const [health, ready, mcp] = await Promise.all(
    ['/healthz', '/readyz', '/mcp'].map((path) => ask({ method: path === '/mcp' ? 'POST' : 'GET', url: base + path, timeoutMs: 1_500 })),
  )
  if (mcp?.wwwAuthenticate.includes('realm="portolan"') === true) return true
  return health?.body === 'ok\n' && /^(?:ok|not ready)\n$/.test(ready?.body ?? '')
}

async function socketFinding(path: string, context: DoctorContext): Promise<Finding> {
  if (!existsSync(path)) return ok(path, 'It is free.')
  const answers = await new Promise<boolean>((resolve) => {
    const socket = connect({ path }, () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })
  if (!answers) return warning(path, 'Something left it behind; the next start removes it where it is a socket.', `ls -l ${shellWord(path)}`)
  const running = await context.running()
  if (running?.listening.includes(path) === true) return ok(path, `The Portolan of this data folder listens there (process ${running.pid}).`)
  return problem(path, 'Another process listens on this socket.', `lsof ${shellWord(path)}`)
}
