/** Somebody on the network between two processes: sees all bytes, and may change, repeat, keep or lose them. */
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** All that clients sent so far. */
  seen(): string
  /** What happens to each piece of an answer. */
  alter: (piece: string) => string
  /** Bytes of its own for the server, on the newest connection. */
  inject(bytes: string): void
  /** No byte passes any more, either way, and nothing is closed; until `thaw`. */
  freeze(): void
  thaw(): void
  /** Ends all connections there are. */
  cut(): void
  close(): void
}

export async function openTcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let seen = ''
  let isFrozen = false
  let newest: Socket | undefined
  const server = createServer((near) => {
    const far = connect(target.port, target.host)
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    newest = far
    near.on('data', (bytes) => {
      seen += bytes.toString('latin1')
      far.write(bytes)
    })
    far.on('data', (bytes) => void near.write(proxy.alter(bytes.toString('latin1')), 'latin1'))
    if (isFrozen) for (const socket of [near, far]) socket.pause()
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  const proxy: TcpProxy = {
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    seen: () => seen,
    alter: (piece) => piece,
    inject: (bytes) => void newest?.write(bytes, 'latin1'),
    freeze() {
      isFrozen = true
      for (const socket of sockets) socket.pause()
    },
    thaw() {
      isFrozen = false
      for (const socket of sockets) socket.resume()
    },
    cut,
    close() {
      server.close()
      cut()
    },
  }
  return proxy
}

/** Sends bytes as they are; resolves with all that comes back once the other side has closed. */
export function sendRaw(target: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(target)
  return new Promise((resolve) => {
    let got = ''
    const socket = connect(Number(port), hostname, () => socket.write(bytes, 'latin1'))
    socket.on('data', (piece) => (got += piece.toString('latin1')))
    socket.on('error', () => {})
    socket.on('close', () => resolve(got))
  })
}
