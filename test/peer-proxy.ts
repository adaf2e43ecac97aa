/** Somebody on the network between two replicas: sees all bytes, and may change, repeat or keep them. */
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'

export interface PeerProxy {
  readonly address: string
  /** All that askers sent so far. */
  seen(): string
  /** What happens to each piece of an answer. */
  alter: (piece: string) => string
  /** No byte passes any more, either way, and nothing is closed. */
  freeze(): void
  close(): void
}

export async function openProxy(target: string): Promise<PeerProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let seen = ''
  let isFrozen = false
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    near.on('data', (bytes) => {
      if (isFrozen) return
      seen += bytes.toString('latin1')
      far.write(bytes)
    })
    far.on('data', (bytes) => {
      if (!isFrozen) near.write(proxy.alter(bytes.toString('latin1')), 'latin1')
    })
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  const proxy: PeerProxy = {
    address: `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`,
    seen: () => seen,
    alter: (piece) => piece,
    freeze: () => void (isFrozen = true),
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
  return proxy
}

/** Sends bytes as they are; resolves with all that comes back once the other side has closed. */
export function sendRaw(target: string, bytes: string, thenEnd = false): Promise<string> {
  const { hostname, port } = new URL(target)
  return new Promise((resolve) => {
    let got = ''
    const socket = connect(Number(port), hostname, () => {
      if (thenEnd) socket.end(bytes, 'latin1')
      else socket.write(bytes, 'latin1')
    })
    socket.on('data', (piece) => (got += piece.toString('latin1')))
    socket.on('error', () => {})
    socket.on('close', () => resolve(got))
  })
}
