/** A network between a test and a service: it can be cut, fall silent, and heal. */
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface Network {
  /** On 127.0.0.1, in the place of the service's own. */
  readonly port: number
  /** Ends all connections, and refuses new ones. */
  cut(): void
  /** Nothing arrives any more, and nobody is told. */
  silence(): void
  /** What stands falls silent for good, and new connections pass: another server took the address over, `atPort` where it is said. */
  abandon(atPort?: number): void
  /** Each answer takes so much longer. */
  slow(ms: number): void
  heal(): void
  close(): Promise<void>
}

export async function startNetwork(port: number, host = '127.0.0.1'): Promise<Network> {
  const sockets = new Set<Socket>()
  let target = port
  const abandoned = new WeakSet<Socket>()
  let slowMs = 0
  let state: 'open' | 'silent' | 'cut' = 'open'
  const server = createServer((near) => {
    if (state === 'cut') return void near.destroy()
    const far = connect(target, host)
    for (const [from, to] of [[near, far], [far, near]] as const) {
      sockets.add(from)
      const pass = (chunk: Buffer): unknown => to.destroyed || state === 'silent' || abandoned.has(from) || to.write(chunk)
      from.on('data', (chunk: Buffer) => void (from === far && slowMs > 0 ? setTimeout(pass, slowMs, chunk) : pass(chunk)))
      from.on('error', () => undefined)
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    state = 'cut'
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    silence: () => void (state = 'silent'),
    abandon(atPort = target) {
      target = atPort
      for (const socket of sockets) abandoned.add(socket)
    },
    slow: (ms) => void (slowMs = ms),
    heal: () => void ([state, slowMs] = ['open', 0]),
    close: () => {
      cut()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
