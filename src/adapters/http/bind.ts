/** Where the listener listens: TCP addresses or a unix socket, with errors that say what to do. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import type { Server } from 'node:net'

export type ListenTarget =
  /** `localhost` is both loopback addresses where the machine has both; port 0 takes a free one. */
  | { readonly host: string; readonly port: number }
  | { readonly socketPath: string }

export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** Listening failed; the message says what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly code: 'address_in_use' | 'address_unavailable' | 'permission_denied' | 'listen_failed'

  /** The address or path that another process listens on; '' for other failures. */
  readonly takenAt: string

  constructor(code: ListenError['code'], message: string, cause: unknown, takenAt = '') {
    super(message, { cause })
    this.code = code
    this.takenAt = takenAt
  }
}

/** How many free ports are tried until one is free on both loopback addresses. */
const PORT_TRIES = 20

/** Binds servers that `open` makes. On failure nothing stays bound. */
export async function bind(target: ListenTarget, open: () => Server): Promise<{ servers: Server[]; addresses: Address[] }> {
  if ('socketPath' in target) return bindUnix(target.socketPath, open)
  if (target.host !== 'localhost') {
    const server = open()
    return { servers: [server], addresses: [await bindTcp(server, target.host, target.port)] }
  }
  for (let attempt = 1; ; attempt++) {
    const four = open()
    const first = await bindTcp(four, '127.0.0.1', target.port)
    const six = open()
    try {
      const second = await bindTcp(six, '::1', first.port)
      return { servers: [four, six], addresses: [first, second] }
    } catch (error) {
      if (error instanceof ListenError && error.code === 'address_unavailable') return { servers: [four], addresses: [first] }
      await new Promise((resolve) => four.close(resolve))
      if (target.port !== 0 || attempt === PORT_TRIES) throw error
    }
  }
}

async function bindTcp(server: Server, host: string, port: number): Promise<Extract<Address, { kind: 'tcp' }>> {
  try {
    await listening(server, () => server.listen({ host, port }))
  } catch (error) {
    throw explain(error, host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
  }
  const bound = server.address()
  return { kind: 'tcp', host, port: typeof bound === 'object' && bound !== null ? bound.port : port }
}

async function bindUnix(path: string, open: () => Server): Promise<{ servers: Server[]; addresses: Address[] }> {
  await removeStale(path)
  const server = open()
  // Made with mode 0600: between bind and a later chmod another user could connect.
  const mask = process.umask(0o177)
  try {
    await listening(server, () => server.listen({ path }))
    chmodSync(path, 0o600)
  } catch (error) {
    throw explain(error, path)
  } finally {
    process.umask(mask)
  }
  return { servers: [server], addresses: [{ kind: 'unix', path }] }
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    listen()
  })
}

/** A socket file outlives a killed process. It is removed only where nobody answers, and only if it is a socket. */
async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket()) throw new ListenError('address_in_use', `${path} exists and is no socket. Remove it or choose another path.`, undefined)
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect({ path })
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error) => resolve(codeOf(error) !== 'ECONNREFUSED' && codeOf(error) !== 'ENOENT'))
  })
  if (answers) throw inUse(path, undefined)
  unlinkSync(path)
}

function explain(error: unknown, where: string): ListenError {
  const code = codeOf(error)
  if (code === 'EADDRINUSE') return inUse(where, error)
  if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT' || code === 'ENOTFOUND') {
    return new ListenError('address_unavailable', `Cannot listen on ${where}: this machine has no such address. Choose another host.`, error)
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new ListenError('permission_denied', `Not allowed to listen on ${where}. Choose a port above 1023 or a path you may write.`, error)
  }
  return new ListenError('listen_failed', `Cannot listen on ${where}: ${error instanceof Error ? error.message : String(error)}`, error)
}

function inUse(where: string, cause: unknown): ListenError {
  const advice = 'Another process listens there, perhaps another Portolan. Stop it or choose another port or path.'
  return new ListenError('address_in_use', `${where} is in use. ${advice}`, cause, where)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
