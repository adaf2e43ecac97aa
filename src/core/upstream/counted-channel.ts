/** A session as others than its holder use it: who ends it can wait until they are answered. */
import type { ChannelCall, CallControl, LegacyChannel } from './channel.ts'

export interface CountedChannel {
  readonly channel: LegacyChannel
  /** Requests sent through it that are not over. */
  readonly inFlight: number
}

/** `onIdle` runs whenever the last request in flight is over. */
export function createCountedChannel(channel: LegacyChannel, onIdle: () => void): CountedChannel {
  let inFlight = 0
  const send = (call: ChannelCall): CallControl => {
    let isOver = false
    const over = (): void => {
      if (isOver) return
      isOver = true
      inFlight -= 1
      if (inFlight === 0) onIdle()
    }
    inFlight += 1
    const { handler } = call
    const control = channel.send({
      ...call,
      // Long responses are collected: piece by piece nobody here would see their end.
      handler: {
        onMessage: (message) => handler.onMessage(message),
        onSuspended: (retryMs) => handler.onSuspended?.(retryMs),
        onResponse(message) {
          over()
          handler.onResponse(message)
        },
        onFailure(failure) {
          over()
          handler.onFailure(failure)
        },
      },
    })
    return {
      abort(reason) {
        control.abort(reason)
        over()
      },
      resume: () => control.resume(),
    }
  }
  return {
    channel: {
      era: 'legacy',
      transport: channel.transport,
      revision: channel.revision,
      initializeResult: channel.initializeResult,
      nextId: () => channel.nextId(),
      send,
      notify: (text, headers) => channel.notify(text, headers),
      openStream: () => channel.openStream(),
      close: () => channel.close(),
      get closed() {
        return channel.closed
      },
    },
    get inFlight() {
      return inFlight
    },
  }
}
