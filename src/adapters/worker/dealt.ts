/** What a worker is dealt: connections that its supervisor accepted. */

import { Socket } from 'node:net'
import { DEAL, REFUSED, TAKEN } from './deal.ts'

export interface DealtChannel {
  send?(message: object, handle: undefined, options: undefined, done: (error: Error | null) => void): boolean
  on(event: 'message', take: (message: unknown, handle: unknown) => void): unknown
}

/**
 * `take` says whether it will have the connection; nobody reads from it until `start` is called, which is when the
 * answer has left: a connection that was read from must never be given to another worker.
 */
export function onDealt(channel: DealtChannel, take: (socket: Socket) => { start(): void } | undefined): void {
  channel.on('message', (message, handle) => {
    if (typeof message !== 'object' || message === null || !('kind' in message) || message.kind !== DEAL || !('id' in message)) return
    // The client may have gone while it was on its way.
    const taken = handle instanceof Socket ? take(handle) : { start: () => undefined }
    const startReading = handle instanceof Socket ? stopReading(handle) : undefined
    channel.send?.({ kind: taken === undefined ? REFUSED : TAKEN, id: message.id }, undefined, undefined, (error) => {
      if (error !== null || taken === undefined) return closeHere(handle)
      startReading?.()
      taken.start()
    })
  })
}

/** The supervisor has it, too: it stays open. */
function closeHere(handle: unknown): void {
  if (handle instanceof Socket) handle.destroy()
}

/** node:net reads on from the first moment from what came over a channel, paused or not, and has no other way to say when. */
function stopReading(socket: Socket): () => void {
  const inner: unknown = Reflect.get(socket, '_handle')
  if (socket.destroyed) return () => undefined
  if (!isReader(inner)) throw new TypeError('A connection of node:net cannot be kept from reading')
  inner.readStop()
  return () => void (Reflect.get(socket, '_handle') === inner && inner.readStart())
}

function isReader(inner: unknown): inner is { readStart(): void; readStop(): void } {
  return typeof inner === 'object' && inner !== null && 'readStop' in inner && typeof inner.readStop === 'function' && 'readStart' in inner && typeof inner.readStart === 'function'
}
