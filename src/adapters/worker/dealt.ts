/** What a worker is dealt: connections that its supervisor accepted. */

import { Socket } from 'node:net'
import { DEAL, REFUSED, TAKEN } from './deal.ts'

export interface DealtChannel {
  send?(message: object): boolean
  on(event: 'message', take: (message: unknown, handle: unknown) => void): unknown
}

/**
 * `take` says whether it will have the connection; it begins to read only when `start` is called, after the supervisor was told: a
 * connection that was read from must never be given to another worker.
 */
export function onDealt(channel: DealtChannel, take: (socket: Socket) => { start(): void } | undefined): void {
  channel.on('message', (message, handle) => {
    if (typeof message !== 'object' || message === null || !('kind' in message) || message.kind !== DEAL || !('id' in message)) return
    // The client may have gone while it was on its way.
    const taken = handle instanceof Socket ? take(handle) : { start: () => undefined }
    channel.send?.({ kind: taken === undefined ? REFUSED : TAKEN, id: message.id })
    if (taken !== undefined) taken.start()
    else if (handle instanceof Socket) handle.destroy()
  })
}
