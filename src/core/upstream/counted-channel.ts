/** A session as others than its holder use it: who ends it can wait until they are answered. */
import type { ChannelCall, CallControl, Channel, LegacyChannel } from './channel.ts'

export interface Flights {
  /** Requests sent through it that are not over. */
  readonly inFlight: number
  send(channel: Pick<Channel, 'send'>, call: ChannelCall): CallControl
}

/** `onIdle` runs whenever the last request in flight is over. */
export function createFlights(onIdle: () => void): Flights {
  let inFlight = 0
  return {
    send(channel, call) {
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
        abort(reason, onLate) {
          control.abort(reason, onLate)
          over()
        },
        resume: () => control.resume(),
      }
    },
    get inFlight() {
      return inFlight
    },
  }
}

export interface CountedChannel {
  readonly channel: LegacyChannel
  /** Requests sent through it that are not over. */
  readonly inFlight: number
}

export function createCountedChannel(channel: LegacyChannel, onIdle: () => void): CountedChannel {
  const flights = createFlights(onIdle)
  return {
    channel: withSend(channel, (call) => flights.send(channel, call)),
    get inFlight() {
      return flights.inFlight
    },
  }
}

/** The same session, sent to in another way. */
export function withSend(channel: LegacyChannel, send: Channel['send']): LegacyChannel {
  return {
    era: 'legacy',
    transport: channel.transport,
    revision: channel.revision,
    initializeResult: channel.initializeResult,
    nextId: () => channel.nextId(),
    send,
    notify: (text, headers) => channel.notify(text, headers),
    openStream: () => channel.openStream(),
    ...(channel.hold === undefined ? {} : { hold: channel.hold }),
    close: () => channel.close(),
    get closed() {
      return channel.closed
    },
  }
}
