/**
 * Closes a connection whose request was answered before it had wholly arrived. A plain close would reset it and the
 * answer could be lost on the way; reading on for ever would let the client send without bound. So: end our side, drop
 * what still comes within bounds of bytes and time, then cut.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

const LINGER_BYTES = 256 * 1024
const LINGER_MS = 1_000

/** Makes the end of the answer to `request` a lingering close. Call it before the answer is written. */
export function lingerAfterAnswer(request: IncomingMessage, socket: Socket): void {
  let droppedBytes = 0
  request.on('data', (chunk: Buffer) => {
    droppedBytes += chunk.length
    if (droppedBytes > LINGER_BYTES) socket.destroy()
  })
  request.resume()
  // node:http calls it once the last answer on a connection is flushed; with bytes unread it would send a reset.
  socket.destroySoon = () => endAndLinger(socket)
}

/** Ends our side and gives the peer a moment to take the last answer. `last` is written first. */
export function endAndLinger(socket: Socket, last = ''): void {
  if (last === '') socket.end()
  else socket.end(last, 'latin1')
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
}
