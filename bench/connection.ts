// One keep-alive connection of the load generator: asks, waits for the whole reply, hands it over. Reconnects when the
// other side closes. Bytes are received into one buffer shared by all connections (nothing reads two at once).
import { connect, type Socket } from 'node:net'
import type { Target } from './cases.ts'
import { createReplyReader, type Reply } from './reply-reader.ts'

const RECEIVE_BUFFER = Buffer.allocUnsafe(256 * 1024)
const REPLY_TIMEOUT_MS = 15_000

export type Connection = {
  /** Sends one request. `onReply` runs once, with the reply or an Error. Not to be called while one is in flight. */
  ask(request: Buffer, onReply: (reply: Reply | Error) => void): void
  close(): void
}

/** Opens the connection at the first request. */
export function createConnection(target: Target): Connection {
  let socket: Socket | null = null
  let reader = createReplyReader()
  let waiting: ((reply: Reply | Error) => void) | null = null
  let sentAtMs = 0
  const settle = (outcome: Reply | Error): void => {
    const done = waiting
    waiting = null
    done?.(outcome)
  }
  const drop = (reason: Error): void => {
    socket?.destroy()
    socket = null
    if (waiting !== null) settle(reason)
  }
  const receive = (byteCount: number): boolean => {
    try {
      const reply = reader.push(RECEIVE_BUFFER.subarray(0, byteCount))
      if (reply === null) return true
      if (reply.closes) {
        socket?.destroy()
        socket = null
      }
      settle(reply)
    } catch (error) {
      drop(error instanceof Error ? error : new Error(String(error)))
    }
    return true
  }
  const open = (): Socket => {
    reader = createReplyReader()
    const opened = connect({ host: target.host, port: target.port, noDelay: true, onread: { buffer: RECEIVE_BUFFER, callback: receive } })
    opened.on('error', (error) => opened === socket && drop(error))
    opened.on('close', () => {
      if (opened !== socket) return
      const last = reader.end()
      socket = null
      if (waiting !== null) settle(last ?? new Error('connection closed before the reply'))
    })
    return opened
  }
  const watch = setInterval(() => {
    if (waiting !== null && performance.now() - sentAtMs > REPLY_TIMEOUT_MS) drop(new Error(`no reply within ${REPLY_TIMEOUT_MS} ms`))
  }, 1000)
  return {
    ask(request, onReply) {
      waiting = onReply
      sentAtMs = performance.now()
      socket ??= open()
      socket.write(request)
    },
    close() {
      clearInterval(watch)
      waiting = null
      socket?.destroy()
      socket = null
    },
  }
}

/** One request on a connection of its own choosing, as a promise with the body copied out. Rejects on transport errors. */
export function askOnce(connection: Connection, request: Buffer): Promise<Reply> {
  return new Promise((resolve, reject) => {
    connection.ask(request, (reply) => {
      if (reply instanceof Error) reject(reply)
      else resolve({ ...reply, body: Buffer.from(reply.body) })
    })
  })
}
